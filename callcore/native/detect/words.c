/* Words: bursts of sound between pauses, finer than the utterances of speech.c.
 *
 * In C because it looks at every 10 ms. What Asterisk's AMD() does with one fixed threshold is done
 * here against the noise and against the speaker: a block is loud when it stands out of the noise
 * floor, and is not far below the loudest of late, so that neither a noisy line is one long word
 * nor the reverberation of a hall joins two.
 */
#include "detectors.h"

#include <math.h>

enum {
    BLOCK = 80,         /* samples: 10 ms */
    ONSET = 3,          /* loud blocks in a row that may begin a word */
    WORD_LEAST = 10,    /* blocks; shorter: a click */
    LONG_WORD = 200,    /* blocks; what goes on longer without a pause is more likely noise */
    BETWEEN_WORDS = 5   /* quiet blocks that end a word */
};

static const float LEAST_FLOOR = 268;      /* -60 dBm0: below it nothing is heard anyway */
static const float LEAST_LOUD = 8192;      /* -45 dBm0 */
static const float FIRST_FLOOR = 81920;    /* -35 dBm0: a stream may begin with speech */
static const float ABOVE_FLOOR = 10;       /* power: 10 dB to begin a word */
static const float STAYS_ABOVE = 5;        /* 7 dB to stay in it */
static const float BELOW_PEAK = 0.005F;    /* 23 dB */
static const float PEAK_FADES = 0.993F;    /* a block: 3 dB/s */
static const float FLOOR_FALLS = 0.3F;     /* share of the difference, a block */
static const float FLOOR_RISES = 1.012F;   /* a block: 5 dB/s */
static const float RISES_IN_WORD = 1.0046F; /* a block: 2 dB/s */

static void follow_noise(struct words *words, float power)
{
    if (words->block == 0)
        words->floor = power < FIRST_FLOOR ? power : FIRST_FLOOR;
    else if (power < words->floor)
        words->floor += FLOOR_FALLS * (power - words->floor);
    else
        words->floor *= words->length > 0 && words->length < LONG_WORD ? RISES_IN_WORD : FLOOR_RISES;
    if (words->floor < LEAST_FLOOR)
        words->floor = LEAST_FLOOR;
}

static bool is_loud(struct words *words, float power)
{
    const float above = words->length > 0 ? STAYS_ABOVE : ABOVE_FLOOR;
    words->peak *= PEAK_FADES;
    if (power > words->peak)
        words->peak = power;
    return power >= LEAST_LOUD && power >= above * words->floor &&
           power >= BELOW_PEAK * words->peak;
}

/* `blocks`: how long ago the word began, or ended. */
static struct audio_event word_event(const struct words *words, enum audio_event_kind kind,
                                     int64_t now, uint32_t blocks)
{
    const float power = words->sum / (float)words->summed;
    return (struct audio_event){.kind = (uint16_t)kind,
                                .position = now - (int64_t)blocks * BLOCK,
                                .value = (float)words->length * BLOCK / 8000,
                                .extra = 10 * log10f(power / (32768.0F * 32768.0F) + 1e-10F)};
}

/* A block is complete; `now`: position after it. At most one event. */
static bool end_block(struct words *words, int64_t now, struct audio_event *event)
{
    const float power = words->energy / BLOCK;
    const bool loud = is_loud(words, power);
    bool told = false;
    follow_noise(words, power);
    words->block++;
    words->loud = loud ? words->loud + 1 : 0;
    if (words->length == 0 && words->loud < ONSET)
        return false;
    if (words->length == 0) {
        words->sum = 0;
        words->summed = 0;
    }
    if (loud) {
        words->length = words->length == 0 ? ONSET : words->length + words->gap + 1;
        words->gap = 0;
        words->sum += power;
        words->summed++;
        if (words->length >= WORD_LEAST && !words->told) {
            words->told = told = true;
            *event = word_event(words, EVENT_WORD_STARTED, now, words->length);
        }
    } else if (++words->gap >= BETWEEN_WORDS) {
        told = words->told;
        if (told)
            *event = word_event(words, EVENT_WORD_ENDED, now, words->gap + words->length);
        words->told = false;
        words->length = words->gap = 0;
    }
    return told;
}

size_t words_frame(struct words *words, const int16_t *samples, size_t count, int64_t position,
                   struct audio_event *out, size_t room)
{
    size_t told = 0;
    struct audio_event event;
    for (size_t i = 0; i < count;) {
        const size_t part = BLOCK - words->filled < count - i ? BLOCK - words->filled : count - i;
        float energy = words->energy;
        for (size_t n = i; n < i + part; n++)
            energy += (float)samples[n] * (float)samples[n];
        words->energy = energy;
        words->filled += (uint32_t)part;
        i += part;
        if (words->filled < BLOCK)
            break;
        if (end_block(words, position + (int64_t)i, &event) && told < room)
            out[told++] = event;
        words->energy = 0;
        words->filled = 0;
    }
    return told;
}
