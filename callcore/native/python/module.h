/* What the files of the Python face share; each adds its functions and types to the module. */
#ifndef CALLCORE_MODULE_H
#define CALLCORE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "receive.h"
#include "send.h"

/* 0, or -1 with an exception set. */
int add_codecs(PyObject *module);
int add_rtcp(PyObject *module);
int add_prompt(PyObject *module);
int add_outgoing(PyObject *module);
int add_sender(PyObject *module);
int add_detectors(PyObject *module);
int add_parts(PyObject *module);
int add_speech(PyObject *module);
int add_server(PyObject *module);
int add_load(PyObject *module);

/* Integers that Python reads under the names they have in C. */
struct constant {
    const char *name;
    int value;
};

#define CONSTANT(name) {#name, name}

int add_constants(PyObject *module, const struct constant *constants, size_t count);

/* Make a type from its specification and add it under the last part of its name. */
int add_type(PyObject *module, PyType_Spec *spec);

/* Look at an argument as whole int16 samples; release it with PyBuffer_Release. -1: exception. */
int samples_of(PyObject *object, Py_buffer *view, size_t *count);

/* The settings of a stream from keyword arguments; -1: exception. */
int stream_settings_of(PyObject *keywords, struct stream_settings *settings);

/* Everything that waits in the queue, as a list of tuples; see _audio.pyi. */
PyObject *taken_events(struct events *events);

/* The counts of a stream and its play-out as a dictionary. */
PyObject *stream_report(const struct stream_look *look);
/* Hops heard, means and deviations of the spectral features. */
PyObject *features_of(const struct spectrum_features *features);

/* A uint16_t, for O& of PyArg_ParseTuple: H would take a number modulo 65536. */
int port_of(PyObject *object, void *port);

/* module_server.c: a numeric host and a port as an address; 0, or -1 with an exception. */
int address_of(const char *host, unsigned port, struct address *address);

/* The receiver in a Server; NULL: exception. */
struct receiver *receiver_of(PyObject *object);
/* module_sender.c: the sender in a Sender made for that server; NULL: exception. */
struct sender *sender_of(PyObject *object, const PyObject *server);

/* module_prompt.c: the prompt in a Prompt, which holds it; NULL: exception. */
struct prompt *prompt_of(PyObject *object);

/* module_rtcp.c */
PyObject *rtcp_block_of(const struct rtcp_block *block);

/* module_outgoing.c: 0, or -1 with the exception that tells the fault. */
int raise_fault(enum send_fault fault);
/* Keys as digits to send; returns how many, -1: exception. */
int digits_of(const char *keys, unsigned duration_ms, unsigned gap_ms, unsigned rate,
              struct digit digits[DIGITS_ROOM]);
/* A converter for "O&": (host, port), or None, as struct address. */
int address_converter(PyObject *object, void *address);
/* The arguments of Sender.open; 0, or -1: exception. */
int send_settings_of(PyObject *arguments, PyObject *names, struct send_settings *settings);
/* As dictionaries; see _audio.pyi. */
PyObject *send_report(const struct send_counts *counts);
PyObject *sender_report(const struct sender_counts *counts);

#endif
