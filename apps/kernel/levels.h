/* The levels (widths of vectors) that kernels are compiled at, and those that this processor has.
 *
 * For the module.c of each kernel: EACH_LEVEL(X) stands for X(level) of each level, the fastest
 * first, and makes tables that find_level() gives the index of. Their flags are in setup.py. */
#ifndef LEVELS_H
#define LEVELS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#if defined(__x86_64__)
#define EACH_LEVEL(X) X(avx512) X(avx2) X(baseline)
#else
#define EACH_LEVEL(X) X(baseline)
#endif

#define LEVEL_NAME(level) #level,
static const char *const LEVEL_NAMES[] = {EACH_LEVEL(LEVEL_NAME)};
#define N_LEVEL ((int)(sizeof LEVEL_NAMES / sizeof LEVEL_NAMES[0]))

static int is_supported(const char *level)
{
#if defined(__x86_64__)
    if (!strcmp(level, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (!strcmp(level, "avx2"))
        return __builtin_cpu_supports("avx2") != 0;
#endif
    return level != NULL;
}

/* A converter for PyArg_ParseTuple's O&: from a level's name to its index. */
static int find_level(PyObject *argument, void *index)
{
    const char *name = PyUnicode_AsUTF8(argument);
    if (!name)
        return 0;
    for (int i = 0; i < N_LEVEL; i++)
        if (!strcmp(LEVEL_NAMES[i], name) && is_supported(name)) {
            *(int *)index = i;
            return 1;
        }
    PyErr_Format(PyExc_ValueError, "this processor has no level %s", name);
    return 0;
}

PyDoc_STRVAR(levels_doc, "levels() -> list of the levels that this processor has, best first.");

static PyObject *levels(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < N_LEVEL; i++) {
        if (!is_supported(LEVEL_NAMES[i]))
            continue;
        PyObject *name = PyUnicode_FromString(LEVEL_NAMES[i]);
        if (!name || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

#endif
