/* RTCP (RFC 3550 §6): compound packets of SR, RR, SDES and BYE read and written, one stream's state.
 *
 * What the far end sends is read as forged until proven: every length is checked against the part
 * it stands in, unknown parts are stepped over, and a round trip nobody could have is not believed.
 */
#include "send.h"

#include <string.h>

enum { PART_SR = 200, PART_RR, PART_SDES, PART_BYE, PART_HEADER = 4, SR_INFO = 20, BLOCK = 24 };
enum { CNAME = 1 };

/* A longer round trip is a forged or stale report. */
#define LONGEST_TRIP (10 * 65536)

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint8_t *write32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
    return at + 4;
}

uint64_t ntp_time(int64_t since_1970)
{
    const uint64_t from_1900 = 2208988800u;
    const uint64_t seconds = (uint64_t)(since_1970 / NANOSECONDS) + from_1900;
    const uint64_t rest = (uint64_t)(since_1970 % NANOSECONDS);
    return seconds << 32 | (rest << 32) / (uint64_t)NANOSECONDS;
}

uint32_t ntp_middle(uint64_t ntp)
{
    return (uint32_t)(ntp >> 16);
}

int64_t rtcp_interval(uint32_t random, bool first)
{
    /* Half to one and a half of the minimum, over e - 3/2 for the reconsideration (§6.3.1). */
    const double share = 0.5 + random / 4294967296.0;
    return (int64_t)((first ? 2.5e9 : 5e9) * share / 1.21828);
}

/* ---- reading ---- */

static void read_block(const uint8_t *at, struct rtcp_block *block)
{
    const uint32_t lost = read32(at + 4) & 0xffffff;
    block->ssrc = read32(at);
    block->fraction_lost = at[4];
    block->lost = (lost & 0x800000) ? (int32_t)lost - 0x1000000 : (int32_t)lost;
    block->highest = read32(at + 8);
    block->jitter = read32(at + 12);
    block->last_report = read32(at + 16);
    block->delay = read32(at + 20);
}

static enum rtcp_fault read_report(const uint8_t *part, size_t length, bool first,
                                   struct rtcp_compound *compound)
{
    const bool sender = part[1] == PART_SR;
    const size_t count = part[0] & 31, info = PART_HEADER + 4 + (sender ? SR_INFO : 0);
    if (length < info + count * BLOCK)
        return RTCP_BAD_LENGTH;
    if (first) {
        compound->ssrc = read32(part + 4);
        compound->sender = sender;
    }
    if (first && sender) {
        compound->ntp = (uint64_t)read32(part + 8) << 32 | read32(part + 12);
        compound->timestamp = read32(part + 16);
        compound->packets = read32(part + 20);
        compound->octets = read32(part + 24);
    }
    for (size_t i = 0; i < count && compound->count < RTCP_BLOCKS; i++)
        read_block(part + info + i * BLOCK, &compound->blocks[compound->count++]);
    return RTCP_OK;
}

/* The items of one chunk up to their end, a null octet; returns where the next chunk begins. */
static const uint8_t *read_chunk(const uint8_t *chunk, const uint8_t *end,
                                 struct rtcp_compound *compound)
{
    const bool wanted = read32(chunk) == compound->ssrc;
    const uint8_t *item = chunk + 4;
    while (item < end && item[0] != 0) {
        if (end - item < 2 || end - item < 2 + item[1])
            return NULL;
        if (wanted && item[0] == CNAME) {
            const size_t room = RTCP_NAME - 1, length = item[1] < room ? item[1] : room;
            memcpy(compound->name, item + 2, length);
            compound->name[length] = '\0';
        }
        item += 2 + item[1];
    }
    /* The null octet itself, then on to a multiple of four. */
    const size_t used = (size_t)(item - chunk) + 1;
    return used > (size_t)(end - chunk) ? end : chunk + (used + 3) / 4 * 4;
}

static enum rtcp_fault read_description(const uint8_t *part, size_t length,
                                        struct rtcp_compound *compound)
{
    const uint8_t *at = part + PART_HEADER, *end = part + length;
    for (unsigned left = part[0] & 31; left > 0; left--) {
        if (end - at < 4)
            return RTCP_BAD_LENGTH;
        at = read_chunk(at, end, compound);
        if (at == NULL)
            return RTCP_BAD_LENGTH;
    }
    return RTCP_OK;
}

static enum rtcp_fault read_bye(const uint8_t *part, size_t length, struct rtcp_compound *compound)
{
    const size_t count = part[0] & 31;
    if (length < PART_HEADER + 4 * count)
        return RTCP_BAD_LENGTH;
    for (size_t i = 0; i < count; i++)
        if (read32(part + PART_HEADER + 4 * i) == compound->ssrc)
            compound->bye = true;
    return RTCP_OK;
}

static enum rtcp_fault read_part(const uint8_t *part, size_t length, bool first,
                                 struct rtcp_compound *compound)
{
    switch (part[1]) {
    case PART_SR:
    case PART_RR:
        return read_report(part, length, first, compound);
    case PART_SDES:
        return read_description(part, length, compound);
    case PART_BYE:
        return read_bye(part, length, compound);
    default:
        return RTCP_OK; /* APP, XR, feedback: not for us (§6.1) */
    }
}

enum rtcp_fault rtcp_parse(const uint8_t *datagram, size_t length, struct rtcp_compound *compound)
{
    const uint8_t *part = datagram, *end = datagram + length;
    *compound = (struct rtcp_compound){0};
    if (length < PART_HEADER + 4)
        return RTCP_TOO_SHORT;
    while (part < end) {
        if (end - part < PART_HEADER)
            return RTCP_BAD_LENGTH;
        if (part[0] >> 6 != 2)
            return RTCP_WRONG_VERSION;
        if (part == datagram && part[1] != PART_SR && part[1] != PART_RR)
            return RTCP_NO_REPORT;
        size_t size = 4 * ((size_t)(part[2] << 8 | part[3]) + 1);
        if (size > (size_t)(end - part))
            return RTCP_BAD_LENGTH;
        const uint8_t *next = part + size;
        if (part[0] & 0x20) {
            const size_t padding = next[-1];
            if (next != end || padding == 0 || padding % 4 != 0 || padding + PART_HEADER > size)
                return RTCP_BAD_PADDING;
            size -= padding;
        }
        const enum rtcp_fault fault = read_part(part, size, part == datagram, compound);
        if (fault != RTCP_OK)
            return fault;
        part = next;
    }
    return RTCP_OK;
}

/* ---- writing ---- */

static uint8_t *write_header(uint8_t *at, size_t count, uint8_t type, size_t length)
{
    const size_t words = length / 4 - 1;
    at[0] = (uint8_t)(0x80 | count);
    at[1] = type;
    at[2] = (uint8_t)(words >> 8);
    at[3] = (uint8_t)words;
    return at + PART_HEADER;
}

static uint8_t *write_block(uint8_t *at, const struct rtcp_block *block)
{
    at = write32(at, block->ssrc);
    at = write32(at, (uint32_t)block->fraction_lost << 24 | ((uint32_t)block->lost & 0xffffff));
    at = write32(at, block->highest);
    at = write32(at, block->jitter);
    at = write32(at, block->last_report);
    return write32(at, block->delay);
}

static uint8_t *write_report(uint8_t *at, const struct rtcp_compound *compound)
{
    const size_t info = compound->sender ? SR_INFO : 0;
    const size_t length = PART_HEADER + 4 + info + BLOCK * compound->count;
    at = write_header(at, compound->count, compound->sender ? PART_SR : PART_RR, length);
    at = write32(at, compound->ssrc);
    if (compound->sender) {
        at = write32(at, (uint32_t)(compound->ntp >> 32));
        at = write32(at, (uint32_t)compound->ntp);
        at = write32(at, compound->timestamp);
        at = write32(at, compound->packets);
        at = write32(at, compound->octets);
    }
    for (size_t i = 0; i < compound->count; i++)
        at = write_block(at, &compound->blocks[i]);
    return at;
}

static uint8_t *write_description(uint8_t *at, const struct rtcp_compound *compound)
{
    const size_t name = strnlen(compound->name, RTCP_NAME - 1);
    /* SSRC, item header, name, at least one null octet, filled up to four. */
    const size_t chunk = (4 + 2 + name + 1 + 3) / 4 * 4;
    uint8_t *item = write32(write_header(at, 1, PART_SDES, PART_HEADER + chunk), compound->ssrc);
    memset(item, 0, chunk - 4);
    item[0] = CNAME;
    item[1] = (uint8_t)name;
    memcpy(item + 2, compound->name, name);
    return at + PART_HEADER + chunk;
}

size_t rtcp_write(uint8_t *datagram, const struct rtcp_compound *compound)
{
    uint8_t *at = write_description(write_report(datagram, compound), compound);
    if (compound->bye)
        at = write32(write_header(at, 1, PART_BYE, PART_HEADER + 4), compound->ssrc);
    return (size_t)(at - datagram);
}

/* ---- one stream's reports ---- */

void rtcp_init(struct rtcp *rtcp)
{
    *rtcp = (struct rtcp){.round_trip = -1.0f};
}

void rtcp_reception(struct rtcp *rtcp, const struct reception *reception)
{
    if (!rtcp->receiving || reception->ssrc != rtcp->reception.ssrc ||
        reception->expected < rtcp->expected_before || reception->received < rtcp->received_before)
        rtcp->expected_before = rtcp->received_before = 0; /* another source, or it began anew */
    rtcp->reception = *reception;
    rtcp->receiving = true;
}

/* §6.4.1: now - LSR - DLSR, in 1/65536 s. */
static void note_round_trip(struct rtcp *rtcp, const struct rtcp_block *block, int64_t wall)
{
    const uint32_t trip = ntp_middle(ntp_time(wall)) - block->last_report - block->delay;
    /* Both ends round: a trip of nothing may come out a little below. */
    const int32_t signed_trip = (int32_t)trip;
    if (block->last_report == 0 || signed_trip < -65 || signed_trip > LONGEST_TRIP)
        return;
    rtcp->round_trip = signed_trip < 0 ? 0.0f : (float)signed_trip / 65536.0f;
}

enum rtcp_fault rtcp_receive(struct rtcp *rtcp, uint32_t own_ssrc, const uint8_t *datagram,
                             size_t length, int64_t wall)
{
    struct rtcp_compound compound;
    const enum rtcp_fault fault = rtcp_parse(datagram, length, &compound);
    if (fault != RTCP_OK) {
        rtcp->faulty++;
        return fault;
    }
    rtcp->came++;
    rtcp->bye = compound.bye;
    if (compound.sender) {
        rtcp->peer = compound.ssrc;
        rtcp->last_report = ntp_middle(compound.ntp);
        rtcp->last_report_at = wall;
    }
    for (size_t i = 0; i < compound.count; i++)
        if (compound.blocks[i].ssrc == own_ssrc) {
            rtcp->remote = compound.blocks[i];
            note_round_trip(rtcp, &compound.blocks[i], wall);
        }
    return RTCP_OK;
}

/* Appendix A.3. */
static void compose_block(struct rtcp *rtcp, int64_t wall, struct rtcp_block *block)
{
    const struct reception *reception = &rtcp->reception;
    const int64_t expected = (int64_t)reception->expected - rtcp->expected_before;
    const int64_t lost = expected - ((int64_t)reception->received - rtcp->received_before);
    const int64_t all_lost = (int64_t)reception->expected - reception->received;
    *block = (struct rtcp_block){
        .ssrc = reception->ssrc,
        .fraction_lost = lost <= 0 ? 0 : (uint8_t)(lost >= expected ? 255 : lost * 256 / expected),
        .lost = (int32_t)(all_lost > 0x7fffff    ? 0x7fffff
                          : all_lost < -0x800000 ? -0x800000
                                                 : all_lost),
        .highest = reception->highest,
        .jitter = reception->jitter,
    };
    if (rtcp->last_report != 0 && rtcp->peer == reception->ssrc) {
        block->last_report = rtcp->last_report;
        block->delay = (uint32_t)((wall - rtcp->last_report_at) * 65536 / NANOSECONDS);
    }
    rtcp->expected_before = reception->expected;
    rtcp->received_before = reception->received;
}

void rtcp_compose(struct rtcp *rtcp, const struct rtcp_own *own, struct rtcp_compound *compound)
{
    *compound = (struct rtcp_compound){
        .ssrc = own->ssrc,
        .sender = own->packets != rtcp->packets_before[1],
        .ntp = ntp_time(own->wall),
        .timestamp = own->timestamp,
        .packets = own->packets,
        .octets = own->octets,
        .count = rtcp->receiving ? 1 : 0,
        .bye = own->bye,
    };
    memcpy(compound->name, own->name, strnlen(own->name, RTCP_NAME - 1));
    if (rtcp->receiving)
        compose_block(rtcp, own->wall, &compound->blocks[0]);
    rtcp->packets_before[1] = rtcp->packets_before[0];
    rtcp->packets_before[0] = own->packets;
    rtcp->sent++;
}
