/* The extension module callcore.native._audio: gathers what the module_*.c files offer. */
#include "module.h"

#include <string.h>

int samples_of(PyObject *object, Py_buffer *view, size_t *count)
{
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    if (view->itemsize != 2 || view->format == NULL || view->format[0] != 'h') {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_TypeError, "samples must be a contiguous int16 array");
        return -1;
    }
    *count = (size_t)view->len / 2;
    return 0;
}

int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL)
        return -1;
    const int done = PyModule_AddObjectRef(module, strrchr(spec->name, '.') + 1, type);
    Py_DECREF(type);
    return done;
}

int add_constants(PyObject *module, const struct constant *constants, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0)
            return -1;
    return 0;
}

static PyObject *fail_after(PyObject *module, PyObject *argument)
{
    (void)module;
    const long count = PyLong_AsLong(argument);
    if (count == -1 && PyErr_Occurred())
        return NULL;
    audio_fail_after(count);
    Py_RETURN_NONE;
}

static PyObject *blocks(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromLong(audio_blocks());
}

static PyMethodDef functions[] = {
    {"fail_after", fail_after, METH_O, "Let that many allocations succeed, then none; -1: all."},
    {"blocks", blocks, METH_NOARGS, "Blocks of memory the audio path holds."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "callcore.native._audio",
    .m_doc = "The audio path in C.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__audio(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    /* Each file's part of the module. */
    static int (*const parts[])(PyObject *) = {
        add_codecs, add_parts, add_rtcp, add_prompt, add_outgoing,
        add_sender, add_detectors, add_server, add_load, add_speech,
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i](module) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    return module;
}
