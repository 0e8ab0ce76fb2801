/* The insides of a port, shared by player.c, tap.c and port.c. */
#ifndef CALLCORE_PJSIP_PORT_H
#define CALLCORE_PJSIP_PORT_H

#include <pjsua-lib/pjsua.h>
#include <pthread.h>
#include <stdatomic.h>

#include "notes.h"
#include "ports.h"

struct port {
    pjmedia_port base; /* first: pjmedia knows a port by it */
    atomic_int users;  /* the bridge, who opened it, a tap */
    int slot;
    pthread_mutex_t lock; /* of all below; held for a copy of 20 ms at the longest */
    struct sound *sounds;
    size_t count, current, position;
    uint64_t serial;
    bool loop, playing, ended;
    struct tap *tap;
    unsigned channel; /* of the tap */
};

void *block_new(size_t count, size_t size);
void block_free(void *block);

/* One user less; the last one frees it. */
void port_let_go(struct port *port);

/* A port whose frames go to `put`. */
struct port *port_open_with(pj_status_t (*put)(pjmedia_port *, pjmedia_frame *), int *status);

pj_status_t player_frame(pjmedia_port *base, pjmedia_frame *frame);
pj_status_t tap_frame(pjmedia_port *base, pjmedia_frame *frame);

#endif
