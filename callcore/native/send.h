/* What leaves callcore: RTP from a timer thread, prompts and pushed speech, digits, RTCP.
 *
 * A stream that is sent to is named by its handle, which stays invalid after the stream is closed;
 * every function taking one may be called from any thread at any time.
 */
#ifndef CALLCORE_SEND_H
#define CALLCORE_SEND_H

#include "audio.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* ---- rtcp.c: RFC 3550 §6, what two ends tell each other of their reception ---- */

enum { RTCP_BLOCKS = 31, RTCP_NAME = 64, RTCP_LARGEST = 28 + 24 * RTCP_BLOCKS + 12 + 256 + 8 };

enum rtcp_fault {
    RTCP_OK,
    RTCP_TOO_SHORT,     /* no room for a header */
    RTCP_WRONG_VERSION, /* a part that is not version 2 */
    RTCP_NO_REPORT,     /* does not begin with SR or RR (§6.1) */
    RTCP_BAD_LENGTH,    /* a part ends beyond the datagram, or before what its count announces */
    RTCP_BAD_PADDING,   /* padding elsewhere than at the end, or more than there is */
    RTCP_FAULTS
};

/* §6.4.1 */
struct rtcp_block {
    uint32_t ssrc;
    uint8_t fraction_lost; /* in 1/256, since the report before */
    int32_t lost;          /* 24 bits, signed */
    uint32_t highest;      /* extended sequence number */
    uint32_t jitter;       /* samples */
    uint32_t last_report;  /* middle of the NTP time in the last SR from ssrc; 0: none came */
    uint32_t delay;        /* since then, 1/65536 s */
};

/* What one compound packet says. */
struct rtcp_compound {
    uint32_t ssrc; /* of its first report */
    bool sender;   /* that is an SR: the next four are told */
    uint64_t ntp;  /* 32.32 bits of seconds since 1900 */
    uint32_t timestamp, packets, octets;
    size_t count;
    struct rtcp_block blocks[RTCP_BLOCKS];
    char name[RTCP_NAME]; /* CNAME, cut to fit; "" without */
    bool bye;             /* ssrc leaves */
};

enum rtcp_fault rtcp_parse(const uint8_t *datagram, size_t length, struct rtcp_compound *compound);
/* SR or RR, SDES, and BYE if asked; `datagram` has room for RTCP_LARGEST. Returns its octets. */
size_t rtcp_write(uint8_t *datagram, const struct rtcp_compound *compound);
/* 32.32 bits of seconds since 1900 for nanoseconds since 1970 (§4), and their middle. */
uint64_t ntp_time(int64_t since_1970);
uint32_t ntp_middle(uint64_t ntp);
/* ns to the next report of two members: 5 s (2.5 s the first time), spread by `random` (§6.2). */
int64_t rtcp_interval(uint32_t random, bool first);

/* What the receiver counted of one source: struct sequence's numbers. */
struct reception {
    uint32_t ssrc;
    uint32_t expected, received, highest;
    uint32_t jitter; /* samples */
};

/* One stream's reports, both ways. */
struct rtcp {
    struct reception reception; /* newest the receiver handed in */
    bool receiving;
    uint32_t expected_before, received_before; /* at the last report sent */
    uint32_t packets_before[2];                /* sent until the last report, and the one before */
    uint32_t sent, came, faulty;               /* compounds */
    uint32_t peer;                             /* SSRC whose SR came last */
    uint32_t last_report;
    int64_t last_report_at;
    struct rtcp_block remote; /* newest block about us; ssrc 0: none yet */
    float round_trip;         /* s; below 0: not known yet */
    bool bye;
};

/* What the sender has to say of itself. */
struct rtcp_own {
    uint32_t ssrc, timestamp, packets, octets;
    const char *name;
    int64_t wall; /* ns since 1970, from the clock that `rtcp_receive` is given */
    bool bye;
};

void rtcp_init(struct rtcp *rtcp);
/* Note what the receiver counted so far. */
void rtcp_reception(struct rtcp *rtcp, const struct reception *reception);
/* Take in what the far end reports; `wall` as in struct rtcp_own. */
enum rtcp_fault rtcp_receive(struct rtcp *rtcp, uint32_t own_ssrc, const uint8_t *datagram,
                             size_t length, int64_t wall);
/* The next report: SR while packets were sent since the last but one, else RR (§6.4). */
void rtcp_compose(struct rtcp *rtcp, const struct rtcp_own *own, struct rtcp_compound *compound);

#endif
