/* What the parts of the Python binding share. */
#ifndef TINCD_COMPAT_BINDING_H
#define TINCD_COMPAT_BINDING_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#include <Python.h>

#include "core.h"
#include "sptps.h"

/* As many packets of a train as are worked on at a time. */
#define BATCH 64

typedef struct {
    PyObject_HEAD
    struct sealer core;
} SealerObject;

typedef struct {
    PyObject_HEAD
    struct opener core;
} OpenerObject;

typedef struct {
    PyObject_HEAD
    struct sptps_sealer core;
} SptpsSealerObject;

typedef struct {
    PyObject_HEAD
    struct sptps_opener core;
} SptpsOpenerObject;

extern PyTypeObject *sealer_type, *opener_type, *sptps_sealer_type, *sptps_opener_type;

/* Each adds its part to the module; -1 with an exception set if that fails. */
int add_codec(PyObject *module);
int add_sptps(PyObject *module);
int add_offload(PyObject *module);
int add_pump(PyObject *module);

/* A new type of the specification, added to the module under ``name``. */
PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec);
void free_object(PyObject *self);

/* binding_codec.c: what both codecs make trains with. */

/* Set the exception for what the functions return that set up sealers and openers. */
void say_why(int failed);
/* Append to ``train`` what becomes of some items; false when that is over. */
typedef bool some_function(void *context, PyObject *items, Py_ssize_t from,
                           Py_ssize_t count, PyObject *train);
/* Return the list that ``some`` makes of all items, BATCH at a time. */
PyObject *make_train(void *context, PyObject *items, some_function *some);
/*
 * Copy at most BATCH datagrams into new memory, a gap in front of each: opening works in
 * place.  NULL with an exception.
 */
uint8_t *collect_datagrams(PyObject *datagrams, Py_ssize_t from, Py_ssize_t count,
                           size_t gap, struct packet *packets);

#endif
