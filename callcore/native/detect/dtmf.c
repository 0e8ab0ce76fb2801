/* In-band DTMF by the conditions of ITU-T Q.24 table A-1.
 *
 * A window of 20 ms (goertzel.c), moved on by 2.5 ms, is too short to tell 1.5 % from 3.5 % of
 * deviation by its bandwidth, so the frequency is measured: by how far the phase turned within 5 ms.
 * The window is symmetric, so its magnitude passes half of the steady value exactly where a tone
 * begins and ends: that is the duration. Speech is kept out by purity: the two tones must be nearly
 * all there is in the window, which a second harmonic or a third partial is not.
 */
#include "detectors.h"

#include <math.h>

enum {
    BLOCK = GOERTZEL_BLOCK,
    LOOK_BACK = 16,
    SETTLED = 12,  /* hops after which the peak of a tone is known */
    GAP = 12,      /* longest pause bridged, hops: 10 ms must be, 40 ms must not, a lost packet is */
    SHORTEST = 13, /* hops: 40 ms is 15 or more, 23 ms is 10 or fewer */
    SWITCH = 2     /* hops of another digit that end this one */
};

static const uint8_t CODE[4][4] = {{1, 2, 3, 12}, {4, 5, 6, 13}, {7, 8, 9, 14}, {10, 0, 11, 15}};

static const float RATE = 8000;
static const float LEAST_POWER = 65536;      /* of a tone, about -36 dBm0 (-25 less twist is asked) */
static const float LEAST_TWIST = 0.112F;     /* high to low group, power: -9.5 dB, -8 is asked */
static const float MOST_TWIST = 3.55F;       /* 5.5 dB, 4 is asked */
static const float LEAST_PURITY = 0.8F;
static const float LOOSE_DEVIATION = 0.045F; /* in one window */
static const float MOST_DEVIATION = 0.018F;  /* over the whole tone */
static const float MOST_WANDER = 0.0075F;    /* standard deviation within the tone */
static const float MOST_SWAY = 0.25F;         /* of the twist: standard deviation to mean */
static const float LEAST_STEADINESS = 0.4F;  /* mean to peak power */
static const float LEAST_VALID = 0.4F;       /* share of the tone's windows that are pure */

struct run {
    bool on;
    int row, column; /* lanes */
    int64_t start;   /* hop of the first pure window */
    int64_t onset, last; /* hops at or above half of the peak magnitude; onset -1: not yet sought */
    float peak[2];
    float sum[2];
    float turn[2][2]; /* tone; re, im */
    float turn_length[2]; /* sum of their magnitudes */
    float weight, twist, twist_squares; /* sums over the pure windows, by their power */
    uint32_t count, valid;
    uint32_t other; /* hops in a row that were another digit */
};

struct dtmf {
    struct goertzel bank;
    struct run run;
};

/* What the newest window holds. */
struct finding {
    int row, column; /* lanes; -1: no digit */
    float turn[2][2];
    float twist, weight; /* high to low group, power; product of the powers */
};

struct dtmf *dtmf_new(void)
{
    struct dtmf *dtmf = audio_calloc(1, sizeof *dtmf);
    if (dtmf != NULL)
        goertzel_init(&dtmf->bank);
    return dtmf;
}

void dtmf_free(struct dtmf *dtmf)
{
    audio_free(dtmf);
}

size_t dtmf_size(void)
{
    return sizeof(struct dtmf);
}

static int strongest(const float *power, int first)
{
    int best = first;
    for (int lane = first + 1; lane < first + 4; lane++)
        if (power[lane] > power[best])
            best = lane;
    return best;
}

static const float *powers(const struct dtmf *dtmf, int64_t hop)
{
    return dtmf->bank.power[hop % GOERTZEL_HISTORY];
}

/* What the window takes from a tone that deviates (a Hann window's main lobe, as a Gaussian). */
static float true_power(float power, float deviation)
{
    const float bins = deviation * GOERTZEL_TAPS * BLOCK / RATE;
    return power * expf(1.27F * bins * bins);
}

static void decide(const struct dtmf *dtmf, struct finding *found)
{
    const float *now = powers(dtmf, dtmf->bank.hop);
    const int lane[2] = {strongest(now, 0), strongest(now, 4)};
    float power[2];
    found->row = found->column = -1;
    for (int i = 0; i < 2; i++) {
        if (now[lane[i]] < LEAST_POWER)
            return;
        goertzel_turn(&dtmf->bank, lane[i], found->turn[i]);
        const float deviation = goertzel_deviation(found->turn[i]);
        if (fabsf(deviation) > LOOSE_DEVIATION * GOERTZEL_HERTZ[lane[i]])
            return;
        power[i] = true_power(now[lane[i]], deviation);
    }
    if (power[1] < LEAST_TWIST * power[0] || power[1] > MOST_TWIST * power[0])
        return;
    if (power[0] + power[1] < LEAST_PURITY * dtmf->bank.energy)
        return;
    found->twist = now[lane[1]] / now[lane[0]];
    found->weight = now[lane[0]] * now[lane[1]];
    found->row = lane[0];
    found->column = lane[1];
}

static bool stands(const struct run *run, const float *power)
{
    return power[run->row] >= 0.25F * run->peak[0] && power[run->column] >= 0.25F * run->peak[1];
}

static void seek_onset(struct dtmf *dtmf)
{
    struct run *run = &dtmf->run;
    run->onset = run->start;
    while (run->onset > 0 && run->start - run->onset < LOOK_BACK &&
           stands(run, powers(dtmf, run->onset - 1)))
        run->onset--;
}

static void add_window(struct run *run, const struct finding *found)
{
    for (int i = 0; i < 2; i++) {
        run->turn[i][0] += found->turn[i][0];
        run->turn[i][1] += found->turn[i][1];
        run->turn_length[i] += hypotf(found->turn[i][0], found->turn[i][1]);
    }
    run->weight += found->weight;
    run->twist += found->weight * found->twist;
    run->twist_squares += found->weight * found->twist * found->twist;
}

static void follow(struct dtmf *dtmf, const struct finding *found)
{
    struct run *run = &dtmf->run;
    const float *now = powers(dtmf, dtmf->bank.hop);
    const float power[2] = {now[run->row], now[run->column]};
    const bool same = found->row == run->row && found->column == run->column;
    if (same)
        add_window(run, found);
    run->valid += same;
    run->other = same || found->row < 0 ? 0 : run->other + 1;
    for (int i = 0; i < 2; i++)
        run->peak[i] = power[i] > run->peak[i] ? power[i] : run->peak[i];
    if (stands(run, now)) {
        run->last = dtmf->bank.hop;
        run->count++;
        for (int i = 0; i < 2; i++)
            run->sum[i] += power[i];
    }
    if (run->onset < 0 && dtmf->bank.hop - run->start >= SETTLED)
        seek_onset(dtmf);
}

static void begin(struct dtmf *dtmf, const struct finding *found)
{
    dtmf->run = (struct run){.on = true,
                             .row = found->row,
                             .column = found->column,
                             .start = dtmf->bank.hop,
                             .onset = -1,
                             .last = dtmf->bank.hop};
    follow(dtmf, found);
}

/* A voice glides, even where two of its harmonics stand at two frequencies of a digit: its turns
 * point in many directions, and their sum is shorter than they are. */
static bool wanders(const struct run *run, int which, int lane)
{
    const float length = hypotf(run->turn[which][0], run->turn[which][1]);
    const float most = MOST_WANDER * GOERTZEL_HERTZ[lane] * goertzel_radians();
    return run->turn_length[which] - length > most * most / 2 * run->turn_length[which];
}

/* Nor do the levels of two harmonics keep their proportion while the mouth moves. */
static bool sways(const struct run *run)
{
    const float mean = run->twist / run->weight;
    const float variance = run->twist_squares / run->weight - mean * mean;
    return variance > MOST_SWAY * MOST_SWAY * mean * mean;
}

static bool is_digit(const struct run *run)
{
    const int lane[2] = {run->row, run->column};
    const float hops = (float)(run->last - run->onset + 1);
    if (hops < SHORTEST || (float)run->valid < LEAST_VALID * hops ||
        sways(run))
        return false;
    for (int i = 0; i < 2; i++) {
        const float deviation = goertzel_deviation(run->turn[i]);
        if (fabsf(deviation) > MOST_DEVIATION * GOERTZEL_HERTZ[lane[i]] ||
            wanders(run, i, lane[i]) ||
            run->sum[i] < LEAST_STEADINESS * run->peak[i] * (float)run->count)
            return false;
    }
    return true;
}

/* The run is over; whether it was a digit. `now`: position after the newest block. */
static bool end(struct dtmf *dtmf, int64_t now, struct audio_event *event)
{
    struct run *run = &dtmf->run;
    if (run->onset < 0)
        seek_onset(dtmf);
    run->on = false;
    if (!is_digit(run))
        return false;
    /* The window's middle is half a window before its end, and the crossing half a hop before. */
    const int64_t age =
        (dtmf->bank.hop - run->onset) * BLOCK + GOERTZEL_TAPS * BLOCK / 2 + BLOCK / 2;
    *event = (struct audio_event){.kind = EVENT_TONE_DIGIT,
                                  .code = CODE[run->row][run->column - 4],
                                  .position = now - age,
                                  .value = (float)(run->last - run->onset + 1) * BLOCK / RATE};
    return true;
}

/* A window is complete; whether a digit has ended. */
static bool hop(struct dtmf *dtmf, int64_t now, struct audio_event *event)
{
    struct run *run = &dtmf->run;
    struct finding found;
    bool told = false;
    decide(dtmf, &found);
    if (run->on) {
        follow(dtmf, &found);
        if (dtmf->bank.hop - run->last > GAP || run->other >= SWITCH)
            told = end(dtmf, now, event);
    }
    if (!run->on && found.row >= 0)
        begin(dtmf, &found);
    return told;
}

size_t dtmf_frame(struct dtmf *dtmf, const int16_t *samples, size_t count, int64_t position,
                  struct audio_event *out, size_t room)
{
    size_t told = 0;
    struct audio_event event;
    for (size_t heard = 0; heard < count;) {
        heard += goertzel_fill(&dtmf->bank, samples + heard, count - heard);
        if (!goertzel_full(&dtmf->bank))
            break;
        goertzel_transform(&dtmf->bank);
        if (hop(dtmf, position + (int64_t)heard, &event) && told < room)
            out[told++] = event;
        goertzel_next(&dtmf->bank);
    }
    return told;
}
