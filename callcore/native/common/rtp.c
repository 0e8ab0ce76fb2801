/* RFC 3550 §5.1 packet headers and RFC 4733 §2.3 telephone-events, read and written. */
#include "audio.h"

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void write32(uint8_t *at, uint32_t value)
{
    write16(at, (uint16_t)(value >> 16));
    write16(at + 2, (uint16_t)value);
}

/* Octets before the payload: fixed header, CSRC list and extension; 0 when the datagram is shorter. */
static size_t header_length(const uint8_t *datagram, size_t length)
{
    size_t header = RTP_HEADER + 4u * (datagram[0] & 0x0f);
    if (datagram[0] & 0x10) {
        if (length < header + 4)
            return 0;
        header += 4 + 4u * read16(datagram + header + 2);
    }
    return header <= length ? header : 0;
}

enum rtp_fault rtp_parse(const uint8_t *datagram, size_t length, struct rtp_packet *packet)
{
    if (length < RTP_HEADER)
        return RTP_TOO_SHORT;
    if (datagram[0] >> 6 != 2)
        return RTP_WRONG_VERSION;
    const size_t header = header_length(datagram, length);
    if (header == 0)
        return RTP_TOO_SHORT;
    size_t padding = 0;
    if (datagram[0] & 0x20) {
        padding = datagram[length - 1];
        if (padding == 0 || padding > length - header)
            return RTP_BAD_PADDING;
    }
    packet->marker = datagram[1] >> 7;
    packet->payload_type = datagram[1] & 0x7f;
    packet->sequence = read16(datagram + 2);
    packet->timestamp = read32(datagram + 4);
    packet->ssrc = read32(datagram + 8);
    packet->payload = datagram + header;
    packet->length = length - header - padding;
    return RTP_OK;
}

void rtp_write_header(uint8_t *datagram, const struct rtp_packet *packet)
{
    datagram[0] = 0x80;
    datagram[1] = (uint8_t)((packet->marker ? 0x80 : 0) | (packet->payload_type & 0x7f));
    write16(datagram + 2, packet->sequence);
    write32(datagram + 4, packet->timestamp);
    write32(datagram + 8, packet->ssrc);
}

bool telephone_event_parse(const uint8_t *payload, size_t length, struct telephone_event *event)
{
    if (length < 4)
        return false;
    event->code = payload[0];
    event->end = payload[1] >> 7;
    event->volume = payload[1] & 0x3f;
    event->duration = read16(payload + 2);
    return true;
}

void telephone_event_write(uint8_t payload[4], const struct telephone_event *event)
{
    payload[0] = event->code;
    payload[1] = (uint8_t)((event->end ? 0x80 : 0) | (event->volume & 0x3f));
    write16(payload + 2, event->duration);
}
