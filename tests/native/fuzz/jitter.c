/* Play-out: first an octet of settings, then an octet of what happens: 0 a frame is taken, 1 a packet
 * without audio, else a packet, of which five more octets tell the step of the sequence number, the
 * step of the timestamp (two) and the samples in units of 8; its samples repeat the last octet. */
#include "fuzz.h"

struct playout {
    struct jitter *jitter;
    int64_t now;
    uint32_t sequence, timestamp;
};

static void take(struct playout *play)
{
    int16_t frame[MAX_FRAME];
    uint32_t moment;
    (void)jitter_get(play->jitter, frame, &moment, play->now);
    play->now += FRAME_MS * MS;
}

static void put(struct playout *play, struct input *input)
{
    int16_t samples[255 * 8];
    play->sequence += (uint32_t)(int8_t)octet(input);
    play->timestamp += (uint32_t)(8 * (int16_t)word(input));
    const size_t count = 8 * octet(input);
    const int16_t level = (int16_t)(octet(input) << 8);
    for (size_t i = 0; i < count; i++)
        samples[i] = (int16_t)(i % 40 < 20 ? level : -level / 2);
    (void)jitter_put(play->jitter, play->sequence, play->timestamp, samples, count, play->now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const unsigned choice = octet(&input);
    struct playout play = {
        .jitter = jitter_new(choice & 1 ? 16000 : 8000, choice & 6 ? 40 : 0, choice & 4 ? 300 : 80),
        .now = BEGIN, .sequence = 1 << 16,
    };
    while (play.jitter != NULL && input.left > 0) {
        switch (octet(&input)) {
        case 0:
            take(&play);
            break;
        case 1:
            jitter_skip(play.jitter, ++play.sequence);
            break;
        default:
            put(&play, &input);
        }
    }
    jitter_free(play.jitter);
    require(audio_blocks() == 0);
    return 0;
}
