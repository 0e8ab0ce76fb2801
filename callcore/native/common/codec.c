/* The payload formats that callcore reads and writes itself; the others stay with Asterisk. */
#include "audio.h"

size_t codec_width(enum codec codec)
{
    return codec == CODEC_L16 ? 2 : 1;
}

static void l16_decode(const uint8_t *payload, int16_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = (int16_t)(payload[2 * i] << 8 | payload[2 * i + 1]);
}

static void l16_encode(const int16_t *samples, uint8_t *payload, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        payload[2 * i] = (uint8_t)((uint16_t)samples[i] >> 8);
        payload[2 * i + 1] = (uint8_t)samples[i];
    }
}

size_t codec_decode(enum codec codec, const uint8_t *payload, size_t length, int16_t *samples,
                    size_t room)
{
    size_t count = length / codec_width(codec);
    if (count > room)
        count = room;
    if (codec == CODEC_PCMU)
        ulaw_decode(payload, samples, count);
    else if (codec == CODEC_PCMA)
        alaw_decode(payload, samples, count);
    else
        l16_decode(payload, samples, count);
    return count;
}

size_t codec_encode(enum codec codec, const int16_t *samples, size_t count, uint8_t *payload)
{
    if (codec == CODEC_PCMU)
        ulaw_encode(samples, payload, count);
    else if (codec == CODEC_PCMA)
        alaw_encode(samples, payload, count);
    else
        l16_encode(samples, payload, count);
    return count * codec_width(codec);
}
