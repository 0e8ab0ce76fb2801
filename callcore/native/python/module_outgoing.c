/* callcore.native._audio.Outgoing: the packets of one stream by themselves, without clock or socket;
 * and Python's values as those of send.h, for this and whoever holds a sender. */
#include "module.h"

#include <string.h>

int raise_fault(enum send_fault fault)
{
    switch (fault) {
    case SEND_OK:
        return 0;
    case SEND_CLOSED:
        PyErr_SetString(PyExc_LookupError, "the stream is closed");
        break;
    case SEND_FULL:
        PyErr_SetString(PyExc_BufferError, "no room for more");
        break;
    case SEND_NO_MEMORY:
        PyErr_NoMemory();
        break;
    case SEND_UNREACHABLE:
        PyErr_SetString(PyExc_ValueError, "the socket does not reach such an address");
        break;
    case SEND_NO_EVENTS:
        PyErr_SetString(PyExc_ValueError, "the far end takes no telephone-events");
        break;
    }
    return -1;
}

int address_converter(PyObject *object, void *result)
{
    const char *host;
    uint16_t port;
    *(struct address *)result = (struct address){0};
    if (object == Py_None)
        return 1;
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "an address is (host, port)");
        return 0;
    }
    if (!PyArg_ParseTuple(object, "sO&", &host, port_of, &port))
        return 0;
    return address_of(host, port, result) == 0;
}

static int is_known(const struct send_settings *settings, int codec, int idle)
{
    if (codec >= CODEC_PCMU && codec <= CODEC_L16 && idle >= IDLE_NOTHING && idle < IDLE_KINDS &&
        settings->payload_type <= 127)
        return 1;
    PyErr_Format(PyExc_ValueError, "codec %d, payload type %d or idle %d is unknown", codec,
                 settings->payload_type, idle);
    return 0;
}

int send_settings_of(PyObject *arguments, PyObject *names, struct send_settings *settings)
{
    static char *keywords[] = {"stream", "fd", "codec", "payload_type", "to", "ssrc", "sequence",
                               "timestamp", "event_type", "rtcp_to", "rtcp_fd", "idle", "push_ms",
                               "random", NULL};
    int codec, idle = IDLE_NOTHING;
    *settings = (struct send_settings){
        .event_type = NO_PAYLOAD_TYPE, .rtcp_fd = -1, .push_ms = 1000};
    if (!PyArg_ParseTupleAndKeywords(
            arguments, names, "IiibO&IHI|$bO&iiII", keywords, &settings->stream, &settings->fd,
            &codec, &settings->payload_type, address_converter, &settings->to, &settings->ssrc,
            &settings->sequence, &settings->timestamp, &settings->event_type, address_converter,
            &settings->rtcp_to, &settings->rtcp_fd, &idle, &settings->push_ms,
            &settings->random) ||
        !is_known(settings, codec, idle))
        return -1;
    settings->codec = (enum codec)codec;
    settings->idle = (enum send_idle)idle;
    return 0;
}

int digits_of(const char *keys, unsigned duration_ms, unsigned gap_ms, unsigned rate,
              struct digit digits[DIGITS_ROOM])
{
    const size_t count = strlen(keys);
    if (count == 0 || count > DIGITS_ROOM) {
        PyErr_Format(PyExc_ValueError, "1 to %d digits can be sent at once", DIGITS_ROOM);
        return -1;
    }
    if (duration_ms < FRAME_MS || duration_ms > LONGEST_DIGIT_MS || gap_ms > LONGEST_DIGIT_MS) {
        PyErr_Format(PyExc_ValueError, "a digit lasts %d to %d ms", FRAME_MS, LONGEST_DIGIT_MS);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const int code = digit_code(keys[i]);
        if (code < 0) {
            PyErr_Format(PyExc_ValueError, "'%c' is no DTMF digit", keys[i]);
            return -1;
        }
        digits[i] = (struct digit){.code = (uint8_t)code,
                                   .volume = DIGIT_VOLUME,
                                   .last = i + 1 == count,
                                   .duration = (uint16_t)(duration_ms * rate / 1000),
                                   .gap = (uint16_t)(gap_ms * rate / 1000)};
    }
    return (int)count;
}

PyObject *send_report(const struct send_counts *counts)
{
    PyObject *remote = counts->remote.ssrc == 0 ? Py_NewRef(Py_None)
                                                : rtcp_block_of(&counts->remote);
    PyObject *trip = counts->round_trip < 0 ? Py_NewRef(Py_None)
                                            : PyFloat_FromDouble(counts->round_trip);
    if (remote == NULL || trip == NULL) {
        Py_XDECREF(remote);
        Py_XDECREF(trip);
        return NULL;
    }
    return Py_BuildValue("{sK sK sK sI sI sI sI sN sN}", "packets", counts->packets, "octets",
                         counts->octets, "errors", counts->errors, "underruns", counts->underruns,
                         "reports_sent", counts->reports_sent, "reports_came",
                         counts->reports_came, "reports_faulty", counts->reports_faulty, "remote",
                         remote, "round_trip", trip);
}

PyObject *sender_report(const struct sender_counts *counts)
{
    PyObject *bins = PyList_New(LATENESS_BINS);
    for (Py_ssize_t i = 0; bins != NULL && i < LATENESS_BINS; i++) {
        PyObject *packets = PyLong_FromUnsignedLongLong(counts->lateness[i]);
        if (packets == NULL || PyList_SetItem(bins, i, packets) < 0)
            Py_CLEAR(bins);
    }
    if (bins == NULL)
        return NULL;
    return Py_BuildValue("{sK sK sK sK sK sK sK sN sL sn sO}", "packets", counts->packets,
                         "octets", counts->octets, "reports", counts->reports, "no_room",
                         counts->no_room, "refused", counts->refused, "failed", counts->failed,
                         "skipped_ms", counts->skipped, "lateness", bins, "latest_ns",
                         (long long)counts->latest, "streams", (Py_ssize_t)counts->streams,
                         "realtime", counts->realtime ? Py_True : Py_False);
}

/* ---- Outgoing ---- */

typedef struct {
    PyObject_HEAD
    struct outgoing *outgoing;
    struct events *events;
} Outgoing;

static PyObject *new_outgoing(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    struct send_settings settings;
    struct prompt *noise = NULL;
    if (send_settings_of(arguments, names, &settings) < 0)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Outgoing *self = (Outgoing *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->events = events_new(64);
    if (self->events != NULL)
        noise = noise_prompt(8000, -60.0f);
    if (noise != NULL)
        self->outgoing = outgoing_new(&settings, 8000, noise, self->events);
    prompt_free(noise);
    if (self->outgoing == NULL) {
        Py_DECREF((PyObject *)self);
        return PyErr_NoMemory();
    }
    self->outgoing->to.length = 1; /* it has an address, whatever that is */
    return (PyObject *)self;
}

static void dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Outgoing *self = (Outgoing *)object;
    outgoing_free(self->outgoing);
    events_free(self->events);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *packet(PyObject *object, PyObject *argument)
{
    uint8_t datagram[LARGEST_PACKET];
    const unsigned long long tick = PyLong_AsUnsignedLongLong(argument);
    if (tick == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    const size_t length = outgoing_packet(((Outgoing *)object)->outgoing, tick,
                                          (int64_t)tick * FRAME_MS * 1000000, datagram);
    if (length == 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)datagram, (Py_ssize_t)length);
}

static PyObject *play(PyObject *object, PyObject *arguments)
{
    Outgoing *self = (Outgoing *)object;
    PyObject *played;
    unsigned turns = 1;
    int interruptible = 1;
    if (!PyArg_ParseTuple(arguments, "O|Ip", &played, &turns, &interruptible))
        return NULL;
    struct prompt *prompt = prompt_of(played);
    if (prompt == NULL)
        return NULL;
    const uint8_t *octets = prompt_encoded(prompt, self->outgoing->settings.codec);
    if (octets == NULL)
        return PyErr_NoMemory();
    return PyLong_FromUnsignedLong(
        play_prompt(&self->outgoing->plays, prompt, octets, turns, interruptible != 0));
}

static PyObject *push(PyObject *object, PyObject *arguments)
{
    PyObject *samples;
    Py_buffer view;
    size_t count, taken = 0;
    int last = 0, interruptible = 1;
    if (!PyArg_ParseTuple(arguments, "O|pp", &samples, &last, &interruptible) ||
        samples_of(samples, &view, &count) < 0)
        return NULL;
    const bool taking = play_push(&((Outgoing *)object)->outgoing->plays, view.buf, count,
                                  last != 0, interruptible != 0, &taken);
    PyBuffer_Release(&view);
    return taking ? PyLong_FromSize_t(taken) : PyErr_NoMemory();
}

static PyObject *stop(PyObject *object, PyObject *arguments)
{
    int end = PLAY_STOPPED;
    if (!PyArg_ParseTuple(arguments, "|i", &end))
        return NULL;
    struct outgoing *outgoing = ((Outgoing *)object)->outgoing;
    play_stop(&outgoing->plays, end == PLAY_INTERRUPTED ? PLAY_INTERRUPTED : PLAY_STOPPED,
              outgoing->at);
    Py_RETURN_NONE;
}

static PyObject *send_digits(PyObject *object, PyObject *arguments)
{
    struct digit digits[DIGITS_ROOM];
    const char *keys;
    unsigned duration_ms = 100, gap_ms = 100;
    if (!PyArg_ParseTuple(arguments, "s|II", &keys, &duration_ms, &gap_ms))
        return NULL;
    const int count = digits_of(keys, duration_ms, gap_ms, 8000, digits);
    if (count < 0)
        return NULL;
    return PyBool_FromLong(
        digits_add(&((Outgoing *)object)->outgoing->digits, digits, (size_t)count));
}

static PyObject *events(PyObject *object, PyObject *unused)
{
    (void)unused;
    return taken_events(((Outgoing *)object)->events);
}

static PyMethodDef methods[] = {
    {"packet", packet, METH_O, "The packet of a frame by its number, None if none is sent."},
    {"play", play, METH_VARARGS, "Queue a prompt; turns 0: until stopped. Its number, 0: no room."},
    {"push", push, METH_VARARGS, "Speak samples after what is queued; how many were taken."},
    {"stop", stop, METH_VARARGS, "End what is queued, as if stopped (1) or interrupted (2)."},
    {"send_digits", send_digits, METH_VARARGS, "Send keys; whether there was room."},
    {"events", events, METH_NOARGS, "The events that wait."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The packets of one stream at 8000 Hz."},
    {Py_tp_new, new_outgoing},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "callcore.native._audio.Outgoing",
    .basicsize = sizeof(Outgoing),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static const struct constant constants[] = {
    CONSTANT(CODEC_PCMU),
    CONSTANT(CODEC_PCMA),
    CONSTANT(CODEC_L16),
    CONSTANT(IDLE_NOTHING),
    CONSTANT(IDLE_SILENCE),
    CONSTANT(IDLE_NOISE),
    CONSTANT(PLAY_FINISHED),
    CONSTANT(PLAY_STOPPED),
    CONSTANT(PLAY_INTERRUPTED),
};

int add_outgoing(PyObject *module)
{
    if (add_type(module, &spec) < 0)
        return -1;
    return add_constants(module, constants, sizeof constants / sizeof *constants);
}
