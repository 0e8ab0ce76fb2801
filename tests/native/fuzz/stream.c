/* A stream of datagrams as they come: first an octet of settings, then records of the milliseconds
 * since the last one, the length (two octets) and the datagram. */
#include "fuzz.h"

static struct stream *stream_of(unsigned choice, struct events *events)
{
    const struct stream_settings settings = {
        .codec = (enum codec)(choice % 3),
        .payload_type = 0,
        .event_type = 101,
        .frames = choice & 4,
        .vad_mode = choice & 8 ? 2 : -1,
        .detect = choice & 16 ? ~0u : 0,
        .speech = {40, 200, 1000},
        .least_delay_ms = 40,
        .most_delay_ms = 300,
    };
    return stream_new(1, choice & 32 ? 16000 : 8000, &settings, events);
}

static void pass(struct stream *stream, int64_t *now, unsigned ms)
{
    int16_t frame[MAX_FRAME];
    uint32_t moment;
    for (const int64_t until = *now + (int64_t)ms * MS; *now + FRAME_MS * MS <= until;) {
        *now += FRAME_MS * MS;
        stream_tick(stream, *now);
        if (stream->jitter != NULL)
            (void)jitter_get(stream->jitter, frame, &moment, *now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct audio_event event;
    struct events *events = events_new(64);
    struct stream *stream = events != NULL ? stream_of(octet(&input), events) : NULL;
    int64_t now = BEGIN;
    while (stream != NULL && input.left > 0) {
        size_t length;
        pass(stream, &now, octet(&input));
        const unsigned wanted = word(&input);
        uint8_t *datagram = block(&input, wanted, &length);
        stream_receive(stream, datagram, length, now);
        free(datagram);
        while (events_take(events, &event, 1) > 0)
            require(event.stream == 1 && event.kind >= EVENT_SPEECH_STARTED);
    }
    stream_free(stream);
    events_free(events);
    require(audio_blocks() == 0);
    return 0;
}
