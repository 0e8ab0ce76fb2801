/* callcore.native._audio.Prompt: samples that any number of streams play. */
#include "module.h"

struct py_prompt {
    PyObject_HEAD
    struct prompt *prompt;
};

static PyTypeObject *prompt_type;

struct prompt *prompt_of(PyObject *object)
{
    if (PyObject_TypeCheck(object, prompt_type))
        return ((struct py_prompt *)object)->prompt;
    PyErr_SetString(PyExc_TypeError, "a Prompt is what can be played");
    return NULL;
}

static PyObject *new_prompt(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"samples", NULL};
    PyObject *samples;
    Py_buffer view;
    size_t count;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "O", keywords, &samples))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct py_prompt *self = (struct py_prompt *)allocate(type, 0);
    if (self == NULL || samples_of(samples, &view, &count) < 0) {
        Py_XDECREF((PyObject *)self);
        return NULL;
    }
    self->prompt = prompt_new(view.buf, count);
    PyBuffer_Release(&view);
    if (self->prompt == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    prompt_free(((struct py_prompt *)object)->prompt);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static Py_ssize_t length(PyObject *object)
{
    return (Py_ssize_t)prompt_length(((struct py_prompt *)object)->prompt);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Samples that any number of streams play, encoded once for each codec."},
    {Py_tp_new, new_prompt},
    {Py_tp_dealloc, dealloc},
    {Py_sq_length, length},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "callcore.native._audio.Prompt",
    .basicsize = sizeof(struct py_prompt),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_prompt(PyObject *module)
{
    prompt_type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (prompt_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Prompt", (PyObject *)prompt_type);
}
