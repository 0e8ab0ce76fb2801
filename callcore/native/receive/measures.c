/* Facts of one frame: level, zero crossings, and the stream's noise floor. */
#include "audio.h"

#include <math.h>

static const float SILENCE_LEVEL = -96.0f;
static const float FLUCTUATION = 6.0f; /* dB: what frames of one noise differ by */

void measure(const int16_t *samples, size_t count, struct measures *measures)
{
    /* Both loops are simple on purpose: the compiler turns them into vector instructions. */
    uint64_t energy = 0;
    for (size_t i = 0; i < count; i++)
        energy += (uint32_t)((int32_t)samples[i] * samples[i]);
    uint16_t crossings = 0;
    for (size_t i = 1; i < count; i++)
        crossings = (uint16_t)(crossings + ((uint16_t)(samples[i] ^ samples[i - 1]) >> 15));
    const float power = count ? (float)energy / (float)count / (32768.0f * 32768.0f) : 0;
    measures->level = power > 2.5e-10f ? 10.0f * log10f(power) : SILENCE_LEVEL;
    measures->zero_crossings = crossings;
}

/* Falls half way to what is much quieter, each frame, and a tenth to what is a little: the least of a
 * noise's frames is not its level. Rises slowly, as a pause must not end before the
 * floor knows it, and hardly in speech. Digital silence says nothing about a line's noise. */
float noise_floor_update(struct noise_floor *noise, float level, bool speech)
{
    const float rise = (speech ? 0.5f : 5.0f) * FRAME_MS / 1000.0f; /* dB a frame */
    if (level <= SILENCE_LEVEL)
        return noise->begun ? noise->floor : SILENCE_LEVEL;
    if (!noise->begun) {
        noise->begun = true;
        noise->floor = level;
    } else if (level < noise->floor) {
        const float share = noise->floor - level > FLUCTUATION ? 0.5f : 0.1f;
        noise->floor += share * (level - noise->floor);
    } else {
        noise->floor += level - noise->floor < rise ? level - noise->floor : rise;
    }
    return noise->floor;
}
