/* The single parts as Python functions and types, with the clock as an argument: for tests, and for
 * audio that does not come through a server. */
#include "module.h"

/* ---- what stream_settings_of, taken_events and stream_report offer the other files ---- */

int stream_settings_of(PyObject *keywords, struct stream_settings *settings)
{
    static char *names[] = {"codec", "payload_type", "event_type", "frames", "vad_mode",
                            "detect", "onset_ms", "hangover_ms", "silence_ms", "least_delay_ms",
                            "most_delay_ms", NULL};
    int codec = CODEC_PCMU, frames = 1, vad_mode = 2;
    unsigned char payload_type = 0, event_type = NO_PAYLOAD_TYPE;
    unsigned detect = 0, onset = 40, hangover = 200, silence = 0, least = 40, most = 300;
    PyObject *nothing = PyTuple_New(0);
    if (nothing == NULL)
        return -1;
    const int parsed = PyArg_ParseTupleAndKeywords(
        nothing, keywords, "|$ibbpiIIIIII", names, &codec, &payload_type, &event_type, &frames,
        &vad_mode, &detect, &onset, &hangover, &silence, &least, &most);
    Py_DECREF(nothing);
    if (!parsed)
        return -1;
    if (codec < CODEC_PCMU || codec > CODEC_L16 || vad_mode < -1 || vad_mode > 3 || least > most
        || most > 10000) {
        PyErr_SetString(PyExc_ValueError, "codec is 0 to 2, vad_mode -1 to 3, "
                                          "least_delay_ms <= most_delay_ms <= 10000");
        return -1;
    }
    *settings = (struct stream_settings){
        .codec = (enum codec)codec, .payload_type = payload_type, .event_type = event_type,
        .frames = frames, .vad_mode = vad_mode, .detect = detect, .speech = {onset, hangover, silence},
        .least_delay_ms = least, .most_delay_ms = most,
    };
    return 0;
}

PyObject *taken_events(struct events *events)
{
    struct audio_event taken[64];
    size_t count;
    PyObject *list = PyList_New(0);
    while (list != NULL && (count = events_take(events, taken, 64)) > 0) {
        for (size_t i = 0; i < count && list != NULL; i++) {
            const struct audio_event *event = &taken[i];
            PyObject *tuple = Py_BuildValue("(IHHLLff)", event->stream, event->kind, event->code,
                                            event->at, event->position, event->value, event->extra);
            if (tuple == NULL || PyList_Append(list, tuple) < 0)
                Py_CLEAR(list);
            Py_XDECREF(tuple);
        }
    }
    return list;
}

static uint32_t malformed(const struct stream_counts *counts)
{
    uint32_t sum = 0;
    for (int fault = 0; fault < RTP_FAULTS; fault++)
        sum += counts->malformed[fault];
    return sum;
}

PyObject *stream_report(const struct stream_look *look)
{
    const struct stream *stream = &look->stream;
    const struct jitter_counts *jitter = &look->jitter;
    const struct stream_counts *counts = &stream->counts;
    const struct sequence *sequence = &stream->sequence;
    return Py_BuildValue(
        "{sK sK sI sI sI sI sI si sI sI sd sL sf sf sI sO sI sI sI sI sI sI sI sN}",
        "packets", counts->packets, "octets", counts->octets, "malformed", malformed(counts),
        "unknown_type", counts->unknown_type, "strays", counts->strays, "events", counts->events,
        "source_changes", counts->source_changes, "lost", sequence_lost(sequence), "reordered",
        sequence->late, "duplicates", sequence->duplicates, "jitter_ms",
        sequence->jitter * 1000.0 / stream->rate, "position", stream->analysed, "level",
        stream->measures.level, "noise_floor", stream->measures.noise_floor, "zero_crossings",
        (unsigned)stream->measures.zero_crossings, "speaking",
        stream->speech.speaking ? Py_True : Py_False, "stored", jitter->stored, "late", jitter->late,
        "resyncs", jitter->resyncs, "concealed", jitter->concealed, "silent", jitter->silent,
        "played", jitter->played, "delay_ms", look->target_ms,
        "spectrum", features_of(&look->spectrum));
}

/* ---- functions ---- */

static PyObject *load_vad(PyObject *module, PyObject *argument)
{
    PyObject *path;
    (void)module;
    if (!PyUnicode_FSConverter(argument, &path))
        return NULL;
    const char *wrong = vad_load(PyBytes_AsString(path));
    Py_DECREF(path);
    if (wrong != NULL) {
        PyErr_Format(PyExc_OSError, "webrtcvad cannot be used: %s", wrong);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *parse_rtp(PyObject *module, PyObject *argument)
{
    Py_buffer datagram;
    struct rtp_packet packet;
    (void)module;
    if (PyObject_GetBuffer(argument, &datagram, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    PyObject *result;
    const enum rtp_fault fault = rtp_parse(datagram.buf, (size_t)datagram.len, &packet);
    if (fault != RTP_OK)
        result = PyLong_FromLong(fault);
    else
        result = Py_BuildValue("(BOHIIy#)", packet.payload_type, packet.marker ? Py_True : Py_False,
                               packet.sequence, packet.timestamp, packet.ssrc, packet.payload,
                               (Py_ssize_t)packet.length);
    PyBuffer_Release(&datagram);
    return result;
}

static PyObject *py_measure(PyObject *module, PyObject *argument)
{
    Py_buffer samples;
    size_t count;
    struct measures measures;
    (void)module;
    if (samples_of(argument, &samples, &count) < 0)
        return NULL;
    measure(samples.buf, count, &measures);
    PyBuffer_Release(&samples);
    return Py_BuildValue("(fH)", measures.level, measures.zero_crossings);
}

static PyMethodDef functions[] = {
    {"load_vad", load_vad, METH_O, NULL},
    {"parse_rtp", parse_rtp, METH_O, NULL},
    {"measure", py_measure, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* ---- Sequence ---- */

typedef struct {
    PyObject_HEAD
    struct sequence sequence;
} Sequence;

static PyObject *sequence_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "", names))
        return NULL;
    Sequence *self = PyObject_New(Sequence, type);
    if (self != NULL)
        self->sequence = (struct sequence){0};
    return (PyObject *)self;
}

static void plain_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *sequence_py_update(Sequence *self, PyObject *argument)
{
    const long number = PyLong_AsLong(argument);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    return PyLong_FromLong(sequence_update(&self->sequence, (uint16_t)number));
}

static PyObject *sequence_py_arrival(Sequence *self, PyObject *arguments)
{
    unsigned timestamp, arrival;
    if (!PyArg_ParseTuple(arguments, "II", &timestamp, &arrival))
        return NULL;
    sequence_arrival(&self->sequence, timestamp, arrival);
    return PyFloat_FromDouble(self->sequence.jitter);
}

static PyObject *sequence_py_lost(Sequence *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(sequence_lost(&self->sequence));
}

static PyObject *sequence_py_fraction(Sequence *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(sequence_fraction_lost(&self->sequence));
}

static PyMethodDef sequence_methods[] = {
    {"update", (PyCFunction)sequence_py_update, METH_O, NULL},
    {"arrival", (PyCFunction)sequence_py_arrival, METH_VARARGS, NULL},
    {"lost", (PyCFunction)sequence_py_lost, METH_NOARGS, NULL},
    {"fraction_lost", (PyCFunction)sequence_py_fraction, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot sequence_slots[] = {
    {Py_tp_new, sequence_new},
    {Py_tp_dealloc, plain_dealloc},
    {Py_tp_methods, sequence_methods},
    {0, NULL},
};

static PyType_Spec sequence_spec = {
    .name = "callcore.native._audio.Sequence",
    .basicsize = sizeof(Sequence),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = sequence_slots,
};

/* ---- Jitter ---- */

typedef struct {
    PyObject_HEAD
    struct jitter *jitter;
    Py_ssize_t frame;
} Jitter;

static PyObject *jitter_py_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"rate", "least_ms", "most_ms", NULL};
    unsigned rate, least = 40, most = 300;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "I|II", names, &rate, &least, &most))
        return NULL;
    if (rate != 8000 && rate != 16000) {
        PyErr_SetString(PyExc_ValueError, "rate is 8000 or 16000");
        return NULL;
    }
    Jitter *self = PyObject_New(Jitter, type);
    if (self == NULL)
        return NULL;
    self->frame = (Py_ssize_t)(rate * FRAME_MS / 1000);
    self->jitter = jitter_new(rate, least, most);
    if (self->jitter == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void jitter_dealloc(Jitter *self)
{
    jitter_free(self->jitter);
    plain_dealloc((PyObject *)self);
}

static PyObject *jitter_py_put(Jitter *self, PyObject *arguments)
{
    unsigned sequence, timestamp;
    long long now;
    PyObject *object;
    Py_buffer samples;
    size_t count;
    if (!PyArg_ParseTuple(arguments, "IIOL", &sequence, &timestamp, &object, &now)
        || samples_of(object, &samples, &count) < 0)
        return NULL;
    const enum jitter_put verdict =
        jitter_put(self->jitter, sequence, timestamp, samples.buf, count, now);
    PyBuffer_Release(&samples);
    return PyLong_FromLong(verdict);
}

static PyObject *jitter_py_skip(Jitter *self, PyObject *argument)
{
    const unsigned long sequence = PyLong_AsUnsignedLong(argument);
    if (sequence == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    jitter_skip(self->jitter, (uint32_t)sequence);
    Py_RETURN_NONE;
}

static PyObject *jitter_py_get(Jitter *self, PyObject *argument)
{
    int16_t frame[MAX_FRAME];
    const long long now = PyLong_AsLongLong(argument);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    uint32_t moment;
    const enum jitter_frame kind = jitter_get(self->jitter, frame, &moment, now);
    return Py_BuildValue("(iy#I)", kind, (const char *)frame, self->frame * 2, moment);
}

static PyObject *jitter_py_report(Jitter *self, PyObject *unused)
{
    struct jitter_counts counts;
    (void)unused;
    jitter_counts(self->jitter, &counts);
    return Py_BuildValue("{sI sI sI sI sI sI sI sI sI sI sI}", "stored", counts.stored, "late",
                         counts.late, "duplicates", counts.duplicates, "resyncs", counts.resyncs,
                         "concealed", counts.concealed, "silent", counts.silent, "played",
                         counts.played, "stretched", counts.stretched, "shrunk", counts.shrunk,
                         "delay_ms", jitter_target_ms(self->jitter), "cursor",
                         jitter_cursor(self->jitter));
}

static PyMethodDef jitter_methods[] = {
    {"put", (PyCFunction)jitter_py_put, METH_VARARGS, NULL},
    {"skip", (PyCFunction)jitter_py_skip, METH_O, NULL},
    {"get", (PyCFunction)jitter_py_get, METH_O, NULL},
    {"report", (PyCFunction)jitter_py_report, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot jitter_slots[] = {
    {Py_tp_new, jitter_py_new},
    {Py_tp_dealloc, jitter_dealloc},
    {Py_tp_methods, jitter_methods},
    {0, NULL},
};

static PyType_Spec jitter_spec = {
    .name = "callcore.native._audio.Jitter",
    .basicsize = sizeof(Jitter),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = jitter_slots,
};

/* ---- Stream ---- */

typedef struct {
    PyObject_HEAD
    struct events *events;
    struct stream *stream;
} Stream;

static PyObject *stream_py_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    unsigned rate;
    struct stream_settings settings;
    if (!PyArg_ParseTuple(arguments, "I", &rate) || stream_settings_of(keywords, &settings) < 0)
        return NULL;
    if (rate != 8000 && rate != 16000) {
        PyErr_SetString(PyExc_ValueError, "rate is 8000 or 16000");
        return NULL;
    }
    Stream *self = PyObject_New(Stream, type);
    if (self == NULL)
        return NULL;
    self->stream = NULL;
    self->events = events_new(1024);
    if (self->events != NULL)
        self->stream = stream_new(0, rate, &settings, self->events);
    if (self->stream == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void stream_dealloc(Stream *self)
{
    stream_free(self->stream);
    events_free(self->events);
    plain_dealloc((PyObject *)self);
}

static PyObject *stream_py_receive(Stream *self, PyObject *arguments)
{
    Py_buffer datagram;
    long long now;
    if (!PyArg_ParseTuple(arguments, "y*L", &datagram, &now))
        return NULL;
    stream_receive(self->stream, datagram.buf, (size_t)datagram.len, now);
    PyBuffer_Release(&datagram);
    return taken_events(self->events);
}

static PyObject *stream_py_push(Stream *self, PyObject *arguments)
{
    PyObject *object;
    Py_buffer samples;
    size_t count;
    long long now;
    if (!PyArg_ParseTuple(arguments, "OL", &object, &now) || samples_of(object, &samples, &count) < 0)
        return NULL;
    stream_push(self->stream, samples.buf, count, now);
    PyBuffer_Release(&samples);
    return taken_events(self->events);
}

static PyObject *stream_py_tick(Stream *self, PyObject *argument)
{
    const long long now = PyLong_AsLongLong(argument);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    stream_tick(self->stream, now);
    return taken_events(self->events);
}

static PyObject *stream_py_report(Stream *self, PyObject *unused)
{
    struct stream_look look;
    (void)unused;
    stream_look(self->stream, &look);
    return stream_report(&look);
}

static PyMethodDef stream_methods[] = {
    {"receive", (PyCFunction)stream_py_receive, METH_VARARGS, NULL},
    {"push", (PyCFunction)stream_py_push, METH_VARARGS, NULL},
    {"tick", (PyCFunction)stream_py_tick, METH_O, NULL},
    {"report", (PyCFunction)stream_py_report, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stream_slots[] = {
    {Py_tp_new, stream_py_new},
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, stream_methods},
    {0, NULL},
};

static PyType_Spec stream_spec = {
    .name = "callcore.native._audio.Stream",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = stream_slots,
};

/* What stands in events: kinds, and the codes of tones. */
static const struct constant constants[] = {
    CONSTANT(EVENT_SPEECH_STARTED),
    CONSTANT(EVENT_SPEECH_ENDED),
    CONSTANT(EVENT_SILENCE),
    CONSTANT(EVENT_DIGIT),
    CONSTANT(EVENT_TONE_DIGIT),
    CONSTANT(EVENT_TONE),
    CONSTANT(EVENT_SOURCE_CHANGED),
    CONSTANT(EVENT_PLAY_ENDED),
    CONSTANT(EVENT_DIGITS_SENT),
    CONSTANT(EVENT_WORD_STARTED),
    CONSTANT(EVENT_WORD_ENDED),
    CONSTANT(TONE_NONE),
    CONSTANT(TONE_CNG),
    CONSTANT(TONE_CED),
    CONSTANT(TONE_SIT),
    CONSTANT(TONE_BUSY),
    CONSTANT(TONE_CONGESTION),
    CONSTANT(TONE_RINGBACK),
    CONSTANT(TONE_BEEP),
};

int add_parts(PyObject *module)
{
    if (PyModule_AddFunctions(module, functions) < 0 || add_type(module, &sequence_spec) < 0
        || add_type(module, &jitter_spec) < 0 || add_type(module, &stream_spec) < 0)
        return -1;
    return add_constants(module, constants, sizeof constants / sizeof *constants);
}
