/* The receiving half of the audio path: streams, batches, sources and the thread over them. */
#ifndef CALLCORE_RECEIVE_H
#define CALLCORE_RECEIVE_H

#include "audio.h"
#include "send.h"

/* ---- stream.c: one source of RTP, or of frames pushed in ---- */

enum { MAX_DATAGRAM = 2048 }; /* longer ones are refused as malformed */

struct stream_settings {
    enum codec codec;
    uint8_t payload_type; /* of the audio */
    uint8_t event_type;   /* of telephone-events, or NO_PAYLOAD_TYPE */
    bool frames;          /* take part in the batches of play-out */
    int vad_mode;         /* 0 to 3; -1: no VAD, no speech events */
    unsigned detect;      /* DETECT_… flags */
    struct speech_settings speech;
    uint32_t least_delay_ms, most_delay_ms; /* of play-out */
};

/* The sending half of a stream: told when speech begins, and what comes of the far end's reports. */
struct link {
    struct sender *sender; /* NULL: nothing is sent */
    uint32_t handle;
};

struct stream_counts {
    uint64_t packets, octets;
    uint32_t malformed[RTP_FAULTS];
    uint32_t unknown_type; /* payload types that were not announced */
    uint32_t strays;       /* SSRC or sequence number far from the stream's */
    uint32_t events;       /* packets of telephone-events */
    uint32_t source_changes;
};

struct stream {
    uint32_t id;
    uint32_t rate;
    struct stream_settings settings;
    struct stream_counts counts;
    struct sequence sequence;
    bool source_known;
    uint32_t ssrc, next_ssrc; /* next: seen once, takes over when seen again */
    uint16_t next_number;
    bool next_seen;
    uint32_t last_timestamp; /* of the newest packet, and where it lies in the stream */
    int64_t last_position;
    int64_t analysed;        /* position up to which everything was looked at */
    int64_t last_arrival;    /* of audio, ns; 0: nothing came yet */
    bool event_known;
    uint32_t event_timestamp; /* of the newest telephone-event */
    uint8_t event_code;
    size_t pending_count;     /* samples of a frame not yet complete */
    struct measures measures; /* of the newest frame */
    struct noise_floor noise;
    struct speech speech;
    struct vad *vad;
    struct jitter *jitter;    /* NULL: no frames wanted */
    struct detectors *detectors; /* NULL: none wanted */
    struct events *events;    /* not owned */
    struct link link;         /* not owned */
    int16_t pending[MAX_FRAME]; /* last: what is needed for every packet lies together */
};

/* A stream that tells `events`; NULL without memory. */
struct stream *stream_new(uint32_t id, uint32_t rate, const struct stream_settings *settings,
                          struct events *events);
void stream_free(struct stream *stream);
/* Ask for the memory that the next packet, or tick, needs, in steps that each need the one before: the
 * stream itself, what it points to, and where its audio lies. */
enum { PREFETCH_STEPS = 3 };
void stream_prefetch_packet(const struct stream *stream, unsigned step);
void stream_prefetch_tick(const struct stream *stream, unsigned step);
/* Whether a datagram is RTP with a payload type of this stream's. */
bool stream_expects(const struct stream *stream, const uint8_t *datagram, size_t length);
/* Take a datagram that came from the stream's source. */
void stream_receive(struct stream *stream, const uint8_t *datagram, size_t length, int64_t now);
/* Take samples that follow those pushed before (a back end that decodes RTP itself). */
void stream_push(struct stream *stream, const int16_t *samples, size_t count, int64_t now);
/* Every FRAME_MS: a source that has fallen silent without a word is silence. */
void stream_tick(struct stream *stream, int64_t now);

/* ---- batches.c: frames of all streams on their way to Python ---- */

struct batch {
    int state;
    size_t count;      /* rows in use */
    int64_t at;        /* ns when the frames were due */
    uint64_t number;   /* ticks since the start; a gap is an overrun */
    int16_t *samples;  /* [room][frame] */
    uint32_t *streams; /* [room] stream of each row */
    uint32_t *moments; /* [room] of jitter_get */
    uint8_t *kinds;    /* [room] enum jitter_frame */
};

struct batches;

struct batches *batches_new(size_t room, size_t frame, size_t depth);
void batches_free(struct batches *batches);
/* Writer: the batch to fill, or NULL when the reader is `depth` behind (counted as an overrun). */
struct batch *batches_begin(struct batches *batches);
void batches_publish(struct batches *batches, struct batch *batch);
/* Reader: the oldest that is ready, or NULL; give it back with batches_release. */
struct batch *batches_take(struct batches *batches);
void batches_release(struct batches *batches, struct batch *batch);
uint64_t batches_overruns(const struct batches *batches);
/* An eventfd that is written with each batch; who waits on it reads it before taking them. */
int batches_fd(const struct batches *batches);

/* ---- sources.c: which stream a datagram belongs to ---- */

enum { NO_SOCKET = -1 }; /* of a stream whose samples are pushed in */

struct sources;

struct sources *sources_new(size_t room);
void sources_free(struct sources *sources); /* and the streams in it */
/* The id a stream on that socket would get, or -EEXIST, -EBUSY (the socket of another one that has
 * to learn its source, or a socket to learn on that is not free), -ENOSPC. */
int64_t sources_reserve(struct sources *sources, int socket, const struct address *source);
/* Add the stream whose id was reserved. */
void sources_add(struct sources *sources, int socket, const struct address *source,
                 struct stream *stream);
struct stream *sources_remove(struct sources *sources, uint32_t id);
struct stream *sources_by_id(const struct sources *sources, uint32_t id);
struct stream *sources_by_address(const struct sources *sources, int socket,
                                  const struct address *source);
/* The stream on that socket that has to learn its source, and what it has learnt. */
struct stream *sources_learning(const struct sources *sources, int socket);
void sources_learnt(struct sources *sources, uint32_t id, const struct address *source);
/* All streams: places below sources_used, some NULL. */
size_t sources_used(const struct sources *sources);
struct stream *sources_at(const struct sources *sources, size_t place);

/* ---- sockets.c ---- */

/* A socket bound to a numeric host and a port (0: any), and the port; or a negative errno. */
int udp_socket(const char *host, uint16_t port, uint16_t *bound);

/* ---- receiver.c: the thread that receives for all streams ---- */

struct receiver;

struct receiver_counts {
    uint64_t packets;   /* datagrams read */
    uint64_t unknown;   /* from a source that nobody announced: dropped */
    uint64_t reports;   /* datagrams of RTCP */
    uint64_t overflows; /* dropped by the kernel, its buffer being full */
    uint64_t ticks, missed_ticks; /* frames not taken in time: the thread did not get the processor */
    int64_t cpu_ns;     /* processor time of the thread */
};

/* Room for so many streams at `rate`, batches at most `depth` ticks behind. NULL: errno says why. */
struct receiver *receiver_new(uint32_t rate, size_t room, size_t depth);
/* Start and stop the thread; 0 or an errno. */
int receiver_start(struct receiver *receiver);
void receiver_stop(struct receiver *receiver);
void receiver_free(struct receiver *receiver);
/* Bind a UDP socket to a numeric host and a port (0: any); its index and port, or a negative errno.
 * `reports`: RTCP is taken at the port above it, too. */
int receiver_bind(struct receiver *receiver, const char *host, uint16_t port, bool reports,
                  uint16_t *bound);
/* The socket of an index, for sending, and that of its reports; -1: none. */
int receiver_socket(const struct receiver *receiver, int index);
int receiver_report_socket(const struct receiver *receiver, int index);
/* Add a stream on one of the sockets. `source` NULL: learnt from the first packet, for which the
 * socket must be the stream's own. Returns its id, or a negative errno (EEXIST, ENOSPC, ENOMEM). */
int64_t receiver_open(struct receiver *receiver, int socket, const struct address *source,
                      const struct stream_settings *settings);
/* 0 or ESRCH. */
int receiver_close(struct receiver *receiver, uint32_t stream);
int receiver_push(struct receiver *receiver, uint32_t stream, const int16_t *samples, size_t count);

/* Tie a stream to its sending half; 0 or ESRCH. Before a sender ends, all its ties must end. */
int receiver_link(struct receiver *receiver, uint32_t stream, const struct link *link);
void receiver_unlink(struct receiver *receiver, const struct sender *sender);

/* What another extension needs to push without Python: Server.pusher() gives it in a capsule of the
 * name PUSHER, which must be kept for as long as `push` is called. */
#define PUSHER "callcore.native._audio.pusher"

struct pusher {
    struct receiver *receiver;
    int (*push)(struct receiver *receiver, uint32_t stream, const int16_t *samples, size_t count);
};
/* A stream as it is at one moment. */
struct stream_look {
    struct stream stream; /* a copy, its pointers cleared */
    struct jitter_counts jitter; /* zeros without play-out */
    uint32_t target_ms;
    struct spectrum_features spectrum; /* zeros unless listened for */
};

void stream_look(const struct stream *stream, struct stream_look *look);
int receiver_look(struct receiver *receiver, uint32_t stream, struct stream_look *look);
void receiver_counts(struct receiver *receiver, struct receiver_counts *counts);
struct events *receiver_events(struct receiver *receiver);
struct batches *receiver_batches(struct receiver *receiver);

#endif
