/* In-band DTMF by the conditions of ITU-T Q.24 table A-1 (frequencies: Q.23).
 *
 * Goertzel's transform at the eight frequencies, one lane each. It is summed directly instead of by
 * the recursion, whose chain of additions would leave the lanes idle: blocks of 2.5 ms, of which
 * the newest eight make a Hann window of 20 ms, moved on by 2.5 ms.
 *
 * A window so short cannot tell 1.5 % from 3.5 % of deviation by its bandwidth, so the frequency is
 * measured: by how far the phase turned within 5 ms. The window is symmetric, so its magnitude
 * passes half of the steady value exactly where a tone begins and ends: that is the duration.
 * Speech is kept out by purity: the two tones must be nearly all there is in the window, which
 * a second harmonic or a third partial is not.
 */
#include "audio.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum {
    LANES = 8,
    BLOCK = 20,   /* samples: 2.5 ms at 8 kHz */
    TAPS = 8,     /* blocks of a window */
    LAG = 2,      /* hops between the two phases compared */
    HISTORY = 32, /* hops whose powers are kept, to find where a tone began */
    LOOK_BACK = 16,
    SETTLED = 12,  /* hops after which the peak of a tone is known */
    GAP = 12,      /* longest pause bridged, hops: 10 ms must be, 40 ms must not, a lost packet is */
    SHORTEST = 13, /* hops: 40 ms is 15 or more, 23 ms is 10 or fewer */
    SWITCH = 2     /* hops of another digit that end this one */
};

/* One group of four frequencies: the widest vector that every 64-bit machine has. */
typedef float group __attribute__((vector_size(4 * sizeof(float))));
enum { LOW, HIGH, GROUPS };
/* Indexed by group, then lane. */
typedef group lanes[GROUPS];

static const float FREQUENCY[LANES] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};
static const uint8_t CODE[4][4] = {{1, 2, 3, 12}, {4, 5, 6, 13}, {7, 8, 9, 14}, {10, 0, 11, 15}};

static const float RATE = 8000;
static const float PI = 3.14159265F;
static const float TONE_POWER = 1.0F / 3200; /* of |C|²: (2 / (BLOCK * sum of w))² / 2 */
static const float WINDOW_ENERGY = 60;       /* BLOCK * sum of w² */
static const float LEAST_POWER = 65536;      /* of a tone, about -36 dBm0 (-25 less twist is asked) */
static const float LEAST_TWIST = 0.112F;     /* high to low group, power: -9.5 dB, -8 is asked */
static const float MOST_TWIST = 3.55F;       /* 5.5 dB, 4 is asked */
static const float LEAST_PURITY = 0.8F;
static const float LOOSE_DEVIATION = 0.045F; /* in one window */
static const float MOST_DEVIATION = 0.025F;  /* over the whole tone */
static const float LEAST_STEADINESS = 0.4F;  /* mean to peak power */
static const float LEAST_VALID = 0.4F;       /* share of the tone's windows that are pure */

static struct {
    lanes cosine[BLOCK], sine[BLOCK];
    lanes tap_re[TAPS], tap_im[TAPS];
    float weight[TAPS]; /* Hann, squared */
    float turn_re[LANES], turn_im[LANES]; /* undoes what the phase turns in LAG hops at the exact frequency */
} table;
static pthread_once_t table_made = PTHREAD_ONCE_INIT;

struct run {
    bool on;
    int row, column; /* lanes */
    int64_t start;   /* hop of the first pure window */
    int64_t onset, last; /* hops at or above half of the peak magnitude; onset -1: not yet sought */
    float peak[2];
    float sum[2];
    float turn_re[2], turn_im[2];
    uint32_t count, valid;
    uint32_t other; /* hops in a row that were another digit */
};

struct dtmf {
    lanes block_re[TAPS], block_im[TAPS]; /* a ring; one is being filled */
    float block_energy[TAPS];
    float past_re[LAG][LANES], past_im[LAG][LANES];
    float power[HISTORY][LANES];
    uint32_t filled; /* samples in the newest block */
    int64_t hop;
    struct run run;
};

struct window {
    float re[LANES], im[LANES];
    float *power;
    float energy;
    int row, column; /* -1: no digit */
    float turn_re[2], turn_im[2];
};

static double hann(int tap)
{
    return 0.5 - 0.5 * cos(2 * 3.14159265358979 * (tap + 0.5) / TAPS);
}

static void make_table(void)
{
    for (int j = 0; j < TAPS; j++)
        table.weight[j] = (float)(hann(j) * hann(j));
    for (int lane = 0; lane < LANES; lane++) {
        const double step = 2 * 3.14159265358979 * FREQUENCY[lane] / RATE;
        for (int n = 0; n < BLOCK; n++) {
            table.cosine[n][lane / 4][lane % 4] = (float)cos(step * n);
            table.sine[n][lane / 4][lane % 4] = (float)-sin(step * n);
        }
        for (int j = 0; j < TAPS; j++) {
            table.tap_re[j][lane / 4][lane % 4] = (float)(hann(j) * cos(step * BLOCK * j));
            table.tap_im[j][lane / 4][lane % 4] = (float)(hann(j) * -sin(step * BLOCK * j));
        }
        table.turn_re[lane] = (float)cos(step * BLOCK * LAG);
        table.turn_im[lane] = (float)-sin(step * BLOCK * LAG);
    }
}

struct dtmf *dtmf_new(void)
{
    pthread_once(&table_made, make_table);
    return audio_calloc(1, sizeof(struct dtmf));
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

static void transform_group(const struct dtmf *dtmf, unsigned oldest, int which,
                            struct window *window)
{
    group re = {0}, im = {0};
    for (unsigned j = 0; j < TAPS; j++) {
        const unsigned at = (oldest + j) % TAPS;
        const group a = dtmf->block_re[at][which], b = dtmf->block_im[at][which];
        re += a * table.tap_re[j][which] - b * table.tap_im[j][which];
        im += a * table.tap_im[j][which] + b * table.tap_re[j][which];
    }
    const group power = (re * re + im * im) * TONE_POWER;
    memcpy(window->re + 4 * which, &re, sizeof re);
    memcpy(window->im + 4 * which, &im, sizeof im);
    memcpy(window->power + 4 * which, &power, sizeof power);
}

/* The transform over the newest eight blocks. */
static void transform(struct dtmf *dtmf, struct window *window)
{
    const unsigned oldest = (unsigned)(dtmf->hop + 1) % TAPS;
    float energy = 0;
    for (unsigned j = 0; j < TAPS; j++)
        energy += table.weight[j] * dtmf->block_energy[(oldest + j) % TAPS];
    window->energy = energy / WINDOW_ENERGY;
    window->power = dtmf->power[dtmf->hop % HISTORY];
    transform_group(dtmf, oldest, LOW, window);
    transform_group(dtmf, oldest, HIGH, window);
}

/* Phase turned since LAG hops ago, less what the exact frequency turns. */
static void measure_turn(const struct dtmf *dtmf, struct window *window, int which, int lane)
{
    const unsigned past = (unsigned)(dtmf->hop % LAG);
    const float a = window->re[lane], b = window->im[lane];
    const float c = dtmf->past_re[past][lane], d = dtmf->past_im[past][lane];
    const float re = a * c + b * d, im = b * c - a * d;
    window->turn_re[which] = re * table.turn_re[lane] - im * table.turn_im[lane];
    window->turn_im[which] = re * table.turn_im[lane] + im * table.turn_re[lane];
}

static float deviation_hz(float re, float im)
{
    return atan2f(im, re) / (2 * PI * LAG * BLOCK / RATE);
}

/* What the window takes from a tone that deviates (a Hann window's main lobe, as a Gaussian). */
static float true_power(float power, float deviation)
{
    const float bins = deviation * TAPS * BLOCK / RATE;
    return power * expf(1.27F * bins * bins);
}

static void decide(const struct dtmf *dtmf, struct window *window)
{
    const int lane[2] = {strongest(window->power, 0), strongest(window->power, 4)};
    float power[2];
    window->row = window->column = -1;
    for (int i = 0; i < 2; i++) {
        if (window->power[lane[i]] < LEAST_POWER)
            return;
        measure_turn(dtmf, window, i, lane[i]);
        const float deviation = deviation_hz(window->turn_re[i], window->turn_im[i]);
        if (fabsf(deviation) > LOOSE_DEVIATION * FREQUENCY[lane[i]])
            return;
        power[i] = true_power(window->power[lane[i]], deviation);
    }
    if (power[1] < LEAST_TWIST * power[0] || power[1] > MOST_TWIST * power[0])
        return;
    if (power[0] + power[1] < LEAST_PURITY * window->energy)
        return;
    window->row = lane[0];
    window->column = lane[1];
}

static bool stands(const struct run *run, const float *power)
{
    return power[run->row] >= 0.25F * run->peak[0] && power[run->column] >= 0.25F * run->peak[1];
}

static void begin(struct run *run, const struct window *window, int64_t hop)
{
    *run = (struct run){.on = true,
                        .row = window->row,
                        .column = window->column,
                        .start = hop,
                        .onset = -1,
                        .last = hop};
}

static void seek_onset(struct dtmf *dtmf)
{
    struct run *run = &dtmf->run;
    run->onset = run->start;
    while (run->onset > 0 && run->start - run->onset < LOOK_BACK &&
           stands(run, dtmf->power[(run->onset - 1) % HISTORY]))
        run->onset--;
}

static void follow(struct dtmf *dtmf, const struct window *window)
{
    struct run *run = &dtmf->run;
    const int lane[2] = {run->row, run->column};
    const bool same = window->row == run->row && window->column == run->column;
    for (int i = 0; i < 2; i++) {
        if (window->power[lane[i]] > run->peak[i])
            run->peak[i] = window->power[lane[i]];
        if (same) {
            run->turn_re[i] += window->turn_re[i];
            run->turn_im[i] += window->turn_im[i];
        }
    }
    run->valid += same;
    run->other = same || window->row < 0 ? 0 : run->other + 1;
    if (stands(run, window->power)) {
        run->last = dtmf->hop;
        run->count++;
        for (int i = 0; i < 2; i++)
            run->sum[i] += window->power[lane[i]];
    }
    if (run->onset < 0 && dtmf->hop - run->start >= SETTLED)
        seek_onset(dtmf);
}

static bool is_digit(const struct run *run)
{
    const int lane[2] = {run->row, run->column};
    const float hops = (float)(run->last - run->onset + 1);
    if (hops < SHORTEST || (float)run->valid < LEAST_VALID * hops)
        return false;
    for (int i = 0; i < 2; i++) {
        const float deviation = deviation_hz(run->turn_re[i], run->turn_im[i]);
        if (fabsf(deviation) > MOST_DEVIATION * FREQUENCY[lane[i]] ||
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
    const int64_t age = (dtmf->hop - run->onset) * BLOCK + TAPS * BLOCK / 2 + BLOCK / 2;
    *event = (struct audio_event){.kind = EVENT_TONE_DIGIT,
                                  .code = CODE[run->row][run->column - 4],
                                  .position = now - age,
                                  .value = (float)(run->last - run->onset + 1) * BLOCK / RATE};
    return true;
}

static bool hop(struct dtmf *dtmf, int64_t now, struct audio_event *event)
{
    struct window window;
    struct run *run = &dtmf->run;
    bool told = false;
    transform(dtmf, &window);
    decide(dtmf, &window);
    if (run->on) {
        follow(dtmf, &window);
        if (dtmf->hop - run->last > GAP || run->other >= SWITCH)
            told = end(dtmf, now, event);
    }
    if (!run->on && window.row >= 0) {
        begin(run, &window, dtmf->hop);
        follow(dtmf, &window);
    }
    memcpy(dtmf->past_re[dtmf->hop % LAG], window.re, sizeof window.re);
    memcpy(dtmf->past_im[dtmf->hop % LAG], window.im, sizeof window.im);
    dtmf->hop++;
    return told;
}

/* Add samples to the newest block until it is full; returns how many were taken. */
static size_t fill(struct dtmf *dtmf, const int16_t *samples, size_t count)
{
    const unsigned newest = (unsigned)(dtmf->hop % TAPS);
    const unsigned begun = dtmf->filled;
    group low_re = dtmf->block_re[newest][LOW], high_re = dtmf->block_re[newest][HIGH];
    group low_im = dtmf->block_im[newest][LOW], high_im = dtmf->block_im[newest][HIGH];
    float energy = dtmf->block_energy[newest];
    if (count > BLOCK - begun)
        count = BLOCK - begun;
    for (size_t i = 0; i < count; i++) {
        const float sample = samples[i];
        low_re += sample * table.cosine[begun + i][LOW];
        high_re += sample * table.cosine[begun + i][HIGH];
        low_im += sample * table.sine[begun + i][LOW];
        high_im += sample * table.sine[begun + i][HIGH];
        energy += sample * sample;
    }
    dtmf->block_re[newest][LOW] = low_re;
    dtmf->block_re[newest][HIGH] = high_re;
    dtmf->block_im[newest][LOW] = low_im;
    dtmf->block_im[newest][HIGH] = high_im;
    dtmf->block_energy[newest] = energy;
    dtmf->filled += (uint32_t)count;
    return count;
}

static void clear_block(struct dtmf *dtmf)
{
    const unsigned newest = (unsigned)(dtmf->hop % TAPS);
    memset(dtmf->block_re[newest], 0, sizeof(lanes));
    memset(dtmf->block_im[newest], 0, sizeof(lanes));
    dtmf->block_energy[newest] = 0;
    dtmf->filled = 0;
}

size_t dtmf_frame(struct dtmf *dtmf, const int16_t *samples, size_t count, int64_t position,
                  struct audio_event *out, size_t room)
{
    size_t told = 0;
    struct audio_event event;
    for (size_t heard = 0; heard < count;) {
        heard += fill(dtmf, samples + heard, count - heard);
        if (dtmf->filled < BLOCK)
            break;
        if (hop(dtmf, position + (int64_t)heard, &event) && told < room)
            out[told++] = event;
        clear_block(dtmf);
    }
    return told;
}
