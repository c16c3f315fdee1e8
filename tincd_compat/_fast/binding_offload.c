/* Splitting, coalescing and checksums for Python; see offload.py for what they mean. */
#include "binding.h"
#include "offload.h"

#include <stdlib.h>
#include <string.h>

/* Return the frames of at most ``most`` segments from ``first`` on. */
static PyObject *cut_to_list(const struct cut *cut, size_t first, size_t most)
{
    PyObject *frames = PyList_New(0);
    size_t count = cut_count(cut), end = count;

    if (first < count && most < count - first)
        end = first + most;
    for (size_t i = first; frames != NULL && i < end; i++) {
        PyObject *frame = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)cut_length(cut, i));
        if (frame != NULL)
            cut_write(cut, i, (uint8_t *)PyBytes_AsString(frame));
        if (frame == NULL || PyList_Append(frames, frame) < 0)
            Py_CLEAR(frames);
        Py_XDECREF(frame);
    }
    return frames;
}

static PyObject *split(PyObject *module, PyObject *args)
{
    Py_ssize_t kind, size, start, first = 0, most = MAX_CUTS;
    PyObject *frames;
    Py_buffer view;
    struct cut cut;

    (void)module;
    if (!PyArg_ParseTuple(args, "y*nnn|nn", &view, &kind, &size, &start, &first, &most))
        return NULL;
    if (kind > 0 && kind < 256 && size > 0 && start >= 0 && first >= 0 && most >= 0 &&
        cut_init(&cut, view.buf, (size_t)view.len, (unsigned)kind, (size_t)size,
                 (size_t)start))
        frames = cut_to_list(&cut, (size_t)first, (size_t)most);
    else
        frames = PyList_New(0);
    PyBuffer_Release(&view);
    return frames;
}

/* Return a piece as (frame, kind, size, start), of a frame made for it. */
static PyObject *piece_to_tuple(const struct coalescer *coalescer,
                                const struct packet *frames, const struct piece *piece)
{
    PyObject *whole = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)piece->total);
    struct piece copy = *piece;
    uint8_t *into;

    if (whole == NULL)
        return NULL;
    into = copy.frame = (uint8_t *)PyByteArray_AsString(whole);
    memcpy(into, piece->frame, piece->length);
    into += piece->length;
    for (uint32_t i = coalescer->next[piece->first]; i != NOBODY;
         i = coalescer->next[i]) {
        size_t size = frames[i].length - piece->end;
        memcpy(into, frames[i].data + piece->end, size);
        into += size;
    }
    finish_piece(&copy);
    return Py_BuildValue("Ninn", whole, (int)piece->kind, (Py_ssize_t)piece->size,
                         (Py_ssize_t)piece->start);
}

static PyObject *merge(PyObject *objects, const struct packet *frames, size_t count,
                       bool udp)
{
    struct coalescer coalescer;
    PyObject *merged = PyList_New(0);
    size_t made = 0;

    if (coalescer_init(&coalescer, count) == 0)
        made = coalesce(&coalescer, frames, count, udp);
    else
        PyErr_NoMemory();
    for (size_t i = 0; merged != NULL && i < made; i++) {
        const struct piece *piece = &coalescer.pieces[i];
        PyObject *item = piece->frames > 1
                             ? piece_to_tuple(&coalescer, frames, piece)
                             : PySequence_GetItem(objects, (Py_ssize_t)piece->first);
        if (item == NULL || PyList_Append(merged, item) < 0)
            Py_CLEAR(merged);
        Py_XDECREF(item);
    }
    coalescer_free(&coalescer);
    if (PyErr_Occurred())
        Py_CLEAR(merged);
    return merged;
}

/* Get at the bytes of all frames; returns how many views are held. */
static Py_ssize_t hold(PyObject *objects, Py_ssize_t count, Py_buffer *views,
                       struct packet *frames)
{
    Py_ssize_t held = 0;

    for (; held < count; held++) {
        PyObject *item = PySequence_GetItem(objects, held);
        int got = item == NULL ? -1 : PyObject_GetBuffer(item, &views[held], PyBUF_SIMPLE);
        Py_XDECREF(item);
        if (got < 0)
            break;
        frames[held].data = views[held].buf;
        frames[held].length = (size_t)views[held].len;
    }
    return held;
}

static PyObject *coalesce_frames(PyObject *module, PyObject *args)
{
    PyObject *objects, *merged = NULL;
    int udp;

    (void)module;
    if (!PyArg_ParseTuple(args, "Op", &objects, &udp))
        return NULL;
    Py_ssize_t count = PySequence_Size(objects), held = 0;
    if (count < 0)
        return NULL;
    Py_buffer *views = calloc((size_t)count + 1, sizeof *views);
    struct packet *frames = calloc((size_t)count + 1, sizeof *frames);
    if (views == NULL || frames == NULL)
        PyErr_NoMemory();
    else
        held = hold(objects, count, views, frames);
    if (!PyErr_Occurred())
        merged = merge(objects, frames, (size_t)count, udp);
    for (Py_ssize_t i = 0; i < held; i++)
        PyBuffer_Release(&views[i]);
    free(views);
    free(frames);
    return merged;
}

static PyObject *fill(PyObject *module, PyObject *args)
{
    Py_ssize_t start, offset;
    Py_buffer view;
    bool done;

    (void)module;
    if (!PyArg_ParseTuple(args, "w*nn", &view, &start, &offset))
        return NULL;
    done = start >= 0 && offset >= 0 && start <= view.len && offset <= view.len &&
           fill_checksum(view.buf, (size_t)view.len, (size_t)start, (size_t)offset);
    PyBuffer_Release(&view);
    return PyBool_FromLong(done);
}

static PyMethodDef methods[] = {
    {"split", split, METH_VARARGS, "Cut a super-packet into frames."},
    {"coalesce", coalesce_frames, METH_VARARGS, "Merge frames of a burst."},
    {"fill_checksum", fill, METH_VARARGS, "Finish a checksum."},
    {NULL, NULL, 0, NULL},
};

int add_offload(PyObject *module)
{
    return PyModule_AddFunctions(module, methods);
}
