/* Steady tones, one or two at a time: what they are together with their cadence says cadence.c.
 *
 * Call progress tones differ from country to country and voicemail beeps from box to box, so no
 * list of frequencies is looked for: whatever one or two lines hold nearly all the power of
 * a spectrum, at the same place hop after hop, is a tone. The window (64 ms) parts 440 from 480 Hz.
 * A tone begins and ends where the power of its lines passes half of what it is amidst the tone.
 */
#include "detectors.h"

#include <math.h>
#include <string.h>

enum {
    FIRST = 19,  /* bin: 297 Hz */
    LAST = 141,  /* bin: 2203 Hz */
    HUM = 8,     /* bins below 125 Hz do not count */
    LOBE = 2,    /* bins either side of a line that hold its power */
    IMPURE = 3,  /* hops in a row after which what stands is no tone */
    FADING = SPECTRUM_WINDOW / 2 + SPECTRUM_HOP,
    LOUD_HOPS = 4 /* hops of other sound in a row; an edge of a tone makes up to 3 */
};

static const float LEAST_POWER = 8192;      /* about -45 dBm0 */
static const float LEAST_PURITY = 0.85F;
static const float SECOND_LINE = 0.06F;     /* of the first line's power: a pair */
static const float EDGE = 0.45F;            /* of a tone's power, with half of the window on it */
static const float MOST_DRIFT = 12;         /* Hz from the mean */
static const float BIN = 8000.0F / SPECTRUM_WINDOW;

static float lobe(const float *power, int bin)
{
    float sum = 0;
    for (int k = bin - LOBE; k <= bin + LOBE; k++)
        sum += power[k];
    return sum;
}

/* Where a line stands between bins: by the greater neighbour, exact for a Hann window. */
static float line_hertz(const float *power, int bin)
{
    const bool right = power[bin + 1] > power[bin - 1];
    const float ratio = sqrtf(power[right ? bin + 1 : bin - 1] / power[bin]);
    const float off = (2 * ratio - 1) / (ratio + 1);
    return BIN * ((float)bin + (right ? off : -off));
}

static int greatest(const float *power)
{
    int best = FIRST;
    for (int k = FIRST + 1; k <= LAST; k++)
        if (power[k] > power[best])
            best = k;
    return best;
}

/* The greatest local maximum that is not `first`; -1: none that could be a second tone. */
static int second(const float *power, int first)
{
    int best = -1;
    for (int k = FIRST; k <= LAST; k++)
        if ((k < first - 1 || k > first + 1) && power[k] > power[k - 1] &&
            power[k] >= power[k + 1] && power[k] >= SECOND_LINE * power[first] &&
            (best < 0 || power[k] > power[best]))
            best = k;
    return best;
}

/* Power of the lines at one or two bins, what lies in both lobes counted once. */
static float lines(const float *power, int low, int high)
{
    float sum = lobe(power, low);
    for (int k = high - LOBE; high > 0 && k <= high + LOBE; k++)
        if (k > low + LOBE)
            sum += power[k];
    return sum;
}

struct observation {
    int count; /* tones: 0 to 2 */
    float hertz[2];
    float total;
};

static void observe(const float *power, struct observation *seen)
{
    *seen = (struct observation){0};
    for (int k = HUM; k < SPECTRUM_BINS; k++)
        seen->total += power[k];
    if (seen->total < LEAST_POWER)
        return;
    const int first = greatest(power), other = second(power, first);
    const int low = other >= 0 && other < first ? other : first;
    const int high = other < 0 ? 0 : other < first ? first : other;
    if (lines(power, low, high) < LEAST_PURITY * seen->total)
        return;
    seen->count = other < 0 ? 1 : 2;
    seen->hertz[0] = line_hertz(power, low);
    seen->hertz[1] = other < 0 ? 0 : line_hertz(power, high);
}

static float level(const float *power, const struct tone *tone)
{
    const int low = (int)(tone->hertz[0] / BIN + 0.5F);
    const int high = tone->hertz[1] > 0 ? (int)(tone->hertz[1] / BIN + 0.5F) : 0;
    return lines(power, low, high);
}

static bool matches(const struct tone *tone, const struct observation *seen)
{
    return seen->count == (tone->hertz[1] > 0 ? 2 : 1) &&
           fabsf(seen->hertz[0] - tone->hertz[0]) <= MOST_DRIFT &&
           fabsf(seen->hertz[1] - tone->hertz[1]) <= MOST_DRIFT;
}

static void begin(struct tones *tones, const float *power, const struct observation *seen)
{
    struct tone *tone = &tones->tone;
    *tone = (struct tone){.hertz = {seen->hertz[0], seen->hertz[1]}, .start = tones->clock, .onset = tones->clock};
    for (int i = 0; i < TONE_PAST; i++)
        tone->rise[i] = level(tones->past[(tones->hop + i) % TONE_PAST], tone);
    tone->rise[TONE_PAST] = level(power, tone);
    tone->risen = TONE_PAST + 1;
    tone->pure = 1;
    tone->peak = tone->last = tone->rise[TONE_PAST];
    tone->rest = seen->total - tone->peak;
    tone->sum = tone->peak;
    tones->on = true;
}

/* Share of a hop at which the power passes EDGE of the peak's between two hops. */
static float crossing(float before, float after, float peak)
{
    return (EDGE * peak - before) / (after - before);
}

/* Now that the peak is known: where the tone began. */
static int64_t onset(const struct tone *tone)
{
    int i = 0;
    while (i < tone->risen - 1 && tone->rise[i] < EDGE * tone->peak)
        i++;
    float hops = (float)(i - TONE_PAST);
    if (i > 0 && tone->rise[i] > tone->rise[i - 1])
        hops += crossing(tone->rise[i - 1], tone->rise[i], tone->peak) - 1;
    return tone->start + (int64_t)(hops * SPECTRUM_HOP);
}

static void follow(struct tone *tone, const float *power, const struct observation *seen)
{
    const float now = level(power, tone);
    if (tone->risen < TONE_RISE)
        tone->rise[tone->risen++] = now;
    if (now > tone->peak)
        tone->peak = now;
    if (!matches(tone, seen)) {
        tone->impure++;
        return;
    }
    tone->impure = 0;
    tone->pure++;
    tone->sum += now;
    if (seen->total - now < tone->rest)
        tone->rest = seen->total - now;
    for (int i = 0; i < seen->count; i++)
        tone->hertz[i] += (seen->hertz[i] - tone->hertz[i]) / (float)tone->pure;
}

/* Whether the tone is over; `ended` says whether it was one all along. */
static bool over(struct tones *tones, const float *power, bool *ended)
{
    struct tone *tone = &tones->tone;
    const float now = level(power, tone), before = tone->last;
    tone->last = now;
    *ended = false;
    if (now >= EDGE * tone->peak)
        return tone->impure > IMPURE;
    const float share = before > now ? crossing(before, now, tone->peak) : 0;
    tone->onset = onset(tone);
    tone->end = tones->clock - SPECTRUM_HOP + (int64_t)(share * SPECTRUM_HOP);
    const float hops = (float)(tone->end - tone->onset) / SPECTRUM_HOP;
    *ended = tone->pure >= 2 && (float)tone->pure >= 0.5F * (hops - 1);
    return true;
}

/* Whether what is seen is still the end of the tone that is over. */
static bool fades(const struct tones *tones, const struct observation *seen)
{
    return tones->tone.end > 0 && tones->clock - tones->tone.end < FADING &&
           matches(&tones->tone, seen);
}

size_t tones_hop(struct tones *tones, const float *power, int64_t position,
                 struct audio_event *out, size_t room)
{
    struct observation seen;
    bool ended = false;
    observe(power, &seen);
    if (tones->on) {
        follow(&tones->tone, power, &seen);
        tones->on = !over(tones, power, &ended);
        tones->tone.onset = onset(&tones->tone);
    }
    const struct tone heard = tones->tone;
    if (!tones->on && seen.count > 0 && !fades(tones, &seen))
        begin(tones, power, &seen);
    const bool other = !tones->on && seen.total >= LEAST_POWER;
    tones->other = other ? tones->other + 1 : 0;
    const struct hop_facts facts = {.clock = tones->clock,
                                    .ended = ended ? &heard : NULL,
                                    .lasting = tones->on ? &tones->tone : NULL,
                                    .total = seen.total,
                                    .other = tones->other >= LOUD_HOPS};
    memcpy(tones->past[tones->hop % TONE_PAST], power, sizeof tones->past[0]);
    tones->hop++;
    tones->clock += SPECTRUM_HOP;
    return cadence_hop(&tones->cadence, &facts, position, out, room);
}
