/* What detectors.c is made of. All of it works at 8000 Hz, on audio without gaps. */
#ifndef CALLCORE_DETECTORS_H
#define CALLCORE_DETECTORS_H

#include "audio.h"

/* ---- halve.c: from 16 to 8 kHz ---- */

enum { HALVE_TAPS = 19, HALVE_DELAY = HALVE_TAPS / 2 };

struct halve {
    int16_t history[HALVE_TAPS - 1];
    size_t odd; /* 1: the next sample is one that is left out */
};

/* From 16 to 8 kHz, at most MAX_FRAME samples; returns how many were made. The first belongs to the
 * moment HALVE_DELAY samples before the first, or where `odd` was 1 the second, of `samples`. */
size_t halve(struct halve *halve, const int16_t *samples, size_t count, int16_t *halved);

/* ---- goertzel.c: the eight frequencies of DTMF ---- */

enum {
    GOERTZEL_LANES = 8, /* 697, 770, 852, 941 Hz, 1209, 1336, 1477, 1633 Hz */
    GOERTZEL_BLOCK = 20, /* samples: 2.5 ms at 8000 Hz, the hop */
    GOERTZEL_TAPS = 8,   /* blocks of a window: 20 ms */
    GOERTZEL_LAG = 2,    /* hops between the two phases compared */
    GOERTZEL_HISTORY = 32 /* hops whose powers are kept */
};

/* One group of four frequencies: the widest vector that every 64-bit machine has. */
typedef float group __attribute__((vector_size(4 * sizeof(float))));
/* The low and the high group. */
typedef group lanes[2];

struct goertzel {
    lanes block_re[GOERTZEL_TAPS], block_im[GOERTZEL_TAPS]; /* a ring; one is being filled */
    float block_energy[GOERTZEL_TAPS];
    float past_re[GOERTZEL_LAG + 1][GOERTZEL_LANES], past_im[GOERTZEL_LAG + 1][GOERTZEL_LANES];
    float power[GOERTZEL_HISTORY][GOERTZEL_LANES]; /* of the tones, if these are their frequencies */
    float energy;    /* mean square in the newest window */
    uint32_t filled; /* samples in the newest block */
    int64_t hop;     /* of the newest window */
};

extern const float GOERTZEL_HERTZ[GOERTZEL_LANES];

void goertzel_init(struct goertzel *bank);
/* Add samples until a block is full; returns how many were taken. */
size_t goertzel_fill(struct goertzel *bank, const int16_t *samples, size_t count);
/* Whether a block is full: then transform, and begin the next one. */
bool goertzel_full(const struct goertzel *bank);
void goertzel_transform(struct goertzel *bank);
void goertzel_next(struct goertzel *bank);
/* How far the phase of a lane turned in LAG hops, less what its exact frequency turns. */
void goertzel_turn(const struct goertzel *bank, int lane, float turn[2]);
/* What a deviation of 1 Hz turns, and the deviation in Hz that a turn means. */
float goertzel_radians(void);
float goertzel_deviation(const float turn[2]);

/* ---- dtmf.c: from lanes to digits ---- */

struct dtmf;

struct dtmf *dtmf_new(void);
void dtmf_free(struct dtmf *dtmf);
size_t dtmf_size(void);
/* EVENT_TONE_DIGIT when a digit has ended; position: where it began. Returns the events filled. */
size_t dtmf_frame(struct dtmf *dtmf, const int16_t *samples, size_t count, int64_t position,
                  struct audio_event *out, size_t room);

/* ---- fourier.c: the spectrum that tones.c and spectrum.c share ---- */

enum {
    SPECTRUM_WINDOW = 512, /* samples at 8000 Hz: 64 ms */
    SPECTRUM_HOP = 160,
    SPECTRUM_BINS = SPECTRUM_WINDOW / 2 + 1
};

/* Hann-windowed; the sum over the bins is the mean square of the window's samples. */
void power_spectrum(const int16_t *samples, float *power);

/* ---- tones.c and cadence.c: call progress tones, fax, beeps ---- */


enum { TONE_PAST = 2, TONE_RISE = 6, TONE_BINS = 146 };

/* One or two steady frequencies. Times: samples of the detector's own clock. */
struct tone {
    float hertz[2]; /* low, high; 0: only one */
    float peak, last; /* power of its lines */
    float rest;       /* least power beside them */
    float sum;        /* of their power in the pure hops */
    float rise[TONE_RISE]; /* the same in the first hops, from TONE_PAST before it was seen */
    int risen;
    int pure, impure; /* hops that held nothing else; hops in a row that held other sound */
    int64_t start, onset, end;
};

/* What one hop says to cadence_hop. */
struct hop_facts {
    int64_t clock;              /* middle of the window */
    const struct tone *ended;   /* NULL: none did */
    const struct tone *lasting; /* NULL: none is on */
    float total;                /* mean square of everything */
    bool other;                 /* sound that is no tone has lasted */
};

struct cadence {
    struct tone last, candidate, first;
    enum tone_kind pattern, awaited;
    int stage; /* special information tones heard in order */
    int disturbed;
    int64_t quiet_needed, other_at, ced_until;
    bool told;
    struct audio_event event;
};

struct tones {
    int64_t clock;
    unsigned hop;
    bool on;
    int other;
    struct tone tone;
    float past[TONE_PAST][TONE_BINS];
    struct cadence cadence;
};

/* Hear one spectrum; `position`: of the middle of its window. EVENT_TONE, code: enum tone_kind;
 * position: where the tone began. At most one event. */
size_t tones_hop(struct tones *tones, const float *power, int64_t position,
                 struct audio_event *out, size_t room);
size_t cadence_hop(struct cadence *cadence, const struct hop_facts *facts, int64_t position,
                   struct audio_event *out, size_t room);

/* ---- words.c: bursts of sound between pauses ---- */

struct words {
    float floor, peak; /* power of the noise, and of the loudest of late */
    float energy, sum; /* of the block being filled; of `summed` loud blocks of the word */
    uint32_t filled, block;
    uint32_t loud, gap; /* loud, and within a word quiet, blocks in a row */
    uint32_t length;    /* blocks of the word so far, pauses in it counted; 0: in none */
    uint32_t summed;
    bool told;
};

size_t words_frame(struct words *words, const int16_t *samples, size_t count, int64_t position,
                   struct audio_event *out, size_t room);

/* ---- spectrum.c: spectral features of what is heard ---- */

enum { SPECTRUM_BANDS = 64 };

struct spectrum {
    uint32_t hops;
    float mean[SPECTRUM_FEATURES], squares[SPECTRUM_FEATURES];
    float magnitude[SPECTRUM_BANDS];
};

void spectrum_hop(struct spectrum *spectrum, const float *power);
void spectrum_features(const struct spectrum *spectrum, struct spectrum_features *features);

#endif
