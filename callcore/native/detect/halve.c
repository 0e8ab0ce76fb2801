/* 16 kHz to 8 kHz: tones live below 2.2 kHz, so every detector works at one rate.
 *
 * A half-band low-pass of 19 taps (Kaiser, beta 5): every second coefficient is zero but the middle
 * one. Flat to 0.01 dB up to 2.2 kHz; what would fold onto that range is 53 dB down.
 */
#include "detectors.h"

#include <string.h>

/* From the middle outwards: samples 1, 3, 5, 7 and 9 before and after it. */
static const float ODD[] = {0.309897F, -0.082335F, 0.030299F, -0.009161F, 0.0013F};
enum { PAIRS = (HALVE_TAPS + 1) / 4, MOST = MAX_FRAME / 2 + 1 };

static int16_t rounded(float sample)
{
    sample = sample > 32767.0F ? 32767.0F : sample < -32768.0F ? -32768.0F : sample;
    return (int16_t)(sample < 0 ? sample - 0.5F : sample + 0.5F);
}

/* Middles and their neighbours apart, each contiguous: so the sums take several at once. */
static void filter(const int16_t *window, size_t count, int16_t *halved)
{
    float sum[MOST], beside[MOST + HALVE_DELAY];
    for (size_t m = 0; m < count; m++)
        sum[m] = 0.5F * window[2 * m + HALVE_DELAY];
    for (size_t m = 0; m < count + HALVE_DELAY; m++)
        beside[m] = window[2 * m];
    for (size_t i = 0; i < PAIRS; i++)
        for (size_t m = 0; m < count; m++)
            sum[m] += ODD[i] * (beside[m + PAIRS - 1 - i] + beside[m + PAIRS + i]);
    for (size_t m = 0; m < count; m++)
        halved[m] = rounded(sum[m]);
}

size_t halve(struct halve *halve, const int16_t *samples, size_t count, int16_t *halved)
{
    int16_t window[HALVE_TAPS - 1 + MAX_FRAME + 1];
    const size_t made = (count + 1 - halve->odd) / 2;
    memcpy(window, halve->history, sizeof halve->history);
    memcpy(window + HALVE_TAPS - 1, samples, count * sizeof *samples);
    filter(window + halve->odd, made, halved);
    halve->odd = (halve->odd + count) % 2;
    memcpy(halve->history, window + count, sizeof halve->history);
    return made;
}
