/* A pump as a Python object, for those who put in and those who take out. */
#ifndef TINCD_COMPAT_BINDING_PUMP_H
#define TINCD_COMPAT_BINDING_PUMP_H

#include "binding.h"
#include "pump.h"

typedef struct {
    PyObject_HEAD
    struct pump core;
    /* By number, (sealer, node) for each peer and (opener, node) for each source. */
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
/* Read an address of this host; "" is any. */
int parse_local(const char *text, struct local *local);

/* binding_tables.c: methods of the pump. */
PyObject *set_peer(PyObject *object, PyObject *args);
PyObject *set_way(PyObject *object, PyObject *args);
PyObject *add_destination(PyObject *object, PyObject *args);
PyObject *add_own(PyObject *object, PyObject *args);
PyObject *add_station(PyObject *object, PyObject *args);
PyObject *forget_peer(PyObject *object, PyObject *args);
PyObject *forget_way(PyObject *object, PyObject *args);
PyObject *forget_address(PyObject *object, PyObject *args);
PyObject *clear_tables(PyObject *object, PyObject *ignored);
PyObject *clear_stations(PyObject *object, PyObject *ignored);
/* Keep an object and its node alive as long as a table has them under that number. */
int keep(PyObject *list, size_t number, PyObject *object, PyObject *node);
/* Let go of them. */
int release(PyObject *list, size_t number);

/* binding_sources.c: methods of the pump. */
PyObject *add_source(PyObject *object, PyObject *args);
PyObject *forget_source(PyObject *object, PyObject *args);
PyObject *ignore_source(PyObject *object, PyObject *args);
PyObject *ignore_host(PyObject *object, PyObject *args);
PyObject *ignore_strangers(PyObject *object, PyObject *hosts);
PyObject *heed_strangers(PyObject *object, PyObject *ignored);

/* Return what Python has to see to after a call, or None. */
PyObject *outcome(PumpObject *self);

#endif
