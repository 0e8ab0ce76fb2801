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

/* ---- play.c: what a stream plays: shared prompts and pushed speech, one after the other ---- */

struct prompt;

/* A copy of `count` samples, held once; NULL without memory. */
struct prompt *prompt_new(const int16_t *samples, size_t count);
struct prompt *prompt_hold(struct prompt *prompt);
/* Give back one hold. */
void prompt_free(struct prompt *prompt);
size_t prompt_length(const struct prompt *prompt);
/* Its octets, encoded the first time they are asked for; NULL without memory. */
const uint8_t *prompt_encoded(struct prompt *prompt, enum codec codec);
/* One second of white noise at a level in dB of full scale, -20 at most; NULL without memory. */
struct prompt *noise_prompt(uint32_t rate, float level);

enum { PLAY_ROOM = 16 };

enum play_end { PLAY_FINISHED, PLAY_STOPPED, PLAY_INTERRUPTED };

struct play {
    struct prompt *prompt; /* NULL: pushed speech */
    const uint8_t *octets; /* of the prompt */
    size_t length;         /* samples of the prompt, or pushed so far */
    size_t at;             /* the next sample of them */
    uint32_t turns;        /* plays of the prompt left, this one among them; 0: until stopped */
    uint32_t number;       /* on this stream, from 1 */
    int64_t played;        /* samples, all turns */
    bool open;             /* more may be pushed */
    bool interruptible;    /* ends when the other side speaks */
};

struct play_queue {
    enum codec codec;
    uint32_t stream; /* as events name it */
    struct events *events;
    struct play plays[PLAY_ROOM];
    size_t first, count;
    uint32_t numbered;
    uint8_t *ring; /* pushed speech, encoded; made when the first is pushed */
    size_t ring_room, ring_first, ring_held; /* samples */
    uint32_t underruns; /* frames for which pushed speech was not there in time */
    bool starved;
};

/* Put a prompt at the end; `octets` are those of the stream's codec. Its number; 0: no room. */
uint32_t play_prompt(struct play_queue *queue, struct prompt *prompt, const uint8_t *octets,
                     uint32_t turns, bool interruptible);
/* Speak samples after all that is queued, as far as they fit. `last`: nothing follows, which counts
 * once all are taken. False without memory. */
bool play_push(struct play_queue *queue, const int16_t *samples, size_t count, bool last,
               bool interruptible, size_t *taken);
/* The next frame's octets; returns how many samples of it there are. */
size_t play_frame(struct play_queue *queue, uint8_t *payload, size_t samples, int64_t now);
/* End all plays, or those up to the first that is not interruptible. */
void play_stop(struct play_queue *queue, enum play_end end, int64_t now);
void play_clear(struct play_queue *queue);

/* ---- digits.c: DTMF out, RFC 4733 §2.5 ---- */

enum { DIGITS_ROOM = 64, DIGIT_PACKETS_AT_END = 3, DIGIT_VOLUME = 10, LONGEST_DIGIT_MS = 4000 };

struct digit {
    uint8_t code, volume;
    bool last;              /* of those sent by one call */
    uint16_t duration, gap; /* samples */
};

struct digit_queue {
    struct digit digits[DIGITS_ROOM];
    size_t first, count;
    uint32_t start;   /* timestamp of the event that is being sent */
    uint32_t elapsed; /* samples of it; 0: none has begun */
    uint32_t ends;    /* packets that told its end */
    uint32_t rest;    /* samples of the gap after it */
};

struct digit_packet {
    struct telephone_event event;
    uint32_t timestamp;
    bool marker;
    bool finished; /* the last packet of the last digit of one call */
};

enum digit_step { DIGIT_NONE, DIGIT_EVENT, DIGIT_GAP };

/* The event code of a key, 0-9 * # A-D; -1: none of them. */
int digit_code(char key);
/* All or none; false: no room. Gaps are at least the time the end packets take. */
bool digits_add(struct digit_queue *queue, const struct digit *digits, size_t count);
/* What a step of `samples` at `timestamp` brings. */
enum digit_step digits_step(struct digit_queue *queue, uint32_t timestamp, uint32_t samples,
                            struct digit_packet *packet);

/* ---- outgoing.c: one stream that is sent to, frame by frame ---- */

enum send_idle { IDLE_NOTHING, IDLE_SILENCE, IDLE_NOISE, IDLE_KINDS };

struct send_settings {
    int fd;      /* the receiver's UDP socket; it outlives the sender */
    int rtcp_fd; /* the one for reports; -1: they go out of `fd` (RFC 5761) */
    uint32_t stream; /* as events name it */
    enum codec codec;
    uint8_t payload_type;
    uint8_t event_type; /* of telephone-events, or NO_PAYLOAD_TYPE */
    uint32_t ssrc;
    uint16_t sequence;  /* of the first packet */
    uint32_t timestamp; /* of the first frame */
    uint32_t random;    /* spreads its reports */
    struct address to, rtcp_to; /* port 0: not known yet; no reports wanted */
    enum send_idle idle;
    uint32_t push_ms; /* pushed speech that may wait */
};

enum { LONGEST_PUSH_MS = 10000 };

struct send_counts {
    uint64_t packets, octets, errors;
    uint32_t underruns;
    uint32_t reports_sent, reports_came, reports_faulty;
    struct rtcp_block remote; /* ssrc 0: none yet */
    float round_trip;         /* s; below 0: not known */
};

/* An address as the socket wants it. */
struct destination {
    socklen_t length; /* 0: none */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* False: the socket's family does not reach that address. */
bool destination_set(struct destination *destination, int fd, const struct address *address);

struct outgoing {
    struct send_settings settings;
    struct destination to, rtcp_to;
    uint32_t samples; /* of a frame */
    struct prompt *noise;
    const uint8_t *noise_octets;
    size_t noise_at;
    uint64_t first_tick;
    bool begun;
    uint16_t sequence;
    uint32_t timestamp; /* of the newest frame's begin */
    int64_t at;         /* when it was due */
    bool talking;       /* the frame before was audio */
    struct play_queue plays;
    struct digit_queue digits;
    struct rtcp rtcp;
    int64_t report_due; /* ns */
    struct send_counts counts;
};

enum { LARGEST_PACKET = RTP_HEADER + 2 * MAX_FRAME };

/* NULL without memory. */
struct outgoing *outgoing_new(const struct send_settings *settings, uint32_t rate,
                              struct prompt *noise, struct events *events);
void outgoing_free(struct outgoing *outgoing);
/* The packet of frame number `tick`, due at `at`; returns its octets, 0: none is sent. */
size_t outgoing_packet(struct outgoing *outgoing, uint64_t tick, int64_t at, uint8_t *datagram);
/* The report due, with `wall` ns since 1970 being `now`; returns its octets. */
size_t outgoing_report(struct outgoing *outgoing, const char *name, int64_t now, int64_t wall,
                       bool bye, uint8_t *datagram);

/* ---- sender.c: the thread that sends, every FRAME_MS one packet a stream ---- */

struct sender;

struct sender_settings {
    uint32_t rate;
    size_t room;       /* streams at most, up to 65535 */
    float noise_level; /* of comfort noise, dB of full scale */
    const char *name;  /* CNAME */
    struct events *events;
};

enum { LATENESS_BINS = 101, LATENESS_BIN_NS = 100000 };

struct sender_counts {
    uint64_t packets, octets, reports;
    uint64_t no_room, refused, failed;  /* packets: ENOBUFS or EAGAIN; ECONNREFUSED; other errors */
    uint64_t skipped;                   /* ms given up: the thread was held up for too long */
    uint64_t lateness[LATENESS_BINS];   /* packets by 0.1 ms after they were due; last: 10 ms on */
    int64_t latest;                     /* ns */
    size_t streams;
    bool realtime; /* the thread runs under SCHED_FIFO */
};

enum send_fault {
    SEND_OK,
    SEND_CLOSED,    /* no such stream (any more) */
    SEND_FULL,      /* no room for another stream, play or digit */
    SEND_NO_MEMORY,
    SEND_NO_EVENTS, /* the far end takes no telephone-events */
    SEND_UNREACHABLE /* an IPv6 address for a socket of IPv4 */
};

/* NULL and errno set when memory or the thread cannot be had. */
struct sender *sender_new(const struct sender_settings *settings);
/* Ends the thread and every stream. */
void sender_free(struct sender *sender);

uint32_t sender_rate(const struct sender *sender);
enum send_fault sender_open(struct sender *sender, const struct send_settings *settings,
                            uint32_t *handle);
/* Tells RTCP's BYE where a report was sent before. */
enum send_fault sender_close(struct sender *sender, uint32_t handle);
/* Another address, after a re-INVITE or once it was learnt. */
enum send_fault sender_redirect(struct sender *sender, uint32_t handle, const struct address *to,
                                const struct address *rtcp_to);
enum send_fault sender_codec(struct sender *sender, uint32_t handle, enum codec *codec);
enum send_fault sender_play(struct sender *sender, uint32_t handle, struct prompt *prompt,
                            uint32_t turns, bool interruptible, uint32_t *number);
enum send_fault sender_push(struct sender *sender, uint32_t handle, const int16_t *samples,
                            size_t count, bool last, bool interruptible, size_t *taken);
/* No frame of what was queued leaves after the one that may be on its way. */
enum send_fault sender_stop(struct sender *sender, uint32_t handle);
/* The same for what is interruptible, from the next frame on; waits for no lock. */
void sender_barge_in(struct sender *sender, uint32_t handle);
enum send_fault sender_digits(struct sender *sender, uint32_t handle, const struct digit *digits,
                              size_t count);
enum send_fault sender_reception(struct sender *sender, uint32_t handle,
                                 const struct reception *reception);
/* A compound packet from the stream's far end; `now` of CLOCK_MONOTONIC. */
enum send_fault sender_rtcp(struct sender *sender, uint32_t handle, const uint8_t *datagram,
                            size_t length, int64_t now, enum rtcp_fault *fault);
enum send_fault sender_stream_counts(struct sender *sender, uint32_t handle,
                                     struct send_counts *counts);
void sender_counts(struct sender *sender, struct sender_counts *counts);

#endif
