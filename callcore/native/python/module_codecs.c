/* G.711 and L16 as Python functions. */
#include "module.h"

/* bytes of native int16 samples: numpy.frombuffer makes the array. */
static PyObject *decode(PyObject *argument, enum codec codec)
{
    Py_buffer octets;
    if (PyObject_GetBuffer(argument, &octets, PyBUF_C_CONTIGUOUS) < 0)
        return NULL;
    const size_t length = (size_t)octets.len, count = length / codec_width(codec);
    PyObject *samples = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)count * 2);
    if (samples != NULL)
        codec_decode(codec, octets.buf, length, (int16_t *)(void *)PyBytes_AsString(samples), count);
    PyBuffer_Release(&octets);
    return samples;
}

static PyObject *encode(PyObject *argument, enum codec codec)
{
    Py_buffer samples;
    size_t count;
    if (samples_of(argument, &samples, &count) < 0)
        return NULL;
    PyObject *octets = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * codec_width(codec)));
    if (octets != NULL)
        codec_encode(codec, samples.buf, count, (uint8_t *)PyBytes_AsString(octets));
    PyBuffer_Release(&samples);
    return octets;
}

static PyObject *py_ulaw_decode(PyObject *module, PyObject *codes)
{
    (void)module;
    return decode(codes, CODEC_PCMU);
}

static PyObject *py_alaw_decode(PyObject *module, PyObject *codes)
{
    (void)module;
    return decode(codes, CODEC_PCMA);
}

static PyObject *py_ulaw_encode(PyObject *module, PyObject *samples)
{
    (void)module;
    return encode(samples, CODEC_PCMU);
}

static PyObject *py_alaw_encode(PyObject *module, PyObject *samples)
{
    (void)module;
    return encode(samples, CODEC_PCMA);
}

static PyObject *py_l16_decode(PyObject *module, PyObject *octets)
{
    (void)module;
    return decode(octets, CODEC_L16);
}

static PyObject *py_l16_encode(PyObject *module, PyObject *samples)
{
    (void)module;
    return encode(samples, CODEC_L16);
}

static PyMethodDef functions[] = {
    {"ulaw_decode", py_ulaw_decode, METH_O, "G.711 µ-law to int16 samples."},
    {"alaw_decode", py_alaw_decode, METH_O, "G.711 A-law to int16 samples."},
    {"ulaw_encode", py_ulaw_encode, METH_O, "int16 samples to G.711 µ-law."},
    {"alaw_encode", py_alaw_encode, METH_O, "int16 samples to G.711 A-law."},
    {"l16_decode", py_l16_decode, METH_O, "Big-endian octets to int16 samples."},
    {"l16_encode", py_l16_encode, METH_O, "int16 samples to big-endian octets."},
    {NULL, NULL, 0, NULL},
};

int add_codecs(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
