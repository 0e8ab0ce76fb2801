/* The thread that sends: every 20 ms one RTP packet a stream, and RTCP reports.
 *
 * Steps of 5 ms spread the streams into four phases, so that many of them are not one burst. Under
 * the lock packets are only built; they are handed to the kernel, up to BURST with one call, after
 * it is given back. A step that comes late is made up for; beyond CATCH_UP_NS time is given up, and
 * the gap shows in the timestamps.
 */
#define _GNU_SOURCE
#include "sender.h"

#include <errno.h>
#include <sys/prctl.h>

enum { PHASES = 4, STEP_MS = FRAME_MS / PHASES };

#define STEP_NS (INT64_C(1000000) * STEP_MS)
#define CATCH_UP_NS INT64_C(100000000)

_Static_assert(LARGEST_PACKET >= 28 + 24 + 12 + RTCP_NAME + 4 + 8, "a report fits into a burst");

struct burst {
    size_t count;
    int fds[BURST];
    uint32_t handles[BURST];
    struct destination to[BURST];
    struct iovec vectors[BURST];
    struct mmsghdr messages[BURST];
    uint8_t datagrams[BURST][LARGEST_PACKET];
};

bool pacer_prepare(struct sender *sender)
{
    sender->packets = audio_calloc(1, sizeof *sender->packets);
    sender->reports = audio_calloc(1, sizeof *sender->reports);
    return sender->packets != NULL && sender->reports != NULL;
}

void pacer_discard(struct sender *sender)
{
    audio_free(sender->packets);
    audio_free(sender->reports);
}

/* ---- building ---- */

static void add_message(struct burst *burst, uint32_t handle, int fd,
                        const struct destination *to, size_t length)
{
    const size_t i = burst->count++;
    burst->fds[i] = fd;
    burst->handles[i] = handle;
    burst->to[i] = *to;
    burst->vectors[i] = (struct iovec){burst->datagrams[i], length};
    burst->messages[i].msg_hdr = (struct msghdr){.msg_name = &burst->to[i].any,
                                                 .msg_namelen = to->length,
                                                 .msg_iov = &burst->vectors[i],
                                                 .msg_iovlen = 1};
}

static void build_report(struct sender *sender, uint32_t handle, struct outgoing *outgoing)
{
    struct burst *reports = sender->reports;
    const struct send_settings *settings = &outgoing->settings;
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    const size_t length = outgoing_report(outgoing, sender->name, now, now + sender->wall_offset,
                                          false, reports->datagrams[reports->count]);
    add_message(reports, handle, settings->rtcp_fd < 0 ? settings->fd : settings->rtcp_fd,
                &outgoing->rtcp_to, length);
}

static void build_one(struct sender *sender, struct slot *slot, uint64_t tick, int64_t due)
{
    struct outgoing *outgoing = slot->outgoing;
    struct burst *packets = sender->packets;
    const uint32_t handle = atomic_load(&slot->handle);
    if (atomic_exchange(&slot->barged, 0) == handle)
        play_stop(&outgoing->plays, PLAY_INTERRUPTED, due);
    const size_t length =
        outgoing_packet(outgoing, tick, due, packets->datagrams[packets->count]);
    if (length > 0)
        add_message(packets, handle, outgoing->settings.fd, &outgoing->to, length);
    if (due >= outgoing->report_due && outgoing->rtcp_to.length > 0 &&
        sender->reports->count < BURST)
        build_report(sender, handle, outgoing);
}

/* Build packets of one phase from slot `at` on; returns the slot to go on with, or SIZE_MAX. */
static size_t build(struct sender *sender, size_t at, uint64_t tick, int64_t due)
{
    sender->packets->count = sender->reports->count = 0;
    pthread_mutex_lock(&sender->lock);
    for (; at < sender->used && sender->packets->count < BURST; at += PHASES)
        if (sender->slots[at].outgoing != NULL)
            build_one(sender, &sender->slots[at], tick, due);
    if (at >= sender->used)
        at = SIZE_MAX;
    pthread_mutex_unlock(&sender->lock);
    return at;
}

/* ---- sending ---- */

/* None of these ends anything: a packet that cannot leave is lost, as on any network. */
static void note_error(struct sender *sender, uint32_t handle, size_t octets, int error)
{
    pthread_mutex_lock(&sender->lock);
    struct outgoing *outgoing = sender_find(sender, handle);
    if (outgoing != NULL) {
        outgoing->counts.errors++;
        outgoing->counts.packets--;
        outgoing->counts.octets -= octets;
    }
    if (error == ENOBUFS || error == EAGAIN)
        sender->counts.no_room++;
    else if (error == ECONNREFUSED)
        sender->counts.refused++;
    else
        sender->counts.failed++;
    pthread_mutex_unlock(&sender->lock);
}

struct sent {
    size_t packets, octets;
};

/* Hand a burst to the kernel, one call for each run of packets from the same socket. */
static struct sent send_burst(struct sender *sender, struct burst *burst, bool audio)
{
    struct sent all = {0};
    for (size_t at = 0; at < burst->count;) {
        size_t end = at + 1;
        while (end < burst->count && burst->fds[end] == burst->fds[at])
            end++;
        const int sent = sendmmsg(burst->fds[at], burst->messages + at, (unsigned)(end - at),
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0 && audio)
            note_error(sender, burst->handles[at], burst->vectors[at].iov_len - RTP_HEADER, errno);
        for (int i = 0; i < sent; i++)
            all.octets += burst->vectors[at + (size_t)i].iov_len;
        all.packets += sent > 0 ? (size_t)sent : 0;
        at += sent > 0 ? (size_t)sent : 1;
    }
    return all;
}

static void run_step(struct sender *sender, int64_t step)
{
    const int64_t due = step * STEP_NS;
    size_t at = (size_t)(step % PHASES);
    while (at != SIZE_MAX) {
        at = build(sender, at, (uint64_t)(step / PHASES), due);
        const struct sent sent = send_burst(sender, sender->packets, true);
        const int64_t late = clock_ns(CLOCK_MONOTONIC) - due, bin = late / LATENESS_BIN_NS;
        const struct sent reports = send_burst(sender, sender->reports, false);
        pthread_mutex_lock(&sender->lock);
        sender->counts.packets += sent.packets;
        sender->counts.octets += sent.octets;
        sender->counts.reports += reports.packets;
        sender->counts.lateness[bin < LATENESS_BINS ? bin : LATENESS_BINS - 1] += sent.packets;
        if (sent.packets > 0 && late > sender->counts.latest)
            sender->counts.latest = late;
        pthread_mutex_unlock(&sender->lock);
    }
}

/* ---- pacing ---- */

static int64_t step_after(int64_t now)
{
    return now / STEP_NS + 1;
}

/* Sleep while there is nobody to send to. False: the sender is being closed. */
static bool wait_for_streams(struct sender *sender, int64_t *step)
{
    pthread_mutex_lock(&sender->lock);
    if (sender->counts.streams == 0) {
        while (sender->counts.streams == 0 && !sender->closing)
            pthread_cond_wait(&sender->opened, &sender->lock);
        *step = step_after(clock_ns(CLOCK_MONOTONIC));
    }
    const bool closing = sender->closing;
    pthread_mutex_unlock(&sender->lock);
    return !closing;
}

void *pacer_run(void *argument)
{
    struct sender *sender = argument;
    int64_t step = step_after(clock_ns(CLOCK_MONOTONIC));
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* ns; 50 µs by default */
    while (wait_for_streams(sender, &step)) {
        sleep_until(step * STEP_NS);
        const int64_t now = clock_ns(CLOCK_MONOTONIC);
        if (now - step * STEP_NS > CATCH_UP_NS) {
            pthread_mutex_lock(&sender->lock);
            sender->counts.skipped += (uint64_t)(now / STEP_NS - step) * STEP_MS;
            pthread_mutex_unlock(&sender->lock);
            step = now / STEP_NS;
        }
        run_step(sender, step++);
    }
    return NULL;
}
