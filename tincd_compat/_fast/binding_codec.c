/* Sealer and Opener for Python: the same objects that the pumps work with. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

PyTypeObject *sealer_type, *opener_type;

/* Check a suite against the key block once, so that the core need not. */
static bool consistent(const struct suite *suite, Py_ssize_t key_block)
{
    size_t wanted = suite->key_length + suite->iv_length;

    if (suite->key_length > 64 || suite->iv_length > MAX_BLOCK)
        return false;
    return key_block >= 1 && (size_t)key_block == (wanted ? wanted : 1);
}

/* What either type is made of; only an opener has a window. */
struct given {
    struct suite suite;
    const uint8_t *key_block;
    size_t window_bytes;
};

static int parse(PyObject *args, PyObject *keywords, struct given *given)
{
    static char *names[] = {"cipher",     "digest",    "key_length", "iv_length",
                            "block_size", "maclength", "key_block",  "window_bytes",
                            "portable",   NULL};
    struct suite *suite = &given->suite;
    Py_ssize_t key_length, iv_length, block_size, maclength, size, window_bytes = 0;
    const char *key_block;
    int portable = 0;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "zznnnny#|np", names,
                                     &suite->cipher, &suite->digest, &key_length,
                                     &iv_length, &block_size, &maclength, &key_block,
                                     &size, &window_bytes, &portable))
        return -1;
    suite->key_length = (size_t)key_length;
    suite->iv_length = (size_t)iv_length;
    suite->block_size = (size_t)block_size;
    suite->maclength = (size_t)maclength;
    suite->portable = portable;
    given->key_block = (const uint8_t *)key_block;
    given->window_bytes = (size_t)window_bytes;
    if (key_length < 0 || iv_length < 0 || block_size < 1 || maclength < 0 ||
        window_bytes < 0 || !consistent(suite, size)) {
        PyErr_SetString(PyExc_ValueError, "lengths do not agree");
        return -1;
    }
    return 0;
}

void say_why(int failed)
{
    const char *version = OpenSSL_version(OPENSSL_VERSION_STRING);

    if (failed == NOT_AGAIN)
        PyErr_Format(PyExc_ValueError,
                     "OpenSSL %s does not start a kept context again", version);
    else
        PyErr_Format(PyExc_ValueError, "OpenSSL %s cannot work this suite", version);
}

/* An object of either type, whose core ``init`` sets up. */
static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *keywords,
                      int (*init)(PyObject *, const struct given *))
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct given given;
    PyObject *self;
    int failed;

    if (parse(args, keywords, &given) < 0 || (self = allocate(type, 0)) == NULL)
        return NULL;
    failed = init(self, &given);
    if (failed) {
        Py_CLEAR(self);
        if (!PyErr_Occurred())
            say_why(failed);
    }
    return self;
}

PyObject *make_train(void *context, PyObject *items, some_function *some)
{
    Py_ssize_t size = PySequence_Size(items);
    PyObject *train;

    if (size < 0 || (train = PyList_New(0)) == NULL)
        return NULL;
    for (Py_ssize_t from = 0; from < size; from += BATCH) {
        Py_ssize_t count = size - from < BATCH ? size - from : BATCH;
        if (!some(context, items, from, count, train))
            break;
    }
    if (PyErr_Occurred())
        Py_CLEAR(train);
    return train;
}

static int init_sealer(PyObject *self, const struct given *given)
{
    return sealer_init(&((SealerObject *)self)->core, &given->suite, given->key_block);
}

static PyObject *sealer_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    return make(type, args, keywords, init_sealer);
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

static PyObject *get_sealed_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((SealerObject *)self)->core.bytes);
}

static int set_sequence(PyObject *self, PyObject *value, void *closure)
{
    unsigned long number;

    (void)closure;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "the number cannot be deleted");
        return -1;
    }
    number = PyLong_AsUnsignedLong(value);
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

static bool seal_some(void *context, PyObject *bodies, Py_ssize_t from,
                      Py_ssize_t count, PyObject *train)
{
    struct sealer *sealer = context;
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
    return make_train(&((SealerObject *)self)->core, bodies, seal_some);
}

static PyMethodDef sealer_methods[] = {
    {"seal_train", sealer_seal_train, METH_O, "Return one datagram for each body."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef sealer_attributes[] = {
    {"sequence", get_sequence, set_sequence, "The number of the last datagram.", NULL},
    {"bytes_sealed", get_sealed_bytes, NULL, "Bytes of the bodies that were sealed.", NULL},
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
    .name = "tincd_compat._fast._core.Sealer",
    .basicsize = sizeof(SealerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = sealer_slots,
};

static int init_opener(PyObject *self, const struct given *given)
{
    return opener_init(&((OpenerObject *)self)->core, &given->suite, given->key_block,
                       given->window_bytes);
}

static PyObject *opener_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    return make(type, args, keywords, init_opener);
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

static PyObject *get_packets(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((OpenerObject *)self)->core.packets);
}

static PyObject *get_opened_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((OpenerObject *)self)->core.bytes);
}

static PyObject *get_heard(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromLongLong(((OpenerObject *)self)->core.heard);
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

uint8_t *collect_datagrams(PyObject *datagrams, Py_ssize_t from, Py_ssize_t count,
                           size_t gap, struct packet *packets)
{
    Py_buffer views[BATCH];
    Py_ssize_t held = 0;
    size_t total = 1;
    uint8_t *memory = NULL;

    for (; held < count; held++) {
        PyObject *item = PySequence_GetItem(datagrams, from + held);
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
        total += gap + packets[held].length;
    }
    if (!PyErr_Occurred() && (memory = malloc(total)) == NULL)
        PyErr_NoMemory();
    uint8_t *next = memory;
    for (Py_ssize_t i = 0; i < held; i++) {
        if (memory != NULL) {
            packets[i].data = next + gap;
            memcpy(next + gap, views[i].buf, packets[i].length);
            next += gap + packets[i].length;
        }
        PyBuffer_Release(&views[i]);
    }
    return memory;
}

static bool open_some(void *context, PyObject *datagrams, Py_ssize_t from,
                      Py_ssize_t count, PyObject *train)
{
    struct packet packets[BATCH];
    struct opened opened[BATCH];
    uint8_t *memory = collect_datagrams(datagrams, from, count, 0, packets);
    bool failed = false;

    if (memory == NULL)
        return false;
    open_train(context, packets, (size_t)count, opened);
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
    return make_train(&((OpenerObject *)self)->core, datagrams, open_some);
}

static PyMethodDef opener_methods[] = {
    {"matches", opener_matches_one, METH_O, "Tell whether the MAC is right."},
    {"open_train", opener_open_train, METH_O, "Open datagrams, one result for each."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef opener_attributes[] = {
    {"highest", get_highest, NULL, "The highest number accepted so far.", NULL},
    {"packets_opened", get_packets, NULL, "Datagrams that were accepted.", NULL},
    {"bytes_opened", get_opened_bytes, NULL, "Bytes of their bodies.", NULL},
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
    .name = "tincd_compat._fast._core.Opener",
    .basicsize = sizeof(OpenerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = opener_slots,
};

static PyObject *fits(PyObject *module, PyObject *args)
{
    Py_ssize_t limit;
    Py_buffer view;
    bool answer;

    (void)module;
    if (!PyArg_ParseTuple(args, "y*n", &view, &limit))
        return NULL;
    answer = limit >= 0 && lzo_fits(view.buf, (size_t)view.len, (size_t)limit);
    PyBuffer_Release(&view);
    return PyBool_FromLong(answer);
}

static PyMethodDef methods[] = {
    {"lzo_fits", fits, METH_VARARGS, "Tell whether a stream unpacks to no more."},
    {NULL, NULL, 0, NULL},
};

int add_codec(PyObject *module)
{
    sealer_type = add_type(module, "Sealer", &sealer_spec);
    opener_type = sealer_type ? add_type(module, "Opener", &opener_spec) : NULL;
    return opener_type == NULL ? -1 : PyModule_AddFunctions(module, methods);
}
