/* The pumps for Python: the calls that let them run. */
#include "binding_pump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static PyObject *pump_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"fd",         "tap",            "vnet",   "switching",
                            "coalescing", "coalescing_udp", "relays", NULL};
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    int fd, tap, vnet, switching, coalescing, coalescing_udp, relays = 0;
    PumpObject *self;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "ippppp|p", names, &fd, &tap, &vnet,
                                     &switching, &coalescing, &coalescing_udp, &relays))
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
    self->core.relays = relays;
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

int parse_local(const char *text, struct local *local)
{
    memset(local, 0, sizeof *local);
    if (inet_pton(AF_INET, text, local->bytes) == 1)
        local->length = sizeof(struct in_addr);
    else if (inet_pton(AF_INET6, text, local->bytes) == 1)
        local->length = sizeof(struct in6_addr);
    return local->length > 0 || *text == 0 ? 0 : -1;
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
    pump_tell_time(&self->core, milliseconds);
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

static struct outlet *find_outlet(PumpObject *self, uint32_t socket)
{
    for (size_t i = 0; i < self->core.watch_count; i++)
        if (self->core.watches[i].socket == socket)
            return &self->core.watches[i].outlet;
    return NULL;
}

static PyObject *sent(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    const struct outlet *outlet;
    uint32_t socket;

    if (self == NULL || !PyArg_ParseTuple(args, "O&", to_number, &socket))
        return NULL;
    outlet = find_outlet(self, socket);
    return PyLong_FromUnsignedLongLong(outlet == NULL ? 0 : outlet->sent);
}

static PyObject *limit_runs(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    struct outlet *outlet;
    uint32_t socket, longest, lasts;

    if (self == NULL || !PyArg_ParseTuple(args, "O&O&O&", to_number, &socket, to_number,
                                          &longest, to_number, &lasts))
        return NULL;
    outlet = find_outlet(self, socket);
    if (outlet != NULL) {
        outlet->longest = longest < MAX_RUN_BYTES ? longest : MAX_RUN_BYTES;
        outlet->limited_until = outlet->sent + lasts;
    }
    Py_RETURN_NONE;
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
    {"set_peer", set_peer, METH_VARARGS, "Name how to send to a node."},
    {"set_way", set_way, METH_VARARGS, "Name the way to an owner of addresses."},
    {"add_destination", add_destination, METH_VARARGS, "Name the owner of an address."},
    {"add_own", add_own, METH_VARARGS, "Name an address behind our device."},
    {"add_station", add_station, METH_VARARGS, "Name an author of our device."},
    {"add_source", add_source, METH_VARARGS, "Name the node behind a UDP address."},
    {"ignore_source", ignore_source, METH_VARARGS, "Test its datagrams, no more."},
    {"ignore_host", ignore_host, METH_VARARGS, "Drop strangers' datagrams there."},
    {"ignore_strangers", ignore_strangers, METH_O, "Drop them, but at these hosts."},
    {"heed_strangers", heed_strangers, METH_NOARGS, "Ignore nobody any longer."},
    {"forget_peer", forget_peer, METH_VARARGS, "Send to a node no more."},
    {"forget_way", forget_way, METH_VARARGS, "Forget the way to an owner."},
    {"forget_address", forget_address, METH_VARARGS, "Forget whose an address is."},
    {"forget_source", forget_source, METH_VARARGS, "Forget who is behind an address."},
    {"clear", clear_tables, METH_NOARGS, "Forget all that was named."},
    {"clear_stations", clear_stations, METH_NOARGS, "Forget the authors."},
    {"out", out, METH_VARARGS, "Move frames from the device."},
    {"receive", receive, METH_VARARGS, "Move datagrams of a socket."},
    {"watch", watch, METH_VARARGS, "Look after a descriptor."},
    {"sent", sent, METH_VARARGS, "Bytes that a socket has taken."},
    {"limit_runs", limit_runs, METH_VARARGS, "Let messages be shorter for a while."},
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
    .name = "tincd_compat._fast._core.Pump",
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
