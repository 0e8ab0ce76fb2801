/* callcore.native._audio.Detectors: the detectors of a stream, by themselves. */
#include "module.h"

enum { ROOM = 64 };

struct py_detectors {
    PyObject_HEAD
    struct detectors *detectors;
    int64_t position;
};

static PyObject *new_detectors(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"rate", "wanted", NULL};
    unsigned rate, wanted;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "II", keywords, &rate, &wanted))
        return NULL;
    if (rate != 8000 && rate != 16000)
        return PyErr_Format(PyExc_ValueError, "the rate is 8000 or 16000, not %u", rate);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct py_detectors *self = (struct py_detectors *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->detectors = detectors_new(rate, wanted);
    if (self->detectors == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    detectors_free(((struct py_detectors *)object)->detectors);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static int append(PyObject *list, const struct audio_event *event)
{
    PyObject *item = Py_BuildValue("(HHLff)", event->kind, event->code, (long long)event->position,
                                   event->value, event->extra);
    if (item == NULL)
        return -1;
    const int result = PyList_Append(list, item);
    Py_DECREF(item);
    return result;
}

/* Hear `count` samples in frames and add their events to `list`. */
static int hear(struct py_detectors *self, const int16_t *samples, size_t count, PyObject *list)
{
    struct audio_event events[ROOM];
    while (count > 0) {
        const size_t part = count < MAX_FRAME ? count : MAX_FRAME;
        const size_t told =
            detectors_frame(self->detectors, samples, part, self->position, events, ROOM);
        for (size_t i = 0; i < told; i++)
            if (append(list, &events[i]) < 0)
                return -1;
        self->position += (int64_t)part;
        samples += part;
        count -= part;
    }
    return 0;
}

static PyObject *feed(PyObject *object, PyObject *argument)
{
    Py_buffer view;
    size_t count;
    if (samples_of(argument, &view, &count) < 0)
        return NULL;
    PyObject *list = PyList_New(0);
    if (list != NULL && hear((struct py_detectors *)object, view.buf, count, list) < 0)
        Py_CLEAR(list);
    PyBuffer_Release(&view);
    return list;
}

static PyObject *skip(PyObject *object, PyObject *argument)
{
    const long long count = PyLong_AsLongLong(argument);
    if (count == -1 && PyErr_Occurred())
        return NULL;
    if (count < 0)
        return PyErr_Format(PyExc_ValueError, "%lld samples cannot be skipped", count);
    ((struct py_detectors *)object)->position += count;
    Py_RETURN_NONE;
}

static PyObject *size(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(detectors_size(((struct py_detectors *)object)->detectors));
}

PyObject *features_of(const struct spectrum_features *f)
{
    return Py_BuildValue("(I(ffff)(ffff))", f->hops, f->mean[0], f->mean[1], f->mean[2], f->mean[3],
                         f->deviation[0], f->deviation[1], f->deviation[2], f->deviation[3]);
}

static PyObject *spectrum(PyObject *object, PyObject *unused)
{
    struct spectrum_features features;
    (void)unused;
    detectors_spectrum(((struct py_detectors *)object)->detectors, &features);
    return features_of(&features);
}

static PyMethodDef methods[] = {
    {"feed", feed, METH_O, "Hear samples; the events they bring, (kind, code, position, value, extra)."},
    {"skip", skip, METH_O, "Samples that never came."},
    {"spectrum", spectrum, METH_NOARGS, "Hops heard; means and deviations of the features."},
    {"size", size, METH_NOARGS, "Bytes held in C."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Detectors of one stream at a rate of 8000 or 16000; wanted: DETECT flags."},
    {Py_tp_new, new_detectors},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "callcore.native._audio.Detectors",
    .basicsize = sizeof(struct py_detectors),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static const struct constant constants[] = {
    CONSTANT(DETECT_DTMF),
    CONSTANT(DETECT_TONES),
    CONSTANT(DETECT_WORDS),
    CONSTANT(DETECT_SPECTRUM),
};

int add_detectors(PyObject *module)
{
    if (add_type(module, &spec) < 0)
        return -1;
    return add_constants(module, constants, sizeof constants / sizeof *constants);
}
