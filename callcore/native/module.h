/* What the files of the Python face share; each adds its functions and types to the module. */
#ifndef CALLCORE_MODULE_H
#define CALLCORE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "audio.h"

/* 0, or -1 with an exception set. */
int add_codecs(PyObject *module);
int add_rtcp(PyObject *module);
int add_detectors(PyObject *module);

/* Look at an argument as whole int16 samples; release it with PyBuffer_Release. -1: exception. */
int samples_of(PyObject *object, Py_buffer *view, size_t *count);

#endif
