/* Goertzel's transform at the eight frequencies of DTMF (ITU-T Q.23), one lane each.
 *
 * It is summed directly instead of by the recursion, whose chain of additions would leave the lanes
 * idle: blocks of 2.5 ms, of which the newest eight make a Hann window of 20 ms.
 */
#include "detectors.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum {
    LANES = GOERTZEL_LANES,
    BLOCK = GOERTZEL_BLOCK,
    TAPS = GOERTZEL_TAPS,
    LAG = GOERTZEL_LAG,
    HISTORY = GOERTZEL_HISTORY
};
enum { LOW, HIGH };

const float GOERTZEL_HERTZ[LANES] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};

static const float RATE = 8000;
static const double PI = 3.14159265358979;
static const float TONE_POWER = 1.0F / 3200; /* of |C|²: (2 / (BLOCK * sum of w))² / 2 */
static const float WINDOW_ENERGY = 60;       /* BLOCK * sum of w² */

static struct {
    lanes cosine[BLOCK], sine[BLOCK];
    lanes tap_re[TAPS], tap_im[TAPS];
    float weight[TAPS]; /* Hann, squared */
    float turn_re[LANES], turn_im[LANES]; /* undoes what the phase turns in LAG hops */
} table;
static pthread_once_t table_made = PTHREAD_ONCE_INIT;

static double hann(int tap)
{
    return 0.5 - 0.5 * cos(2 * PI * (tap + 0.5) / TAPS);
}

static void make_table(void)
{
    for (int j = 0; j < TAPS; j++)
        table.weight[j] = (float)(hann(j) * hann(j));
    for (int lane = 0; lane < LANES; lane++) {
        const double step = 2 * PI * GOERTZEL_HERTZ[lane] / RATE;
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

void goertzel_init(struct goertzel *bank)
{
    pthread_once(&table_made, make_table);
    memset(bank, 0, sizeof *bank);
}

size_t goertzel_fill(struct goertzel *bank, const int16_t *samples, size_t count)
{
    const unsigned newest = (unsigned)(bank->hop % TAPS);
    const unsigned begun = bank->filled;
    group low_re = bank->block_re[newest][LOW], high_re = bank->block_re[newest][HIGH];
    group low_im = bank->block_im[newest][LOW], high_im = bank->block_im[newest][HIGH];
    float energy = bank->block_energy[newest];
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
    bank->block_re[newest][LOW] = low_re;
    bank->block_re[newest][HIGH] = high_re;
    bank->block_im[newest][LOW] = low_im;
    bank->block_im[newest][HIGH] = high_im;
    bank->block_energy[newest] = energy;
    bank->filled += (uint32_t)count;
    return count;
}

bool goertzel_full(const struct goertzel *bank)
{
    return bank->filled == BLOCK;
}

static void transform_group(struct goertzel *bank, unsigned oldest, int which)
{
    group re = {0}, im = {0};
    for (unsigned j = 0; j < TAPS; j++) {
        const unsigned at = (oldest + j) % TAPS;
        const group a = bank->block_re[at][which], b = bank->block_im[at][which];
        re += a * table.tap_re[j][which] - b * table.tap_im[j][which];
        im += a * table.tap_im[j][which] + b * table.tap_re[j][which];
    }
    const group power = (re * re + im * im) * TONE_POWER;
    memcpy(bank->past_re[bank->hop % (LAG + 1)] + 4 * which, &re, sizeof re);
    memcpy(bank->past_im[bank->hop % (LAG + 1)] + 4 * which, &im, sizeof im);
    memcpy(bank->power[bank->hop % HISTORY] + 4 * which, &power, sizeof power);
}

void goertzel_transform(struct goertzel *bank)
{
    const unsigned oldest = (unsigned)(bank->hop + 1) % TAPS;
    float energy = 0;
    for (unsigned j = 0; j < TAPS; j++)
        energy += table.weight[j] * bank->block_energy[(oldest + j) % TAPS];
    bank->energy = energy / WINDOW_ENERGY;
    transform_group(bank, oldest, LOW);
    transform_group(bank, oldest, HIGH);
}

void goertzel_next(struct goertzel *bank)
{
    const unsigned oldest = (unsigned)(++bank->hop % TAPS);
    memset(bank->block_re[oldest], 0, sizeof(lanes));
    memset(bank->block_im[oldest], 0, sizeof(lanes));
    bank->block_energy[oldest] = 0;
    bank->filled = 0;
}

void goertzel_turn(const struct goertzel *bank, int lane, float turn[2])
{
    const unsigned now = (unsigned)(bank->hop % (LAG + 1));
    const unsigned past = (unsigned)((bank->hop + 1) % (LAG + 1));
    const float a = bank->past_re[now][lane], b = bank->past_im[now][lane];
    const float c = bank->past_re[past][lane], d = bank->past_im[past][lane];
    const float re = a * c + b * d, im = b * c - a * d;
    turn[0] = re * table.turn_re[lane] - im * table.turn_im[lane];
    turn[1] = re * table.turn_im[lane] + im * table.turn_re[lane];
}

float goertzel_radians(void)
{
    return 2 * (float)PI * LAG * BLOCK / RATE;
}

float goertzel_deviation(const float turn[2])
{
    return atan2f(turn[1], turn[0]) / goertzel_radians();
}
