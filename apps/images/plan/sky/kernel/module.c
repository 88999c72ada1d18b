/* Python's door to the kernel: arrays in, numbers out, nothing remembered between calls.
 *
 * Sizes of C-contiguous arrays are checked here; their meaning is explained in
 * apps/images/plan/sky/noise.py. The interpreter is released while the kernel works. */
#include "levels.h"

#include <stdlib.h>

#include "tiles.h"

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

static PyMethodDef METHODS[] = {
    {"measure", measure, METH_VARARGS,
     "measure(level, (ny, nx), image, row, columns, step, beta, variance)"},
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
