/* What steady tones mean by their frequency, length and rhythm.
 *
 * In C and not in Python because most of it waits: for quiet after a beep, for the burst that
 * would make a busy tone of it. The detectors have the stream's own clock; Python would need
 * a timer per stream. What a burst at a frequency of call progress means depends on what went
 * before: after other sound it is a beep, out of silence it is the network's.
 */
#include "detectors.h"

#include <math.h>

#define MS(ms) ((int64_t)(ms)*8)

/* Rhythms: two bursts of nearly the same length with a pause between. Tolerances in Hz.
 * ITU-T E.180 §6-8: one tone of 425 Hz (400 and 450 are in use); ANSI T1.401: pairs. */
static const struct rhythm {
    float low, high, tolerance;
    int on_least, on_most, off_least, off_most; /* ms */
    enum tone_kind kind;
} RHYTHMS[] = {
    {425, 0, 40, 300, 660, 300, 700, TONE_BUSY},
    {425, 0, 40, 120, 300, 120, 300, TONE_CONGESTION},
    {425, 0, 40, 660, 2500, 2500, 5500, TONE_RINGBACK},
    {480, 620, 12, 400, 600, 400, 600, TONE_BUSY},
    {480, 620, 12, 180, 350, 180, 350, TONE_CONGESTION},
    {440, 480, 12, 700, 2500, 2500, 4500, TONE_RINGBACK},
    {400, 450, 12, 300, 500, 140, 300, TONE_RINGBACK},
};
enum { RHYTHM_COUNT = sizeof RHYTHMS / sizeof *RHYTHMS };

/* E.180 §9: three tones, 330 ms each, at most 30 ms apart. */
static const float INFORMATION[3] = {950, 1400, 1800};
enum { INFORMATION_LEAST = 180, INFORMATION_MOST = 480, INFORMATION_APART = 60 };

enum {
    CNG_LEAST = 400, CNG_MOST = 600,    /* T.30: 0.5 s, 15 % */
    CED_KNOWN = 500,                    /* T.30: 2.6 to 4 s; nothing else holds that long */
    BEEP_LEAST = 92, BEEP_MOST = 5000,
    BEEP_SHORT = 150,     /* a syllable can hold one harmonic for less */
    BEEP_QUIET = 160,     /* after a beep */
    BEEP_DOUBTFUL = 800,  /* quiet that rules out a busy tone */
    MUSIC = 400, NOTE = 100, /* another tone so shortly before and so long: a melody */
    RING_QUIET = 2600, RING_KNOWN = 800,
    CONTEXT = 3000,       /* how long other sound says that somebody answered */
    FADING = 60,          /* ms of a window that still hold the tone before */
    PATTERN_MOST = 8000   /* no burst for that long: another tone begins anew */
};

/* Quiet is what lies 15 dB below the tone, or what was beneath it: noise. */
static const float QUIET = 0.03F, BENEATH = 2.5F;
static const float IMPURE = 0.02F, STAYS = 0.3F; /* what was beneath a tone, and what is left */

static bool near(const struct tone *tone, float low, float high, float tolerance)
{
    return fabsf(tone->hertz[0] - low) <= tolerance &&
           (high > 0 ? fabsf(tone->hertz[1] - high) <= tolerance : tone->hertz[1] == 0);
}

static int64_t length(const struct tone *tone)
{
    return tone->end - tone->onset;
}

static bool within(int64_t length, int least, int most)
{
    return length >= MS(least) && length < MS(most);
}

static void tell(struct cadence *cadence, enum tone_kind kind, const struct tone *tone)
{
    cadence->told = true;
    cadence->event = (struct audio_event){.kind = EVENT_TONE,
                                          .code = kind,
                                          .position = tone->onset,
                                          .value = (float)length(tone) / 8000,
                                          .extra = tone->hertz[0]};
}

/* Busy and ring-back go on and on: tell each once. */
static void tell_pattern(struct cadence *cadence, enum tone_kind kind, const struct tone *tone)
{
    if (cadence->pattern != kind)
        tell(cadence, kind, tone);
    cadence->pattern = kind;
}

static void await(struct cadence *cadence, enum tone_kind kind, const struct tone *tone, int quiet)
{
    cadence->awaited = kind;
    cadence->candidate = *tone;
    cadence->quiet_needed = MS(quiet);
    cadence->disturbed = 0;
}

static enum tone_kind rhythm(const struct cadence *cadence, const struct tone *tone)
{
    const struct tone *last = &cadence->last;
    const int64_t off = tone->onset - last->end;
    for (int i = 0; i < RHYTHM_COUNT && last->end > 0; i++) {
        const struct rhythm *r = &RHYTHMS[i];
        if (near(tone, r->low, r->high, r->tolerance) &&
            near(last, r->low, r->high, r->tolerance) && within(off, r->off_least, r->off_most) &&
            within(length(tone), r->on_least, r->on_most) &&
            within(length(last), r->on_least, r->on_most))
            return r->kind;
    }
    return TONE_NONE;
}

/* How far the three information tones have come; true: they are complete. */
static bool information(struct cadence *cadence, const struct tone *tone)
{
    const bool follows = cadence->stage > 0 && tone->onset - cadence->last.end < MS(INFORMATION_APART);
    int stage = follows ? cadence->stage : 0;
    if (!near(tone, INFORMATION[stage], 0, 50))
        stage = 0;
    const bool fits = near(tone, INFORMATION[stage], 0, 50) &&
                      within(length(tone), INFORMATION_LEAST, INFORMATION_MOST);
    cadence->stage = fits ? stage + 1 : 0;
    if (cadence->stage == 1)
        cadence->first = *tone;
    if (cadence->stage < 3)
        return false;
    cadence->stage = 0;
    cadence->first.end = tone->end;
    return true;
}

/* A beep keeps its level; a plucked string does not. */
static bool steady(const struct tone *tone)
{
    return tone->sum >= 0.5F * tone->peak * (float)tone->pure;
}

static void single(struct cadence *cadence, const struct tone *tone, bool answered)
{
    const bool progress = near(tone, 425, 0, 40);
    const struct tone *last = &cadence->last;
    const bool melody = last->end > 0 && tone->onset - last->end < MS(MUSIC) &&
                        length(last) >= MS(NOTE) && fabsf(tone->hertz[0] - last->hertz[0]) > 25;
    if (near(tone, 1100, 0, 38) && within(length(tone), CNG_LEAST, CNG_MOST) && !answered)
        tell(cadence, TONE_CNG, tone);
    else if (melody || tone->hertz[0] < 395 || tone->hertz[0] > 2050)
        return;
    else if (progress && !answered && length(tone) >= MS(660))
        await(cadence, TONE_RINGBACK, tone, RING_QUIET);
    else if (steady(tone) && within(length(tone), BEEP_LEAST, BEEP_MOST))
        await(cadence, TONE_BEEP, tone, progress && !answered ? BEEP_DOUBTFUL : BEEP_QUIET);
}

static void ended(struct cadence *cadence, const struct tone *tone)
{
    const bool answered =
        cadence->other_at > 0 && tone->onset - cadence->other_at < MS(CONTEXT);
    if (cadence->last.end > 0 && tone->onset - cadence->last.end > MS(PATTERN_MOST))
        cadence->pattern = TONE_NONE;
    const enum tone_kind kind = rhythm(cadence, tone);
    if (information(cadence, tone))
        tell(cadence, TONE_SIT, &cadence->first);
    else if (kind != TONE_NONE)
        tell_pattern(cadence, kind, tone);
    else if (tone->hertz[1] == 0)
        single(cadence, tone, answered);
    cadence->last = *tone;
}

/* Tones known before they end. */
static void lasting(struct cadence *cadence, const struct tone *tone, int64_t clock)
{
    struct tone so_far = *tone;
    so_far.end = clock;
    if (near(tone, 2100, 0, 20) && length(&so_far) >= MS(CED_KNOWN) &&
        tone->onset > cadence->ced_until) {
        tell(cadence, TONE_CED, &so_far);
        cadence->ced_until = clock + MS(PATTERN_MOST);
    }
    if (near(tone, 440, 480, 12) && length(&so_far) >= MS(RING_KNOWN))
        tell_pattern(cadence, TONE_RINGBACK, &so_far);
}

static bool quiet(const struct tone *tone, float total)
{
    return total <= QUIET * tone->peak || total <= BENEATH * tone->rest;
}

/* The last syllable of a sentence can be one strong harmonic for 100 ms. What was beneath it ends
 * with it; beneath a beep it is noise, and stays. */
static bool voiced(const struct tone *tone, float total)
{
    return length(tone) < MS(BEEP_SHORT) && tone->rest > IMPURE * tone->peak &&
           total < STAYS * tone->rest;
}

static void wait_for_quiet(struct cadence *cadence, const struct hop_facts *facts)
{
    const int64_t since = facts->clock - cadence->candidate.end;
    if (facts->lasting != NULL) /* it goes on: the next end will say what it was */
        cadence->disturbed += 2;
    else if (since > MS(FADING) && !quiet(&cadence->candidate, facts->total))
        cadence->disturbed++;
    if (cadence->disturbed > 1) {
        cadence->awaited = TONE_NONE;
    } else if (since >= cadence->quiet_needed) {
        if (cadence->awaited == TONE_RINGBACK)
            tell_pattern(cadence, TONE_RINGBACK, &cadence->candidate);
        else if (!voiced(&cadence->candidate, facts->total))
            tell(cadence, cadence->awaited, &cadence->candidate);
        cadence->awaited = TONE_NONE;
    }
}

size_t cadence_hop(struct cadence *cadence, const struct hop_facts *facts, int64_t position,
                   struct audio_event *out, size_t room)
{
    cadence->told = false;
    if (facts->other)
        cadence->other_at = facts->clock;
    if (facts->ended != NULL) {
        cadence->awaited = TONE_NONE;
        ended(cadence, facts->ended);
    }
    if (facts->lasting != NULL)
        lasting(cadence, facts->lasting, facts->clock);
    if (cadence->awaited != TONE_NONE)
        wait_for_quiet(cadence, facts);
    if (!cadence->told || room == 0)
        return 0;
    *out = cadence->event;
    out->position += position - facts->clock;
    return 1;
}
