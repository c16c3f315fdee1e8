/* What the parts of the Python binding share. */
#ifndef TINCD_COMPAT_BINDING_H
#define TINCD_COMPAT_BINDING_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030b0000
#endif
#include <Python.h>

#include "core.h"

typedef struct {
    PyObject_HEAD
    struct sealer core;
} SealerObject;

typedef struct {
    PyObject_HEAD
    struct opener core;
} OpenerObject;

extern PyTypeObject *sealer_type, *opener_type;

/* Each adds its part to the module; -1 with an exception set if that fails. */
int add_codec(PyObject *module);
int add_offload(PyObject *module);
int add_pump(PyObject *module);

/* A new type of the specification, added to the module under ``name``. */
PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec);
void free_object(PyObject *self);

#endif
