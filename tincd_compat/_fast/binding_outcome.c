/* What comes out of a call of a pump: what it could not do, and what happened. */
#include "binding_pump.h"

#include <arpa/inet.h>

/* Return the node of a peer or source. */
static PyObject *node_of(PyObject *list, uint32_t index)
{
    PyObject *pair = PyList_GetItem(list, (Py_ssize_t)index);

    return pair == NULL ? NULL : PyTuple_GetItem(pair, 1);
}

static PyObject *device_frame(const PumpObject *self, const struct handed *handed)
{
    PyObject *frame = PyByteArray_FromStringAndSize((const char *)handed->data,
                                                    (Py_ssize_t)handed->length);
    size_t link = self->core.device.tap ? 0 : ETHERNET_SIZE;

    if (frame == NULL || handed->vnet.kind == 0)
        return frame;
    return Py_BuildValue("Niii", frame, handed->vnet.kind & 0x7f, (int)handed->vnet.size,
                         (int)(handed->vnet.start + link));
}

static PyObject *datagram(const struct handed *handed)
{
    char host[INET6_ADDRSTRLEN] = "", at[INET6_ADDRSTRLEN] = "";
    const struct place *place = &handed->place;
    const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&place->address;
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&place->address;
    unsigned port, scope = 0;

    if (place->address.ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof host);
        port = ntohs(ipv6->sin6_port);
        scope = ipv6->sin6_scope_id;
    } else {
        inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof host);
        port = ntohs(ipv4->sin_port);
    }
    if (place->local.length > 0)
        inet_ntop(place->local.length == sizeof(struct in_addr) ? AF_INET : AF_INET6,
                  place->local.bytes, at, sizeof at);
    return Py_BuildValue("y#sIIs", (const char *)handed->data, (Py_ssize_t)handed->length,
                         host, port, scope, at);
}

static PyObject *opened_frame(const PumpObject *self, const struct handed *handed)
{
    PyObject *node = node_of(self->sources, handed->source);

    if (node == NULL)
        return NULL;
    return Py_BuildValue("Oy#", node, (const char *)handed->data,
                         (Py_ssize_t)handed->length);
}

/* Make one list of each kind of what was handed back. */
static int collect(const PumpObject *self, PyObject **lists)
{
    for (size_t i = 0; i < self->core.handed_count; i++) {
        const struct handed *handed = &self->core.handed[i];
        PyObject *item;
        int done;

        switch (handed->what) {
        case FROM_DEVICE:
            item = device_frame(self, handed);
            break;
        case DATAGRAM:
            item = datagram(handed);
            break;
        default:
            item = opened_frame(self, handed);
        }
        done = item == NULL ? -1 : PyList_Append(lists[handed->what], item);
        Py_XDECREF(item);
        if (done < 0)
            return -1;
    }
    return 0;
}

static PyObject *reports_to_list(const PumpObject *self)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list != NULL && i < self->core.reports.count; i++) {
        const struct report *report = &self->core.reports.list[i];
        PyObject *node = node_of(self->peers, report->peer);
        PyObject *item = node == NULL ? NULL
                                      : Py_BuildValue("iOI", (int)report->kind, node,
                                                      (unsigned)report->value);
        if (item == NULL || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

PyObject *outcome(PumpObject *self)
{
    struct device *device = &self->core.device;
    bool refused = device->refused && device->coalescing;
    PyObject *lists[3], *result = NULL;

    if (pump_is_silent(&self->core))
        Py_RETURN_NONE;
    if (refused)
        device->coalescing = device->coalescing_udp = false;
    for (int i = 0; i < 3; i++)
        lists[i] = PyList_New(0);
    if (!PyErr_Occurred() && collect(self, lists) == 0)
        result = Py_BuildValue("OOONiii", lists[0], lists[1], lists[2],
                               reports_to_list(self), self->core.read_error,
                               device->write_error, (int)refused);
    for (int i = 0; i < 3; i++)
        Py_XDECREF(lists[i]);
    return result;
}
