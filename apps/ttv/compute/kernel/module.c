/* Python's door to the kernel: arrays in, arrays out, nothing remembered between calls.
 *
 * All arrays are C-contiguous and checked for their size here; their meaning is explained in
 * apps/ttv/compute/engine.py. The interpreter is released while the kernel works. */
#include "levels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exact.h"
#include "interface.h"
#include "matching.h"

#define MAX_LANES 16

#define DECLARE(name) \
    void integrate_##name(const struct setup *, const struct start *, int, struct track **);
EACH_LEVEL(DECLARE)

#define LEVEL_OF(level) {LANES_##level, integrate_##level},
static const struct level LEVELS[] = {EACH_LEVEL(LEVEL_OF)};

static int has_size(const Py_buffer *buffer, size_t n, const char *name)
{
    if ((size_t)buffer->len == n * 8)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes, not 8 * %zu", name, buffer->len, n);
    return 0;
}

/* Where the transits of a batch are kept. */
struct room {
    struct track tracks[MAX_LANES];
    double *memory;
};

static int make_room(struct room *room, const struct setup *setup)
{
    size_t n = (size_t)setup->n_planet * setup->capacity;
    room->memory = malloc(MAX_LANES * n * sizeof(double));
    if (!room->memory)
        return 0;
    for (int lane = 0; lane < MAX_LANES; lane++)
        for (int place = 0; place < setup->n_planet; place++)
            room->tracks[lane].times[place] =
                room->memory + (size_t)lane * n + (size_t)place * setup->capacity;
    return 1;
}

/* Called with each parameter set that was integrated, or that failed: start is NULL then. */
typedef enum failure use_function(
    void *context, size_t which, const struct start *start, const struct track *track);

/* Integrate n parameter sets, as many at once as the level has lanes. */
static void run(
    const struct level *level, const struct setup *setup, const double *elements, size_t n,
    struct room *room, use_function *use, void *context, unsigned char *failures)
{
    struct start starts[MAX_LANES];
    struct track *tracks[MAX_LANES];
    size_t which[MAX_LANES];
    int waiting = 0;
    for (size_t i = 0; i < n || waiting; i++) {
        if (i < n) {
            const double *own = elements + i * (size_t)setup->n_planet * N_ELEMENT;
            failures[i] = (unsigned char)prepare(setup, own, &starts[waiting]);
            if (failures[i] == FAILURE_NONE)
                which[waiting++] = i;
        }
        if (waiting < level->lanes && i + 1 < n)
            continue;
        for (int lane = 0; lane < waiting; lane++) {
            tracks[lane] = &room->tracks[lane];
            tracks[lane]->failure = FAILURE_NONE;
            memset(tracks[lane]->count, 0, sizeof tracks[lane]->count);
        }
        if (waiting)
            level->integrate(setup, starts, waiting, tracks);
        for (int lane = 0; lane < waiting; lane++) {
            enum failure failure = tracks[lane]->failure;
            if (failure == FAILURE_NONE)
                failure = check_spacing(setup, &starts[lane], tracks[lane]);
            if (failure == FAILURE_NONE)
                failure = use(context, which[lane], &starts[lane], tracks[lane]);
            failures[which[lane]] = (unsigned char)failure;
        }
        waiting = 0;
    }
}

/* Read the arguments that every integration has. */
static int read_setup(
    struct setup *setup, const Py_buffer *elements, const Py_buffer *failures,
    const Py_buffer *timed, Py_ssize_t capacity)
{
    size_t each = (size_t)setup->n_planet * N_ELEMENT;
    if (setup->n_planet < 1 || setup->n_planet > MAX_PLANETS || timed->len != setup->n_planet) {
        PyErr_Format(PyExc_ValueError, "there are %d planets", setup->n_planet);
        return 0;
    }
    if (capacity < 1 || !(setup->dt > 0.0) || !(setup->span > 0.0)) {
        PyErr_SetString(PyExc_ValueError, "capacity, dt and span must be positive");
        return 0;
    }
    setup->capacity = (size_t)capacity;
    setup->timed = timed->buf;
    return has_size(elements, (size_t)failures->len * each, "elements");
}

struct matching {
    const struct setup *setup;
    const struct table *table;
    double *times; /* (n, n_transit) */
};

static enum failure use_match(
    void *context, size_t which, const struct start *start, const struct track *track)
{
    struct matching *m = context;
    return match(m->setup, m->table, start, track, m->times + which * m->table->n_transit);
}

PyDoc_STRVAR(observed_times_doc, "Model times of the measured transits; see apps.ttv.compute.engine.");

static PyObject *observed_times(PyObject *module, PyObject *args)
{
    (void)module;
    int level;
    struct setup setup;
    struct table table;
    Py_buffer elements, timed, epochs, first, ephemerides, observed, times, failures;
    Py_ssize_t capacity;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(
            args, "O&(iddddddi)ny*y*y*y*y*y*w*w*", find_level, &level, &setup.n_planet,
            &setup.gravity, &setup.earth_mass, &setup.star_mass, &setup.epoch, &setup.span,
            &setup.dt, &setup.modified_kick, &capacity, &elements, &timed, &epochs, &first,
            &ephemerides, &observed, &times, &failures))
        return NULL;
    table.n_transit = (size_t)observed.len / 8;
    struct room room = {.memory = NULL};
    size_t n = (size_t)failures.len;
    if (!read_setup(&setup, &elements, &failures, &timed, capacity) ||
        !has_size(&epochs, table.n_transit, "epochs") ||
        !has_size(&first, (size_t)setup.n_planet + 1, "first") ||
        !has_size(&ephemerides, 2 * (size_t)setup.n_planet, "ephemerides") ||
        !has_size(&times, n * table.n_transit, "times"))
        goto end;
    table.epochs = epochs.buf;
    table.first = first.buf;
    table.ephemerides = ephemerides.buf;
    table.observed = observed.buf;
    if (!make_room(&room, &setup)) {
        PyErr_NoMemory();
        goto end;
    }
    struct matching matching = {&setup, &table, times.buf};
    Py_BEGIN_ALLOW_THREADS
    run(&LEVELS[level], &setup, elements.buf, n, &room, use_match, &matching, failures.buf);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
end:
    free(room.memory);
    PyBuffer_Release(&elements);
    PyBuffer_Release(&timed);
    PyBuffer_Release(&epochs);
    PyBuffer_Release(&first);
    PyBuffer_Release(&ephemerides);
    PyBuffer_Release(&observed);
    PyBuffer_Release(&times);
    PyBuffer_Release(&failures);
    return result;
}

struct copying {
    const struct setup *setup;
    double *times;     /* (n, n_planet, capacity) */
    long long *counts; /* (n, n_planet) */
};

static enum failure use_copy(
    void *context, size_t which, const struct start *start, const struct track *track)
{
    struct copying *c = context;
    size_t n_planet = (size_t)c->setup->n_planet, capacity = c->setup->capacity;
    for (size_t place = 0; place < n_planet; place++) {
        size_t at = which * n_planet + (size_t)start->order[place];
        c->counts[at] = (long long)track->count[place];
        for (size_t i = 0; i < track->count[place]; i++)
            c->times[at * capacity + i] = track->times[place][i] + c->setup->epoch;
    }
    return FAILURE_NONE;
}

PyDoc_STRVAR(all_times_doc, "All transit times of all planets; see apps.ttv.compute.engine.");

static PyObject *all_times(PyObject *module, PyObject *args)
{
    (void)module;
    int level;
    struct setup setup;
    Py_buffer elements, timed, times, counts, failures;
    Py_ssize_t capacity;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(
            args, "O&(iddddddi)ny*y*w*w*w*", find_level, &level, &setup.n_planet, &setup.gravity,
            &setup.earth_mass, &setup.star_mass, &setup.epoch, &setup.span, &setup.dt,
            &setup.modified_kick, &capacity, &elements, &timed, &times, &counts, &failures))
        return NULL;
    struct room room = {.memory = NULL};
    size_t n = (size_t)failures.len;
    if (!read_setup(&setup, &elements, &failures, &timed, capacity) ||
        !has_size(&counts, n * (size_t)setup.n_planet, "counts") ||
        !has_size(&times, n * (size_t)setup.n_planet * setup.capacity, "times"))
        goto end;
    if (!make_room(&room, &setup)) {
        PyErr_NoMemory();
        goto end;
    }
    struct copying copying = {&setup, times.buf, counts.buf};
    Py_BEGIN_ALLOW_THREADS
    run(&LEVELS[level], &setup, elements.buf, n, &room, use_copy, &copying, failures.buf);
    Py_END_ALLOW_THREADS
    result = Py_NewRef(Py_None);
end:
    free(room.memory);
    PyBuffer_Release(&elements);
    PyBuffer_Release(&timed);
    PyBuffer_Release(&times);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&failures);
    return result;
}

/* Sum of log densities of standardised residuals, up to constants: Gaussian for degrees = 0, else
 * Student's t (with variance sigma^2 degrees / (degrees - 2)); jitter adds to sigma in quadrature. */
static double log_likelihood(
    const double *times, const double *observed, const double *sigmas, size_t n, double jitter,
    double degrees)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        double variance = sigmas[i] * sigmas[i], wider = variance + jitter * jitter;
        double off = observed[i] - times[i], chi2 = off * off / wider;
        if (jitter > 0.0)
            total += 0.5 * exact_log(wider / variance);
        if (degrees > 0.0)
            total += 0.5 * (degrees + 1.0) * exact_log1p(chi2 / degrees);
        else
            total += 0.5 * chi2;
    }
    return -total;
}

PyDoc_STRVAR(log_likelihoods_doc, "Log-likelihoods of model times; see apps.ttv.compute.noise.");

static PyObject *log_likelihoods(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer times, observed, sigmas, jitters, out;
    double degrees;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(
            args, "y*y*y*y*dw*", &times, &observed, &sigmas, &jitters, &degrees, &out))
        return NULL;
    size_t n_transit = (size_t)observed.len / 8, n = (size_t)out.len / 8;
    if (has_size(&times, n * n_transit, "times") && has_size(&sigmas, n_transit, "sigmas") &&
        has_size(&jitters, n, "jitters")) {
        for (size_t i = 0; i < n; i++)
            ((double *)out.buf)[i] = log_likelihood(
                (const double *)times.buf + i * n_transit, observed.buf, sigmas.buf, n_transit,
                ((const double *)jitters.buf)[i], degrees);
        result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&times);
    PyBuffer_Release(&observed);
    PyBuffer_Release(&sigmas);
    PyBuffer_Release(&jitters);
    PyBuffer_Release(&out);
    return result;
}

/* An elementary function of every number of an array. */
static PyObject *elementwise(PyObject *args, double (*function)(double))
{
    Py_buffer in, out;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "y*w*", &in, &out))
        return NULL;
    size_t n = (size_t)out.len / 8;
    if (has_size(&in, n, "in")) {
        for (size_t i = 0; i < n; i++)
            ((double *)out.buf)[i] = function(((const double *)in.buf)[i]);
        result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    return result;
}

#define ELEMENTWISE(name) \
    static PyObject *py_##name(PyObject *module, PyObject *args) \
    { \
        (void)module; \
        return elementwise(args, exact_##name); \
    }
ELEMENTWISE(log)
ELEMENTWISE(log1p)
ELEMENTWISE(exp)
ELEMENTWISE(sin)
ELEMENTWISE(cos)
ELEMENTWISE(cbrt)

static PyMethodDef methods[] = {
    {"levels", levels, METH_NOARGS, levels_doc},
    {"observed_times", observed_times, METH_VARARGS, observed_times_doc},
    {"all_times", all_times, METH_VARARGS, all_times_doc},
    {"log_likelihoods", log_likelihoods, METH_VARARGS, log_likelihoods_doc},
    {"log", py_log, METH_VARARGS, "Natural logarithm."},
    {"log1p", py_log1p, METH_VARARGS, "log(1 + x) for x >= 0."},
    {"exp", py_exp, METH_VARARGS, "Exponential."},
    {"sin", py_sin, METH_VARARGS, "Sine, |x| < 1e5."},
    {"cos", py_cos, METH_VARARGS, "Cosine, |x| < 1e5."},
    {"cbrt", py_cbrt, METH_VARARGS, "Cube root of a positive number."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "Batched transit-timing integrator.", 0, methods,
    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&definition); }
