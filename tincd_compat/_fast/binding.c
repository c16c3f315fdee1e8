/*
 * The Python module, built for the stable ABI: one binary for all versions.
 *
 * Its objects belong to the thread of the event loop and are not locked against others,
 * even where the interpreter lock is released.
 */
#include "binding.h"

PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);

    if (type == NULL || PyModule_AddObjectRef(module, name, type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    release(self);
    Py_DECREF(type);
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tincd_compat._fast._core",
    .m_doc = "The compiled half of the data plane.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (module == NULL)
        return NULL;
    if (PyModule_AddStringConstant(module, "features", core_features()) < 0 ||
        add_codec(module) < 0 || add_sptps(module) < 0 || add_offload(module) < 0 ||
        add_pump(module) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
