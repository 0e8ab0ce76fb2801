/* ITU-T G.711: logarithmic companding of 64 kbit/s speech, by table down and by arithmetic up.
 *
 * Encoding follows the decision values of G.711 tables 1a and 2a as ITU-T G.191's software does:
 * A-law cuts a sample to 13 bits, µ-law to 14 with a bias of 33.
 */
#include "audio.h"

#include <pthread.h>

static int16_t ulaw_table[256];
static int16_t alaw_table[256];
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

static int16_t ulaw_value(uint8_t code)
{
    const int bits = ~code & 0xff;
    const int exponent = (bits >> 4) & 7;
    const int magnitude = ((((bits & 15) << 3) + 0x84) << exponent) - 0x84;
    return (int16_t)((bits & 0x80) ? -magnitude : magnitude);
}

static int16_t alaw_value(uint8_t code)
{
    const int bits = code ^ 0x55;
    const int exponent = (bits >> 4) & 7;
    const int step = ((bits & 15) << 4) + 8;
    const int magnitude = exponent > 0 ? (step + 0x100) << (exponent - 1) : step;
    return (int16_t)((bits & 0x80) ? magnitude : -magnitude);
}

static void make_tables(void)
{
    for (int code = 0; code < 256; code++) {
        ulaw_table[code] = ulaw_value((uint8_t)code);
        alaw_table[code] = alaw_value((uint8_t)code);
    }
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
    pthread_once(&tables_made, make_tables);
    for (size_t i = 0; i < count; i++)
        samples[i] = ulaw_table[codes[i]];
}

void alaw_decode(const uint8_t *codes, int16_t *samples, size_t count)
{
    pthread_once(&tables_made, make_tables);
    for (size_t i = 0; i < count; i++)
        samples[i] = alaw_table[codes[i]];
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
