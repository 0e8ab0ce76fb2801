/* load.c's functions for the benchmark; each runs without the GIL. */
#include "module.h"

#include "load.h"

#include <errno.h>

static PyObject *os_error(int number)
{
    errno = number;
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* Room for the times of sending; 0, or -1 with an exception. */
static int times_of(PyObject *object, const struct load *load, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
        return -1;
    if ((size_t)view->len >= sizeof *load->sent * LOAD_REMEMBERED * load->streams)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_ValueError, "the buffer has no room for the times of all streams");
    return -1;
}

static PyObject *send_load(PyObject *module, PyObject *arguments)
{
    struct load load = {0};
    struct load_result result;
    Py_ssize_t length;
    PyObject *object;
    Py_buffer times = {0};
    int failure;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "iHIIy#IIO", &load.fd, &load.port, &load.streams, &load.ticks,
                          &load.octets, &length, &load.loss, &load.jitter_ms, &object))
        return NULL;
    load.length = (size_t)length;
    if (object != Py_None) {
        if (times_of(object, &load, &times) < 0)
            return NULL;
        load.sent = times.buf;
    }
    Py_BEGIN_ALLOW_THREADS
    failure = load_send(&load, &result);
    Py_END_ALLOW_THREADS
    if (load.sent != NULL)
        PyBuffer_Release(&times);
    if (failure)
        return os_error(failure);
    return Py_BuildValue("KKL", result.packets, result.refused, result.latest);
}

static PyObject *discard(PyObject *module, PyObject *arguments)
{
    int fd;
    long long until;
    int64_t cpu;
    uint64_t packets;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "iL", &fd, &until))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    packets = load_discard(fd, until, &cpu);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("KL", packets, cpu);
}

static PyObject *time_vad(PyObject *module, PyObject *arguments)
{
    int mode;
    unsigned times;
    PyObject *object;
    Py_buffer samples;
    size_t count;
    double each;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OiI", &object, &mode, &times)
        || samples_of(object, &samples, &count) < 0)
        return NULL;
    struct vad *vad = vad_new(8000, mode);
    if (vad == NULL) {
        PyBuffer_Release(&samples);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    each = load_vad(vad, samples.buf, count, times);
    Py_END_ALLOW_THREADS
    vad_free(vad);
    PyBuffer_Release(&samples);
    return PyFloat_FromDouble(each);
}

static PyMethodDef functions[] = {
    {"send_load", send_load, METH_VARARGS, NULL},
    {"discard", discard, METH_VARARGS, NULL},
    {"time_vad", time_vad, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int add_load(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
