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

/* Let a source have an opener of either kind, or none. */
static int take_opener(PyObject *opener, struct source *source)
{
    if (!PyObject_TypeCheck(opener, sptps_opener_type))
        return to_opener(opener, &source->opener) ? 0 : -1;
    if (source->other != NULL) {
        PyErr_SetString(PyExc_ValueError, "a session has one opener");
        return -1;
    }
    source->sptps = &((SptpsOpenerObject *)opener)->core;
    return 0;
}

/* Keep what opens a source's datagrams alive, and its node. */
static int keep_source(PyObject *list, uint32_t number, PyObject *opener, PyObject *other,
                       PyObject *node)
{
    PyObject *openers = PyTuple_Pack(2, opener, other);
    int kept = openers == NULL ? -1 : keep(list, number, openers, node);

    Py_XDECREF(openers);
    return kept;
}

/* Where datagrams come from and are for, as a key of the sources. */
struct key {
    uint8_t bytes[MAX_KEY];
    size_t length;
};

static int to_key(struct key *key, uint32_t socket, const char *host, int port,
                  uint32_t scope, const char *local)
{
    struct place place;
    socklen_t address_length;

    if (parse_address(host, port, scope, &place.address, &address_length) < 0 ||
        parse_local(local, &place.local) < 0) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return -1;
    }
    key->length = source_key(socket, &place, key->bytes);
    return 0;
}

/* Parse the place of a source and find its number, or NOTHING. */
static int find_source(PumpObject *self, PyObject *args, uint32_t *number)
{
    const char *host, *local = "";
    uint32_t socket, scope;
    struct key key;
    int port;

    if (self == NULL ||
        !PyArg_ParseTuple(args, "O&siO&|s", to_number, &socket, &host, &port, to_number,
                          &scope, &local) ||
        to_key(&key, socket, host, port, scope, local) < 0)
        return -1;
    *number = map_find(&self->core.sources, key.bytes, key.length);
    return 0;
}

PyObject *add_source(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    PyObject *node, *opener, *other = Py_None;
    struct source source = {0};
    const char *host, *local = "";
    uint32_t socket, scope, number;
    int port, service = MOVE;
    struct key key;

    if (self == NULL ||
        !PyArg_ParseTuple(args, "OO&OO&siO&|Ois", &node, to_number, &source.node, &opener,
                          to_number, &socket, &host, &port, to_number, &scope, &other,
                          &service, &local) ||
        !to_opener(other, &source.other) || take_opener(opener, &source) < 0 ||
        to_key(&key, socket, host, port, scope, local) < 0)
        return NULL;
    if (service < MOVE || service > TEST) {
        PyErr_SetString(PyExc_ValueError, "no such service");
        return NULL;
    }
    source.service = (enum service)service;
    /* Whoever was there before has left its number. */
    number = map_find(&self->core.sources, key.bytes, key.length);
    if (number == NOTHING && self->core.source_count == MAX_SOURCES)
        Py_RETURN_FALSE;
    if (number == NOTHING)
        number = (uint32_t)self->core.source_count++;
    if (keep_source(self->sources, number, opener, other, node) < 0)
        return NULL;
    self->core.known[number] = source;
    return PyBool_FromLong(map_put(&self->core.sources, key.bytes, key.length, number));
}

PyObject *forget_source(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    uint32_t number;

    if (find_source(self, args, &number) < 0)
        return NULL;
    if (number != NOTHING) {
        self->core.known[number] = (struct source){.node = NOTHING};
        if (release(self->sources, number) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *ignore_source(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    uint32_t number;

    if (find_source(self, args, &number) < 0)
        return NULL;
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

PyObject *heed_strangers(PyObject *object, PyObject *ignored)
{
    PumpObject *self = idle(object);

    (void)ignored;
    if (self == NULL)
        return NULL;
    strangers_forget(&self->core.strangers);
    Py_RETURN_NONE;
}
