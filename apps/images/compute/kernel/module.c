/* Python's door to the kernel: arrays in, arrays out, nothing remembered between calls.
 *
 * All arrays are C-contiguous; their sizes are checked here, and their meaning is explained in
 * apps/images/compute/engine.py. The interpreter is released while the kernel works. */
#include "levels.h"

#include "interface.h"
#include "loading.h"

EACH_LEVEL(DECLARE_LEVEL)
EACH_LEVEL(DECLARE_LOADING)

struct level {
    long (*resample)(
        const struct map *, const struct planes *, const struct interpolation *,
        const struct box *, float *, float *);
    void (*quantise)(const struct steps *, const float *, size_t, int32_t *);
    void (*coarsen)(const float *, int, int, int16_t *);
    void (*load_rows)(
        const struct loading *, const struct sources *, const struct targets *, long, long);
    void (*load_margins)(const struct targets *, long, long, int);
    void (*find_windows)(const uint8_t *, uint8_t *, size_t, long, int);
};

#define LEVEL_OF(level) \
    { \
        resample_##level, quantise_##level, coarsen_##level, load_rows_##level, \
            load_margins_##level, find_windows_##level \
    },
static const struct level LEVELS[] = {EACH_LEVEL(LEVEL_OF)};

/* Buffers that are released together. */
#define MAX_BUFFERS 9

struct buffers {
    Py_buffer views[MAX_BUFFERS];
    int n;
};

/* The memory of an argument: at least `least` bytes; NULL for None where that may be. */
static void *memory(
    struct buffers *all, PyObject *argument, size_t least, int writable, int optional, int *failed)
{
    if (*failed || (optional && argument == Py_None))
        return NULL;
    int flags = writable ? PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS : PyBUF_C_CONTIGUOUS;
    if (all->n == MAX_BUFFERS || PyObject_GetBuffer(argument, &all->views[all->n], flags)) {
        *failed = 1;
        return NULL;
    }
    Py_buffer *view = &all->views[all->n++];
    if ((size_t)view->len < least) {
        PyErr_Format(PyExc_ValueError, "an array has %zd bytes, not %zu", view->len, least);
        *failed = 1;
    }
    return view->buf;
}

static PyObject *finish(struct buffers *all, PyObject *result)
{
    for (int i = 0; i < all->n; i++)
        PyBuffer_Release(&all->views[i]);
    return result;
}

static int refuse(const char *what)
{
    PyErr_SetString(PyExc_ValueError, what);
    return 1;
}

PyDoc_STRVAR(resample_doc, "Interpolate a box of output pixels; see apps.images.compute.engine.");

static PyObject *resample(PyObject *module, PyObject *args)
{
    (void)module;
    struct buffers all = {.n = 0};
    struct map map;
    struct planes planes;
    struct interpolation how;
    struct box box;
    PyObject *nodes, *plane[3], *table, *out[2];
    int level;
    Py_ssize_t stride;
    int method, n_phase, failed = 0;
    if (!PyArg_ParseTuple(
            args, "O&(Ollii)(OOOifnllll)(iOfid)(llii)OO", find_level, &level, &nodes, &map.n_row,
            &map.n_column, &map.step, &n_phase, &plane[0], &plane[1], &plane[2], &planes.depth,
            &planes.constant_variance, &stride, &planes.first, &planes.n_row, &planes.width,
            &planes.height, &method, &table, &how.most_lost, &how.conserve_flux, &how.drop, &box.x,
            &box.y, &box.nx, &box.ny, &out[0], &out[1]))
        return NULL;
    how.method = (enum method)method;
    how.n_phase = n_phase;
    planes.stride = (size_t)stride;
    if (method != AREA && method != BILINEAR && method != CUBIC && method != LANCZOS3)
        failed = refuse("there is no such method");
    else if (
        box.nx < 1 || box.ny < 1 || box.nx > 1 << 20 || box.ny > 1 << 20 || box.x < 0 ||
        box.y < 0 || map.step < 1 || box.x > 1 << 24 || box.y > 1 << 24)
        failed = refuse("the box is empty or too large");
    else if (
        (box.x + box.nx - 1) / map.step + 4 > map.n_column ||
        (box.y + box.ny - 1) / map.step + 4 > map.n_row || map.n_row > 1 << 24 ||
        map.n_column > 1 << 24)
        failed = refuse("the map does not cover the box");
    else if (
        planes.width < 1 || planes.height < 1 || planes.depth < 1 || planes.depth > 2 ||
        planes.n_row > 1 << 24 ||
        stride < planes.width + MARGIN_BEFORE + MARGIN_AFTER || stride > 1 << 24 ||
        (planes.n_row + 1) * stride > INT32_MAX || planes.n_row < 1)
        failed = refuse("the rows do not fit the frame");
    else if (method == AREA && !(how.drop > 0.0 && how.drop <= 1.0))
        failed = refuse("the drop is no part of a pixel");
    else if (method == LANCZOS3 && (n_phase < 1 || n_phase > 1 << 20))
        failed = refuse("the table has no phases");
    size_t n_node = failed ? 0 : (size_t)map.n_row * (size_t)map.n_column;
    size_t n_plane = failed ? 0 : (size_t)planes.n_row * planes.stride;
    size_t n_out = failed ? 0 : (size_t)box.nx * (size_t)box.ny;
    size_t n_table = method == LANCZOS3 ? 2 * 8 * ((size_t)n_phase + 1) : 0;
    map.x = memory(&all, nodes, 2 * n_node * sizeof(double), 0, 0, &failed);
    size_t n_value = failed ? 0 : n_plane * (size_t)planes.depth;
    planes.values = memory(&all, plane[0], n_value * sizeof(float), 0, 0, &failed);
    planes.flags = memory(&all, plane[1], n_plane, 0, 0, &failed);
    planes.windows = memory(&all, plane[2], n_plane, 0, 0, &failed);
    how.table = memory(&all, table, n_table * sizeof(float), 0, method != LANCZOS3, &failed);
    float *values = memory(&all, out[0], n_out * sizeof(float), 1, 0, &failed);
    float *variance = memory(&all, out[1], n_out * sizeof(float), 1, 0, &failed);
    if (failed)
        return finish(&all, NULL);
    map.y = map.x + n_node;
    long missing;
    Py_BEGIN_ALLOW_THREADS
    missing = LEVELS[level].resample(&map, &planes, &how, &box, values, variance);
    Py_END_ALLOW_THREADS
    return finish(&all, PyLong_FromLong(missing));
}

PyDoc_STRVAR(quantise_doc, "From float32 values to int32 steps; see apps.images.compute.engine.");

static PyObject *quantise(PyObject *module, PyObject *args)
{
    (void)module;
    struct buffers all = {.n = 0};
    struct steps steps;
    PyObject *from, *to;
    int level;
    Py_ssize_t n;
    int failed = 0;
    if (!PyArg_ParseTuple(
            args, "O&ddiiinOO", find_level, &level, &steps.zero, &steps.step, &steps.blank,
            &steps.least, &steps.most, &n, &from, &to))
        return NULL;
    const float *values = memory(&all, from, (size_t)n * sizeof(float), 0, 0, &failed);
    int32_t *stored = memory(&all, to, (size_t)n * sizeof(int32_t), 1, 0, &failed);
    if (failed)
        return finish(&all, NULL);
    Py_BEGIN_ALLOW_THREADS
    LEVELS[level].quantise(&steps, values, (size_t)n, stored);
    Py_END_ALLOW_THREADS
    return finish(&all, Py_NewRef(Py_None));
}

PyDoc_STRVAR(coarsen_doc, "From variances to codes of blocks; see apps.images.compute.engine.");

static PyObject *coarsen(PyObject *module, PyObject *args)
{
    (void)module;
    struct buffers all = {.n = 0};
    PyObject *from, *to;
    int level;
    int nx, ny, failed = 0;
    if (!PyArg_ParseTuple(args, "O&iiOO", find_level, &level, &nx, &ny, &from, &to))
        return NULL;
    if (nx < 1 || ny < 1 || nx > 1 << 20 || ny > 1 << 20)
        failed = refuse("the box is empty or too large");
    size_t n = failed ? 0 : (size_t)nx * (size_t)ny;
    size_t n_block = failed ? 0 : ((size_t)nx + 7) / 8 * (((size_t)ny + 7) / 8);
    const float *variance = memory(&all, from, n * sizeof(float), 0, 0, &failed);
    int16_t *codes = memory(&all, to, n_block * sizeof(int16_t), 1, 0, &failed);
    if (failed)
        return finish(&all, NULL);
    Py_BEGIN_ALLOW_THREADS
    LEVELS[level].coarsen(variance, nx, ny, codes);
    Py_END_ALLOW_THREADS
    return finish(&all, Py_NewRef(Py_None));
}

PyDoc_STRVAR(load_doc, "Load rows of a frame; see apps.images.compute.engine.");

static size_t size_of(int type)
{
    return type == 'B'                                 ? 1
           : type == 'h'                               ? 2
           : type == 'i' || type == 'f' || type == 'F' ? 4
           : type == 'q' || type == 'd'                ? 8
                                                       : 0;
}

static PyObject *load(PyObject *module, PyObject *args)
{
    (void)module;
    struct buffers all = {.n = 0};
    struct loading how;
    struct sources from;
    struct targets to;
    PyObject *source[6], *target[2];
    int level;
    int type, repeat, failed = 0;
    long row, n_row, width;
    Py_ssize_t stride;
    long long blank;
    if (!PyArg_ParseTuple(
            args, "O&(CiddLiff)i(OOOOOO)(OOi)nlll", find_level, &level, &type,
            &how.is_variance_swapped, &how.scale, &how.zero, &blank, &how.has_blank,
            &how.saturation, &how.dark_scale, &repeat, &source[0], &source[1], &source[2],
            &source[3], &source[4], &source[5], &target[0], &target[1], &to.depth, &stride, &row,
            &n_row, &width))
        return NULL;
    how.type = (char)type;
    how.blank = blank;
    to.stride = (size_t)stride;
    if (!size_of(type))
        failed = refuse("there is no such type");
    else if (
        width < 1 || n_row < 1 || row < 0 || row > 1 << 24 || n_row > 1 << 24 ||
        stride < width + MARGIN_BEFORE + MARGIN_AFTER || stride > 1 << 24)
        failed = refuse("the rows do not fit the frame");
    else if (to.depth < 1 || to.depth > 2 || (source[2] != Py_None) != (to.depth == 2))
        failed = refuse("there is no room for the variance");
    size_t n = failed ? 0 : (size_t)n_row * (size_t)width;
    size_t room = failed ? 0 : (size_t)(row + n_row) * to.stride;
    from.stored = memory(&all, source[0], n * size_of(type), 0, 0, &failed);
    from.mask = memory(&all, source[1], n, 0, 1, &failed);
    from.variance = memory(&all, source[2], n * sizeof(float), 0, 1, &failed);
    from.bias = memory(&all, source[3], n * sizeof(float), 0, 1, &failed);
    from.dark = memory(&all, source[4], n * sizeof(float), 0, 1, &failed);
    from.flat = memory(&all, source[5], n * sizeof(float), 0, 1, &failed);
    size_t n_value = failed ? 0 : room * (size_t)to.depth;
    to.values = memory(&all, target[0], n_value * sizeof(float), 1, 0, &failed);
    to.flags = memory(&all, target[1], room, 1, 0, &failed);
    if (failed)
        return finish(&all, NULL);
    size_t first = (size_t)row * to.stride + MARGIN_BEFORE;
    to.values += first * (size_t)to.depth;
    to.flags += first;
    Py_BEGIN_ALLOW_THREADS
    LEVELS[level].load_rows(&how, &from, &to, n_row, width);
    LEVELS[level].load_margins(&to, n_row, width, repeat);
    Py_END_ALLOW_THREADS
    return finish(&all, Py_NewRef(Py_None));
}

PyDoc_STRVAR(windows_doc, "Find where masked pixels are among the taps; see engine.");

static PyObject *windows(PyObject *module, PyObject *args)
{
    (void)module;
    struct buffers all = {.n = 0};
    PyObject *from, *to;
    Py_ssize_t stride;
    int level;
    long n_row;
    int taps, failed = 0;
    if (!PyArg_ParseTuple(args, "O&OOnli", find_level, &level, &from, &to, &stride, &n_row, &taps))
        return NULL;
    if (taps < 1 || taps > MARGIN_AFTER || stride < taps || n_row < 0)
        failed = refuse("the rows do not fit the taps");
    size_t n = failed ? 0 : (size_t)n_row * (size_t)stride;
    const uint8_t *flags = memory(&all, from, n, 0, 0, &failed);
    uint8_t *found = memory(&all, to, n, 1, 0, &failed);
    if (failed)
        return finish(&all, NULL);
    Py_BEGIN_ALLOW_THREADS
    LEVELS[level].find_windows(flags, found, (size_t)stride, n_row, taps);
    Py_END_ALLOW_THREADS
    return finish(&all, Py_NewRef(Py_None));
}

static PyMethodDef methods[] = {
    {"resample", resample, METH_VARARGS, resample_doc},
    {"quantise", quantise, METH_VARARGS, quantise_doc},
    {"coarsen", coarsen, METH_VARARGS, coarsen_doc},
    {"load", load, METH_VARARGS, load_doc},
    {"windows", windows, METH_VARARGS, windows_doc},
    {"levels", levels, METH_NOARGS, levels_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "apps.images.compute._kernel", "The compiled kernel.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && (PyModule_AddIntConstant(module, "MARGIN_BEFORE", MARGIN_BEFORE) ||
                   PyModule_AddIntConstant(module, "MARGIN_AFTER", MARGIN_AFTER) ||
                   PyModule_AddIntConstant(module, "MOST_CELLS", MOST_CELLS)))
        Py_CLEAR(module);
    return module;
}
