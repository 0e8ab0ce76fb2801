/* See load.h. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BURST_NS = 500000,
    BURSTS = FRAME_MS * 1000000 / BURST_NS, /* in which the streams take turns */
    MESSAGES = 128,                         /* sent, or thrown away, by one call */
    OCTETS = 160,                           /* of G.711 in FRAME_MS */
    NAP_NS = 2000000, /* as receiver.c's */
    MAX_DATAGRAM = 2048
};

/* ---- sending ---- */

/* One sendmmsg's packets: a header here and the payload where it lies. */
struct outbox {
    struct mmsghdr messages[MESSAGES];
    struct iovec parts[MESSAGES][2];
    uint8_t headers[MESSAGES][RTP_HEADER];
    union {
        struct cmsghdr header;
        uint8_t octets[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } sources[MESSAGES];
    struct sockaddr_in to;
    unsigned count;
};

static struct outbox *outbox_new(uint16_t port)
{
    struct outbox *outbox = audio_calloc(1, sizeof *outbox);
    if (outbox == NULL)
        return NULL;
    outbox->to = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    for (unsigned i = 0; i < MESSAGES; i++) {
        outbox->sources[i].header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)),
            .cmsg_level = IPPROTO_IP,
            .cmsg_type = IP_PKTINFO,
        };
        outbox->parts[i][0] = (struct iovec){outbox->headers[i], RTP_HEADER};
        outbox->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &outbox->to,
            .msg_namelen = sizeof outbox->to,
            .msg_iov = outbox->parts[i],
            .msg_iovlen = 2,
            .msg_control = &outbox->sources[i],
            .msg_controllen = sizeof outbox->sources[i],
        };
    }
    return outbox;
}

static void flush(const struct load *load, struct outbox *outbox, struct load_result *result)
{
    unsigned done = 0;
    while (done < outbox->count) {
        const int sent = sendmmsg(load->fd, outbox->messages + done, outbox->count - done, 0);
        if (sent > 0) {
            done += (unsigned)sent;
            result->packets += (unsigned)sent;
        } else if (errno != EINTR) {
            done++; /* ECONNREFUSED tells of an earlier one */
            result->refused++;
        }
    }
    outbox->count = 0;
}

static void add_packet(const struct load *load, struct outbox *outbox, uint32_t stream,
                       uint32_t tick)
{
    const unsigned place = outbox->count++;
    const size_t frames = load->length / OCTETS;
    const struct rtp_packet packet = {
        .sequence = (uint16_t)(tick + stream), .timestamp = tick * OCTETS, .ssrc = stream + 1,
    };
    const struct in_pktinfo source = {
        .ipi_spec_dst.s_addr = htonl(0x7f010000u + stream),
    };
    rtp_write_header(outbox->headers[place], &packet);
    outbox->parts[place][1] = (struct iovec){
        (void *)(uintptr_t)(load->octets + (tick + (size_t)stream * 7919) % frames * OCTETS),
        OCTETS,
    };
    memcpy(CMSG_DATA(&outbox->sources[place].header), &source, sizeof source);
    if (load->sent != NULL)
        load->sent[(size_t)(tick % LOAD_REMEMBERED) * load->streams + stream] =
            clock_ns(CLOCK_MONOTONIC);
}

/* The same for a packet whenever it is asked for: so nothing has to be kept of those on their way. */
static uint32_t drawn(uint32_t stream, uint32_t tick, uint32_t below)
{
    uint64_t mixed = ((uint64_t)stream << 32 | tick) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)((mixed >> 32) % below);
}

/* The packets due in a burst: those of its own turn, and those of earlier ones held until now. */
static void send_burst(const struct load *load, uint32_t burst, struct outbox *outbox,
                       struct load_result *result)
{
    const uint32_t held_most = load->jitter_ms * (1000000 / BURST_NS);
    for (uint32_t held = 0; held <= held_most && held <= burst; held++) {
        const uint32_t turn = (burst - held) % BURSTS, tick = (burst - held) / BURSTS;
        const uint32_t end = (uint32_t)((uint64_t)load->streams * (turn + 1) / BURSTS);
        uint32_t stream = (uint32_t)((uint64_t)load->streams * turn / BURSTS);
        for (; stream < end && tick < load->ticks; stream++) {
            if (drawn(stream, tick, held_most + 1) != held
                || drawn(tick, stream, 1000) < load->loss)
                continue;
            add_packet(load, outbox, stream, tick);
            if (outbox->count == MESSAGES)
                flush(load, outbox, result);
        }
    }
    flush(load, outbox, result);
}

int load_send(const struct load *load, struct load_result *result)
{
    *result = (struct load_result){0};
    if (load->streams == 0 || load->streams > 65536 || load->length < OCTETS)
        return EINVAL;
    struct outbox *outbox = outbox_new(load->port);
    if (outbox == NULL)
        return ENOMEM;
    const uint32_t bursts = load->ticks * BURSTS + load->jitter_ms * (1000000 / BURST_NS);
    int64_t due = clock_ns(CLOCK_MONOTONIC);
    for (uint32_t burst = 0; burst < bursts; burst++, due += BURST_NS) {
        sleep_until(due);
        const int64_t late = clock_ns(CLOCK_MONOTONIC) - due;
        if (late > result->latest)
            result->latest = late;
        send_burst(load, burst, outbox, result);
    }
    audio_free(outbox);
    return 0;
}

/* ---- the least that receiving can cost ---- */

uint64_t load_discard(int fd, int64_t until, int64_t *cpu)
{
    static uint8_t datagram[MAX_DATAGRAM]; /* all into the same place: nobody looks */
    struct iovec part = {datagram, sizeof datagram};
    struct mmsghdr messages[MESSAGES] = {0};
    uint64_t packets = 0;
    for (unsigned i = 0; i < MESSAGES; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
    const int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int64_t now = 0; now < until; now = clock_ns(CLOCK_MONOTONIC)) {
        const int count = recvmmsg(fd, messages, MESSAGES, MSG_DONTWAIT, NULL);
        if (count > 0)
            packets += (unsigned)count;
        if (count < MESSAGES) /* as few wake-ups as a receiver in time can do with */
            sleep_until(clock_ns(CLOCK_MONOTONIC) + NAP_NS);
    }
    *cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    return packets;
}

double load_vad(struct vad *vad, const int16_t *samples, size_t count, unsigned times)
{
    const size_t frames = count / OCTETS;
    const int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < times; i++)
        for (size_t frame = 0; frame < frames; frame++)
            (void)vad_decide(vad, samples + frame * OCTETS, OCTETS);
    return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before) / (double)(frames * times);
}
