/* The Rice code of tile-compressed FITS images (RICE_1), for integers of 1, 2 and 4 bytes.
 *
 * White, Greenfield, Pence, Tody & Seaman, "Tiled Image Convention for Storing Compressed Images in
 * FITS Binary Tables", section on RICE_1: the first value as it is; then, for each block of values,
 * the differences of neighbours, folded to unsigned numbers (0, -1, 1, -2 ... to 0, 1, 2, 3 ...) and
 * each written as a unary part and its FS lowest bits. All arithmetic wraps at the integer's width.
 *
 * Memory comes from Python; nothing is read or written outside of it, whatever the code says. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCK 256

/* Per width: bits of the FS field, its largest value (a block of raw differences), bits of a value.
 */
struct width {
    int field, escape, bits;
};

static const struct width *width_of(int size)
{
    static const struct width one = {3, 7, 8}, two = {4, 15, 16}, four = {5, 26, 32};
    return size == 1 ? &one : size == 2 ? &two : size == 4 ? &four : NULL;
}

static inline uint32_t value_at(const void *values, int size, size_t i)
{
    return size == 4   ? ((const uint32_t *)values)[i]
           : size == 2 ? ((const uint16_t *)values)[i]
                       : ((const uint8_t *)values)[i];
}

/* Bits on their way out: the lowest `count` of `word` are not written yet. */
struct writer {
    uint64_t word;
    int count;
    uint8_t *at;
};

/* Append up to 32 bits; whole groups of 32 leave for the memory. */
static inline void put(struct writer *w, uint32_t value, int n)
{
    w->word = w->word << n | value;
    w->count += n;
    if (w->count >= 32) {
        w->count -= 32;
        uint32_t whole = __builtin_bswap32((uint32_t)(w->word >> w->count));
        memcpy(w->at, &whole, 4);
        w->at += 4;
    }
}

static inline void put_zeros(struct writer *w, uint32_t n)
{
    for (; n >= 32; n -= 32)
        put(w, 0, 32);
    put(w, 0, (int)n);
}

/* Folded differences of a block; their sum decides how it is written. */
static inline __attribute__((always_inline)) uint64_t fold(
    const void *values, int size, size_t first, size_t n, uint32_t before, uint32_t *folded)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t value = value_at(values, size, first + i), difference = value - before;
        before = value;
        if (size == 2)
            difference = (uint32_t)(int32_t)(int16_t)difference;
        else if (size == 1)
            difference = (uint32_t)(int32_t)(int8_t)difference;
        folded[i] = difference << 1 ^ (uint32_t)((int32_t)difference >> 31);
        sum += folded[i];
    }
    return sum;
}

/* The number of low bits: about the logarithm of half the mean, as every encoder of this code. */
static inline int low_bits(uint64_t sum, size_t n)
{
    uint64_t half = sum > n / 2 ? (sum - n / 2 - 1) / n >> 1 : 0;
    return half ? 64 - __builtin_clzll(half) : 0;
}

static inline __attribute__((always_inline)) size_t encode_as(
    const void *values, int size, size_t n, size_t block, uint8_t *out)
{
    const struct width *width = width_of(size);
    struct writer w = {0, 0, out};
    uint32_t folded[MAX_BLOCK], before = value_at(values, size, 0);
    put(&w, before, width->bits);
    for (size_t first = 0; first < n; first += block) {
        size_t m = n - first < block ? n - first : block;
        uint64_t sum = fold(values, size, first, m, before, folded);
        int low = low_bits(sum, m);
        before = value_at(values, size, first + m - 1);
        if (sum == 0) {
            put(&w, 0, width->field);
        } else if (low >= width->escape - 1) {
            put(&w, (uint32_t)width->escape, width->field);
            for (size_t i = 0; i < m; i++)
                put(&w, folded[i], width->bits);
        } else {
            put(&w, (uint32_t)low + 1, width->field);
            uint32_t kept = (1u << low) - 1;
            for (size_t i = 0; i < m; i++) {
                uint32_t high = folded[i] >> low;
                uint32_t last = 1u << low | (folded[i] & kept);
                if (high + (uint32_t)low + 1 <= 32) {
                    put(&w, last, (int)(high + (uint32_t)low + 1));
                } else {
                    put_zeros(&w, high);
                    put(&w, last, low + 1);
                }
            }
        }
    }
    size_t left = (size_t)(w.count + 7) / 8;
    for (size_t i = 0; i < left; i++) {
        int shift = w.count - 8 * ((int)i + 1);
        *w.at++ = (uint8_t)(shift >= 0 ? w.word >> shift : w.word << -shift);
    }
    return (size_t)(w.at - out);
}

/* Bits on their way in, left-aligned: `count` bits at the top of `word` are valid. */
struct reader {
    uint64_t word;
    int count;
    const uint8_t *at, *end;
};

static inline void fill(struct reader *r)
{
    if (r->end - r->at >= 8) {
        uint64_t next;
        memcpy(&next, r->at, 8);
        r->word |= __builtin_bswap64(next) >> r->count;
        int whole = (63 - r->count) >> 3;
        r->at += whole;
        r->count += 8 * whole;
        return;
    }
    for (; r->count <= 56 && r->at < r->end; r->count += 8)
        r->word |= (uint64_t)*r->at++ << (56 - r->count);
}

/* Take n bits, 0 to 32; 0 if the input ends before. */
static inline int take(struct reader *r, int n, uint32_t *value)
{
    if (r->count < n)
        fill(r);
    if (r->count < n)
        return 0;
    *value = n ? (uint32_t)(r->word >> (64 - n)) : 0;
    r->word <<= n;
    r->count -= n;
    return 1;
}

/* Count the zeros before the next one, and take both. */
static inline int take_unary(struct reader *r, uint32_t *zeros)
{
    *zeros = 0;
    for (;;) {
        if (r->count < 32)
            fill(r);
        if (r->count == 0)
            return 0;
        int found = r->word ? __builtin_clzll(r->word) : 64;
        if (found < r->count) {
            *zeros += (uint32_t)found;
            r->word <<= found;
            r->word <<= 1;
            r->count -= found + 1;
            return 1;
        }
        *zeros += (uint32_t)r->count;
        r->word = 0;
        r->count = 0;
    }
}

static inline void store(void *values, int size, size_t i, uint32_t value)
{
    if (size == 4)
        ((uint32_t *)values)[i] = value;
    else if (size == 2)
        ((uint16_t *)values)[i] = (uint16_t)value;
    else
        ((uint8_t *)values)[i] = (uint8_t)value;
}

static inline __attribute__((always_inline)) int decode_as(
    const uint8_t *code, size_t length, void *values, int size, size_t n, size_t block)
{
    const struct width *width = width_of(size);
    struct reader r = {0, 0, code, code + length};
    uint32_t value, field, folded, high;
    if (!take(&r, width->bits, &value))
        return 0;
    for (size_t first = 0; first < n; first += block) {
        size_t m = n - first < block ? n - first : block;
        if (!take(&r, width->field, &field) || (int)field > width->escape)
            return 0;
        if (field == 0) {
            for (size_t i = 0; i < m; i++)
                store(values, size, first + i, value);
            continue;
        }
        int low = (int)field - 1, is_raw = (int)field == width->escape;
        for (size_t i = 0; i < m; i++) {
            if (!is_raw && r.count < 32)
                fill(&r);
            /* Nearly always all bits of a value are there: one look takes its two parts. */
            const int zeros = r.word ? __builtin_clzll(r.word) : 64;
            if (!is_raw && zeros + 1 + low <= r.count && zeros < 32) {
                const uint64_t rest = r.word << zeros << 1;
                folded = (uint32_t)zeros << low | (low ? (uint32_t)(rest >> (64 - low)) : 0);
                r.word = rest << low;
                r.count -= zeros + 1 + low;
            } else if (is_raw) {
                if (!take(&r, width->bits, &folded))
                    return 0;
            } else {
                if (!take_unary(&r, &high) || !take(&r, low, &folded))
                    return 0;
                folded |= high << low;
            }
            value += folded >> 1 ^ (uint32_t)-(int32_t)(folded & 1);
            store(values, size, first + i, value);
        }
    }
    return 1;
}

static int check(int size, int block, Py_ssize_t bytes, Py_ssize_t least)
{
    if (width_of(size) && block >= 1 && block <= MAX_BLOCK && bytes % size == 0 &&
        bytes / size >= least)
        return 1;
    PyErr_SetString(PyExc_ValueError, "not a width, a block or an array of the Rice code");
    return 0;
}

PyDoc_STRVAR(encode_doc, "encode(values, size, block) -> bytes: native integers of size bytes.");

static PyObject *encode(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer values;
    int size, block;
    if (!PyArg_ParseTuple(args, "y*ii", &values, &size, &block))
        return NULL;
    PyObject *result = NULL;
    if (!check(size, block, values.len, 1))
        goto end;
    size_t n = (size_t)(values.len / size);
    /* At most one byte more than its own for a value, and its field for a block. */
    size_t room = n * ((size_t)size + 1) + n / (size_t)block + 32;
    uint8_t *out = malloc(room);
    if (!out) {
        PyErr_NoMemory();
        goto end;
    }
    size_t length;
    Py_BEGIN_ALLOW_THREADS
    if (size == 4)
        length = encode_as(values.buf, 4, n, (size_t)block, out);
    else if (size == 2)
        length = encode_as(values.buf, 2, n, (size_t)block, out);
    else
        length = encode_as(values.buf, 1, n, (size_t)block, out);
    Py_END_ALLOW_THREADS
    result = PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)length);
    free(out);
end:
    PyBuffer_Release(&values);
    return result;
}

PyDoc_STRVAR(decode_doc, "decode(code, values, size, block) -> bool: False if the code ends early.");

static PyObject *decode(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer code, values;
    int size, block, whole = 0;
    if (!PyArg_ParseTuple(args, "y*w*ii", &code, &values, &size, &block))
        return NULL;
    PyObject *result = NULL;
    if (!check(size, block, values.len, 0))
        goto end;
    size_t n = (size_t)(values.len / size);
    Py_BEGIN_ALLOW_THREADS
    if (size == 4)
        whole = decode_as(code.buf, (size_t)code.len, values.buf, 4, n, (size_t)block);
    else if (size == 2)
        whole = decode_as(code.buf, (size_t)code.len, values.buf, 2, n, (size_t)block);
    else
        whole = decode_as(code.buf, (size_t)code.len, values.buf, 1, n, (size_t)block);
    Py_END_ALLOW_THREADS
    result = PyBool_FromLong(whole);
end:
    PyBuffer_Release(&code);
    PyBuffer_Release(&values);
    return result;
}

static PyMethodDef methods[] = {
    {"encode", encode, METH_VARARGS, encode_doc},
    {"decode", decode, METH_VARARGS, decode_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "boinc_project.fits._rice", "The Rice code, compiled.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__rice(void)
{
    return PyModule_Create(&definition);
}
