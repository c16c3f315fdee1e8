/* SptpsSealer and SptpsOpener for Python: the objects that the pumps work with. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

PyTypeObject *sptps_sealer_type, *sptps_opener_type;

/* The first keyword arguments of either type. */
struct given {
    const uint8_t *key;
    bool switching;
    bool portable;
    /* What only one of the types has. */
    unsigned long long number;
    Py_ssize_t window_bytes;
};

static const uint8_t *checked_key(const char *key, Py_ssize_t size)
{
    if (size == RECORD_KEY_SIZE)
        return (const uint8_t *)key;
    PyErr_SetString(PyExc_ValueError, "a key has 32 bytes");
    return NULL;
}

/* An object of a type, whose core ``init`` sets up. */
static PyObject *make(PyTypeObject *type, const struct given *given,
                      int (*init)(PyObject *, const struct given *))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    int failed = self == NULL ? 0 : init(self, given);

    if (failed) {
        Py_CLEAR(self);
        say_why(failed);
    }
    return self;
}

/* Let an object work with a key too, or instead. */
static PyObject *give_key(PyObject *self, PyObject *key,
                          int (*give)(PyObject *, const uint8_t *))
{
    Py_ssize_t size;
    char *bytes;
    int failed;

    if (PyBytes_AsStringAndSize(key, &bytes, &size) < 0 ||
        checked_key(bytes, size) == NULL)
        return NULL;
    failed = give(self, (const uint8_t *)bytes);
    if (failed) {
        say_why(failed);
        return NULL;
    }
    Py_RETURN_NONE;
}

static int init_sealer(PyObject *self, const struct given *given)
{
    return sptps_sealer_init(&((SptpsSealerObject *)self)->core, given->key,
                             given->switching, (uint32_t)given->number, given->portable);
}

static PyObject *sealer_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"key", "switching", "number", "portable", NULL};
    struct given given = {.number = 2};
    const char *key;
    Py_ssize_t size;
    int switching, portable = 0;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y#p|Kp", names, &key, &size,
                                     &switching, &given.number, &portable) ||
        (given.key = checked_key(key, size)) == NULL)
        return NULL;
    given.switching = switching;
    given.portable = portable;
    if (given.number > NUMBER_LIMIT) {
        PyErr_SetString(PyExc_ValueError, "no such number");
        return NULL;
    }
    return make(type, &given, init_sealer);
}

static void sealer_dealloc(PyObject *self)
{
    sptps_sealer_free(&((SptpsSealerObject *)self)->core);
    free_object(self);
}

static int rekey(PyObject *self, const uint8_t *key)
{
    return sptps_sealer_rekey(&((SptpsSealerObject *)self)->core, key);
}

static PyObject *sealer_rekey(PyObject *self, PyObject *key)
{
    return give_key(self, key, rekey);
}

/* Read the IDs in front of datagrams: none, or both. */
static int parse_ids(const char *bytes, Py_ssize_t size, const uint8_t **ids)
{
    *ids = size ? (const uint8_t *)bytes : NULL;
    if (size == 0 || size == NODE_IDS_SIZE)
        return 0;
    PyErr_SetString(PyExc_ValueError, "two IDs have 12 bytes");
    return -1;
}

/* Make a bytes object with room for a datagram, kind and data in their places. */
static PyObject *make_room(uint8_t kind, const uint8_t *data, size_t length, size_t front,
                           struct packet *packet)
{
    PyObject *datagram = NULL;

    if (length > MAX_BODY)
        PyErr_SetString(PyExc_ValueError, "record too long");
    else
        datagram = PyBytes_FromStringAndSize(
            NULL, (Py_ssize_t)(front + length + RECORD_OVERHEAD));
    if (datagram == NULL)
        return NULL;
    packet->data = (uint8_t *)PyBytes_AsString(datagram);
    packet->length = KIND_SIZE + length;
    packet->data[front + SEQNO_SIZE] = kind;
    memcpy(packet->data + front + RECORD_FRONT, data, length);
    return datagram;
}

static PyObject *sealer_seal(PyObject *self, PyObject *args)
{
    struct sptps_sealer *sealer = &((SptpsSealerObject *)self)->core;
    const char *id_bytes = NULL;
    Py_ssize_t id_size = 0;
    PyObject *datagram = NULL;
    struct packet packet;
    const uint8_t *ids;
    unsigned char kind;
    Py_buffer view;

    if (!PyArg_ParseTuple(args, "by*|y#", &kind, &view, &id_bytes, &id_size))
        return NULL;
    if (parse_ids(id_bytes, id_size, &ids) == 0)
        datagram = make_room(kind, view.buf, (size_t)view.len, (size_t)id_size, &packet);
    PyBuffer_Release(&view);
    if (datagram == NULL || sptps_seal_train(sealer, &packet, 1, ids) == 1)
        return datagram;
    Py_DECREF(datagram);
    Py_RETURN_NONE;
}

/* What a train is sealed with. */
struct sealing {
    struct sptps_sealer *sealer;
    const uint8_t *ids;
};

static PyObject *wrap_frame(const struct sealing *sealing, PyObject *frame,
                            struct packet *packet)
{
    size_t front = sealing->ids == NULL ? 0 : NODE_IDS_SIZE, skipped;
    PyObject *datagram = NULL;
    Py_buffer view;
    uint8_t kind;

    if (PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if (view.len < (Py_ssize_t)ETHERNET_SIZE) {
        PyErr_SetString(PyExc_ValueError, "frame too short");
    } else {
        kind = sptps_kind(sealing->sealer, view.buf, &skipped);
        datagram = make_room(kind, (const uint8_t *)view.buf + skipped,
                             (size_t)view.len - skipped, front, packet);
    }
    PyBuffer_Release(&view);
    return datagram;
}

static bool seal_some(void *context, PyObject *frames, Py_ssize_t from, Py_ssize_t count,
                      PyObject *train)
{
    const struct sealing *sealing = context;
    struct packet packets[BATCH];
    PyObject *datagrams[BATCH];
    Py_ssize_t made = 0, sealed = 0;
    bool failed = false;

    for (; made < count && !failed; made += !failed) {
        PyObject *frame = PySequence_GetItem(frames, from + made);
        datagrams[made] = frame == NULL ? NULL : wrap_frame(sealing, frame, &packets[made]);
        Py_XDECREF(frame);
        failed = datagrams[made] == NULL;
    }
    if (!failed)
        sealed = (Py_ssize_t)sptps_seal_train(sealing->sealer, packets, (size_t)count,
                                              sealing->ids);
    for (Py_ssize_t i = 0; i < made; i++) {
        if (i < sealed && !failed)
            failed = PyList_Append(train, datagrams[i]) < 0;
        Py_DECREF(datagrams[i]);
    }
    return !failed && sealed == count;
}

static PyObject *sealer_seal_train(PyObject *self, PyObject *args)
{
    struct sealing sealing = {&((SptpsSealerObject *)self)->core, NULL};
    const char *id_bytes = NULL;
    Py_ssize_t id_size = 0;
    PyObject *frames;

    if (!PyArg_ParseTuple(args, "O|y#", &frames, &id_bytes, &id_size) ||
        parse_ids(id_bytes, id_size, &sealing.ids) < 0)
        return NULL;
    return make_train(&sealing, frames, seal_some);
}

static PyObject *get_number(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((SptpsSealerObject *)self)->core.number);
}

static PyObject *get_packets_sealed(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((SptpsSealerObject *)self)->core.packets);
}

static PyObject *get_bytes_sealed(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((SptpsSealerObject *)self)->core.bytes);
}

static PyMethodDef sealer_methods[] = {
    {"rekey", sealer_rekey, METH_O, "Seal with another key from now on."},
    {"seal", sealer_seal, METH_VARARGS, "Return the datagram of one record."},
    {"seal_train", sealer_seal_train, METH_VARARGS, "Return one datagram for each frame."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef sealer_attributes[] = {
    {"number", get_number, NULL, "The number of the next datagram.", NULL},
    {"packets_sealed", get_packets_sealed, NULL, "Frames that were sealed.", NULL},
    {"bytes_sealed", get_bytes_sealed, NULL, "Bytes of them.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot sealer_slots[] = {
    {Py_tp_new, sealer_new},
    {Py_tp_dealloc, sealer_dealloc},
    {Py_tp_methods, sealer_methods},
    {Py_tp_getset, sealer_attributes},
    {0, NULL},
};

static PyType_Spec sealer_spec = {
    .name = "tincd_compat._fast._core.SptpsSealer",
    .basicsize = sizeof(SptpsSealerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = sealer_slots,
};

static int init_opener(PyObject *self, const struct given *given)
{
    return sptps_opener_init(&((SptpsOpenerObject *)self)->core, given->key,
                             given->switching, (size_t)given->window_bytes, given->portable);
}

static PyObject *opener_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"key", "switching", "window_bytes", "portable", NULL};
    struct given given = {0};
    const char *key;
    Py_ssize_t size;
    int switching, portable = 0;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y#pn|p", names, &key, &size,
                                     &switching, &given.window_bytes, &portable) ||
        (given.key = checked_key(key, size)) == NULL)
        return NULL;
    given.switching = switching;
    given.portable = portable;
    if (given.window_bytes < 0) {
        PyErr_SetString(PyExc_ValueError, "no such window");
        return NULL;
    }
    return make(type, &given, init_opener);
}

static void opener_dealloc(PyObject *self)
{
    sptps_opener_free(&((SptpsOpenerObject *)self)->core);
    free_object(self);
}

static int expect(PyObject *self, const uint8_t *key)
{
    return sptps_opener_expect(&((SptpsOpenerObject *)self)->core, key);
}

static PyObject *opener_expect(PyObject *self, PyObject *key)
{
    return give_key(self, key, expect);
}

static PyObject *opener_change(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    sptps_opener_change(&((SptpsOpenerObject *)self)->core);
    Py_RETURN_NONE;
}

static PyObject *opener_matches_one(PyObject *self, PyObject *datagram)
{
    Py_buffer view;
    bool answer = false;

    if (PyObject_GetBuffer(datagram, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if ((size_t)view.len <= MAX_BODY)
        answer = sptps_opener_matches(&((SptpsOpenerObject *)self)->core, view.buf,
                                      (size_t)view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(answer);
}

static PyObject *opener_unseal(PyObject *self, PyObject *datagram)
{
    PyObject *list = PyTuple_Pack(1, datagram), *result = NULL;
    struct packet packet;
    struct record record;
    uint8_t *memory = list == NULL ? NULL : collect_datagrams(list, 0, 1, 0, &packet);

    Py_XDECREF(list);
    if (memory == NULL)
        return NULL;
    if (sptps_unseal(&((SptpsOpenerObject *)self)->core, &packet, &record))
        result = Py_BuildValue("Iiy#", record.number, (int)*record.text,
                               (const char *)record.text + KIND_SIZE,
                               (Py_ssize_t)(record.length - KIND_SIZE));
    else
        result = Py_NewRef(Py_None);
    free(memory);
    return result;
}

/* For "O&": a number that a datagram can have. */
static int to_seqno(PyObject *object, void *into)
{
    unsigned long number = PyLong_AsUnsignedLong(object);

    if (PyErr_Occurred())
        return 0;
    if (number > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "the number is too large");
        return 0;
    }
    *(uint32_t *)into = (uint32_t)number;
    return 1;
}

static PyObject *opener_admit(PyObject *self, PyObject *value)
{
    struct window *window = &((SptpsOpenerObject *)self)->core.window;
    enum judgement judgement;
    uint32_t number;

    if (!to_seqno(value, &number))
        return NULL;
    judgement = window_check(window, number);
    return PyBool_FromLong(judgement == ACCEPT || judgement == RESUME);
}

static PyObject *opener_reaches(PyObject *self, PyObject *value)
{
    uint32_t number;

    if (!to_seqno(value, &number))
        return NULL;
    return PyBool_FromLong(
        window_reaches(&((SptpsOpenerObject *)self)->core.window, number));
}

static PyObject *result(const struct opened *opened)
{
    const char *frame = opened->frame == NULL ? "" : (const char *)opened->frame;
    Py_ssize_t size = opened->frame == NULL ? 0 : (Py_ssize_t)opened->length;

    return Py_BuildValue("y#niIIIIi", frame, size, (Py_ssize_t)opened->length,
                         (int)opened->drop, opened->seqno, opened->last, opened->strays,
                         opened->lost, (int)opened->kind);
}

static bool open_some(void *context, PyObject *datagrams, Py_ssize_t from, Py_ssize_t count,
                      PyObject *train)
{
    struct packet packets[BATCH];
    struct opened opened[BATCH];
    uint8_t *memory = collect_datagrams(datagrams, from, count, RECORD_HEADROOM, packets);
    bool failed = false;

    if (memory == NULL)
        return false;
    sptps_open_train(context, packets, (size_t)count, opened);
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        PyObject *item = result(&opened[i]);
        failed = item == NULL || PyList_Append(train, item) < 0;
        Py_XDECREF(item);
    }
    free(memory);
    return !failed;
}

static PyObject *opener_open_train(PyObject *self, PyObject *datagrams)
{
    return make_train(&((SptpsOpenerObject *)self)->core, datagrams, open_some);
}

static PyObject *get_highest(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((SptpsOpenerObject *)self)->core.window.highest);
}

static PyObject *get_packets_opened(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((SptpsOpenerObject *)self)->core.packets);
}

static PyObject *get_bytes_opened(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((SptpsOpenerObject *)self)->core.bytes);
}

static PyObject *get_heard(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(((SptpsOpenerObject *)self)->core.heard);
}

static PyMethodDef opener_methods[] = {
    {"expect", opener_expect, METH_O, "Open what comes under another key too."},
    {"change", opener_change, METH_NOARGS, "The peer seals with the newest key only."},
    {"matches", opener_matches_one, METH_O, "Tell whether the tag is right."},
    {"unseal", opener_unseal, METH_O, "Open a record past the replay window."},
    {"admit", opener_admit, METH_O, "Pass a number through the replay window."},
    {"reaches", opener_reaches, METH_O, "Tell whether the window knows of a number."},
    {"open_train", opener_open_train, METH_O, "Open datagrams, one result for each."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef opener_attributes[] = {
    {"highest", get_highest, NULL, "The highest number accepted so far.", NULL},
    {"packets_opened", get_packets_opened, NULL, "Frames that came, and probes.", NULL},
    {"bytes_opened", get_bytes_opened, NULL, "Bytes of them.", NULL},
    {"heard", get_heard, NULL, "When a pump had one last, in milliseconds.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot opener_slots[] = {
    {Py_tp_new, opener_new},
    {Py_tp_dealloc, opener_dealloc},
    {Py_tp_methods, opener_methods},
    {Py_tp_getset, opener_attributes},
    {0, NULL},
};

static PyType_Spec opener_spec = {
    .name = "tincd_compat._fast._core.SptpsOpener",
    .basicsize = sizeof(SptpsOpenerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = opener_slots,
};

int add_sptps(PyObject *module)
{
    sptps_sealer_type = add_type(module, "SptpsSealer", &sealer_spec);
    sptps_opener_type =
        sptps_sealer_type ? add_type(module, "SptpsOpener", &opener_spec) : NULL;
    return sptps_opener_type == NULL ? -1 : 0;
}
