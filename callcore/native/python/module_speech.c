/* What makes speech events, part by part, as Python types: noise floor, VAD and speech state. */
#include "module.h"

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- NoiseFloor ---- */

typedef struct {
    PyObject_HEAD
    struct noise_floor noise;
} NoiseFloor;

static PyObject *noise_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "", names))
        return NULL;
    NoiseFloor *self = PyObject_New(NoiseFloor, type);
    if (self != NULL)
        self->noise = (struct noise_floor){0};
    return (PyObject *)self;
}

static PyObject *noise_update(NoiseFloor *self, PyObject *arguments)
{
    float level;
    int speech;
    if (!PyArg_ParseTuple(arguments, "fp", &level, &speech))
        return NULL;
    return PyFloat_FromDouble(noise_floor_update(&self->noise, level, speech));
}

static PyMethodDef noise_methods[] = {
    {"update", (PyCFunction)noise_update, METH_VARARGS, "One frame's level, and whether it is speech."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot noise_slots[] = {
    {Py_tp_new, noise_new},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, noise_methods},
    {0, NULL},
};

static PyType_Spec noise_spec = {
    .name = "callcore.native._audio.NoiseFloor",
    .basicsize = sizeof(NoiseFloor),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = noise_slots,
};

/* ---- Vad ---- */

typedef struct {
    PyObject_HEAD
    struct vad *vad;
} Vad;

static PyObject *vad_py_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"rate", "mode", NULL};
    unsigned rate;
    int mode;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Ii", names, &rate, &mode))
        return NULL;
    if ((rate != 8000 && rate != 16000) || mode < 0 || mode > 3) {
        PyErr_SetString(PyExc_ValueError, "rate is 8000 or 16000, mode 0 to 3");
        return NULL;
    }
    Vad *self = PyObject_New(Vad, type);
    if (self == NULL)
        return NULL;
    self->vad = vad_new(rate, mode);
    if (self->vad == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void vad_dealloc(Vad *self)
{
    vad_free(self->vad);
    dealloc((PyObject *)self);
}

static PyObject *vad_py_decide(Vad *self, PyObject *argument)
{
    Py_buffer samples;
    size_t count;
    if (samples_of(argument, &samples, &count) < 0)
        return NULL;
    const bool decision = vad_decide(self->vad, samples.buf, count);
    PyBuffer_Release(&samples);
    return PyBool_FromLong(decision);
}

static PyMethodDef vad_methods[] = {
    {"decide", (PyCFunction)vad_py_decide, METH_O, "Whether a frame of 10, 20 or 30 ms is speech."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot vad_slots[] = {
    {Py_tp_new, vad_py_new},
    {Py_tp_dealloc, vad_dealloc},
    {Py_tp_methods, vad_methods},
    {0, NULL},
};

static PyType_Spec vad_spec = {
    .name = "callcore.native._audio.Vad",
    .basicsize = sizeof(Vad),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = vad_slots,
};

/* ---- Speech ---- */

typedef struct {
    PyObject_HEAD
    struct speech speech;
} Speech;

static PyObject *speech_py_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"rate", "onset_ms", "hangover_ms", "silence_ms", NULL};
    unsigned rate;
    struct speech_settings settings = {40, 200, 0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "I|III", names, &rate,
                                     &settings.onset_ms, &settings.hangover_ms,
                                     &settings.silence_ms))
        return NULL;
    Speech *self = PyObject_New(Speech, type);
    if (self != NULL)
        speech_init(&self->speech, &settings, rate);
    return (PyObject *)self;
}

static PyObject *speech_py_frame(Speech *self, PyObject *arguments)
{
    int decision;
    long long position;
    unsigned count;
    struct measures measures = {0};
    struct audio_event found[2];
    if (!PyArg_ParseTuple(arguments, "pffLI", &decision, &measures.level, &measures.noise_floor,
                          &position, &count))
        return NULL;
    const size_t told = speech_frame(&self->speech, decision, &measures, position, count, found);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; i < told && list != NULL; i++) {
        PyObject *event = Py_BuildValue("(HLf)", found[i].kind, (long long)found[i].position,
                                        found[i].value);
        if (event == NULL || PyList_Append(list, event) < 0)
            Py_CLEAR(list);
        Py_XDECREF(event);
    }
    return list;
}

static PyMethodDef speech_methods[] = {
    {"frame", (PyCFunction)speech_py_frame, METH_VARARGS,
     "Decision, level, noise floor, position, samples; the events: kind, position, value."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot speech_slots[] = {
    {Py_tp_new, speech_py_new},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, speech_methods},
    {0, NULL},
};

static PyType_Spec speech_spec = {
    .name = "callcore.native._audio.Speech",
    .basicsize = sizeof(Speech),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = speech_slots,
};

int add_speech(PyObject *module)
{
    if (add_type(module, &noise_spec) < 0 || add_type(module, &vad_spec) < 0)
        return -1;
    return add_type(module, &speech_spec);
}
