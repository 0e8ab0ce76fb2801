/* What the sender's two files share: the table of streams and the thread over it. */
#ifndef CALLCORE_SENDER_H
#define CALLCORE_SENDER_H

#include "send.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

enum { BURST = 64, SOURCE_NAME = 40 };

/* A place for one stream; what is atomic is read without the lock. */
struct slot {
    struct outgoing *outgoing;
    atomic_uint handle; /* 0: empty */
    atomic_uint barged; /* the handle that speech interrupts */
    uint16_t turn;      /* how often the place was taken: stale handles differ in it */
};

struct burst;

struct sender {
    struct sender_settings settings;
    char name[SOURCE_NAME];
    struct prompt *noise;
    int64_t wall_offset; /* ns since 1970 at the monotonic clock's zero */
    pthread_t thread;
    pthread_mutex_t lock;  /* over all that follows */
    pthread_cond_t opened; /* there are streams, or the end has come */
    bool closing;
    struct sender_counts counts;
    struct burst *packets, *reports; /* the thread's own, without the lock */
    size_t used;                     /* no slot from here on was ever taken */
    struct slot slots[];
};

/* The stream of a handle, the lock being held; NULL: none. */
struct outgoing *sender_find(struct sender *sender, uint32_t handle);

/* pacer.c: the two bursts, false without memory; the thread's function. */
bool pacer_prepare(struct sender *sender);
void pacer_discard(struct sender *sender);
void *pacer_run(void *sender);

#endif
