/* What the pumps are told, and what they are to forget. */
#include "binding_pump.h"

#include <string.h>

int keep(PyObject *list, size_t number, PyObject *object, PyObject *node)
{
    PyObject *pair = PyTuple_Pack(2, object, node);

    if (pair == NULL)
        return -1;
    while ((size_t)PyList_Size(list) <= number)
        if (PyList_Append(list, Py_None) < 0) {
            Py_DECREF(pair);
            return -1;
        }
    return PyList_SetItem(list, (Py_ssize_t)number, pair);
}

int release(PyObject *list, size_t number)
{
    if ((size_t)PyList_Size(list) <= number)
        return 0;
    return PyList_SetItem(list, (Py_ssize_t)number, Py_NewRef(Py_None));
}

/* For "O&": the number of a node that has a way or is a peer. */
static int to_node(PyObject *object, void *into)
{
    if (!to_number(object, into))
        return 0;
    if (*(uint32_t *)into < MAX_NODES)
        return 1;
    PyErr_SetString(PyExc_ValueError, "no such node");
    return 0;
}

static void count_node(struct pump *pump, uint32_t number)
{
    if (number >= pump->node_count)
        pump->node_count = (size_t)number + 1;
}

/* Let a peer have a sealer of either kind. */
static int take_sealer(PyObject *sealer, struct peer *peer)
{
    if (PyObject_TypeCheck(sealer, sealer_type)) {
        peer->sealer = &((SealerObject *)sealer)->core;
    } else if (PyObject_TypeCheck(sealer, sptps_sealer_type)) {
        peer->sptps = &((SptpsSealerObject *)sealer)->core;
    } else {
        PyErr_SetString(PyExc_TypeError, "a sealer is wanted");
        return -1;
    }
    return 0;
}

/* Let IDs of two nodes come first in a peer's datagrams; none for no bytes. */
static int take_ids(const char *ids, Py_ssize_t size, struct peer *peer)
{
    if (size == 0)
        return 0;
    if (size != NODE_IDS_SIZE || peer->sptps == NULL) {
        PyErr_SetString(PyExc_ValueError, "two IDs have 12 bytes, in SPTPS datagrams");
        return -1;
    }
    peer->with_ids = true;
    memcpy(peer->ids, ids, NODE_IDS_SIZE);
    return 0;
}

PyObject *set_peer(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    PyObject *sealer, *node;
    int fd, port, segmentation;
    uint32_t number, scope;
    const char *host, *local = "", *ids = NULL;
    Py_ssize_t ids_size = 0;
    struct peer peer = {0};

    if (self == NULL ||
        !PyArg_ParseTuple(args, "O&OOisiO&p|sy#", to_node, &number, &node, &sealer, &fd,
                          &host, &port, to_number, &scope, &segmentation, &local, &ids,
                          &ids_size) ||
        take_sealer(sealer, &peer) < 0 || take_ids(ids, ids_size, &peer) < 0)
        return NULL;
    if (parse_address(host, port, scope, &peer.address, &peer.address_length) < 0 ||
        parse_local(local, &peer.local) < 0) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return NULL;
    }
    peer.fd = fd;
    peer.segmentation = segmentation;
    peer.outlet = pump_outlet(&self->core, fd);
    if (keep(self->peers, number, sealer, node) < 0)
        return NULL;
    count_node(&self->core, number);
    self->core.peers[number] = peer;
    Py_RETURN_NONE;
}

PyObject *forget_peer(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    uint32_t number;

    if (self == NULL || !PyArg_ParseTuple(args, "O&", to_node, &number))
        return NULL;
    self->core.peers[number].sealer = NULL;
    self->core.peers[number].sptps = NULL;
    if (release(self->peers, number) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *set_way(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    uint32_t owner, peer, via;
    Py_ssize_t limit;

    if (self == NULL || !PyArg_ParseTuple(args, "O&O&O&n", to_node, &owner, to_node, &peer,
                                          to_node, &via, &limit))
        return NULL;
    if (limit < 0)
        limit = 0;
    if (limit > (Py_ssize_t)MAX_FRAME)
        limit = MAX_FRAME;
    count_node(&self->core, owner);
    self->core.ways[owner] = (struct way){peer, via, (size_t)limit};
    Py_RETURN_NONE;
}

PyObject *forget_way(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    uint32_t owner;

    if (self == NULL || !PyArg_ParseTuple(args, "O&", to_node, &owner))
        return NULL;
    self->core.ways[owner].limit = 0;
    Py_RETURN_NONE;
}

static PyObject *put(struct map *map, const char *key, Py_ssize_t length, uint32_t value)
{
    if (length < 1 || length > (Py_ssize_t)MAX_DESTINATION) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return NULL;
    }
    map_put(map, (const uint8_t *)key, (size_t)length, value);
    Py_RETURN_NONE;
}

PyObject *add_destination(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length;
    const char *key;
    uint32_t owner;

    if (self == NULL || !PyArg_ParseTuple(args, "y#O&", &key, &length, to_node, &owner))
        return NULL;
    return put(&self->core.destinations, key, length, owner);
}

PyObject *add_own(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length;
    const char *key;

    if (self == NULL || !PyArg_ParseTuple(args, "y#", &key, &length))
        return NULL;
    return put(&self->core.own, key, length, 0);
}

PyObject *add_station(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length;
    const char *key;

    if (self == NULL || !PyArg_ParseTuple(args, "y#", &key, &length))
        return NULL;
    return put(&self->core.stations, key, length, 0);
}

PyObject *forget_address(PyObject *object, PyObject *args)
{
    PumpObject *self = idle(object);
    Py_ssize_t length;
    const char *key;

    if (self == NULL || !PyArg_ParseTuple(args, "y#", &key, &length))
        return NULL;
    if (length > (Py_ssize_t)MAX_DESTINATION) {
        PyErr_SetString(PyExc_ValueError, "no such address");
        return NULL;
    }
    map_forget(&self->core.destinations, (const uint8_t *)key, (size_t)length);
    map_forget(&self->core.own, (const uint8_t *)key, (size_t)length);
    map_forget(&self->core.stations, (const uint8_t *)key, (size_t)length);
    Py_RETURN_NONE;
}

PyObject *clear_tables(PyObject *object, PyObject *ignored)
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

PyObject *clear_stations(PyObject *object, PyObject *ignored)
{
    PumpObject *self = idle(object);

    (void)ignored;
    if (self == NULL)
        return NULL;
    map_clear(&self->core.stations);
    Py_RETURN_NONE;
}

