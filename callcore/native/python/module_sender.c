/* callcore.native._audio.Sender: streams sent to, by themselves, with events of their own. */
#include "module.h"

#include <errno.h>

struct py_sender {
    PyObject_HEAD
    struct sender *sender; /* NULL: closed */
    PyObject *server;      /* whose streams it sends to, and whose events it tells; NULL: none */
    struct events *events; /* its own, without a server */
};

static PyTypeObject *sender_type;

/* Where the events go: to the server's queue, or one of its own. 0, or -1: exception. */
static int tie(struct py_sender *self, PyObject *server, size_t room,
               struct sender_settings *settings)
{
    if (server == NULL || server == Py_None) {
        settings->events = self->events = events_new(room);
        if (self->events == NULL)
            PyErr_NoMemory();
        return self->events != NULL ? 0 : -1;
    }
    struct receiver *receiver = receiver_of(server);
    if (receiver == NULL)
        return -1;
    self->server = Py_NewRef(server);
    settings->events = receiver_events(receiver);
    return 0;
}

static PyObject *new_sender(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    static char *keywords[] = {"rate", "room", "noise_level", "name", "event_room",
                               "server", NULL};
    PyObject *server = NULL;
    struct sender_settings settings = {.rate = 8000, .noise_level = -60.0f, .name = "callcore"};
    Py_ssize_t room = 1024, event_room = 4096;
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "|InfsnO", keywords, &settings.rate,
                                     &room, &settings.noise_level, &settings.name, &event_room,
                                     &server))
        return NULL;
    if ((settings.rate != 8000 && settings.rate != 16000) || room < 1 || event_room < 1) {
        PyErr_SetString(PyExc_ValueError, "the rate is 8000 or 16000, room at least 1");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct py_sender *self = (struct py_sender *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    settings.room = (size_t)room;
    if (tie(self, server, (size_t)event_room, &settings) == 0
        && (self->sender = sender_new(&settings)) == NULL) {
        if (errno == ENOMEM)
            PyErr_NoMemory();
        else
            PyErr_SetFromErrno(PyExc_OSError);
    }
    if (self->sender == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* The thread may be in the middle of a step: others may run meanwhile, and find it closed. */
static PyObject *close_sender(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct py_sender *self = (struct py_sender *)object;
    struct sender *sender = self->sender;
    struct receiver *receiver = self->server != NULL ? receiver_of(self->server) : NULL;
    self->sender = NULL;
    Py_BEGIN_ALLOW_THREADS
    if (receiver != NULL && sender != NULL)
        receiver_unlink(receiver, sender);
    sender_free(sender);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static void dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    struct py_sender *self = (struct py_sender *)object;
    Py_XDECREF(close_sender(object, NULL));
    events_free(self->events);
    Py_XDECREF(self->server);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static struct sender *opened(PyObject *object)
{
    struct sender *sender = ((struct py_sender *)object)->sender;
    if (sender == NULL)
        PyErr_SetString(PyExc_LookupError, "the sender is closed");
    return sender;
}

static PyObject *none_or(enum send_fault fault)
{
    return raise_fault(fault) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *open_stream(PyObject *object, PyObject *arguments, PyObject *names)
{
    struct sender *sender = opened(object);
    struct send_settings settings;
    uint32_t handle;
    if (sender == NULL || send_settings_of(arguments, names, &settings) < 0 ||
        raise_fault(sender_open(sender, &settings, &handle)) < 0)
        return NULL;
    return PyLong_FromUnsignedLong(handle);
}

static PyObject *close_stream(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    uint32_t handle;
    if (sender == NULL || !PyArg_ParseTuple(arguments, "I", &handle))
        return NULL;
    return none_or(sender_close(sender, handle));
}

static PyObject *redirect(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    struct address to, rtcp_to;
    uint32_t handle;
    if (sender == NULL || !PyArg_ParseTuple(arguments, "IO&O&", &handle, address_converter, &to,
                                            address_converter, &rtcp_to))
        return NULL;
    return none_or(sender_redirect(sender, handle, &to, &rtcp_to));
}

static PyObject *play(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    PyObject *played;
    uint32_t handle, turns = 1, number;
    int interruptible = 1;
    if (sender == NULL ||
        !PyArg_ParseTuple(arguments, "IO|Ip", &handle, &played, &turns, &interruptible))
        return NULL;
    struct prompt *prompt = prompt_of(played);
    if (prompt == NULL ||
        raise_fault(sender_play(sender, handle, prompt, turns, interruptible != 0, &number)) < 0)
        return NULL;
    return PyLong_FromUnsignedLong(number);
}

static PyObject *push(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    PyObject *samples;
    Py_buffer view;
    uint32_t handle;
    size_t count, taken = 0;
    int last = 0, interruptible = 1;
    if (sender == NULL ||
        !PyArg_ParseTuple(arguments, "IO|pp", &handle, &samples, &last, &interruptible) ||
        samples_of(samples, &view, &count) < 0)
        return NULL;
    const enum send_fault fault = sender_push(sender, handle, view.buf, count, last != 0,
                                              interruptible != 0, &taken);
    PyBuffer_Release(&view);
    return raise_fault(fault) < 0 ? NULL : PyLong_FromSize_t(taken);
}

static PyObject *stop(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    uint32_t handle;
    if (sender == NULL || !PyArg_ParseTuple(arguments, "I", &handle))
        return NULL;
    return none_or(sender_stop(sender, handle));
}

static PyObject *barge_in(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    uint32_t handle;
    if (sender == NULL || !PyArg_ParseTuple(arguments, "I", &handle))
        return NULL;
    sender_barge_in(sender, handle);
    Py_RETURN_NONE;
}

static PyObject *send_digits(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    struct digit digits[DIGITS_ROOM];
    const char *keys;
    uint32_t handle;
    unsigned duration_ms = 100, gap_ms = 100;
    if (sender == NULL ||
        !PyArg_ParseTuple(arguments, "Is|II", &handle, &keys, &duration_ms, &gap_ms))
        return NULL;
    const int count = digits_of(keys, duration_ms, gap_ms, sender_rate(sender), digits);
    return count < 0 ? NULL : none_or(sender_digits(sender, handle, digits, (size_t)count));
}

static PyObject *reception(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    struct reception seen;
    uint32_t handle;
    if (sender == NULL ||
        !PyArg_ParseTuple(arguments, "IIIIII", &handle, &seen.ssrc, &seen.expected,
                          &seen.received, &seen.highest, &seen.jitter))
        return NULL;
    return none_or(sender_reception(sender, handle, &seen));
}

static PyObject *rtcp(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    enum rtcp_fault fault = RTCP_OK;
    Py_buffer datagram;
    uint32_t handle;
    long long now;
    if (sender == NULL || !PyArg_ParseTuple(arguments, "Iy*L", &handle, &datagram, &now))
        return NULL;
    const enum send_fault closed =
        sender_rtcp(sender, handle, datagram.buf, (size_t)datagram.len, now, &fault);
    PyBuffer_Release(&datagram);
    return raise_fault(closed) < 0 ? NULL : PyLong_FromLong(fault);
}

static PyObject *stream_counts(PyObject *object, PyObject *arguments)
{
    struct sender *sender = opened(object);
    struct send_counts counts;
    uint32_t handle;
    if (sender == NULL || !PyArg_ParseTuple(arguments, "I", &handle) ||
        raise_fault(sender_stream_counts(sender, handle, &counts)) < 0)
        return NULL;
    return send_report(&counts);
}

static PyObject *counts(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct sender *sender = opened(object);
    struct sender_counts all;
    if (sender == NULL)
        return NULL;
    sender_counts(sender, &all);
    return sender_report(&all);
}

static PyObject *events(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct py_sender *self = (struct py_sender *)object;
    return self->events != NULL ? taken_events(self->events) : PyList_New(0);
}

static PyObject *event_fd(PyObject *object, void *unused)
{
    (void)unused;
    struct py_sender *self = (struct py_sender *)object;
    return PyLong_FromLong(self->events != NULL ? events_fd(self->events) : -1);
}

#define WITH_NAMES(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"open", WITH_NAMES(open_stream), METH_VARARGS | METH_KEYWORDS, "Begin a stream: its handle."},
    {"close_stream", close_stream, METH_VARARGS, "End a stream, with BYE if it reported."},
    {"redirect", redirect, METH_VARARGS, "Send to other addresses from now on."},
    {"play", play, METH_VARARGS, "Queue a prompt; turns 0: until stopped. Its number."},
    {"push", push, METH_VARARGS, "Speak samples after what is queued; how many were taken."},
    {"stop", stop, METH_VARARGS, "End everything queued, now."},
    {"barge_in", barge_in, METH_VARARGS, "End what is interruptible with the next frame."},
    {"send_digits", send_digits, METH_VARARGS, "Send keys as telephone-events."},
    {"reception", reception, METH_VARARGS, "Note what was counted of the far end's source."},
    {"rtcp", rtcp, METH_VARARGS, "Take in the far end's report; the fault, 0 if none."},
    {"stream_counts", stream_counts, METH_VARARGS, "What one stream sent and heard of it."},
    {"counts", counts, METH_NOARGS, "What all streams sent, and how late."},
    {"events", events, METH_NOARGS, "The events that wait."},
    {"close", close_sender, METH_NOARGS, "End the thread and every stream."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"event_fd", event_fd, NULL, "Readable while events wait.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Sends RTP to many streams from a thread of its own."},
    {Py_tp_new, new_sender},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "callcore.native._audio.Sender",
    .basicsize = sizeof(struct py_sender),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

struct sender *sender_of(PyObject *object, const PyObject *server)
{
    if (!PyObject_TypeCheck(object, sender_type)
        || ((struct py_sender *)object)->server != server) {
        PyErr_SetString(PyExc_TypeError, "a Sender made for this server is needed");
        return NULL;
    }
    return opened(object);
}

int add_sender(PyObject *module)
{
    sender_type = (PyTypeObject *)PyType_FromSpec(&spec);
    if (sender_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Sender", (PyObject *)sender_type);
}
