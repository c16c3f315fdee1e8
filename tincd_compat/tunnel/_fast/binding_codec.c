/* Sealer and Opener for Python: the same objects that the pumps work with. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 64

PyTypeObject *sealer_type, *opener_type;

/* Check a suite against the key block once, so that the core need not. */
static bool consistent(const struct suite *suite, Py_ssize_t key_block)
{
    size_t wanted = suite->key_length + suite->iv_length;

    if (suite->key_length > 64 || suite->iv_length > MAX_BLOCK)
        return false;
    return key_block >= 1 && (size_t)key_block == (wanted ? wanted : 1);
}

static int parse_suite(PyObject *args, PyObject *keywords, struct suite *suite,
                       const char **key_block, Py_ssize_t *window_bytes)
{
    static char *names[] = {"cipher",     "digest",    "key_length", "iv_length",
                            "block_size", "maclength", "key_block",  "window_bytes",
                            "portable",   NULL};
    Py_ssize_t key_length, iv_length, block_size, maclength, size;
    int portable = 0;

    *window_bytes = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "zznnnny#|np", names,
                                     &suite->cipher, &suite->digest, &key_length,
                                     &iv_length, &block_size, &maclength, key_block,
                                     &size, window_bytes, &portable))
        return -1;
    suite->key_length = (size_t)key_length;
    suite->iv_length = (size_t)iv_length;
    suite->block_size = (size_t)block_size;
    suite->maclength = (size_t)maclength;
    suite->portable = portable;
    if (key_length < 0 || iv_length < 0 || block_size < 1 || maclength < 0 ||
        *window_bytes < 0 || !consistent(suite, size)) {
        PyErr_SetString(PyExc_ValueError, "lengths do not agree");
        return -1;
    }
    return 0;
}

static void *unavailable(PyObject *self)
{
    Py_DECREF(self);
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "OpenSSL cannot work this suite");
    return NULL;
}

static PyObject *sealer_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    SealerObject *self = (SealerObject *)allocate(type, 0);
    const char *key_block;
    Py_ssize_t window_bytes;
    struct suite suite;

    if (self == NULL)
        return NULL;
    if (parse_suite(args, keywords, &suite, &key_block, &window_bytes) < 0 ||
        sealer_init(&self->core, &suite, (const uint8_t *)key_block) < 0)
        return unavailable((PyObject *)self);
    return (PyObject *)self;
}

static void sealer_dealloc(PyObject *self)
{
    sealer_free(&((SealerObject *)self)->core);
    free_object(self);
}

static PyObject *get_sequence(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((SealerObject *)self)->core.sequence);
}

static int set_sequence(PyObject *self, PyObject *value, void *closure)
{
    unsigned long number = value == NULL ? ULONG_MAX : PyLong_AsUnsignedLong(value);

    (void)closure;
    if (PyErr_Occurred())
        return -1;
    if (number > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "no such number");
        return -1;
    }
    ((SealerObject *)self)->core.sequence = (uint32_t)number;
    return 0;
}

/* Make a bytes object with room for the datagram, the body in its place. */
static PyObject *wrap(const struct sealer *sealer, PyObject *body, struct packet *packet)
{
    PyObject *datagram = NULL;
    Py_buffer view;

    if (PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    packet->length = (size_t)view.len;
    if (packet->length > MAX_BODY)
        PyErr_SetString(PyExc_ValueError, "frame too long");
    else
        datagram = PyBytes_FromStringAndSize(
            NULL, (Py_ssize_t)sealed_length(sealer, packet->length));
    if (datagram != NULL) {
        packet->data = (uint8_t *)PyBytes_AsString(datagram);
        memcpy(packet->data + SEQNO_SIZE, view.buf, packet->length);
    }
    PyBuffer_Release(&view);
    return datagram;
}

static PyObject *wrap_item(const struct sealer *sealer, PyObject *bodies,
                           Py_ssize_t index, struct packet *packet)
{
    PyObject *body = PySequence_GetItem(bodies, index), *datagram;

    if (body == NULL)
        return NULL;
    datagram = wrap(sealer, body, packet);
    Py_DECREF(body);
    return datagram;
}

/* Seal one batch of ``bodies`` and append it to the train; false when that is over. */
static bool seal_some(struct sealer *sealer, PyObject *bodies, Py_ssize_t from,
                      Py_ssize_t count, PyObject *train)
{
    struct packet packets[BATCH];
    PyObject *datagrams[BATCH];
    Py_ssize_t made = 0, sealed = 0;
    bool failed = false;

    for (; made < count && !failed; made += !failed) {
        datagrams[made] = wrap_item(sealer, bodies, from + made, &packets[made]);
        failed = datagrams[made] == NULL;
    }
    if (!failed)
        sealed = (Py_ssize_t)seal_train(sealer, packets, (size_t)count);
    for (Py_ssize_t i = 0; i < made; i++) {
        if (i < sealed && !failed)
            failed = PyList_Append(train, datagrams[i]) < 0;
        Py_DECREF(datagrams[i]);
    }
    return !failed && sealed == count;
}

static PyObject *sealer_seal_train(PyObject *self, PyObject *bodies)
{
    Py_ssize_t size = PySequence_Size(bodies);
    PyObject *train;

    if (size < 0 || (train = PyList_New(0)) == NULL)
        return NULL;
    for (Py_ssize_t from = 0; from < size; from += BATCH) {
        Py_ssize_t count = size - from < BATCH ? size - from : BATCH;
        if (!seal_some(&((SealerObject *)self)->core, bodies, from, count, train))
            break;
    }
    if (PyErr_Occurred())
        Py_CLEAR(train);
    return train;
}

static PyMethodDef sealer_methods[] = {
    {"seal_train", sealer_seal_train, METH_O, "Return one datagram for each body."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef sealer_attributes[] = {
    {"sequence", get_sequence, set_sequence, "The number of the last datagram.", NULL},
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
    .name = "tincd_compat.tunnel._fast._core.Sealer",
    .basicsize = sizeof(SealerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = sealer_slots,
};

static PyObject *opener_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    OpenerObject *self = (OpenerObject *)allocate(type, 0);
    const char *key_block;
    Py_ssize_t window_bytes;
    struct suite suite;

    if (self == NULL)
        return NULL;
    if (parse_suite(args, keywords, &suite, &key_block, &window_bytes) < 0 ||
        opener_init(&self->core, &suite, (const uint8_t *)key_block,
                    (size_t)window_bytes) < 0)
        return unavailable((PyObject *)self);
    return (PyObject *)self;
}

static void opener_dealloc(PyObject *self)
{
    opener_free(&((OpenerObject *)self)->core);
    free_object(self);
}

static PyObject *get_highest(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(((OpenerObject *)self)->core.window.highest);
}

static PyObject *opener_matches_one(PyObject *self, PyObject *datagram)
{
    Py_buffer view;
    bool answer = false;

    if (PyObject_GetBuffer(datagram, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    if ((size_t)view.len <= MAX_BODY)
        answer = opener_matches(&((OpenerObject *)self)->core, view.buf,
                                (size_t)view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(answer);
}

static PyObject *result(const struct opened *opened)
{
    const char *frame = opened->frame == NULL ? "" : (const char *)opened->frame;
    Py_ssize_t size = opened->frame == NULL ? 0 : (Py_ssize_t)opened->length;

    return Py_BuildValue("y#niIIII", frame, size, (Py_ssize_t)opened->length,
                         (int)opened->drop, opened->seqno, opened->last,
                         opened->strays, opened->lost);
}

/* Copy datagrams behind each other into new memory: opening works in place. */
static uint8_t *collect(PyObject *datagrams, Py_ssize_t count, struct packet *packets)
{
    Py_buffer views[BATCH];
    Py_ssize_t held = 0;
    size_t total = 1;
    uint8_t *memory = NULL;

    for (; held < count; held++) {
        PyObject *item = PySequence_GetItem(datagrams, held);
        int got = item == NULL ? -1 : PyObject_GetBuffer(item, &views[held], PyBUF_SIMPLE);
        Py_XDECREF(item);
        if (got < 0)
            break;
        packets[held].length = (size_t)views[held].len;
        if (packets[held].length > MAX_BODY) {
            PyErr_SetString(PyExc_ValueError, "datagram too long");
            held++;
            break;
        }
        total += packets[held].length;
    }
    if (!PyErr_Occurred() && (memory = malloc(total)) == NULL)
        PyErr_NoMemory();
    uint8_t *next = memory;
    for (Py_ssize_t i = 0; i < held; i++) {
        if (memory != NULL) {
            packets[i].data = next;
            memcpy(next, views[i].buf, packets[i].length);
            next += packets[i].length;
        }
        PyBuffer_Release(&views[i]);
    }
    return memory;
}

static int open_some(struct opener *opener, PyObject *datagrams, PyObject *train)
{
    struct packet packets[BATCH];
    struct opened opened[BATCH];
    Py_ssize_t count = PySequence_Size(datagrams);
    uint8_t *memory = count < 0 ? NULL : collect(datagrams, count, packets);
    int done = 0;

    if (memory == NULL)
        return -1;
    open_train(opener, packets, (size_t)count, opened);
    for (Py_ssize_t i = 0; i < count && done == 0; i++) {
        PyObject *item = result(&opened[i]);
        done = item == NULL ? -1 : PyList_Append(train, item);
        Py_XDECREF(item);
    }
    free(memory);
    return done;
}

static PyObject *opener_open_train(PyObject *self, PyObject *datagrams)
{
    Py_ssize_t size = PySequence_Size(datagrams);
    PyObject *train;

    if (size < 0 || (train = PyList_New(0)) == NULL)
        return NULL;
    for (Py_ssize_t from = 0; from < size; from += BATCH) {
        PyObject *some = PySequence_GetSlice(datagrams, from, from + BATCH);
        int done = some == NULL
                       ? -1
                       : open_some(&((OpenerObject *)self)->core, some, train);
        Py_XDECREF(some);
        if (done < 0) {
            Py_DECREF(train);
            return NULL;
        }
    }
    return train;
}

static PyMethodDef opener_methods[] = {
    {"matches", opener_matches_one, METH_O, "Tell whether the MAC is right."},
    {"open_train", opener_open_train, METH_O, "Open datagrams, one result for each."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef opener_attributes[] = {
    {"highest", get_highest, NULL, "The highest number accepted so far.", NULL},
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
    .name = "tincd_compat.tunnel._fast._core.Opener",
    .basicsize = sizeof(OpenerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = opener_slots,
};

int add_codec(PyObject *module)
{
    sealer_type = add_type(module, "Sealer", &sealer_spec);
    opener_type = sealer_type ? add_type(module, "Opener", &opener_spec) : NULL;
    return opener_type == NULL ? -1 : 0;
}
