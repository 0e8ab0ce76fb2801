/* What measurements need (`callcore bench media`): streams sent by one thread, and the least that
 * receiving them can cost. Nothing of the audio path calls it. */
#ifndef CALLCORE_LOAD_H
#define CALLCORE_LOAD_H

#include "audio.h"

enum { LOAD_REMEMBERED = 64 }; /* ticks whose times of sending are kept */

/* `streams` sources of G.711, each with an address of its own from 127.1.0.0 on, to 127.0.0.1.
 * Their packets are spread evenly over FRAME_MS and leave in bursts, two a millisecond. */
struct load {
    int fd;                /* bound to 0.0.0.0; stays the caller's */
    uint16_t port;         /* where to */
    uint32_t streams;
    uint32_t ticks;        /* packets of a stream */
    const uint8_t *octets; /* repeated; every stream begins at another frame of it */
    size_t length;
    uint32_t loss;         /* packets lost of 1000 */
    uint32_t jitter_ms;    /* each packet is held for 0 to so long, drawn evenly */
    int64_t *sent;         /* [LOAD_REMEMBERED][streams] ns just before a packet left, or NULL */
};

struct load_result {
    uint64_t packets;
    uint64_t refused; /* that the kernel did not take */
    int64_t latest;   /* ns: the longest that a burst was late */
};

/* Returns when all is sent; 0 or an errno. */
int load_send(const struct load *load, struct load_result *result);

/* Receive and throw away until `until`; returns the packets. *cpu: ns of processor time used. */
uint64_t load_discard(int fd, int64_t until, int64_t *cpu);
/* ns of processor time a frame of webrtcvad takes, over the whole of `samples`, so many times. */
double load_vad(struct vad *vad, const int16_t *samples, size_t count, unsigned times);

#endif
