/* Python's door to the kernel: arrays in, numbers out, nothing remembered between calls.
 *
 * Sizes of C-contiguous arrays are checked here; their meaning is explained in
 * work_generator/sky/noise.py. The interpreter is released while the kernel works. */
#include "levels.h"

#include <float.h>
#include <stdlib.h>

#include "tiles.h"
#include "order.h"

typedef void work(const struct tiles *, void *);
typedef size_t size_of(void);

#define DECLARE(level) work measure_##level; size_of scratch_##level;
EACH_LEVEL(DECLARE)

#define WORK_AT(level) measure_##level,
static work *const WORKS[] = {EACH_LEVEL(WORK_AT)};
#define SIZE_AT(level) scratch_##level,
static size_of *const SIZES[] = {EACH_LEVEL(SIZE_AT)};

static int check(const struct tiles *s, const Py_buffer *image, const Py_buffer *columns,
                 const Py_buffer *variance)
{
    const size_t n = (size_t)s->n_tile;
    if (s->ny < 1 || s->nx < 1 || (size_t)image->len != (size_t)s->ny * (size_t)s->nx * 4
        || (size_t)columns->len != n * 8 || (size_t)variance->len != n * 8) {
        PyErr_SetString(PyExc_ValueError, "arrays are not of the sizes that are stated");
        return 0;
    }
    int inside = s->row >= 0 && s->row <= (s->ny - 1) / TILE;
    for (size_t i = 0; i < n; i++)
        inside &= s->columns[i] >= 0 && s->columns[i] <= (s->nx - 1) / TILE;
    if (!inside)
        PyErr_SetString(PyExc_ValueError, "a tile is not in the image");
    return inside;
}

static PyObject *measure(PyObject *self, PyObject *args)
{
    (void)self;
    int level;
    struct tiles s = {0};
    Py_buffer image, columns, variance;
    if (!PyArg_ParseTuple(args, "O&(nn)y*ny*ddw*", find_level, &level, &s.ny, &s.nx, &image, &s.row,
                          &columns, &s.step, &s.beta, &variance))
        return NULL;
    s.image = image.buf;
    s.columns = columns.buf;
    s.n_tile = columns.len / 8;
    s.variance = variance.buf;
    PyObject *result = NULL;
    void *scratch = NULL;
    if (!check(&s, &image, &columns, &variance))
        ;
    else if (posix_memalign(&scratch, 64, (SIZES[level]() + 63) / 64 * 64))
        PyErr_NoMemory();
    else {
        Py_BEGIN_ALLOW_THREADS
        WORKS[level](&s, scratch);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    free(scratch);
    PyBuffer_Release(&image);
    PyBuffer_Release(&columns);
    PyBuffer_Release(&variance);
    return result;
}

#define N_MANY 4096 /* values that are probed of a whole image */
#define N_ASIDE 160 /* ranks among them to each side: five standard deviations */

/* A bracket around the middle of the finite values, as some of them tell it. */
static void find_bracket(const float *values, ptrdiff_t n, float *low, float *high)
{
    float probe[N_MANY];
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < N_MANY; i++) {
        const float value = values[(ptrdiff_t)((double)i * (double)n / N_MANY)];
        probe[count] = value;
        count += value - value == 0.0f;
    }
    qsort(probe, (size_t)count, sizeof *probe, compare_floats);
    const ptrdiff_t from = count / 2 - N_ASIDE, to = count / 2 + N_ASIDE;
    *low = from >= 0 ? probe[from] : -FLT_MAX;
    *high = to < count ? probe[to] : FLT_MAX;
}

/* The two finite values in the middle; 0 if there is no memory. */
static int find_middle(const float *values, ptrdiff_t n, ptrdiff_t *n_known, float *two)
{
    float low = -FLT_MAX, high = FLT_MAX;
    if (n > 4 * N_MANY)
        find_bracket(values, n, &low, &high);
    ptrdiff_t known = 0, below = 0, inside = 0, count = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        known += values[i] - values[i] == 0.0f;
        below += (values[i] < low) & (values[i] >= -FLT_MAX);
        inside += (values[i] >= low) & (values[i] <= high);
    }
    *n_known = known;
    if (!known)
        return 1;
    const ptrdiff_t k = (known - 1) / 2, m = known / 2;
    if (k < below || m >= below + inside) {
        low = -FLT_MAX;
        high = FLT_MAX;
        below = 0;
        inside = known;
    }
    float *held = malloc((size_t)(inside + 1) * 4);
    if (!held)
        return 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        held[count] = values[i];
        count += (values[i] >= low) & (values[i] <= high);
    }
    two[0] = quickselect(held, count, k - below);
    two[1] = two[0];
    if (m > k) {
        float next = held[m - below];
        for (ptrdiff_t i = m - below; i < count; i++)
            next = held[i] < next ? held[i] : next;
        two[1] = next;
    }
    free(held);
    return 1;
}

static PyObject *middle(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(args, "y*", &buffer))
        return NULL;
    ptrdiff_t n_known = 0;
    float two[2] = {0.0f, 0.0f};
    int done;
    Py_BEGIN_ALLOW_THREADS
    done = find_middle(buffer.buf, buffer.len / 4, &n_known, two);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&buffer);
    return done ? Py_BuildValue("ndd", n_known, (double)two[0], (double)two[1]) : PyErr_NoMemory();
}

static PyMethodDef METHODS[] = {
    {"measure", measure, METH_VARARGS,
     "measure(level, (ny, nx), image, row, columns, step, beta, variance)"},
    {"middle", middle, METH_VARARGS,
     "middle(values) -> how many are finite, and the two of them in the middle."},
    {"levels", levels, METH_NOARGS, levels_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_kernel", "The noise of skies.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModule_Create(&MODULE);
}
