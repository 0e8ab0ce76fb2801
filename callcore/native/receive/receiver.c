/* The receiving thread: epoll and recvmmsg over a few sockets, and a tick of play-out each FRAME_MS.
 *
 * One lock keeps the streams; the thread holds it for one recvmmsg's packets or one tick (tens of
 * microseconds), others to add, look at and remove streams. Nothing here waits for a reader: events
 * and batches that find no room are counted and dropped.
 */
#define _GNU_SOURCE
#include "receive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    MAX_SOCKETS = 16,
    MESSAGES = 128,         /* read by one recvmmsg */
    ROUNDS = 8,             /* of recvmmsg on one socket before the others have their turn */
    AHEAD = 3,              /* packets between the steps of asking for a stream's memory */
    WAKE_NS = 5000000,      /* from one waking of the events' reader to the next */
    NAP_NS = 2000000,       /* packets that come meanwhile are read together */
    EVENTS_ROOM = 8192,
    PORT_TRIES = 16,        /* for a port with a free one above it */
    TICKS_A_SECOND = 1000 / FRAME_MS,
    MOST_TICKS = 5,         /* made up for after the thread had no processor */
    TICK = MAX_SOCKETS, STOP /* what epoll tells besides the sockets' indices */
};

/* Every member is set once and used for each recvmmsg. */
struct inbox {
    struct mmsghdr messages[MESSAGES];
    struct iovec parts[MESSAGES];
    struct sockaddr_in6 names[MESSAGES];
    uint8_t datagrams[MESSAGES][MAX_DATAGRAM + 64]; /* or all began in the same cache sets */
    struct stream *streams[MESSAGES]; /* of the packets that were read */
};

struct receiver {
    uint32_t rate;
    size_t frame;
    int sockets[MAX_SOCKETS];
    uint32_t overflows[MAX_SOCKETS]; /* the kernel's own count, as last read */
    int reports[MAX_SOCKETS];        /* the socket whose RTCP comes here; -1: this is for RTP */
    int socket_count;
    int poll, timer, stop;
    bool running;
    pthread_t thread;
    pthread_mutex_t lock;
    struct sources *sources;
    struct events *events;
    int64_t woken; /* when the events' reader was */
    struct batches *batches;
    struct receiver_counts counts;
    struct inbox inbox;
};

/* ---- making and unmaking ---- */

static void prepare_inbox(struct inbox *inbox)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        inbox->parts[i] = (struct iovec){inbox->datagrams[i], MAX_DATAGRAM};
        inbox->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &inbox->names[i],
            .msg_iov = &inbox->parts[i],
            .msg_iovlen = 1,
        };
    }
}

static int watch(struct receiver *receiver, int fd, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    return epoll_ctl(receiver->poll, EPOLL_CTL_ADD, fd, &event);
}

struct receiver *receiver_new(uint32_t rate, size_t room, size_t depth)
{
    struct receiver *receiver = audio_calloc(1, sizeof *receiver);
    if (receiver == NULL)
        return NULL;
    receiver->rate = rate;
    receiver->frame = rate * FRAME_MS / 1000;
    receiver->timer = receiver->stop = -1;
    pthread_mutex_init(&receiver->lock, NULL);
    prepare_inbox(&receiver->inbox);
    receiver->poll = epoll_create1(EPOLL_CLOEXEC);
    receiver->sources = sources_new(room);
    receiver->events = events_new(EVENTS_ROOM);
    receiver->batches = batches_new(room, receiver->frame, depth);
    if (receiver->poll < 0 || receiver->sources == NULL || receiver->events == NULL
        || receiver->batches == NULL) {
        const int failure = errno;
        receiver_free(receiver);
        errno = failure;
        return NULL;
    }
    return receiver;
}

void receiver_free(struct receiver *receiver)
{
    if (receiver == NULL)
        return;
    receiver_stop(receiver);
    for (int i = 0; i < receiver->socket_count; i++)
        close(receiver->sockets[i]);
    if (receiver->poll >= 0)
        close(receiver->poll);
    sources_free(receiver->sources);
    events_free(receiver->events);
    batches_free(receiver->batches);
    pthread_mutex_destroy(&receiver->lock);
    audio_free(receiver);
}

/* ---- sockets ---- */

static int bind_one(struct receiver *receiver, const char *host, uint16_t port, int reports,
                    uint16_t *bound)
{
    if (receiver->socket_count == MAX_SOCKETS)
        return -EMFILE;
    const int fd = udp_socket(host, port, bound);
    if (fd < 0)
        return fd;
    receiver->sockets[receiver->socket_count] = fd; /* before the thread can be told of it */
    receiver->reports[receiver->socket_count] = reports;
    receiver->overflows[receiver->socket_count] = 0;
    if (watch(receiver, fd, (uint32_t)receiver->socket_count) != 0) {
        const int failure = errno;
        close(fd);
        return -failure;
    }
    pthread_mutex_lock(&receiver->lock); /* each tick looks at all sockets there are */
    const int index = receiver->socket_count++;
    pthread_mutex_unlock(&receiver->lock);
    return index;
}

int receiver_bind(struct receiver *receiver, const char *host, uint16_t port, bool reports,
                  uint16_t *bound)
{
    uint16_t above;
    int tries = port == 0 && reports ? PORT_TRIES : 1;
    for (;;) {
        const int index = bind_one(receiver, host, port, NO_SOCKET, bound);
        if (index < 0 || !reports)
            return index;
        const int taken = *bound == UINT16_MAX
            ? -EADDRINUSE
            : bind_one(receiver, host, (uint16_t)(*bound + 1), index, &above);
        if (taken >= 0)
            return index;
        /* The port above belongs to somebody else: nothing stays half open. */
        pthread_mutex_lock(&receiver->lock);
        close(receiver->sockets[index]);
        receiver->socket_count = index;
        pthread_mutex_unlock(&receiver->lock);
        if (--tries == 0)
            return taken;
    }
}

int receiver_socket(const struct receiver *receiver, int index)
{
    return index >= 0 && index < receiver->socket_count ? receiver->sockets[index] : -1;
}

int receiver_report_socket(const struct receiver *receiver, int index)
{
    const int above = index + 1;
    return above < receiver->socket_count && receiver->reports[above] == index
        ? receiver->sockets[above]
        : -1;
}

/* ---- packets ---- */

static void address_of(const struct sockaddr_in6 *name, struct address *address)
{
    if (name->sin6_family == AF_INET6) {
        memcpy(address->ip, &name->sin6_addr, sizeof address->ip);
    } else {
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)name;
        memcpy(address->ip, mapped, sizeof mapped);
        memcpy(address->ip + 12, &v4->sin_addr, 4);
    }
    address->port = ntohs(name->sin6_port);
}

/* The stream on the socket that has no source yet, if the packet is one that it expects: a stray
 * datagram must not take its place. */
static struct stream *learn_source(struct receiver *receiver, int socket, size_t place,
                                   const struct address *source)
{
    const struct inbox *inbox = &receiver->inbox;
    struct stream *stream = sources_learning(receiver->sources, socket);
    if (stream == NULL
        || !stream_expects(stream, inbox->datagrams[place], inbox->messages[place].msg_len))
        return NULL;
    sources_learnt(receiver->sources, stream->id, source);
    return stream;
}

/* The streams that the packets belong to. All are found first, so that their memory, of which there
 * is too much for the cache, can be on its way while others have their turn. */
static void find_streams(struct receiver *receiver, int socket, size_t count)
{
    struct inbox *inbox = &receiver->inbox;
    for (size_t i = 0; i < count; i++) {
        struct address source;
        address_of(&inbox->names[i], &source);
        inbox->streams[i] = sources_by_address(receiver->sources, socket, &source);
        if (inbox->streams[i] == NULL)
            inbox->streams[i] = learn_source(receiver, socket, i, &source);
        receiver->counts.unknown += inbox->streams[i] == NULL;
    }
}

static void prefetch_packets(const struct inbox *inbox, size_t place, size_t count)
{
    for (unsigned step = 0; step < PREFETCH_STEPS; step++) {
        const size_t ahead = place + (PREFETCH_STEPS - step) * AHEAD;
        if (ahead < count && inbox->streams[ahead] != NULL)
            stream_prefetch_packet(inbox->streams[ahead], step);
    }
}

/* RFC 5761 §4: RTCP on the port of RTP is told by its packet types. */
static bool is_report(const struct inbox *inbox, size_t place)
{
    const uint8_t type = inbox->datagrams[place][1];
    return inbox->messages[place].msg_len >= 8 && type >= 192 && type <= 223;
}

static void receive_report(struct receiver *receiver, const struct stream *stream, size_t place,
                           int64_t now)
{
    const struct inbox *inbox = &receiver->inbox;
    const size_t length = inbox->messages[place].msg_len;
    enum rtcp_fault fault; /* counted by the sender */
    receiver->counts.reports++;
    if (stream->link.sender != NULL && length <= MAX_DATAGRAM)
        (void)sender_rtcp(stream->link.sender, stream->link.handle, inbox->datagrams[place],
                          length, now, &fault);
}

static void receive_all(struct receiver *receiver, size_t count, int64_t now)
{
    struct inbox *inbox = &receiver->inbox;
    for (size_t i = 0; i < count; i++) {
        prefetch_packets(inbox, i, count);
        if (inbox->streams[i] == NULL)
            continue;
        if (is_report(inbox, i))
            receive_report(receiver, inbox->streams[i], i, now);
        else
            stream_receive(inbox->streams[i], inbox->datagrams[i], inbox->messages[i].msg_len,
                           now);
    }
}

/* Reports come from the port above the stream's (RFC 3550 §11), or from its own. */
static void receive_reports(struct receiver *receiver, int socket, size_t count, int64_t now)
{
    struct inbox *inbox = &receiver->inbox;
    for (size_t i = 0; i < count; i++) {
        struct address source;
        address_of(&inbox->names[i], &source);
        struct stream *stream = sources_by_address(receiver->sources, socket, &source);
        source.port--;
        if (stream == NULL)
            stream = sources_by_address(receiver->sources, socket, &source);
        if (stream != NULL)
            receive_report(receiver, stream, i, now);
        else
            receiver->counts.unknown++;
    }
}

/* Read at most one inbox; false: nothing is left. */
static bool read_some(struct receiver *receiver, int socket)
{
    struct inbox *inbox = &receiver->inbox;
    for (size_t i = 0; i < MESSAGES; i++)
        inbox->messages[i].msg_hdr.msg_namelen = sizeof inbox->names[i];
    /* MSG_TRUNC: tell the length a datagram had, even where it did not fit. */
    const int count =
        recvmmsg(receiver->sockets[socket], inbox->messages, MESSAGES, MSG_TRUNC, NULL);
    if (count <= 0)
        return false; /* an ICMP error of a peer that is gone: the next read goes on */
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&receiver->lock);
    receiver->counts.packets += (uint64_t)count;
    if (receiver->reports[socket] != NO_SOCKET) {
        receive_reports(receiver, receiver->reports[socket], (size_t)count, now);
    } else {
        find_streams(receiver, socket, (size_t)count);
        receive_all(receiver, (size_t)count, now);
    }
    pthread_mutex_unlock(&receiver->lock);
    return count == MESSAGES;
}

static void drain(struct receiver *receiver, int socket)
{
    for (int round = 0; round < ROUNDS && read_some(receiver, socket); round++) {
    }
}

/* ---- ticks ---- */

static void take_frame(struct stream *stream, struct batch *batch, size_t frame, int64_t now)
{
    int16_t unread[MAX_FRAME];
    uint32_t moment;
    int16_t *row = batch != NULL ? batch->samples + batch->count * frame : unread;
    const enum jitter_frame kind = jitter_get(stream->jitter, row, &moment, now);
    if (batch == NULL)
        return;
    batch->streams[batch->count] = stream->id;
    batch->moments[batch->count] = moment;
    batch->kinds[batch->count++] = (uint8_t)kind;
}

/* What was received, for the reports to the far end. */
static void tell_reception(const struct stream *stream)
{
    const struct sequence *sequence = &stream->sequence;
    const struct reception reception = {
        .ssrc = stream->ssrc,
        .expected = sequence_expected(sequence),
        .received = sequence->received,
        .highest = sequence->highest,
        .jitter = (uint32_t)sequence->jitter,
    };
    (void)sender_reception(stream->link.sender, stream->link.handle, &reception);
}

static void prefetch_ticks(const struct sources *sources, size_t place, size_t used)
{
    for (unsigned step = 0; step < PREFETCH_STEPS; step++) {
        const size_t ahead = place + (PREFETCH_STEPS - step) * AHEAD;
        if (ahead < used && sources_at(sources, ahead) != NULL)
            stream_prefetch_tick(sources_at(sources, ahead), step);
    }
}

/* The kernel tells how many datagrams a socket has dropped so far, its buffer being full. Asked for
 * here, since having it told with the packets (SO_RXQ_OVFL) costs something for each of them. */
static void note_overflows(struct receiver *receiver)
{
    for (int i = 0; i < receiver->socket_count; i++) {
        uint32_t memory[SK_MEMINFO_VARS];
        socklen_t length = sizeof memory;
        if (getsockopt(receiver->sockets[i], SOL_SOCKET, SO_MEMINFO, memory, &length) != 0)
            continue;
        receiver->counts.overflows += memory[SK_MEMINFO_DROPS] - receiver->overflows[i];
        receiver->overflows[i] = memory[SK_MEMINFO_DROPS];
    }
}

static void tick(struct receiver *receiver, int64_t now)
{
    struct batch *batch = batches_begin(receiver->batches);
    pthread_mutex_lock(&receiver->lock);
    receiver->counts.ticks++;
    note_overflows(receiver);
    const size_t used = sources_used(receiver->sources);
    for (size_t i = 0; i < used; i++) {
        struct stream *stream = sources_at(receiver->sources, i);
        prefetch_ticks(receiver->sources, i, used);
        if (stream == NULL)
            continue;
        stream_tick(stream, now);
        if (stream->jitter != NULL)
            take_frame(stream, batch, receiver->frame, now);
        /* Not all in the same tick. */
        if (stream->link.sender != NULL && (receiver->counts.ticks + i) % TICKS_A_SECOND == 0)
            tell_reception(stream);
    }
    pthread_mutex_unlock(&receiver->lock);
    if (batch != NULL) {
        batch->at = now;
        batches_publish(receiver->batches, batch);
    }
}

static void ticks_due(struct receiver *receiver)
{
    uint64_t due;
    if (read(receiver->timer, &due, sizeof due) != sizeof due)
        return;
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    const uint64_t made = due < MOST_TICKS ? due : MOST_TICKS;
    receiver->counts.missed_ticks += due - made;
    for (uint64_t i = made; i > 0; i--)
        tick(receiver, now - (int64_t)(i - 1) * FRAME_MS * 1000000);
}

/* ---- the thread ---- */

static void wake_reader(struct receiver *receiver)
{
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (now - receiver->woken >= WAKE_NS && events_wake(receiver->events))
        receiver->woken = now;
}

static void *run(void *argument)
{
    struct receiver *receiver = argument;
    const struct timespec nap = {.tv_nsec = NAP_NS};
    struct epoll_event ready[MAX_SOCKETS + 2];
    pthread_setname_np(pthread_self(), "rtp-receive");
    for (;;) {
        const int count = epoll_wait(receiver->poll, ready, MAX_SOCKETS + 2, -1);
        for (int i = 0; i < count; i++) {
            const uint32_t what = ready[i].data.u32;
            if (what == STOP)
                return NULL;
            if (what == TICK)
                ticks_due(receiver);
            else
                drain(receiver, (int)what);
        }
        wake_reader(receiver);
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
    }
}

static int start_timer(struct receiver *receiver)
{
    const struct timespec period = {.tv_nsec = FRAME_MS * 1000000L};
    const struct itimerspec every = {.it_value = period, .it_interval = period};
    receiver->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    receiver->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (receiver->timer < 0 || receiver->stop < 0
        || timerfd_settime(receiver->timer, 0, &every, NULL) != 0
        || watch(receiver, receiver->timer, TICK) != 0 || watch(receiver, receiver->stop, STOP) != 0)
        return errno;
    return 0;
}

static void close_timer(struct receiver *receiver)
{
    if (receiver->timer >= 0)
        close(receiver->timer);
    if (receiver->stop >= 0)
        close(receiver->stop);
    receiver->timer = receiver->stop = -1;
}

int receiver_start(struct receiver *receiver)
{
    if (receiver->running)
        return 0;
    int failure = start_timer(receiver);
    if (failure == 0)
        failure = pthread_create(&receiver->thread, NULL, run, receiver);
    if (failure == 0)
        receiver->running = true;
    else
        close_timer(receiver);
    return failure;
}

void receiver_stop(struct receiver *receiver)
{
    if (!receiver->running)
        return;
    eventfd_write(receiver->stop, 1);
    pthread_join(receiver->thread, NULL);
    receiver->running = false;
    close_timer(receiver);
}

/* ---- streams ---- */

int64_t receiver_open(struct receiver *receiver, int socket, const struct address *source,
                      const struct stream_settings *settings)
{
    if (socket < NO_SOCKET || socket >= receiver->socket_count)
        return -EINVAL;
    pthread_mutex_lock(&receiver->lock);
    int64_t id = sources_reserve(receiver->sources, socket, source);
    if (id >= 0) {
        struct stream *stream =
            stream_new((uint32_t)id, receiver->rate, settings, receiver->events);
        if (stream != NULL)
            sources_add(receiver->sources, socket, source, stream);
        else
            id = -ENOMEM;
    }
    pthread_mutex_unlock(&receiver->lock);
    return id;
}

int receiver_close(struct receiver *receiver, uint32_t id)
{
    pthread_mutex_lock(&receiver->lock);
    struct stream *stream = sources_remove(receiver->sources, id);
    pthread_mutex_unlock(&receiver->lock);
    stream_free(stream);
    return stream != NULL ? 0 : ESRCH;
}

int receiver_push(struct receiver *receiver, uint32_t id, const int16_t *samples, size_t count)
{
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&receiver->lock);
    struct stream *stream = sources_by_id(receiver->sources, id);
    if (stream != NULL)
        stream_push(stream, samples, count, now);
    pthread_mutex_unlock(&receiver->lock);
    (void)events_wake(receiver->events);
    return stream != NULL ? 0 : ESRCH;
}

int receiver_look(struct receiver *receiver, uint32_t id, struct stream_look *look)
{
    pthread_mutex_lock(&receiver->lock);
    const struct stream *stream = sources_by_id(receiver->sources, id);
    if (stream != NULL)
        stream_look(stream, look);
    pthread_mutex_unlock(&receiver->lock);
    return stream != NULL ? 0 : ESRCH;
}

int receiver_link(struct receiver *receiver, uint32_t id, const struct link *link)
{
    pthread_mutex_lock(&receiver->lock);
    struct stream *stream = sources_by_id(receiver->sources, id);
    if (stream != NULL)
        stream->link = *link;
    pthread_mutex_unlock(&receiver->lock);
    return stream != NULL ? 0 : ESRCH;
}

void receiver_unlink(struct receiver *receiver, const struct sender *sender)
{
    pthread_mutex_lock(&receiver->lock);
    for (size_t i = 0; i < sources_used(receiver->sources); i++) {
        struct stream *stream = sources_at(receiver->sources, i);
        if (stream != NULL && stream->link.sender == sender)
            stream->link = (struct link){0};
    }
    pthread_mutex_unlock(&receiver->lock);
}

void receiver_counts(struct receiver *receiver, struct receiver_counts *counts)
{
    clockid_t clock;
    pthread_mutex_lock(&receiver->lock);
    if (receiver->running && pthread_getcpuclockid(receiver->thread, &clock) == 0)
        receiver->counts.cpu_ns = clock_ns(clock);
    *counts = receiver->counts;
    pthread_mutex_unlock(&receiver->lock);
}

struct events *receiver_events(struct receiver *receiver)
{
    return receiver->events;
}

struct batches *receiver_batches(struct receiver *receiver)
{
    return receiver->batches;
}
