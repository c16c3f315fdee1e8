/* The pumps for Python: what they are told, and the calls that let them run. */
#include "binding_pump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static PyObject *pump_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"fd",        "tap",        "vnet",
                            "switching", "coalescing", "coalescing_udp", NULL};
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    int fd, tap, vnet, switching, coalescing, coalescing_udp;
    PumpObject *self;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "ippppp", names, &fd, &tap, &vnet,
                                     &switching, &coalescing, &coalescing_udp))
        return NULL;
    self = (PumpObject *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->core.device.fd = fd;
    self->core.device.tap = tap;
    self->core.device.vnet = vnet;
    self->core.device.coalescing = vnet && coalescing;
    self->core.device.coalescing_udp = vnet && coalescing_udp;
    self->core.switching = switching;
    self->peers = PyList_New(0);
    self->sources = PyList_New(0);
    if (pump_init(&self->core) < 0) {
        if (errno == ENOMEM)
            PyErr_NoMemory();
        else
            PyErr_SetFromErrno(PyExc_OSError);
    }
    if (PyErr_Occurred())
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void pump_dealloc(PyObject *object)
{
    PumpObject *self = (PumpObject *)object;

    pump_free(&self->core);
    Py_XDECREF(self->peers);
    Py_XDECREF(self->sources);
    free_object(object);
}

PumpObject *idle(PyObject *object)
{
    PumpObject *self = (PumpObject *)object;

    if (!self->busy)
        return self;
    PyErr_SetString(PyExc_RuntimeError, "the pump is running in another thread");
    return NULL;
}

int to_number(PyObject *object, void *into)
{
    unsigned long number = PyLong_AsUnsignedLong(object);

    if (PyErr_Occurred())
        return 0;
    if (number >= NOTHING) {
        PyErr_SetString(PyExc_OverflowError, "the number is too large");
        return 0;
    }
    *(uint32_t *)into = (uint32_t)number;
    return 1;
}

int parse_address(const char *host, int port, uint32_t scope,
                  struct sockaddr_storage *address, socklen_t *length)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof *address);
    if (port < 0 || port > 65535)
        return -1;
    if (inet_pton(AF_INET, host, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons((uint16_t)port);
        *length = sizeof *ipv4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &ipv6->sin6_addr) != 1)
        return -1;
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons((uint16_t)port);
    ipv6->sin6_scope_id = scope;
    *length = sizeof *ipv6;
    return 0;
}

int keep(PyObject *list, PyObject *object, PyObject *node)
{
    PyObject *pair = PyTuple_Pack(2, object, node);
    int kept = pair == NULL ? -1 : PyList_Append(list, pair);

    Py_XDECREF(pair);
    return kept;
}

static PyObject *add_peer(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    PyObject *sealer, *node;
    int fd, port, segmentation;
    Py_ssize_t limit;
    uint32_t scope;
    const char *host;
    struct peer peer = {0};

    if (self == NULL ||
        !PyArg_ParseTuple(args, "OO!isiO&np", &node, sealer_type, &sealer, &fd, &host,
                          &port, to_number, &scope, &limit, &segmentation))
        return NULL;
    if (parse_address(host, port, scope, &peer.address, &peer.address_length) < 0) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return NULL;
    }
    if (self->core.peer_count == MAX_PEERS)
        Py_RETURN_NONE;
    peer.sealer = &((SealerObject *)sealer)->core;
    peer.fd = fd;
    peer.limit = limit < 0 ? 0 : limit > (Py_ssize_t)MAX_FRAME ? MAX_FRAME : (size_t)limit;
    peer.segmentation = segmentation;
    if (keep(self->peers, sealer, node) < 0)
        return NULL;
    self->core.peers[self->core.peer_count] = peer;
    return PyLong_FromSize_t(self->core.peer_count++);
}

static PyObject *put(struct map *map, const char *key, Py_ssize_t length, uint32_t value)
{
    if (length < 1 || length > (Py_ssize_t)MAX_KEY) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return NULL;
    }
    map_put(map, (const uint8_t *)key, (size_t)length, value);
    Py_RETURN_NONE;
}

static PyObject *add_destination(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length, peer;
    const char *key;

    if (self == NULL || !PyArg_ParseTuple(args, "y#n", &key, &length, &peer))
        return NULL;
    if (peer < 0 || (size_t)peer >= self->core.peer_count) {
        PyErr_SetString(PyExc_ValueError, "no such peer");
        return NULL;
    }
    return put(&self->core.destinations, key, length, (uint32_t)peer);
}

static PyObject *add_own(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length;
    const char *key;

    if (self == NULL || !PyArg_ParseTuple(args, "y#", &key, &length))
        return NULL;
    return put(&self->core.own, key, length, 0);
}

static PyObject *add_station(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length;
    const char *key;

    if (self == NULL || !PyArg_ParseTuple(args, "y#", &key, &length))
        return NULL;
    return put(&self->core.stations, key, length, 0);
}

static PyObject *add_relay(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length, peer;
    const char *destination;
    uint8_t key[MAX_KEY];
    uint32_t node;

    if (self == NULL ||
        !PyArg_ParseTuple(args, "O&y#n", to_number, &node, &destination, &length,
                          &peer))
        return NULL;
    if (peer < 0 || (size_t)peer >= self->core.peer_count || length < 1 ||
        length > (Py_ssize_t)MAX_DESTINATION) {
        PyErr_SetString(PyExc_ValueError, "no such peer or address");
        return NULL;
    }
    length = (Py_ssize_t)relay_key(node, (const uint8_t *)destination, (size_t)length, key);
    return put(&self->core.relays, (const char *)key, length, (uint32_t)peer);
}

static PyObject *clear(PyObject *object, PyObject *ignored)
{
    PumpObject *self = idle(object);

    (void)ignored;
    if (self == NULL)
        return NULL;
    pump_clear(&self->core);
    if (PyList_SetSlice(self->peers, 0, PY_SSIZE_T_MAX, NULL) < 0 ||
        PyList_SetSlice(self->sources, 0, PY_SSIZE_T_MAX, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *clear_stations(PyObject *object, PyObject *ignored)
{
    PumpObject *self = idle(object);

    (void)ignored;
    if (self == NULL)
        return NULL;
    map_clear(&self->core.stations);
    Py_RETURN_NONE;
}

static PyObject *out(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t budget;

    if (self == NULL || !PyArg_ParseTuple(args, "n", &budget))
        return NULL;
    pump_begin(&self->core);
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS
    pump_out(&self->core, budget < 0 ? 0 : (size_t)budget);
    Py_END_ALLOW_THREADS
    self->busy = false;
    return outcome(self);
}

static PyObject *receive(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    long long milliseconds = 0;
    Py_ssize_t batches;
    uint32_t socket;
    int fd;

    if (self == NULL || !PyArg_ParseTuple(args, "iO&n|L", &fd, to_number, &socket,
                                          &batches, &milliseconds))
        return NULL;
    pump_begin(&self->core);
    strangers_turn(&self->core.strangers, milliseconds);
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS
    pump_in(&self->core, fd, socket, batches < 0 ? 0 : (size_t)batches);
    Py_END_ALLOW_THREADS
    self->busy = false;
    return outcome(self);
}

static PyObject *watch(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    int fd;
    PyObject *socket;
    uint32_t number = NOTHING;

    if (self == NULL || !PyArg_ParseTuple(args, "iO", &fd, &socket) ||
        (socket != Py_None && !to_number(socket, &number)))
        return NULL;
    return PyBool_FromLong(pump_watch(&self->core, fd, number));
}

static PyObject *serve(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    int epoll, wait;
    Py_ssize_t packets, batches;
    uint32_t socket = NOTHING;
    struct portion portion;
    enum served served;

    if (self == NULL ||
        !PyArg_ParseTuple(args, "iinn", &epoll, &wait, &packets, &batches))
        return NULL;
    portion.packets = packets < 0 ? 0 : (size_t)packets;
    portion.batches = batches < 0 ? 0 : (size_t)batches;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS
    served = pump_serve(&self->core, epoll, wait, &portion, &socket);
    Py_END_ALLOW_THREADS
    self->busy = false;
    if (served != HANDED)
        return PyBool_FromLong(served == TIME_OVER);
    return Py_BuildValue("NN", socket == NOTHING ? Py_NewRef(Py_None)
                                                 : PyLong_FromUnsignedLong(socket),
                         outcome(self));
}

static PyObject *get_bytes_in(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((PumpObject *)self)->core.device.bytes_in);
}

static PyObject *get_bytes_out(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((PumpObject *)self)->core.device.bytes_out);
}

static PyObject *get_drops(PyObject *self, void *closure)
{
    PyObject *drops = PyTuple_New(DROPS);

    (void)closure;
    for (Py_ssize_t i = 0; drops != NULL && i < DROPS; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(((PumpObject *)self)->core.drops[i]);
        if (count == NULL || PyTuple_SetItem(drops, i, count) < 0)
            Py_CLEAR(drops);
    }
    return drops;
}

static PyMethodDef pump_methods[] = {
    {"add_peer", add_peer, METH_VARARGS, "Name a peer; returns its number."},
    {"add_destination", add_destination, METH_VARARGS, "Name the way to an address."},
    {"add_own", add_own, METH_VARARGS, "Name an address behind our device."},
    {"add_relay", add_relay, METH_VARARGS, "Name the way from a node to an address."},
    {"add_station", add_station, METH_VARARGS, "Name an author of our device."},
    {"add_source", add_source, METH_VARARGS, "Name the node behind a UDP address."},
    {"ignore_source", ignore_source, METH_VARARGS, "Test its datagrams, no more."},
    {"ignore_host", ignore_host, METH_VARARGS, "Drop strangers' datagrams there."},
    {"ignore_strangers", ignore_strangers, METH_O, "Drop them, but at these hosts."},
    {"clear", clear, METH_NOARGS, "Forget all that was named."},
    {"clear_stations", clear_stations, METH_NOARGS, "Forget the authors."},
    {"out", out, METH_VARARGS, "Move frames from the device."},
    {"receive", receive, METH_VARARGS, "Move datagrams of a socket."},
    {"watch", watch, METH_VARARGS, "Look after a descriptor."},
    {"serve", serve, METH_VARARGS, "Wait for packets and move them."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pump_attributes[] = {
    {"bytes_in", get_bytes_in, NULL, "Bytes of frames read.", NULL},
    {"bytes_out", get_bytes_out, NULL, "Bytes of frames written.", NULL},
    {"drops", get_drops, NULL, "Datagrams dropped, by reason.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pump_slots[] = {
    {Py_tp_new, pump_new},
    {Py_tp_dealloc, pump_dealloc},
    {Py_tp_methods, pump_methods},
    {Py_tp_getset, pump_attributes},
    {0, NULL},
};

static PyType_Spec pump_spec = {
    .name = "tincd_compat.tunnel._fast._core.Pump",
    .basicsize = sizeof(PumpObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = pump_slots,
};

int add_pump(PyObject *module)
{
    PyTypeObject *type = add_type(module, "Pump", &pump_spec);

    Py_XDECREF((PyObject *)type);
    return type == NULL ? -1 : 0;
}
