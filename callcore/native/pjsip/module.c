/* The extension module callcore.native._pjsip: ports, taps and notes for Python.
 *
 * Its symbols of pjproject are those of _pjsua2, which has to be loaded with RTLD_GLOBAL before.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pjsua-lib/pjsua.h>

#include "codecs.h"
#include "hooks.h"
#include "notes.h"
#include "ports.h"
#include "requests.h"

struct port_object {
    PyObject_HEAD
    struct port *port;
    PyObject *sounds; /* what is played stays alive */
};

struct tap_object {
    PyObject_HEAD
    struct tap *tap;
    PyObject *left, *right;
    unsigned channels;
};

static PyTypeObject *port_type, *tap_type;
static struct port *watching;

static PyObject *failed(int status)
{
    char text[PJ_ERR_MSG_SIZE];
    pj_str_t said = pj_strerror(status, text, sizeof text);
    return PyErr_Format(PyExc_OSError, "%.200s", said.ptr);
}

/* ---- Port ---- */

static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct port_object *self;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    int status;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, ":Port"))
        return NULL;
    self = (struct port_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->port = port_open(&status);
    if (self->port == NULL) {
        Py_DECREF(self);
        return failed(status);
    }
    return (PyObject *)self;
}

static void port_dealloc(PyObject *object)
{
    struct port_object *self = (struct port_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    /* One that was not closed is left to the bridge: this may be any thread. */
    if (self->port != NULL)
        port_halt(self->port);
    Py_XDECREF(self->sounds);
    release(object);
    Py_DECREF(type);
}

static struct port *opened(PyObject *object)
{
    struct port *port = ((struct port_object *)object)->port;
    if (port == NULL)
        PyErr_SetString(PyExc_ValueError, "the port is closed");
    return port;
}

static PyObject *port_get_slot(PyObject *object, void *unused)
{
    struct port *port = opened(object);
    (void)unused;
    return port == NULL ? NULL : PyLong_FromLong(port_slot(port));
}

static PyObject *port_play_method(PyObject *object, PyObject *args)
{
    struct port_object *self = (struct port_object *)object;
    struct port *port = opened(object);
    struct sound *sounds = NULL;
    PyObject *given, *result = NULL, *before;
    unsigned long long serial;
    int loop;
    Py_ssize_t count;

    if (port == NULL || !PyArg_ParseTuple(args, "KO!p:play", &serial, &PyTuple_Type, &given, &loop))
        return NULL;
    count = PyTuple_Size(given);
    sounds = PyMem_Calloc(count > 0 ? (size_t)count : 1, sizeof *sounds);
    if (sounds == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(given, i), &bytes, &length) < 0)
            goto done;
        sounds[i].samples = (const int16_t *)bytes;
        sounds[i].count = (size_t)length / sizeof(int16_t);
    }
    if (!port_play(port, serial, sounds, (size_t)count, loop)) {
        PyErr_NoMemory();
        goto done;
    }
    before = self->sounds;
    Py_INCREF(given);
    self->sounds = given;
    Py_XDECREF(before);
    result = Py_None;
    Py_INCREF(result);
done:
    PyMem_Free(sounds);
    return result;
}

static PyObject *port_halt_method(PyObject *object, PyObject *unused)
{
    struct port_object *self = (struct port_object *)object;
    PyObject *before = self->sounds;

    (void)unused;
    if (self->port != NULL)
        port_halt(self->port);
    self->sounds = NULL;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *port_close_method(PyObject *object, PyObject *unused)
{
    struct port_object *self = (struct port_object *)object;
    struct port *port = self->port;

    (void)unused;
    self->port = NULL;
    if (port != NULL) {
        Py_BEGIN_ALLOW_THREADS
        port_close(port);
        Py_END_ALLOW_THREADS
    }
    Py_CLEAR(self->sounds);
    Py_RETURN_NONE;
}

static PyMethodDef port_methods[] = {
    {"play", port_play_method, METH_VARARGS, "play(serial, sounds, loop): 16-bit samples at 8 kHz."},
    {"halt", port_halt_method, METH_NOARGS, "Play nothing."},
    {"close", port_close_method, METH_NOARGS, "Leave the bridge."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef port_getset[] = {
    {"slot", port_get_slot, NULL, "Slot in the conference bridge.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot port_slots[] = {
    {Py_tp_new, port_new},
    {Py_tp_dealloc, port_dealloc},
    {Py_tp_methods, port_methods},
    {Py_tp_getset, port_getset},
    {Py_tp_doc, "A port of the conference bridge."},
    {0, NULL},
};

static PyType_Spec port_spec = {
    .name = "callcore.native._pjsip.Port",
    .basicsize = sizeof(struct port_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = port_slots,
};

/* ---- Tap ---- */

static PyObject *tap_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct tap_object *self;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *left, *right;
    struct port *first, *second = NULL;
    unsigned room_ms;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!OI:Tap", port_type, &left, &right, &room_ms))
        return NULL;
    if (right != Py_None && Py_TYPE(right) != port_type) {
        PyErr_SetString(PyExc_TypeError, "the right side must be a Port or None");
        return NULL;
    }
    first = opened(left);
    if (first == NULL || (right != Py_None && (second = opened(right)) == NULL))
        return NULL;
    self = (struct tap_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->tap = tap_open(first, second, room_ms);
    if (self->tap == NULL) {
        Py_DECREF(self);
        PyErr_SetString(PyExc_ValueError, "the port is tapped already, or there is no memory");
        return NULL;
    }
    Py_INCREF(left);
    Py_INCREF(right);
    self->left = left;
    self->right = right;
    self->channels = second == NULL ? 1 : 2;
    return (PyObject *)self;
}

/* Before its ports: the tap points at them. */
static void end_tap(struct tap_object *self)
{
    if (self->tap != NULL)
        tap_close(self->tap);
    self->tap = NULL;
    Py_CLEAR(self->left);
    Py_CLEAR(self->right);
}

static void tap_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    end_tap((struct tap_object *)object);
    release(object);
    Py_DECREF(type);
}

static PyObject *tap_take_method(PyObject *object, PyObject *unused)
{
    struct tap *tap = ((struct tap_object *)object)->tap;
    PyObject *taken;
    size_t waiting;

    (void)unused;
    if (tap == NULL)
        return PyBytes_FromStringAndSize(NULL, 0);
    waiting = tap_waiting(tap);
    taken = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(waiting * sizeof(int16_t)));
    if (taken != NULL)
        tap_take(tap, (int16_t *)PyBytes_AsString(taken), waiting);
    return taken;
}

static PyObject *tap_mute_method(PyObject *object, PyObject *argument)
{
    struct tap *tap = ((struct tap_object *)object)->tap;
    const int mute = PyObject_IsTrue(argument);

    if (mute < 0)
        return NULL;
    if (tap != NULL)
        tap_mute(tap, mute);
    Py_RETURN_NONE;
}

static PyObject *tap_close_method(PyObject *object, PyObject *unused)
{
    (void)unused;
    end_tap((struct tap_object *)object);
    Py_RETURN_NONE;
}

static PyObject *tap_get_dropped(PyObject *object, void *unused)
{
    struct tap *tap = ((struct tap_object *)object)->tap;
    (void)unused;
    return PyLong_FromUnsignedLongLong(tap == NULL ? 0 : tap_dropped(tap));
}

static PyMethodDef tap_methods[] = {
    {"take", tap_take_method, METH_NOARGS, "Everything that waits, as bytes of 16-bit samples."},
    {"mute", tap_mute_method, METH_O, "Silence instead of sound."},
    {"close", tap_close_method, METH_NOARGS, "Hear no more."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef tap_getset[] = {
    {"dropped", tap_get_dropped, NULL, "Frames for which there was no room.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tap_slots[] = {
    {Py_tp_new, tap_new},
    {Py_tp_dealloc, tap_dealloc},
    {Py_tp_methods, tap_methods},
    {Py_tp_getset, tap_getset},
    {Py_tp_doc, "What one port hears, or two side by side."},
    {0, NULL},
};

static PyType_Spec tap_spec = {
    .name = "callcore.native._pjsip.Tap",
    .basicsize = sizeof(struct tap_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = tap_slots,
};

/* ---- the module ---- */

static PyObject *open_notes(PyObject *module, PyObject *args)
{
    int watched, written, status;

    (void)module;
    if (!PyArg_ParseTuple(args, "ii:open", &watched, &written))
        return NULL;
    status = watch_open(watched);
    if (status == PJ_SUCCESS)
        status = refer_open();
    if (status == PJ_SUCCESS)
        status = hooks_open();
    if (status != PJ_SUCCESS)
        return failed(status);
    notes_wake_by(written);
    Py_RETURN_NONE;
}

static PyObject *close_notes(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (watching != NULL)
        port_close(watching);
    watching = NULL;
    notes_wake_by(-1);
    hooks_close();
    refer_close();
    watch_close();
    Py_RETURN_NONE;
}

static PyObject *take_played(PyObject *module, PyObject *unused)
{
    uint64_t serials[64];
    size_t count = notes_take_played(serials, 64);
    PyObject *list = PyList_New((Py_ssize_t)count);

    (void)module;
    (void)unused;
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *serial = PyLong_FromUnsignedLongLong(serials[i]);
        if (serial == NULL || PyList_SetItem(list, (Py_ssize_t)i, serial) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *take_refer(PyObject *module, PyObject *unused)
{
    struct refer refer;

    (void)module;
    (void)unused;
    if (!notes_take_refer(&refer))
        Py_RETURN_NONE;
    /* From the network: not always UTF-8. */
    return Py_BuildValue("(NN)",
                         PyUnicode_DecodeLatin1(refer.call_id, (Py_ssize_t)strlen(refer.call_id), NULL),
                         PyUnicode_DecodeLatin1(refer.refer_to, (Py_ssize_t)strlen(refer.refer_to), NULL));
}

static PyObject *take_glare(PyObject *module, PyObject *unused)
{
    int call;

    (void)module;
    (void)unused;
    if (!notes_take_glare(&call))
        Py_RETURN_NONE;
    return PyLong_FromLong(call);
}

static PyObject *provisional(PyObject *module, PyObject *argument)
{
    const long call = PyLong_AsLong(argument);

    (void)module;
    if (call == -1 && PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(requests_provisional((int)call));
}

static PyObject *watch_clock(PyObject *module, PyObject *unused)
{
    int status;

    (void)module;
    (void)unused;
    watching = clock_open(&status);
    if (watching == NULL)
        return failed(status);
    Py_RETURN_NONE;
}

static PyObject *clock_counts(PyObject *module, PyObject *unused)
{
    struct clock_counts counts;

    (void)module;
    (void)unused;
    clock_take(&counts);
    return Py_BuildValue("KKd", (unsigned long long)counts.ticks, (unsigned long long)counts.late,
                         counts.worst_ms);
}

static PyObject *connect_slots(PyObject *module, PyObject *args)
{
    int source, sink, status;

    (void)module;
    if (!PyArg_ParseTuple(args, "ii:connect", &source, &sink))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = pjsua_conf_connect(source, sink);
    Py_END_ALLOW_THREADS
    if (status != PJ_SUCCESS)
        return failed(status);
    Py_RETURN_NONE;
}

static PyObject *disconnect_slots(PyObject *module, PyObject *args)
{
    int source, sink;

    (void)module;
    if (!PyArg_ParseTuple(args, "ii:disconnect", &source, &sink))
        return NULL;
    /* A slot that is gone took its connections along. */
    Py_BEGIN_ALLOW_THREADS
    pjsua_conf_disconnect(source, sink);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *slot_of_call(PyObject *module, PyObject *argument)
{
    const long call = PyLong_AsLong(argument);

    (void)module;
    if (call == -1 && PyErr_Occurred())
        return NULL;
    if (call < 0 || !pjsua_call_has_media((pjsua_call_id)call))
        return PyLong_FromLong(-1);
    return PyLong_FromLong(pjsua_call_get_conf_port((pjsua_call_id)call));
}

static PyObject *calls(PyObject *module, PyObject *unused)
{
    unsigned count;

    (void)module;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS
    count = pjsua_call_get_count();
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLong(count);
}

static PyObject *set_codecs(PyObject *module, PyObject *args)
{
    const char *names[CODECS_MOST];
    PyObject *given;
    int account;

    (void)module;
    if (!PyArg_ParseTuple(args, "iO!:set_codecs", &account, &PyTuple_Type, &given))
        return NULL;
    const Py_ssize_t count = PyTuple_Size(given);
    for (Py_ssize_t i = 0; i < count && i < CODECS_MOST; i++) {
        names[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(given, i), NULL);
        if (names[i] == NULL)
            return NULL;
    }
    if (!codecs_set(account, names, (size_t)count)) {
        PyErr_SetString(PyExc_ValueError, "no such account, or too many codecs");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *blocks(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromLong(ports_blocks());
}

static PyMethodDef functions[] = {
    {"open", open_notes, METH_VARARGS, "open(watched, written): once pjsua runs."},
    {"close", close_notes, METH_NOARGS, "Before pjsua ends."},
    {"take_played", take_played, METH_NOARGS, "Serials of playbacks that ended."},
    {"take_refer", take_refer, METH_NOARGS, "(Call-ID, Refer-To) of the next REFER, or None."},
    {"take_glare", take_glare, METH_NOARGS, "The next call whose offer got 491, or None."},
    {"provisional", provisional, METH_O, "Whether a call's INVITE got a provisional answer."},
    {"watch_clock", watch_clock, METH_NOARGS, "Count the ticks of the bridge from now on."},
    {"clock_counts", clock_counts, METH_NOARGS, "Ticks, late ones, the latest in ms; then anew."},
    {"connect", connect_slots, METH_VARARGS, "connect(source, sink): slots of the bridge."},
    {"disconnect", disconnect_slots, METH_VARARGS, "disconnect(source, sink)."},
    {"slot_of_call", slot_of_call, METH_O, "The slot of a call's sound; -1: none."},
    {"set_codecs", set_codecs, METH_VARARGS, "set_codecs(account, names): what its calls may use."},
    {"calls", calls, METH_NOARGS, "Calls that pjsua holds, those that are ending included."},
    {"blocks", blocks, METH_NOARGS, "Blocks of memory that ports and taps hold."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "callcore.native._pjsip",
    .m_doc = "Ports of pjsua's conference bridge, in C.",
    .m_size = -1,
    .m_methods = functions,
};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL || PyModule_AddObjectRef(module, name, type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

PyMODINIT_FUNC PyInit__pjsip(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    /* Until it is told where to write its log, it would greet on the console. */
    pj_log_set_level(0);
    port_type = add_type(module, &port_spec, "Port");
    tap_type = add_type(module, &tap_spec, "Tap");
    if (port_type == NULL || tap_type == NULL) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
