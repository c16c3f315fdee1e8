/* A pump as a Python object, for those who put in and those who take out. */
#ifndef TINCD_COMPAT_BINDING_PUMP_H
#define TINCD_COMPAT_BINDING_PUMP_H

#include "binding.h"
#include "pump.h"

typedef struct {
    PyObject_HEAD
    struct pump core;
    /* For each peer (sealer, node), for each source (opener, node). */
    PyObject *peers;
    PyObject *sources;
    /* The interpreter lock is released: whoever comes now may not touch the tables. */
    bool busy;
} PumpObject;

/* Return what Python has to see to after a call, or None. */
PyObject *outcome(PumpObject *self);

#endif
