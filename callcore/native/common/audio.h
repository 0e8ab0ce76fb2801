/* What the C files of the audio path share. None of them knows Python: only module*.c does.
 *
 * Samples are linear 16-bit at the stream's rate (8000 or 16000 Hz); a frame is FRAME_MS of them.
 * Times are nanoseconds of CLOCK_MONOTONIC and always arguments: no file but those that own a
 * thread (receiver.c, pacer.c, load.c) reads a clock. Nothing is allocated per packet or frame.
 */
#ifndef CALLCORE_AUDIO_H
#define CALLCORE_AUDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000)

enum { FRAME_MS = 20, MAX_RATE = 16000, MAX_FRAME = MAX_RATE * FRAME_MS / 1000 };

/* Where packets come from or go to: IPv6, or IPv4 in its mapped form; port in host order. */
struct address {
    uint8_t ip[16];
    uint16_t port;
};

/* ---- memory.c: every allocation of the audio path, with a mode for tests in which it fails ---- */

/* Zeroed memory, or NULL. */
void *audio_calloc(size_t count, size_t size);
void audio_free(void *block);
/* Let the next `count` allocations succeed and all after them fail; -1: fail none. */
void audio_fail_after(long count);
/* Blocks given out and not yet freed. */
long audio_blocks(void);

/* ---- clock.c ---- */

int64_t clock_ns(clockid_t clock);
/* Sleep until that time of CLOCK_MONOTONIC. */
void sleep_until(int64_t when);
/* How many samples that time lasts. */
int64_t samples_of_ns(uint32_t rate, int64_t ns);

/* ---- g711.c and codec.c: what stands in RTP payloads ---- */

/* ITU-T G.711: one octet a sample. */
void ulaw_decode(const uint8_t *codes, int16_t *samples, size_t count);
void alaw_decode(const uint8_t *codes, int16_t *samples, size_t count);
void ulaw_encode(const int16_t *samples, uint8_t *codes, size_t count);
void alaw_encode(const int16_t *samples, uint8_t *codes, size_t count);

enum codec { CODEC_PCMU, CODEC_PCMA, CODEC_L16 };

/* Octets that one sample takes on the wire. */
size_t codec_width(enum codec codec);
/* Decode `length` octets into at most `room` samples; returns how many. L16 is RFC 3551 §4.5.11. */
size_t codec_decode(enum codec codec, const uint8_t *payload, size_t length, int16_t *samples,
                    size_t room);
/* Encode `count` samples; returns the octets written. */
size_t codec_encode(enum codec codec, const int16_t *samples, size_t count, uint8_t *payload);

/* ---- rtp.c: RFC 3550 packets and RFC 4733 telephone-events ---- */

enum { RTP_HEADER = 12, NO_PAYLOAD_TYPE = 255 };

enum rtp_fault {
    RTP_OK,
    RTP_TOO_SHORT,     /* ends before what its header announces */
    RTP_WRONG_VERSION, /* not version 2 */
    RTP_BAD_PADDING,   /* padding count of 0 or beyond the payload */
    RTP_TOO_LONG,      /* more than a stream takes */
    RTP_FAULTS
};

struct rtp_packet {
    uint8_t payload_type;
    bool marker;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    const uint8_t *payload; /* inside the datagram */
    size_t length;          /* octets of payload, padding taken off */
};

enum rtp_fault rtp_parse(const uint8_t *datagram, size_t length, struct rtp_packet *packet);
/* Write the 12-octet header of `packet` (its payload is not copied). */
void rtp_write_header(uint8_t *datagram, const struct rtp_packet *packet);

/* RFC 4733 §2.3 */
struct telephone_event {
    uint8_t code; /* 0-9, 10 *, 11 #, 12-15 A-D, 16 flash */
    bool end;
    uint8_t volume;    /* -dBm0 */
    uint16_t duration; /* samples since the event began */
};

bool telephone_event_parse(const uint8_t *payload, size_t length, struct telephone_event *event);
void telephone_event_write(uint8_t payload[4], const struct telephone_event *event);

/* ---- sequence.c: one source's sequence numbers (RFC 3550 A.1, A.3, A.8) ---- */

enum sequence_verdict {
    SEQUENCE_NEXT,      /* newest so far: in order, or after a gap */
    SEQUENCE_LATE,      /* older than the newest, not seen before */
    SEQUENCE_DUPLICATE, /* seen before */
    SEQUENCE_STRAY,     /* far from all the others: dropped unless its successor follows */
    SEQUENCE_RESTARTED  /* the source began anew at another number */
};

struct sequence {
    bool begun;
    uint32_t first;       /* extended number of the first packet */
    uint32_t highest;     /* extended number of the newest packet */
    uint64_t window;      /* bit n: packet highest - n was received */
    uint32_t bad_next;    /* RFC 3550 A.1: the number that proves a restart; > 0xffff: none */
    uint32_t received;    /* packets counted since the (re)start, duplicates left out */
    uint32_t duplicates;
    uint32_t late;
    uint32_t expected_before, received_before; /* at the last report */
    int64_t transit;      /* of the last packet, samples */
    bool transit_known;
    double jitter;        /* A.8, in samples */
};

enum sequence_verdict sequence_update(struct sequence *sequence, uint16_t number);
/* Interarrival jitter from one packet's timestamp and its arrival, in samples of the same clock. */
void sequence_arrival(struct sequence *sequence, uint32_t timestamp, uint32_t arrival);
uint32_t sequence_expected(const struct sequence *sequence);
/* Packets lost so far. Duplicates are not counted as received: they mend no loss (A.3 does). */
int32_t sequence_lost(const struct sequence *sequence);
/* Share lost since the last call, in 1/256 (A.3). */
uint8_t sequence_fraction_lost(struct sequence *sequence);

/* ---- conceal.c: what stands in for lost audio, and joins that are not heard ---- */

enum {
    MAX_PITCH = MAX_RATE * 15 / 1000,
    CONCEAL_HISTORY_MS = 30 /* of what was played before, that conceal_lost wants to see */
};

struct conceal {
    uint32_t rate;
    uint32_t pitch;             /* length of `period` */
    uint32_t run;               /* samples made up in a row; 0: the last were real */
    int16_t period[MAX_PITCH];  /* the last pitch period that was heard */
};

void conceal_init(struct conceal *conceal, uint32_t rate);
/* Make `count` samples for audio that did not come; `history` ends where they begin. */
void conceal_lost(struct conceal *conceal, const int16_t *history, size_t length, int16_t *samples,
                  size_t count);
/* Fade from what was made up into the first real samples after it. */
void conceal_join(struct conceal *conceal, int16_t *samples, size_t count);
/* The lag of 2.5 to 15 ms at which the end of `history` is most like itself; 0: none. */
uint32_t pitch_lag(const int16_t *history, size_t length, uint32_t rate);

/* ---- delay.c: how long play-out has to wait ---- */

enum { DELAY_BIN_MS = 5, DELAY_BINS = 64, DELAY_EPOCH_MS = 8000 };

struct delay {
    uint32_t bin, epoch;       /* samples of one bin and of one epoch */
    uint32_t least, most;      /* bounds of the target, samples */
    uint32_t target;           /* delay beyond the least transit, samples */
    uint32_t began;            /* arrival that began the epoch */
    unsigned epochs;           /* how many of the two hold something */
    int32_t minimum[2];        /* least transit of this epoch and of the one before */
    uint32_t counted[2];       /* packets in the bins below */
    uint16_t spread[2][DELAY_BINS];
};

void delay_init(struct delay *delay, uint32_t rate, uint32_t least_ms, uint32_t most_ms);
/* Note a packet; both times in samples of the stream's clock, wrapping. */
void delay_packet(struct delay *delay, uint32_t timestamp, uint32_t arrival);
/* Arrival minus timestamp at which a sample should be played. */
uint32_t delay_wanted_transit(const struct delay *delay);
/* Arrival minus timestamp of a packet that nothing held up. */
uint32_t delay_least_transit(const struct delay *delay);

/* ---- jitter.c: adaptive play-out ---- */

struct jitter;

struct jitter_counts {
    uint32_t stored;     /* packets that came in time */
    uint32_t late;       /* packets whose time to be played had passed */
    uint32_t duplicates; /* packets whose audio was there already */
    uint32_t resyncs;    /* jumps of the timestamp beyond the buffer */
    uint32_t concealed;  /* frames made up for lost packets */
    uint32_t silent;     /* frames of silence: nothing was sent (DTX) or nothing has come yet */
    uint32_t played;     /* frames that came from packets, at least in part */
    uint32_t stretched, shrunk; /* times the delay was made longer, shorter */
};

enum jitter_put { JITTER_STORED, JITTER_LATE, JITTER_DUPLICATE, JITTER_RESYNC };
enum jitter_frame {
    JITTER_PLAYED,    /* from packets, at least in part */
    JITTER_CONCEALED, /* made up for what was lost */
    JITTER_SILENT,    /* the source is silent, or what was made up has faded */
    JITTER_NOTHING    /* no packet has come yet */
};

/* Delay stays between the two bounds, in ms. NULL without memory. */
struct jitter *jitter_new(uint32_t rate, uint32_t least_ms, uint32_t most_ms);
void jitter_free(struct jitter *jitter);
size_t jitter_size(const struct jitter *jitter);
/* Store one packet's samples. `sequence` is its extended number: it tells loss from silence not sent. */
enum jitter_put jitter_put(struct jitter *jitter, uint32_t sequence, uint32_t timestamp,
                           const int16_t *samples, size_t count, int64_t now);
/* Ask for the memory that comes next: the state, and once that is there, the place of the next packet
 * or frame. */
void jitter_prefetch(const struct jitter *jitter);
void jitter_prefetch_packet(const struct jitter *jitter);
void jitter_prefetch_frame(const struct jitter *jitter);
/* Note a packet that carried no audio (comfort noise, a telephone-event): what does not come until the
 * next audio was not sent, and is silence. */
void jitter_skip(struct jitter *jitter, uint32_t sequence);
/* Take the frame that is due; call it every FRAME_MS. `moment`: when its first sample arrived, or would
 * have without jitter, in samples of CLOCK_MONOTONIC (wraps): the same for all sources, so that two
 * can be put side by side. */
enum jitter_frame jitter_get(struct jitter *jitter, int16_t *frame, uint32_t *moment, int64_t now);
/* The delay aimed at, and the timestamp of the next sample to play. */
uint32_t jitter_target_ms(const struct jitter *jitter);
uint32_t jitter_cursor(const struct jitter *jitter);
void jitter_counts(const struct jitter *jitter, struct jitter_counts *counts);
/* Forget everything: another source begins. */
void jitter_reset(struct jitter *jitter);

/* ---- measures.c: facts of one frame ---- */

struct measures {
    float level;       /* mean square, dB of full scale; -96 for digital silence */
    float noise_floor; /* of the stream so far, dB of full scale */
    uint16_t zero_crossings;
};

struct noise_floor {
    float floor;
    bool begun;
};

void measure(const int16_t *samples, size_t count, struct measures *measures);
/* `speech`: the frame is thought to be speech, from which little is learned of the noise. */
float noise_floor_update(struct noise_floor *noise, float level, bool speech);

/* ---- vad.c: webrtcvad's C functions, found at run time ---- */

struct vad;

/* Load the functions from the webrtcvad extension at `path`; NULL, or what went wrong. */
const char *vad_load(const char *path);
/* Mode 0 (lenient) to 3 (strict). NULL without memory or when nothing is loaded. */
struct vad *vad_new(uint32_t rate, int mode);
void vad_free(struct vad *vad);
/* Whether a frame of 10, 20 or 30 ms is speech. */
bool vad_decide(struct vad *vad, const int16_t *samples, size_t count);
/* Ask for the memory that the next decision needs. */
void vad_prefetch(const struct vad *vad);

/* ---- events.c: what the threads have to tell ---- */

enum audio_event_kind {
    EVENT_SPEECH_STARTED = 1, /* position: where it began */
    EVENT_SPEECH_ENDED,       /* position: where it ended */
    EVENT_SILENCE,            /* no speech for the time asked; value: seconds */
    EVENT_DIGIT,              /* RFC 4733; code: as in telephone_event; value: seconds */
    EVENT_TONE_DIGIT,         /* in-band; code and value as above */
    EVENT_TONE,               /* tones.c; code: enum tone_kind; value: seconds; extra: Hz */
    EVENT_SOURCE_CHANGED,     /* a new SSRC took over */
    EVENT_PLAY_ENDED,         /* code: 0 played to its end, 1 stopped, 2 stopped by speech */
    EVENT_DIGITS_SENT,
    EVENT_WORD_STARTED,       /* words.c; told when it is long enough for a word */
    EVENT_WORD_ENDED          /* position: where it began; value: seconds; extra: dB full scale */
};

struct audio_event {
    uint32_t stream;
    uint16_t kind;
    uint16_t code;
    int64_t at;       /* ns: when the audio it speaks of arrived or left */
    int64_t position; /* samples since the stream's first */
    float value;
    float extra;
};

struct events;

/* A queue of at most `room` events between any threads; NULL without memory. */
struct events *events_new(size_t room);
void events_free(struct events *events);
/* Add one; counts and drops it when the queue is full. Never waits for a reader. */
void events_put(struct events *events, const struct audio_event *event);
/* The same in two steps, so that one waking serves many: true when the reader was woken now. */
void events_add(struct events *events, const struct audio_event *event);
bool events_wake(struct events *events);
/* Take up to `room`; returns how many. */
size_t events_take(struct events *events, struct audio_event *taken, size_t room);
uint64_t events_dropped(struct events *events);
/* An eventfd that is written when events wait; who waits on it reads it before taking them. */
int events_fd(const struct events *events);

/* ---- speech.c: from decisions to utterances ---- */

struct speech_settings {
    uint32_t onset_ms;    /* so much speech within 100 ms begins an utterance */
    uint32_t hangover_ms; /* so much silence ends it */
    uint32_t silence_ms;  /* EVENT_SILENCE after so much silence; 0: never */
};

struct speech {
    struct speech_settings settings;
    uint32_t rate;
    bool speaking;
    bool silence_told;
    uint32_t recent;       /* bit n: the frame n before the newest was decided to be speech */
    uint32_t loud;         /* bit n: it stood out of the noise */
    int64_t decided_end;   /* end of the last frame decided to be speech */
    int64_t loud_end;      /* end of the last frame that stood out of the noise */
    int64_t silent_since;  /* end of the last utterance */
    float peak;            /* level of the loudest frame lately, dB of full scale */
};

void speech_init(struct speech *speech, const struct speech_settings *settings, uint32_t rate);
/* One frame's decision, at `position`. Fills kind, position and value of at most two events. */
size_t speech_frame(struct speech *speech, bool decision, const struct measures *measures,
                    int64_t position, size_t count, struct audio_event out[2]);

/* ---- detectors.c: what a stream is listened to for, beyond speech ---- */

enum tone_kind {
    TONE_NONE,
    TONE_CNG,        /* calling fax, ITU-T T.30: 1100 Hz, told at its first end */
    TONE_CED,        /* answering fax or modem: 2100 Hz, told after half a second */
    TONE_SIT,        /* special information tones, E.180: the call did not get through */
    TONE_BUSY,
    TONE_CONGESTION, /* no way to the called number; in North America: reorder */
    TONE_RINGBACK,
    TONE_BEEP        /* of a voicemail box: speak now; told when quiet has followed it */
};

enum { SPECTRUM_CENTROID, SPECTRUM_FLATNESS, SPECTRUM_ROLL_OFF, SPECTRUM_FLUX, SPECTRUM_FEATURES };

/* Over the hops that were not silent: centroid and roll-off in Hz, flatness and flux from 0 to 1. */
struct spectrum_features {
    uint32_t hops;
    float mean[SPECTRUM_FEATURES];
    float deviation[SPECTRUM_FEATURES];
};

enum { DETECT_DTMF = 1, DETECT_TONES = 2, DETECT_WORDS = 4, DETECT_SPECTRUM = 8 };

enum { MAX_GAP_SECONDS = 5 };

struct detectors;

/* `wanted`: DETECT_… flags. NULL without memory. */
struct detectors *detectors_new(uint32_t rate, unsigned wanted);
void detectors_free(struct detectors *detectors);
/* Bytes held for the stream. */
size_t detectors_size(const struct detectors *detectors);
/* Hear the next at most MAX_FRAME samples. A jump of the position forward is heard as silence (at
 * most MAX_GAP_SECONDS of it). Returns the events filled; those beyond `room` are lost. */
size_t detectors_frame(struct detectors *detectors, const int16_t *samples, size_t count,
                       int64_t position, struct audio_event *out, size_t room);

/* What the spectra were like so far; hops is 0 without DETECT_SPECTRUM. */
void detectors_spectrum(const struct detectors *detectors, struct spectrum_features *features);

#endif
