/* Ports of pjmedia's conference bridge that play memory and hand out frames, without Python.
 *
 * The bridge's clock calls them every 20 ms on a thread of its own; everything else is called by
 * the one thread that owns pjsua2's objects. A port is shared by both and dies with the later one.
 */
#ifndef CALLCORE_PJSIP_PORTS_H
#define CALLCORE_PJSIP_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORT_RATE = 8000, PORT_FRAME = PORT_RATE / 50 };

/* ---- player: what a port plays into the bridge ---- */

struct sound {
    const int16_t *samples; /* owned by whoever plays it, until it ended or was halted */
    size_t count;
};

struct port;

/* A port in the bridge, or NULL and pjlib's status. */
struct port *port_open(int *status);
/* Its slot in the conference bridge. */
int port_slot(const struct port *port);
/* Play one after the other; `serial` comes back by the notes when all is played. Ends what plays. */
bool port_play(struct port *port, uint64_t serial, const struct sound *sounds, size_t count,
               bool loop);
/* Play nothing; after it returns no sound is looked at any more. */
void port_halt(struct port *port);
/* Take it out of the bridge. */
void port_close(struct port *port);

/* ---- tap: what ports hear ---- */

struct tap;

/* `right` NULL: one channel. NULL without memory, or when a port is tapped already. */
struct tap *tap_open(struct port *left, struct port *right, uint32_t room_ms);
/* Silence instead of sound; time goes on. */
void tap_mute(struct tap *tap, bool mute);
/* Samples (of all channels) that wait. */
size_t tap_waiting(const struct tap *tap);
/* Take up to `room` samples, interleaved; returns how many. */
size_t tap_take(struct tap *tap, int16_t *samples, size_t room);
/* Frames for which there was no room; silence stands for them. */
uint64_t tap_dropped(const struct tap *tap);
void tap_close(struct tap *tap);

/* ---- clock: how regular the bridge works ---- */

/* A tick later than this leaves a gap in what is heard: far ends hold two to three frames. */
enum { CLOCK_LATE_MS = 20 };

struct clock_counts {
    uint64_t ticks, late;
    double worst_ms;
};

/* A port that watches; close it like any other. */
struct port *clock_open(int *status);
/* What was counted since the last time. */
void clock_take(struct clock_counts *counts);

/* Blocks of memory in use: ports and taps. */
long ports_blocks(void);

#endif
