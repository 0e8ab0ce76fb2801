/* How the sound of a stream is spread over frequency, averaged over what was not silence.
 *
 * The features of E. Scheirer and M. Slaney, "Construction and evaluation of a robust multifeature
 * speech/music discriminator", ICASSP 1997 (centroid, roll-off at 95 %, flux), and the spectral
 * flatness of J. D. Johnston, "Transform coding of audio signals using perceptual noise criteria",
 * 1988: they tell music and noise on the line from a voice. On bands of 62.5 Hz from 125 Hz up.
 */
#include "detectors.h"

#include <math.h>

enum { FIRST = 2, WIDTH = 4 };

static const float LEAST_POWER = 8192; /* about -45 dBm0: below it a hop is silence */
static const float ROLL_OFF = 0.95F;
static const float HERTZ = 62.5F;

static float bands_of(const float *power, float *bands)
{
    float total = 0;
    for (int b = FIRST; b < SPECTRUM_BANDS; b++) {
        const float *p = power + b * WIDTH;
        bands[b] = p[0] + p[1] + p[2] + p[3];
        total += bands[b];
    }
    return total;
}

static float centroid(const float *bands, float total)
{
    float sum = 0;
    for (int b = FIRST; b < SPECTRUM_BANDS; b++)
        sum += ((float)b + 0.5F) * bands[b];
    return HERTZ * sum / total;
}

/* Geometric to arithmetic mean: 1 for white noise, near 0 for a tone. */
static float flatness(const float *bands, float total)
{
    const float count = SPECTRUM_BANDS - FIRST;
    float sum = 0;
    for (int b = FIRST; b < SPECTRUM_BANDS; b++)
        sum += logf(bands[b] + 1e-6F);
    return expf(sum / count) * count / total;
}

/* Below which ROLL_OFF of the power lies. */
static float roll_off(const float *bands, float total)
{
    float sum = 0;
    int b = FIRST;
    while (b < SPECTRUM_BANDS - 1 && sum + bands[b] < ROLL_OFF * total)
        sum += bands[b++];
    return HERTZ * ((float)b + (ROLL_OFF * total - sum) / bands[b]);
}

/* Distance of the magnitudes, each spectrum scaled to length 1, from those of the hop before. */
static float flux(struct spectrum *spectrum, const float *bands, float total)
{
    const float scale = 1 / sqrtf(total);
    float sum = 0;
    for (int b = FIRST; b < SPECTRUM_BANDS; b++) {
        const float magnitude = sqrtf(bands[b]) * scale;
        const float change = magnitude - spectrum->magnitude[b];
        sum += change * change;
        spectrum->magnitude[b] = magnitude;
    }
    return sqrtf(sum);
}

void spectrum_hop(struct spectrum *spectrum, const float *power)
{
    float bands[SPECTRUM_BANDS];
    const float total = bands_of(power, bands);
    if (total < LEAST_POWER)
        return;
    const float value[SPECTRUM_FEATURES] = {centroid(bands, total), flatness(bands, total),
                                            roll_off(bands, total), flux(spectrum, bands, total)};
    spectrum->hops++;
    for (int i = 0; i < SPECTRUM_FEATURES; i++) { /* Welford */
        const float change = value[i] - spectrum->mean[i];
        spectrum->mean[i] += change / (float)spectrum->hops;
        spectrum->squares[i] += change * (value[i] - spectrum->mean[i]);
    }
}

void spectrum_features(const struct spectrum *spectrum, struct spectrum_features *features)
{
    features->hops = spectrum->hops;
    for (int i = 0; i < SPECTRUM_FEATURES; i++) {
        features->mean[i] = spectrum->mean[i];
        features->deviation[i] =
            spectrum->hops > 0 ? sqrtf(spectrum->squares[i] / (float)spectrum->hops) : 0;
    }
}
