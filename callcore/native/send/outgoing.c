/* One stream that is sent to: what its next frame is, and how it stands in an RTP packet.
 *
 * The timestamp follows the frame's number, sent or not: silence that is not sent leaves a gap in
 * it, and the packet after that carries the marker (RFC 3550 §5.1, RFC 3551 §4.1). A digit suspends
 * the audio, which goes on where it stood.
 */
#include "send.h"

#include <string.h>

bool destination_set(struct destination *destination, int fd, const struct address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    int family = AF_INET;
    socklen_t length = sizeof family;
    *destination = (struct destination){0};
    if (address->port == 0)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 && family == AF_INET6) {
        destination->v6.sin6_family = AF_INET6;
        destination->v6.sin6_port = htons(address->port);
        memcpy(&destination->v6.sin6_addr, address->ip, sizeof address->ip);
        destination->length = sizeof destination->v6;
        return true;
    }
    destination->v4.sin_family = AF_INET;
    destination->v4.sin_port = htons(address->port);
    memcpy(&destination->v4.sin_addr, address->ip + sizeof mapped, 4);
    destination->length = sizeof destination->v4;
    return memcmp(address->ip, mapped, sizeof mapped) == 0;
}

struct outgoing *outgoing_new(const struct send_settings *settings, uint32_t rate,
                              struct prompt *noise, struct events *events)
{
    struct outgoing *outgoing = audio_calloc(1, sizeof *outgoing);
    const uint8_t *octets = prompt_encoded(noise, settings->codec);
    if (outgoing == NULL || octets == NULL) {
        audio_free(outgoing);
        return NULL;
    }
    uint32_t push_ms = settings->push_ms < FRAME_MS ? FRAME_MS : settings->push_ms;
    if (push_ms > LONGEST_PUSH_MS)
        push_ms = LONGEST_PUSH_MS;
    outgoing->settings = *settings;
    outgoing->samples = rate * FRAME_MS / 1000;
    outgoing->noise = prompt_hold(noise);
    outgoing->noise_octets = octets;
    outgoing->noise_at = settings->random % prompt_length(noise);
    outgoing->sequence = settings->sequence;
    outgoing->timestamp = settings->timestamp;
    outgoing->plays = (struct play_queue){.codec = settings->codec,
                                          .stream = settings->stream,
                                          .events = events,
                                          .ring_room = rate / 1000 * push_ms};
    rtcp_init(&outgoing->rtcp);
    return outgoing;
}

void outgoing_free(struct outgoing *outgoing)
{
    if (outgoing == NULL)
        return;
    play_clear(&outgoing->plays);
    prompt_free(outgoing->noise);
    audio_free(outgoing);
}

static uint8_t silence(enum codec codec)
{
    return codec == CODEC_PCMU ? 0xff : codec == CODEC_PCMA ? 0xd5 : 0;
}

/* Fill the rest of a frame with what stands for nothing. */
static void fill_idle(struct outgoing *outgoing, uint8_t *payload, size_t filled)
{
    const size_t width = codec_width(outgoing->settings.codec);
    const size_t length = prompt_length(outgoing->noise);
    if (outgoing->settings.idle != IDLE_NOISE) {
        memset(payload + filled * width, silence(outgoing->settings.codec),
               (outgoing->samples - filled) * width);
        return;
    }
    while (filled < outgoing->samples) {
        size_t count = outgoing->samples - filled;
        if (count > length - outgoing->noise_at)
            count = length - outgoing->noise_at;
        memcpy(payload + filled * width, outgoing->noise_octets + outgoing->noise_at * width,
               count * width);
        outgoing->noise_at = (outgoing->noise_at + count) % length;
        filled += count;
    }
}

/* The payload stands in the datagram already. */
static size_t finish_packet(struct outgoing *outgoing, struct rtp_packet *packet,
                            uint8_t *datagram)
{
    packet->sequence = outgoing->sequence++;
    packet->ssrc = outgoing->settings.ssrc;
    rtp_write_header(datagram, packet);
    outgoing->counts.packets++;
    outgoing->counts.octets += packet->length;
    return RTP_HEADER + packet->length;
}

static size_t event_packet(struct outgoing *outgoing, const struct digit_packet *digit,
                           uint8_t *datagram)
{
    struct rtp_packet packet = {.payload_type = outgoing->settings.event_type,
                                .marker = digit->marker,
                                .timestamp = digit->timestamp,
                                .length = 4};
    telephone_event_write(datagram + RTP_HEADER, &digit->event);
    outgoing->talking = false;
    if (digit->finished)
        events_put(outgoing->plays.events, &(struct audio_event){
                                               .stream = outgoing->settings.stream,
                                               .kind = EVENT_DIGITS_SENT,
                                               .at = outgoing->at,
                                           });
    return finish_packet(outgoing, &packet, datagram);
}

static size_t audio_packet(struct outgoing *outgoing, size_t filled, uint8_t *datagram)
{
    if (filled == 0 && outgoing->settings.idle == IDLE_NOTHING) {
        outgoing->talking = false;
        return 0;
    }
    struct rtp_packet packet = {.payload_type = outgoing->settings.payload_type,
                                .marker = !outgoing->talking,
                                .timestamp = outgoing->timestamp,
                                .length = outgoing->samples *
                                          codec_width(outgoing->settings.codec)};
    fill_idle(outgoing, datagram + RTP_HEADER, filled);
    outgoing->talking = true;
    return finish_packet(outgoing, &packet, datagram);
}

static void advance(struct outgoing *outgoing, uint64_t tick, int64_t at)
{
    if (!outgoing->begun) {
        outgoing->begun = true;
        outgoing->first_tick = tick;
        outgoing->report_due = at + rtcp_interval(outgoing->settings.random, true);
    }
    outgoing->timestamp = outgoing->settings.timestamp +
                          (uint32_t)(tick - outgoing->first_tick) * outgoing->samples;
    outgoing->at = at;
}

size_t outgoing_packet(struct outgoing *outgoing, uint64_t tick, int64_t at, uint8_t *datagram)
{
    struct digit_packet digit;
    size_t filled = 0;
    advance(outgoing, tick, at);
    if (outgoing->to.length == 0)
        return 0; /* all waits until the far end is known */
    switch (digits_step(&outgoing->digits, outgoing->timestamp, outgoing->samples, &digit)) {
    case DIGIT_EVENT:
        return event_packet(outgoing, &digit, datagram);
    case DIGIT_NONE:
        filled = play_frame(&outgoing->plays, datagram + RTP_HEADER, outgoing->samples, at);
        break;
    case DIGIT_GAP:
        break;
    }
    return audio_packet(outgoing, filled, datagram);
}

size_t outgoing_report(struct outgoing *outgoing, const char *name, int64_t now, int64_t wall,
                       bool bye, uint8_t *datagram)
{
    struct rtcp_compound compound;
    const int64_t rate = outgoing->samples * (1000 / FRAME_MS);
    const struct rtcp_own own = {
        .ssrc = outgoing->settings.ssrc,
        .timestamp =
            outgoing->timestamp + (uint32_t)((now - outgoing->at) * rate / NANOSECONDS),
        .packets = (uint32_t)outgoing->counts.packets,
        .octets = (uint32_t)outgoing->counts.octets,
        .name = name,
        .wall = wall,
        .bye = bye,
    };
    /* Numerical Recipes' generator: good enough to keep reports of many streams apart. */
    outgoing->settings.random = outgoing->settings.random * 1664525u + 1013904223u;
    outgoing->report_due = now + rtcp_interval(outgoing->settings.random, false);
    rtcp_compose(&outgoing->rtcp, &own, &compound);
    return rtcp_write(datagram, &compound);
}
