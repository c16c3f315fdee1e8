/* Who is behind UDP addresses, and who is ignored: what pumps are told of datagrams. */
#include "binding_pump.h"

/* For "O&": an opener, or NULL for None. */
static int to_opener(PyObject *object, void *into)
{
    if (object != Py_None && !PyObject_TypeCheck(object, opener_type)) {
        PyErr_SetString(PyExc_TypeError, "an opener or None is wanted");
        return 0;
    }
    *(struct opener **)into = object == Py_None ? NULL : &((OpenerObject *)object)->core;
    return 1;
}

/* Keep what opens a source's datagrams alive, and its node. */
static int keep_source(PyObject *list, PyObject *opener, PyObject *other, PyObject *node)
{
    PyObject *openers = PyTuple_Pack(2, opener, other);
    int kept = openers == NULL ? -1 : keep(list, openers, node);

    Py_XDECREF(openers);
    return kept;
}

PyObject *add_source(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    PyObject *node, *opener, *other = Py_None;
    struct sockaddr_storage address;
    struct source source = {0};
    socklen_t address_length;
    uint8_t key[MAX_KEY];
    uint32_t socket, scope;
    int port, service = MOVE;
    const char *host;

    if (self == NULL ||
        !PyArg_ParseTuple(args, "OO&OO&siO&|Oi", &node, to_number, &source.node, &opener,
                          to_number, &socket, &host, &port, to_number, &scope, &other,
                          &service) ||
        !to_opener(opener, &source.opener) || !to_opener(other, &source.other))
        return NULL;
    if (parse_address(host, port, scope, &address, &address_length) < 0 ||
        service < MOVE || service > TEST) {
        PyErr_SetString(PyExc_ValueError, "no such address or service");
        return NULL;
    }
    source.service = (enum service)service;
    if (self->core.source_count == MAX_SOURCES)
        Py_RETURN_FALSE;
    if (keep_source(self->sources, opener, other, node) < 0)
        return NULL;
    self->core.known[self->core.source_count] = source;
    return PyBool_FromLong(map_put(&self->core.sources, key,
                                   source_key(socket, &address, key),
                                   (uint32_t)self->core.source_count++));
}

PyObject *ignore_source(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    struct sockaddr_storage address;
    socklen_t address_length;
    uint8_t key[MAX_KEY];
    uint32_t socket, scope, number;
    const char *host;
    int port;

    if (self == NULL || !PyArg_ParseTuple(args, "O&siO&", to_number, &socket, &host,
                                          &port, to_number, &scope))
        return NULL;
    if (parse_address(host, port, scope, &address, &address_length) < 0) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return NULL;
    }
    number = map_find(&self->core.sources, key, source_key(socket, &address, key));
    if (number != NOTHING)
        self->core.known[number].ignored = self->core.strangers.turn;
    Py_RETURN_NONE;
}

PyObject *ignore_host(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    struct sockaddr_storage address;
    socklen_t length;
    const char *host;

    if (self == NULL || !PyArg_ParseTuple(args, "s", &host))
        return NULL;
    if (parse_address(host, 0, 0, &address, &length) == 0)
        strangers_ignore(&self->core.strangers, &address);
    Py_RETURN_NONE;
}

PyObject *ignore_strangers(PyObject *object, PyObject *hosts)
{
    PumpObject *self = idle(object);
    Py_ssize_t count = self == NULL ? -1 : PySequence_Size(hosts);

    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *host = PySequence_GetItem(hosts, i);
        const char *text = host == NULL ? NULL : PyUnicode_AsUTF8AndSize(host, NULL);
        struct sockaddr_storage address;
        socklen_t length;
        if (text != NULL && parse_address(text, 0, 0, &address, &length) == 0)
            strangers_want(&self->core.strangers, &address);
        Py_XDECREF(host);
        if (text == NULL)
            return NULL;
    }
    if (count < 0)
        return NULL;
    strangers_ignore_others(&self->core.strangers);
    Py_RETURN_NONE;
}
