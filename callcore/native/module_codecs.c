/* G.711 as Python functions. */
#include "module.h"

typedef void decode_function(const uint8_t *, int16_t *, size_t);
typedef void encode_function(const int16_t *, uint8_t *, size_t);

/* bytes of native int16 samples: numpy.frombuffer makes the array. */
static PyObject *decode(PyObject *argument, decode_function *function)
{
    Py_buffer codes;
    if (PyObject_GetBuffer(argument, &codes, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    PyObject *samples = PyBytes_FromStringAndSize(NULL, codes.len * 2);
    if (samples != NULL)
        function(codes.buf, (int16_t *)(void *)PyBytes_AsString(samples), (size_t)codes.len);
    PyBuffer_Release(&codes);
    return samples;
}

static PyObject *encode(PyObject *argument, encode_function *function)
{
    Py_buffer samples;
    size_t count;
    if (samples_of(argument, &samples, &count) < 0)
        return NULL;
    PyObject *codes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count);
    if (codes != NULL)
        function(samples.buf, (uint8_t *)PyBytes_AsString(codes), count);
    PyBuffer_Release(&samples);
    return codes;
}

static PyObject *py_ulaw_decode(PyObject *module, PyObject *codes)
{
    (void)module;
    return decode(codes, ulaw_decode);
}

static PyObject *py_alaw_decode(PyObject *module, PyObject *codes)
{
    (void)module;
    return decode(codes, alaw_decode);
}

static PyObject *py_ulaw_encode(PyObject *module, PyObject *samples)
{
    (void)module;
    return encode(samples, ulaw_encode);
}

static PyObject *py_alaw_encode(PyObject *module, PyObject *samples)
{
    (void)module;
    return encode(samples, alaw_encode);
}

static PyMethodDef functions[] = {
    {"ulaw_decode", py_ulaw_decode, METH_O, "G.711 µ-law to int16 samples."},
    {"alaw_decode", py_alaw_decode, METH_O, "G.711 A-law to int16 samples."},
    {"ulaw_encode", py_ulaw_encode, METH_O, "int16 samples to G.711 µ-law."},
    {"alaw_encode", py_alaw_encode, METH_O, "int16 samples to G.711 A-law."},
    {NULL, NULL, 0, NULL},
};

int add_codecs(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
