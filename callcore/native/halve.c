/* 16 kHz to 8 kHz: tones live below 2.2 kHz, so every detector works at one rate.
 *
 * A half-band low-pass of 19 taps (Kaiser, beta 5): every second coefficient is zero but the middle
 * one. Flat to 0.01 dB up to 2.2 kHz; what would fold onto that range is 53 dB down.
 */
#include "audio.h"

#include <string.h>

static const float ODD[(HALVE_TAPS + 1) / 4] = {0.309897F, -0.082335F, 0.030299F, -0.009161F,
                                                0.0013F};

static int16_t filter(const int16_t *middle)
{
    float sum = 0.5F * middle[0];
    for (int i = 0; i < (HALVE_TAPS + 1) / 4; i++)
        sum += ODD[i] * (float)(middle[2 * i + 1] + middle[-2 * i - 1]);
    sum = sum > 32767.0F ? 32767.0F : sum < -32768.0F ? -32768.0F : sum;
    return (int16_t)(sum < 0 ? sum - 0.5F : sum + 0.5F);
}

size_t halve(struct halve *halve, const int16_t *samples, size_t count, int16_t *halved)
{
    int16_t window[HALVE_TAPS - 1 + MAX_FRAME];
    memcpy(window, halve->history, sizeof halve->history);
    memcpy(window + HALVE_TAPS - 1, samples, count * sizeof *samples);
    size_t made = 0;
    for (size_t i = halve->odd; i < count; i += 2)
        halved[made++] = filter(window + i + HALVE_TAPS / 2);
    halve->odd = (halve->odd + count) % 2;
    memcpy(halve->history, window + count, sizeof halve->history);
    return made;
}
