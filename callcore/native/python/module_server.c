/* The receiver as a Python type, and its batches as buffers that numpy reads without a copy. */
#include "module.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    struct receiver *receiver;
    struct pusher pusher;
    Py_ssize_t frame;
} Server;

typedef struct {
    PyObject_HEAD
    Server *server; /* keeps the memory alive */
    struct batch *batch;
    Py_ssize_t shape[2], strides[2];
} Batch;

static PyTypeObject *batch_type, *server_type;

static PyObject *os_error(int number)
{
    errno = number;
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* ---- Batch ---- */

static void batch_dealloc(Batch *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    batches_release(receiver_batches(self->server->receiver), self->batch);
    Py_DECREF(self->server);
    PyObject_Free(self);
    Py_DECREF(type);
}

static int batch_buffer(Batch *self, Py_buffer *view, int flags)
{
    if (flags & PyBUF_WRITABLE) {
        PyErr_SetString(PyExc_BufferError, "a batch is read-only");
        return -1;
    }
    *view = (Py_buffer){
        .buf = self->batch->samples,
        .obj = Py_NewRef((PyObject *)self),
        .len = self->shape[0] * self->strides[0],
        .itemsize = 2,
        .readonly = 1,
        .ndim = 2,
        .format = "h",
        .shape = self->shape,
        .strides = self->strides,
    };
    return 0;
}

static PyObject *batch_at(Batch *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(self->batch->at);
}

static PyObject *batch_number(Batch *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(self->batch->number);
}

static PyObject *batch_streams(Batch *self, void *unused)
{
    (void)unused;
    return PyBytes_FromStringAndSize((const char *)self->batch->streams,
                                     self->shape[0] * (Py_ssize_t)sizeof *self->batch->streams);
}

static PyObject *batch_moments(Batch *self, void *unused)
{
    (void)unused;
    return PyBytes_FromStringAndSize((const char *)self->batch->moments,
                                     self->shape[0] * (Py_ssize_t)sizeof *self->batch->moments);
}

static PyObject *batch_kinds(Batch *self, void *unused)
{
    (void)unused;
    return PyBytes_FromStringAndSize((const char *)self->batch->kinds, self->shape[0]);
}

static PyGetSetDef batch_attributes[] = {
    {"at", (getter)batch_at, NULL, "When the frames were due, ns of CLOCK_MONOTONIC.", NULL},
    {"number", (getter)batch_number, NULL, "Ticks since the start; a gap is an overrun.", NULL},
    {"streams", (getter)batch_streams, NULL, "uint32 stream id of each row.", NULL},
    {"moments", (getter)batch_moments, NULL, "uint32 of each row: when its audio arrived.", NULL},
    {"kinds", (getter)batch_kinds, NULL, "uint8 of each row: played, concealed, silent.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot batch_slots[] = {
    {Py_tp_dealloc, batch_dealloc},
    {Py_bf_getbuffer, batch_buffer},
    {Py_tp_getset, batch_attributes},
    {Py_tp_doc, "One frame of every stream; a read-only int16 buffer of [streams][samples]."},
    {0, NULL},
};

static PyType_Spec batch_spec = {
    .name = "callcore.native._audio.Batch",
    .basicsize = sizeof(Batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = batch_slots,
};

static PyObject *wrap_batch(Server *server, struct batch *batch)
{
    Batch *self = PyObject_New(Batch, batch_type);
    if (self == NULL) {
        batches_release(receiver_batches(server->receiver), batch);
        return NULL;
    }
    self->server = (Server *)Py_NewRef((PyObject *)server);
    self->batch = batch;
    self->shape[0] = (Py_ssize_t)batch->count;
    self->shape[1] = server->frame;
    self->strides[0] = server->frame * 2;
    self->strides[1] = 2;
    return (PyObject *)self;
}

/* ---- Server ---- */

static PyObject *server_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"rate", "streams", "depth", NULL};
    unsigned rate, streams, depth = 16;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "II|I", names, &rate, &streams, &depth))
        return NULL;
    if ((rate != 8000 && rate != 16000) || streams < 1 || streams > 65536 || depth < 2) {
        PyErr_SetString(PyExc_ValueError,
                        "rate is 8000 or 16000, streams 1 to 65536, depth at least 2");
        return NULL;
    }
    Server *self = PyObject_New(Server, type);
    if (self == NULL)
        return NULL;
    self->frame = (Py_ssize_t)(rate * FRAME_MS / 1000);
    self->receiver = receiver_new(rate, streams, depth);
    if (self->receiver == NULL) {
        const int failure = errno;
        Py_DECREF(self);
        return failure == ENOMEM ? PyErr_NoMemory() : os_error(failure);
    }
    self->pusher = (struct pusher){self->receiver, receiver_push};
    return (PyObject *)self;
}

static void server_dealloc(Server *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_BEGIN_ALLOW_THREADS
    receiver_free(self->receiver);
    Py_END_ALLOW_THREADS
    PyObject_Free(self);
    Py_DECREF(type);
}

int port_of(PyObject *object, void *port)
{
    const long number = PyLong_AsLong(object);
    if (number < 0 || number > UINT16_MAX) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "a port is 0 to 65535, not %ld", number);
        return 0;
    }
    *(uint16_t *)port = (uint16_t)number;
    return 1;
}

static PyObject *server_bind(Server *self, PyObject *arguments)
{
    const char *host;
    uint16_t port, bound = 0;
    int reports = 0;
    if (!PyArg_ParseTuple(arguments, "sO&|p", &host, port_of, &port, &reports))
        return NULL;
    const int index = receiver_bind(self->receiver, host, port, reports != 0, &bound);
    if (index < 0)
        return os_error(-index);
    return Py_BuildValue("(iH)", index, bound);
}

static PyObject *server_sockets(Server *self, PyObject *argument)
{
    const long index = PyLong_AsLong(argument);
    if (index == -1 && PyErr_Occurred())
        return NULL;
    return Py_BuildValue("(ii)", receiver_socket(self->receiver, (int)index),
                         receiver_report_socket(self->receiver, (int)index));
}

static PyObject *server_start(Server *self, PyObject *unused)
{
    (void)unused;
    const int failure = receiver_start(self->receiver);
    if (failure)
        return os_error(failure);
    Py_RETURN_NONE;
}

static PyObject *server_stop(Server *self, PyObject *unused)
{
    (void)unused;
    Py_BEGIN_ALLOW_THREADS
    receiver_stop(self->receiver);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

int address_of(const char *host, unsigned port, struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    address->port = (uint16_t)port;
    if (inet_pton(AF_INET6, host, address->ip) == 1)
        return 0;
    memcpy(address->ip, mapped, sizeof mapped);
    if (inet_pton(AF_INET, host, address->ip + 12) == 1)
        return 0;
    PyErr_Format(PyExc_ValueError, "a numeric address is needed, not '%s'", host);
    return -1;
}

static PyObject *server_open(Server *self, PyObject *arguments, PyObject *keywords)
{
    int socket;
    const char *host;
    uint16_t port;
    struct address source;
    struct stream_settings settings;
    int64_t id;
    if (!PyArg_ParseTuple(arguments, "izO&", &socket, &host, port_of, &port)
        || (host != NULL && address_of(host, port, &source) < 0)
        || stream_settings_of(keywords, &settings) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    id = receiver_open(self->receiver, socket, host != NULL ? &source : NULL, &settings);
    Py_END_ALLOW_THREADS
    return id < 0 ? os_error((int)-id) : PyLong_FromLongLong(id);
}

static PyObject *server_close(Server *self, PyObject *argument)
{
    int failure;
    const unsigned long id = PyLong_AsUnsignedLong(argument);
    if (id == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failure = receiver_close(self->receiver, (uint32_t)id);
    Py_END_ALLOW_THREADS
    if (failure)
        return os_error(failure);
    Py_RETURN_NONE;
}

static PyObject *server_push(Server *self, PyObject *arguments)
{
    unsigned id;
    PyObject *object;
    Py_buffer samples;
    size_t count;
    int failure;
    if (!PyArg_ParseTuple(arguments, "IO", &id, &object) || samples_of(object, &samples, &count) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failure = receiver_push(self->receiver, id, samples.buf, count);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&samples);
    if (failure)
        return os_error(failure);
    Py_RETURN_NONE;
}

static PyObject *server_link(Server *self, PyObject *arguments)
{
    int failure;
    unsigned id;
    PyObject *sender;
    struct link link;
    if (!PyArg_ParseTuple(arguments, "IOI", &id, &sender, &link.handle)
        || (link.sender = sender_of(sender, (PyObject *)self)) == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failure = receiver_link(self->receiver, id, &link);
    Py_END_ALLOW_THREADS
    if (failure)
        return os_error(failure);
    Py_RETURN_NONE;
}

static void pusher_gone(PyObject *capsule)
{
    Py_XDECREF((PyObject *)PyCapsule_GetContext(capsule));
}

/* The capsule keeps the server alive. */
static PyObject *server_pusher(Server *self, PyObject *unused)
{
    (void)unused;
    PyObject *capsule = PyCapsule_New(&self->pusher, PUSHER, pusher_gone);
    if (capsule != NULL && PyCapsule_SetContext(capsule, Py_NewRef((PyObject *)self)) != 0)
        Py_CLEAR(capsule);
    return capsule;
}

static PyObject *server_look(Server *self, PyObject *argument)
{
    int failure;
    struct stream_look look;
    const unsigned long id = PyLong_AsUnsignedLong(argument);
    if (id == (unsigned long)-1 && PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failure = receiver_look(self->receiver, (uint32_t)id, &look);
    Py_END_ALLOW_THREADS
    return failure ? os_error(failure) : stream_report(&look);
}

static PyObject *server_counts(Server *self, PyObject *unused)
{
    struct receiver_counts counts;
    (void)unused;
    receiver_counts(self->receiver, &counts);
    return Py_BuildValue("{sK sK sK sK sK sK sL sK sK}", "packets", counts.packets, "reports",
                         counts.reports, "unknown", counts.unknown, "overflows", counts.overflows, "ticks", counts.ticks,
                         "missed_ticks", counts.missed_ticks, "cpu_ns", counts.cpu_ns,
                         "overruns", batches_overruns(receiver_batches(self->receiver)),
                         "events_dropped", events_dropped(receiver_events(self->receiver)));
}

static PyObject *server_batch(Server *self, PyObject *unused)
{
    (void)unused;
    struct batch *batch = batches_take(receiver_batches(self->receiver));
    if (batch == NULL)
        Py_RETURN_NONE;
    return wrap_batch(self, batch);
}

static PyObject *server_events(Server *self, PyObject *unused)
{
    (void)unused;
    return taken_events(receiver_events(self->receiver));
}

static PyObject *server_fds(Server *self, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("(ii)", batches_fd(receiver_batches(self->receiver)),
                         events_fd(receiver_events(self->receiver)));
}

static PyMethodDef server_methods[] = {
    {"bind", (PyCFunction)server_bind, METH_VARARGS, NULL},
    {"sockets", (PyCFunction)server_sockets, METH_O, NULL},
    {"link", (PyCFunction)server_link, METH_VARARGS, NULL},
    {"start", (PyCFunction)server_start, METH_NOARGS, NULL},
    {"stop", (PyCFunction)server_stop, METH_NOARGS, NULL},
    {"open", (PyCFunction)(void (*)(void))server_open, METH_VARARGS | METH_KEYWORDS, NULL},
    {"close", (PyCFunction)server_close, METH_O, NULL},
    {"push", (PyCFunction)server_push, METH_VARARGS, NULL},
    {"pusher", (PyCFunction)server_pusher, METH_NOARGS, NULL},
    {"look", (PyCFunction)server_look, METH_O, NULL},
    {"counts", (PyCFunction)server_counts, METH_NOARGS, NULL},
    {"batch", (PyCFunction)server_batch, METH_NOARGS, NULL},
    {"events", (PyCFunction)server_events, METH_NOARGS, NULL},
    {"fds", (PyCFunction)server_fds, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot server_slots[] = {
    {Py_tp_new, server_new},
    {Py_tp_dealloc, server_dealloc},
    {Py_tp_methods, server_methods},
    {Py_tp_doc, "The receiving thread, its sockets and its streams."},
    {0, NULL},
};

static PyType_Spec server_spec = {
    .name = "callcore.native._audio.Server",
    .basicsize = sizeof(Server),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = server_slots,
};

struct receiver *receiver_of(PyObject *object)
{
    if (PyObject_TypeCheck(object, server_type))
        return ((Server *)object)->receiver;
    PyErr_SetString(PyExc_TypeError, "a Server is needed");
    return NULL;
}

int add_server(PyObject *module)
{
    batch_type = (PyTypeObject *)PyType_FromSpec(&batch_spec);
    if (batch_type == NULL || PyModule_AddObjectRef(module, "Batch", (PyObject *)batch_type) < 0)
        return -1;
    server_type = (PyTypeObject *)PyType_FromSpec(&server_spec);
    if (server_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Server", (PyObject *)server_type);
}
