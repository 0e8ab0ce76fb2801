/* ITU-T G.711: logarithmic companding of 64 kbit/s speech, by arithmetic that compilers make vectors of.
 *
 * Encoding follows the decision values of G.711 tables 1a and 2a as ITU-T G.191's software does:
 * A-law cuts a sample to 13 bits, µ-law to 14 with a bias of 33.
 */
#include "audio.h"

/* value << exponent for an exponent of 0 to 7, as three products: vectors of the baseline processor can
 * multiply each lane by another factor, but not shift it. */
static uint16_t shifted(uint16_t value, uint16_t exponent)
{
    value = (uint16_t)(value * (1 + (exponent & 1)));
    value = (uint16_t)(value * (1 + 3 * (exponent >> 1 & 1)));
    return (uint16_t)(value * (1 + 15 * (exponent >> 2 & 1)));
}

static int16_t ulaw_value(uint8_t code)
{
    const uint16_t bits = (uint16_t)(code ^ 0xff);
    const uint16_t step = (uint16_t)(((bits & 15) << 3) + 0x84);
    const uint16_t magnitude = (uint16_t)(shifted(step, bits >> 4 & 7) - 0x84);
    const uint16_t negative = (uint16_t)-(bits >> 7);
    return (int16_t)((magnitude ^ negative) - negative);
}

static int16_t alaw_value(uint8_t code)
{
    const uint16_t bits = (uint16_t)(code ^ 0x55);
    const uint16_t exponent = bits >> 4 & 7, normal = exponent > 0;
    const uint16_t step = (uint16_t)(((bits & 15) << 4) + 8 + normal * 0x100);
    const uint16_t magnitude = shifted(step, (uint16_t)(exponent - normal));
    const uint16_t negative = (uint16_t)((bits >> 7) - 1);
    return (int16_t)((magnitude ^ negative) - negative);
}

static int highest_bit(unsigned value)
{
    return 31 - __builtin_clz(value);
}

static uint8_t ulaw_code(int16_t sample)
{
    const int negative = sample < 0;
    /* One's complement of a negative value, as the recommendation's software takes it. */
    unsigned magnitude = (unsigned)((negative ? ~sample : sample) >> 2) + 33;
    if (magnitude > 0x1fff)
        magnitude = 0x1fff;
    const int exponent = highest_bit(magnitude) - 5;
    const unsigned bits = (unsigned)exponent << 4 | ((magnitude >> (exponent + 1)) & 15);
    return (uint8_t)((negative ? 0x7f : 0xff) ^ bits);
}

static uint8_t alaw_code(int16_t sample)
{
    const int negative = sample < 0;
    const unsigned magnitude = (unsigned)((negative ? ~sample : sample) >> 4);
    const int exponent = magnitude > 15 ? highest_bit(magnitude) - 3 : 0;
    const unsigned step = exponent > 1 ? magnitude >> (exponent - 1) : magnitude;
    const unsigned bits = (unsigned)exponent << 4 | (step & 15);
    return (uint8_t)((bits | (negative ? 0 : 0x80)) ^ 0x55);
}

void ulaw_decode(const uint8_t *codes, int16_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = ulaw_value(codes[i]);
}

void alaw_decode(const uint8_t *codes, int16_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = alaw_value(codes[i]);
}

void ulaw_encode(const int16_t *samples, uint8_t *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        codes[i] = ulaw_code(samples[i]);
}

void alaw_encode(const int16_t *samples, uint8_t *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        codes[i] = alaw_code(samples[i]);
}
