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

/* Return the pump if its tables may be touched, else NULL with an exception. */
PumpObject *idle(PyObject *object);
/* For "O&": a number of a socket, a node or an interface, as the tables have them.  The
 * format "I" would cut off what is too much of it. */
int to_number(PyObject *object, void *into);
int parse_address(const char *host, int port, uint32_t scope,
                  struct sockaddr_storage *address, socklen_t *length);
/* Keep an object and its node alive as long as the tables name them. */
int keep(PyObject *list, PyObject *object, PyObject *node);

/* binding_sources.c: methods of the pump. */
PyObject *add_source(PyObject *object, PyObject *args);
PyObject *ignore_source(PyObject *object, PyObject *args);
PyObject *ignore_host(PyObject *object, PyObject *args);
PyObject *ignore_strangers(PyObject *object, PyObject *hosts);

/* Return what Python has to see to after a call, or None. */
PyObject *outcome(PumpObject *self);

#endif
