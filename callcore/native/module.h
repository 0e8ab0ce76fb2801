/* What the files of the Python face share; each adds its functions and types to the module. */
#ifndef CALLCORE_MODULE_H
#define CALLCORE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "receive.h"

/* 0, or -1 with an exception set. */
int add_codecs(PyObject *module);
int add_rtcp(PyObject *module);
int add_detectors(PyObject *module);
int add_parts(PyObject *module);
int add_server(PyObject *module);
int add_load(PyObject *module);

/* Make a type from its specification and add it under the last part of its name. */
int add_type(PyObject *module, PyType_Spec *spec);

/* Look at an argument as whole int16 samples; release it with PyBuffer_Release. -1: exception. */
int samples_of(PyObject *object, Py_buffer *view, size_t *count);

/* The settings of a stream from keyword arguments; -1: exception. */
int stream_settings_of(PyObject *keywords, struct stream_settings *settings);

/* Everything that waits in the queue, as a list of tuples; see _audio.pyi. */
PyObject *taken_events(struct events *events);

/* The counts of a stream and its play-out as a dictionary. */
PyObject *stream_report(const struct stream *stream, const struct jitter_counts *jitter,
                        uint32_t target_ms);

#endif
