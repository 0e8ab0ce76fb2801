/* What the C side has to tell: a queue the owner of pjsua2's objects empties, and how it is woken. */
#ifndef CALLCORE_PJSIP_NOTES_H
#define CALLCORE_PJSIP_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NOTE_CALL_ID = 256, NOTE_URI = 1024, NOTE_ROOM = 4096 };

struct refer {
    char call_id[NOTE_CALL_ID];
    char refer_to[NOTE_URI];
};

/* ---- playbacks that ended: told by the bridge's clock ---- */

/* False: no room, tell it again with the next frame. */
bool notes_played(uint64_t serial);
size_t notes_take_played(uint64_t *serials, size_t room);

/* ---- REFER requests: told within pjsua's handling of events ---- */

bool notes_refer(const struct refer *refer);
bool notes_take_refer(struct refer *refer);

/* ---- offers of ours that met one of the far end: told within pjsua's handling of events ---- */

/* False: no room. */
bool notes_glare(int call);
bool notes_take_glare(int *call);

/* ---- waking ---- */

/* Write one byte there when there is a note; -1: nowhere. */
void notes_wake_by(int descriptor);
/* Let pjsua's event loop return when `descriptor` becomes readable; 0 or pjlib's status. */
int watch_open(int descriptor);
void watch_close(void);

/* ---- refer.c ---- */

/* Take REFER within a dialog away from pjsua, which would call the target itself. */
int refer_open(void);
void refer_close(void);

#endif
