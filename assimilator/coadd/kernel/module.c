/* Python's door to the kernel: arrays in, arrays out, nothing remembered between calls.
 *
 * Sizes of C-contiguous arrays are checked here; their meaning is explained in
 * assimilator/coadd/clip.py. The interpreter is released while the kernel works. */
#include "levels.h"

#include <stdlib.h>

#include "stack.h"

#define DECLARE(level) void stack_##level(const struct stack *, void *);
EACH_LEVEL(DECLARE)

#define STACK_AT(level) stack_##level,
static void (*const STACKS[])(const struct stack *, void *) = {EACH_LEVEL(STACK_AT)};

static int has_size(const Py_buffer *buffer, size_t nbytes, const char *name)
{
    if ((size_t)buffer->len == nbytes)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes, not %zu", name, buffer->len, nbytes);
    return 0;
}

enum { VALUES, VARIANCE, X, SURFACE, SCALE, WEIGHT, NETWORK, N_INPUT };
enum { IMAGE, WEIGHT_OUT, VARIANCE_OUT, COUNT, REJECTED, N_OUTPUT };

static int check(const struct stack *s, const Py_buffer *in, const Py_buffer *out)
{
    const size_t frames = (size_t)s->n_frame, pixels = (size_t)s->n_row * (size_t)s->n_x;
    if (s->n_frame < 1 || s->n_frame > UINT16_MAX || s->n_row < 0 || s->n_x < 0) {
        PyErr_SetString(PyExc_ValueError, "there must be 1 to 65535 frames");
        return 0;
    }
    for (ptrdiff_t i = 0; i < 2 * s->n_pair; i++)
        if (s->network[i] < 0 || s->network[i] >= s->n_frame) {
            PyErr_SetString(PyExc_ValueError, "the network compares what is not there");
            return 0;
        }
    return has_size(&in[VALUES], frames * pixels * 4, "values")
        && (!in[VARIANCE].len || has_size(&in[VARIANCE], frames * pixels * 4, "variance"))
        && has_size(&in[X], (size_t)s->n_x * 8, "x")
        && has_size(&in[SURFACE], frames * (size_t)s->n_row * 24, "surface")
        && has_size(&in[SCALE], frames * 8, "scale") && has_size(&in[WEIGHT], frames * 8, "weight")
        && has_size(&out[IMAGE], pixels * 4, "image")
        && has_size(&out[WEIGHT_OUT], pixels * 4, "weight_out")
        && (!in[VARIANCE].len || has_size(&out[VARIANCE_OUT], pixels * 4, "variance_out"))
        && has_size(&out[COUNT], pixels * 2, "count")
        && has_size(&out[REJECTED], pixels * 2, "rejected");
}

static PyObject *run(int level, const struct stack *s)
{
    void *scratch = NULL;
    const size_t nbytes = (SCRATCH(s->n_frame) + 63) / 64 * 64;
    if (posix_memalign(&scratch, 64, nbytes))
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    STACKS[level](s, scratch);
    Py_END_ALLOW_THREADS
    free(scratch);
    Py_RETURN_NONE;
}

static PyObject *stack(PyObject *self, PyObject *args)
{
    (void)self;
    int level;
    struct stack s = {0};
    Py_buffer in[N_INPUT], out[N_OUTPUT];
    if (!PyArg_ParseTuple(args, "O&(inn)y*y*y*y*y*y*y*ddiw*w*w*w*w*", find_level, &level,
                          &s.n_frame, &s.n_row, &s.n_x, &in[VALUES], &in[VARIANCE], &in[X],
                          &in[SURFACE], &in[SCALE], &in[WEIGHT], &in[NETWORK], &s.sigma_lower,
                          &s.sigma_upper, &s.iterations, &out[IMAGE], &out[WEIGHT_OUT],
                          &out[VARIANCE_OUT], &out[COUNT], &out[REJECTED]))
        return NULL;
    s.values = in[VALUES].buf;
    s.variance = in[VARIANCE].len ? in[VARIANCE].buf : NULL;
    s.x = in[X].buf;
    s.surface = in[SURFACE].buf;
    s.scale = in[SCALE].buf;
    s.weight = in[WEIGHT].buf;
    s.network = in[NETWORK].buf;
    s.n_pair = in[NETWORK].len / 8;
    s.image = out[IMAGE].buf;
    s.weight_out = out[WEIGHT_OUT].buf;
    s.variance_out = out[VARIANCE_OUT].buf;
    s.count = out[COUNT].buf;
    s.rejected = out[REJECTED].buf;
    PyObject *result = check(&s, in, out) ? run(level, &s) : NULL;
    for (int i = 0; i < N_INPUT; i++)
        PyBuffer_Release(&in[i]);
    for (int i = 0; i < N_OUTPUT; i++)
        PyBuffer_Release(&out[i]);
    return result;
}

static PyMethodDef METHODS[] = {
    {"stack", stack, METH_VARARGS,
     "stack(level, (n_frame, n_row, n_x), values, variance, x, surface, scale, weight, network, "
     "sigma_lower, sigma_upper, iterations, image, weight, variance, count, rejected)"},
    {"levels", levels, METH_NOARGS, levels_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_kernel", "Sigma-clipped weighted means.", -1, METHODS,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModule_Create(&MODULE);
}
