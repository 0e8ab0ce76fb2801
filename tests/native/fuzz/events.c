/* Telephone-events of one stream: records of five octets, step of the sequence number, step of the
 * timestamp in 20 ms, code, flags (1 marker, 2 end, 4 another SSRC), duration in 20 ms. */
#include "fuzz.h"

static size_t packet_of(struct input *input, uint16_t *number, uint32_t *timestamp,
                        uint8_t datagram[RTP_HEADER + 4])
{
    *number = (uint16_t)(*number + (int8_t)octet(input));
    *timestamp += (uint32_t)(160 * (int8_t)octet(input));
    const uint8_t code = (uint8_t)octet(input);
    const unsigned flags = octet(input);
    const struct rtp_packet packet = {
        .payload_type = 101, .marker = flags & 1, .sequence = *number, .timestamp = *timestamp,
        .ssrc = flags & 4 ? 2 : 1,
    };
    const struct telephone_event event = {
        .code = code, .end = flags & 2, .duration = (uint16_t)(160 * octet(input)),
    };
    rtp_write_header(datagram, &packet);
    telephone_event_write(datagram + RTP_HEADER, &event);
    return RTP_HEADER + 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    const struct stream_settings settings = {.event_type = 101, .vad_mode = -1};
    struct events *events = events_new(64);
    struct stream *stream = events != NULL ? stream_new(1, 8000, &settings, events) : NULL;
    uint16_t number = 1;
    uint32_t timestamp = 0;
    struct audio_event event;
    while (stream != NULL && input.left > 0) {
        uint8_t datagram[RTP_HEADER + 4];
        stream_receive(stream, datagram, packet_of(&input, &number, &timestamp, datagram), BEGIN);
        unsigned told = 0;
        while (events_take(events, &event, 1) > 0)
            told += event.kind == EVENT_DIGIT;
        require(told <= 1);
    }
    stream_free(stream);
    events_free(events);
    require(audio_blocks() == 0);
    return 0;
}
