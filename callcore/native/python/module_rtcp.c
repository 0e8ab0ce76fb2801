/* RTCP as Python functions and a type: what tests and tools see of rtcp.c. */
#include "module.h"

PyObject *rtcp_block_of(const struct rtcp_block *block)
{
    return Py_BuildValue("(IBiIIII)", block->ssrc, block->fraction_lost, block->lost,
                         block->highest, block->jitter, block->last_report, block->delay);
}

static PyObject *blocks_of(const struct rtcp_compound *compound)
{
    PyObject *blocks = PyList_New((Py_ssize_t)compound->count);
    for (size_t i = 0; blocks != NULL && i < compound->count; i++) {
        PyObject *block = rtcp_block_of(&compound->blocks[i]);
        if (block == NULL || PyList_SetItem(blocks, (Py_ssize_t)i, block) < 0)
            Py_CLEAR(blocks);
    }
    return blocks;
}

static PyObject *py_rtcp_parse(PyObject *module, PyObject *argument)
{
    (void)module;
    Py_buffer datagram;
    struct rtcp_compound compound;
    if (PyObject_GetBuffer(argument, &datagram, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    const enum rtcp_fault fault = rtcp_parse(datagram.buf, (size_t)datagram.len, &compound);
    PyBuffer_Release(&datagram);
    if (fault != RTCP_OK)
        return PyLong_FromLong(fault);
    PyObject *info = compound.sender
                         ? Py_BuildValue("(KIII)", (unsigned long long)compound.ntp,
                                         compound.timestamp, compound.packets, compound.octets)
                         : Py_NewRef(Py_None);
    PyObject *blocks = blocks_of(&compound);
    if (info == NULL || blocks == NULL) {
        Py_XDECREF(info);
        Py_XDECREF(blocks);
        return NULL;
    }
    return Py_BuildValue("(INNyO)", compound.ssrc, info, blocks, compound.name,
                         compound.bye ? Py_True : Py_False);
}

static PyMethodDef functions[] = {
    {"rtcp_parse", py_rtcp_parse, METH_O, "What a compound packet says, or the fault's number."},
    {NULL, NULL, 0, NULL},
};

/* ---- one stream's reports ---- */

struct py_rtcp {
    PyObject_HEAD
    struct rtcp rtcp;
    uint32_t ssrc;
    char name[RTCP_NAME];
};

static int init(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"ssrc", "name", NULL};
    struct py_rtcp *self = (struct py_rtcp *)object;
    const char *name;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "Is", names, &self->ssrc, &name))
        return -1;
    rtcp_init(&self->rtcp);
    PyOS_snprintf(self->name, sizeof self->name, "%s", name);
    return 0;
}

static PyObject *reception(PyObject *object, PyObject *arguments)
{
    struct reception seen;
    if (!PyArg_ParseTuple(arguments, "IIIII", &seen.ssrc, &seen.expected, &seen.received,
                          &seen.highest, &seen.jitter))
        return NULL;
    rtcp_reception(&((struct py_rtcp *)object)->rtcp, &seen);
    Py_RETURN_NONE;
}

static PyObject *receive(PyObject *object, PyObject *arguments)
{
    struct py_rtcp *self = (struct py_rtcp *)object;
    Py_buffer datagram;
    long long wall;
    if (!PyArg_ParseTuple(arguments, "y*L", &datagram, &wall))
        return NULL;
    const enum rtcp_fault fault =
        rtcp_receive(&self->rtcp, self->ssrc, datagram.buf, (size_t)datagram.len, wall);
    PyBuffer_Release(&datagram);
    return PyLong_FromLong(fault);
}

static PyObject *report(PyObject *object, PyObject *arguments)
{
    struct py_rtcp *self = (struct py_rtcp *)object;
    struct rtcp_own own = {.ssrc = self->ssrc, .name = self->name};
    struct rtcp_compound compound;
    uint8_t datagram[RTCP_LARGEST];
    long long wall;
    int bye = 0;
    if (!PyArg_ParseTuple(arguments, "IIIL|p", &own.timestamp, &own.packets, &own.octets, &wall,
                          &bye))
        return NULL;
    own.wall = wall;
    own.bye = bye != 0;
    rtcp_compose(&self->rtcp, &own, &compound);
    const size_t length = rtcp_write(datagram, &compound);
    return PyBytes_FromStringAndSize((char *)datagram, (Py_ssize_t)length);
}

static PyObject *round_trip(PyObject *object, void *unused)
{
    (void)unused;
    const float seconds = ((struct py_rtcp *)object)->rtcp.round_trip;
    return seconds < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(seconds);
}

static PyObject *remote(PyObject *object, void *unused)
{
    (void)unused;
    const struct py_rtcp *self = (struct py_rtcp *)object;
    return self->rtcp.remote.ssrc == 0 ? Py_NewRef(Py_None) : rtcp_block_of(&self->rtcp.remote);
}

static void dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"reception", reception, METH_VARARGS, "Note what was counted of the far end's source."},
    {"receive", receive, METH_VARARGS, "Take in a compound packet; returns the fault, 0 if none."},
    {"report", report, METH_VARARGS, "The next compound packet."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"round_trip", round_trip, NULL, "Seconds there and back, None while unknown.", NULL},
    {"remote", remote, NULL, "The newest report block about us.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "RTCP of one stream (RFC 3550 section 6)."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, init},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "callcore.native._audio.Rtcp",
    .basicsize = sizeof(struct py_rtcp),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_rtcp(PyObject *module)
{
    return PyModule_AddFunctions(module, functions) < 0 ? -1 : add_type(module, &spec);
}
