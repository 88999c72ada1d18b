/* Python's door to the kernel: arrays in, arrays out, nothing remembered between calls.
 *
 * Sizes of C-contiguous arrays are checked here; their meaning is explained in
 * apps/images/merge/coadd/clip.py. The interpreter is released while the kernel works. */
#include "levels.h"

#include <stdlib.h>

#include "stack.h"

typedef void work(const struct stack *, void *);

#define DECLARE(level) work stack_##level, centre_##level;
EACH_LEVEL(DECLARE)

#define STACK_AT(level) stack_##level,
static work *const STACKS[] = {EACH_LEVEL(STACK_AT)};
#define CENTRE_AT(level) centre_##level,
static work *const CENTRES[] = {EACH_LEVEL(CENTRE_AT)};

static int has_size(const Py_buffer *buffer, size_t nbytes, const char *name)
{
    if ((size_t)buffer->len == nbytes)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes, not %zu", name, buffer->len, nbytes);
    return 0;
}

static int are_sizes_sane(const struct stack *s)
{
    if (s->n_frame < 1 || s->n_frame > UINT16_MAX || s->n_row < 0 || s->n_x < 0) {
        PyErr_SetString(PyExc_ValueError, "there must be 1 to 65535 frames");
        return 0;
    }
    for (ptrdiff_t i = 0; i < 2 * s->n_pair; i++)
        if (s->network[i] < 0 || s->network[i] >= s->n_frame) {
            PyErr_SetString(PyExc_ValueError, "the network compares what is not there");
            return 0;
        }
    return 1;
}

enum {
    VALUES, VARIANCE, X, SURFACE, SCALE, WEIGHT, PHOTON, NETWORK, CORE, MIDDLE, SPAN, PART,
    INFLATION, LIGHT, N_INPUT
};
enum { IMAGE, WEIGHT_OUT, VARIANCE_OUT, COUNT, REJECTED, DOUBTFUL, N_OUTPUT };

static int check(const struct stack *s, const Py_buffer *in, const Py_buffer *out)
{
    const size_t frames = (size_t)s->n_frame, pixels = (size_t)s->n_row * (size_t)s->n_x;
    const int by_noise = in[CORE].len != 0;
    return are_sizes_sane(s) && has_size(&in[VALUES], frames * pixels * 4, "values")
        && (!in[VARIANCE].len || has_size(&in[VARIANCE], frames * pixels * 4, "variance"))
        && has_size(&in[X], (size_t)s->n_x * 8, "x")
        && has_size(&in[SURFACE], frames * (size_t)s->n_row * 24, "surface")
        && has_size(&in[SCALE], frames * 8, "scale") && has_size(&in[WEIGHT], frames * 8, "weight")
        && has_size(&in[PHOTON], frames * 8, "photon")
        && (!by_noise
            || (has_size(&in[CORE], frames * 8, "core")
                && has_size(&in[MIDDLE], pixels * 4, "middle")
                && has_size(&in[SPAN], pixels * 4, "span")
                && has_size(&in[PART], pixels * 4, "part")
                && has_size(&in[INFLATION], pixels * 4, "inflation")
                && has_size(&in[LIGHT], pixels * 4, "light")
                && has_size(&out[DOUBTFUL], pixels, "doubtful")))
        && has_size(&out[IMAGE], pixels * 4, "image")
        && has_size(&out[WEIGHT_OUT], pixels * 4, "weight_out")
        && (!in[VARIANCE].len || has_size(&out[VARIANCE_OUT], pixels * 4, "variance_out"))
        && has_size(&out[COUNT], pixels * 2, "count")
        && has_size(&out[REJECTED], pixels * 2, "rejected");
}

static PyObject *run(work *at_level, const struct stack *s)
{
    void *scratch = NULL;
    const size_t nbytes = (SCRATCH(s->n_frame) + 63) / 64 * 64;
    if (posix_memalign(&scratch, 64, nbytes))
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    at_level(s, scratch);
    Py_END_ALLOW_THREADS
    free(scratch);
    Py_RETURN_NONE;
}

static void release(Py_buffer *buffers, int n)
{
    for (int i = 0; i < n; i++)
        PyBuffer_Release(&buffers[i]);
}

static void take_inputs(struct stack *s, const Py_buffer *in)
{
    s->values = in[VALUES].buf;
    s->variance = in[VARIANCE].len ? in[VARIANCE].buf : NULL;
    s->x = in[X].buf;
    s->surface = in[SURFACE].buf;
    s->scale = in[SCALE].buf;
    s->weight = in[WEIGHT].buf;
    s->photon = in[PHOTON].buf;
    s->network = in[NETWORK].buf;
    s->n_pair = in[NETWORK].len / 8;
    s->core = in[CORE].len ? in[CORE].buf : NULL;
    s->middle = in[MIDDLE].buf;
    s->span = in[SPAN].buf;
    s->part = in[PART].buf;
    s->inflation = in[INFLATION].buf;
    s->light = in[LIGHT].buf;
}

static PyObject *stack(PyObject *self, PyObject *args)
{
    (void)self;
    int level;
    struct stack s = {0};
    Py_buffer in[N_INPUT], out[N_OUTPUT];
    if (!PyArg_ParseTuple(args, "O&(inn)y*y*y*y*y*y*y*y*y*y*y*y*y*y*ddiw*w*w*w*w*w*", find_level, &level,
                          &s.n_frame, &s.n_row, &s.n_x, &in[VALUES], &in[VARIANCE], &in[X],
                          &in[SURFACE], &in[SCALE], &in[WEIGHT], &in[PHOTON], &in[NETWORK],
                          &in[CORE], &in[MIDDLE], &in[SPAN], &in[PART], &in[INFLATION], &in[LIGHT],
                          &s.sigma_lower, &s.sigma_upper,
                          &s.iterations, &out[IMAGE], &out[WEIGHT_OUT], &out[VARIANCE_OUT],
                          &out[COUNT], &out[REJECTED], &out[DOUBTFUL]))
        return NULL;
    take_inputs(&s, in);
    s.image = out[IMAGE].buf;
    s.weight_out = out[WEIGHT_OUT].buf;
    s.variance_out = out[VARIANCE_OUT].buf;
    s.count = out[COUNT].buf;
    s.rejected = out[REJECTED].buf;
    s.doubtful = out[DOUBTFUL].buf;
    PyObject *result = check(&s, in, out) ? run(STACKS[level], &s) : NULL;
    release(in, N_INPUT);
    release(out, N_OUTPUT);
    return result;
}

static PyObject *centre(PyObject *self, PyObject *args)
{
    (void)self;
    int level;
    struct stack s = {0};
    enum { N_IN = 7 };
    Py_buffer in[N_IN], out[3];
    if (!PyArg_ParseTuple(args, "O&(inn)y*y*y*y*y*y*y*w*w*w*", find_level, &level, &s.n_frame,
                          &s.n_row, &s.n_x, &in[0], &in[1], &in[2], &in[3], &in[4], &in[5], &in[6],
                          &out[0], &out[1], &out[2]))
        return NULL;
    s.values = in[0].buf;
    s.x = in[1].buf;
    s.surface = in[2].buf;
    s.scale = in[3].buf;
    s.weight = in[4].buf;
    s.network = in[5].buf;
    s.n_pair = in[5].len / 8;
    s.factor = in[6].buf;
    s.middle_out = out[0].buf;
    s.excess_out = out[1].buf;
    s.error_out = out[2].buf;
    const size_t frames = (size_t)s.n_frame, pixels = (size_t)s.n_row * (size_t)s.n_x;
    const int sane = are_sizes_sane(&s) && has_size(&in[0], frames * pixels * 4, "values")
        && has_size(&in[1], (size_t)s.n_x * 8, "x")
        && has_size(&in[2], frames * (size_t)s.n_row * 24, "surface")
        && has_size(&in[3], frames * 8, "scale") && has_size(&in[4], frames * 8, "weight")
        && has_size(&in[6], (frames + 1) * 8, "factor")
        && has_size(&out[0], pixels * 4, "middle") && has_size(&out[1], pixels * 4, "excess")
        && has_size(&out[2], pixels * 4, "error");
    PyObject *result = sane ? run(CENTRES[level], &s) : NULL;
    release(in, N_IN);
    release(out, 3);
    return result;
}

static PyMethodDef METHODS[] = {
    {"stack", stack, METH_VARARGS,
     "stack(level, (n_frame, n_row, n_x), values, variance, x, surface, scale, weight, photon, "
     "network, core, middle, span, part, inflation, light, sigma_lower, sigma_upper, iterations, "
     "image, weight, variance, "
     "count, rejected, doubtful)"},
    {"centre", centre, METH_VARARGS,
     "centre(level, (n_frame, n_row, n_x), values, x, surface, scale, weight, network, factor, "
     "middle, excess, error)"},
    {"levels", levels, METH_NOARGS, levels_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_kernel", "Clipped weighted means.", -1, METHODS,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModule_Create(&MODULE);
}
