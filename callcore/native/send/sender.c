/* Streams that are sent to: opened, told what to play, closed, from any thread while it all runs.
 *
 * One lock over the table, held for the time of building a burst at most (pacer.c). A stream is named
 * by its place and how often that was taken, so that a stale handle meets nobody else's stream.
 */
#define _GNU_SOURCE
#include "sender.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

enum { MOST_STREAMS = 0xffff, PRIORITY = 5 };

struct outgoing *sender_find(struct sender *sender, uint32_t handle)
{
    const size_t index = (handle & 0xffff) - 1;
    if (handle == 0 || index >= sender->settings.room ||
        atomic_load(&sender->slots[index].handle) != handle)
        return NULL;
    return sender->slots[index].outgoing;
}

/* ---- opening and closing ---- */

/* Whoever holds the lock runs at the priority of the thread that waits for it. */
static void make_lock(struct sender *sender)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&sender->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_cond_init(&sender->opened, NULL);
}

/* No signal is handled in the thread: they are for Python's. It runs in real time where we may. */
static int start_thread(struct sender *sender)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&sender->thread, NULL, pacer_run, sender);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return error;
    const struct sched_param param = {.sched_priority = PRIORITY};
    pthread_setname_np(sender->thread, "callcore-send");
    sender->counts.realtime =
        pthread_setschedparam(sender->thread, SCHED_FIFO, &param) == 0;
    return 0;
}

static void destroy(struct sender *sender)
{
    pthread_cond_destroy(&sender->opened);
    pthread_mutex_destroy(&sender->lock);
    pacer_discard(sender);
    prompt_free(sender->noise);
    audio_free(sender);
}

struct sender *sender_new(const struct sender_settings *settings)
{
    const size_t room = settings->room < MOST_STREAMS ? settings->room : MOST_STREAMS;
    struct sender *sender =
        audio_calloc(1, sizeof *sender + room * sizeof sender->slots[0]);
    if (sender == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    make_lock(sender);
    sender->settings = *settings;
    sender->settings.room = room;
    strncpy(sender->name, settings->name, sizeof sender->name - 1);
    sender->wall_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    sender->noise = noise_prompt(settings->rate, settings->noise_level);
    const bool enough = pacer_prepare(sender) && sender->noise != NULL;
    const int error = enough ? start_thread(sender) : ENOMEM;
    if (error == 0)
        return sender;
    destroy(sender);
    errno = error;
    return NULL;
}

void sender_free(struct sender *sender)
{
    if (sender == NULL)
        return;
    pthread_mutex_lock(&sender->lock);
    sender->closing = true;
    pthread_cond_signal(&sender->opened);
    pthread_mutex_unlock(&sender->lock);
    pthread_join(sender->thread, NULL);
    for (size_t i = 0; i < sender->used; i++)
        if (sender->slots[i].outgoing != NULL)
            sender_close(sender, atomic_load(&sender->slots[i].handle));
    destroy(sender);
}

uint32_t sender_rate(const struct sender *sender)
{
    return sender->settings.rate;
}

/* The lowest empty place: neighbours are of different phases. NULL: none. */
static struct slot *empty_slot(struct sender *sender, size_t *index)
{
    for (*index = 0; *index < sender->settings.room; ++*index)
        if (sender->slots[*index].outgoing == NULL)
            return &sender->slots[*index];
    return NULL;
}

static int report_fd(const struct outgoing *outgoing)
{
    return outgoing->settings.rtcp_fd < 0 ? outgoing->settings.fd : outgoing->settings.rtcp_fd;
}

static bool set_destinations(struct outgoing *outgoing, const struct address *to,
                             const struct address *rtcp_to)
{
    struct destination audio, reports;
    if (!destination_set(&audio, outgoing->settings.fd, to) ||
        !destination_set(&reports, report_fd(outgoing), rtcp_to))
        return false;
    outgoing->to = audio;
    outgoing->rtcp_to = reports;
    return true;
}

enum send_fault sender_open(struct sender *sender, const struct send_settings *settings,
                            uint32_t *handle)
{
    struct outgoing *outgoing =
        outgoing_new(settings, sender->settings.rate, sender->noise, sender->settings.events);
    if (outgoing == NULL)
        return SEND_NO_MEMORY;
    if (!set_destinations(outgoing, &settings->to, &settings->rtcp_to)) {
        outgoing_free(outgoing);
        return SEND_UNREACHABLE;
    }
    size_t index;
    pthread_mutex_lock(&sender->lock);
    struct slot *slot = empty_slot(sender, &index);
    if (slot != NULL) {
        *handle = (uint32_t)++slot->turn << 16 | (uint32_t)(index + 1);
        slot->outgoing = outgoing;
        atomic_store(&slot->handle, *handle);
        sender->counts.streams++;
        sender->used = index < sender->used ? sender->used : index + 1;
        pthread_cond_signal(&sender->opened);
    }
    pthread_mutex_unlock(&sender->lock);
    if (slot == NULL)
        outgoing_free(outgoing);
    return slot == NULL ? SEND_FULL : SEND_OK;
}

static void say_bye(struct sender *sender, struct outgoing *outgoing, int64_t now)
{
    uint8_t datagram[LARGEST_PACKET];
    const struct destination *to = &outgoing->rtcp_to;
    if (outgoing->rtcp.sent == 0 || to->length == 0)
        return;
    const size_t length =
        outgoing_report(outgoing, sender->name, now, now + sender->wall_offset, true, datagram);
    if (sendto(report_fd(outgoing), datagram, length, MSG_DONTWAIT | MSG_NOSIGNAL, &to->any, to->length) < 0)
        return; /* the far end will notice the silence */
}

enum send_fault sender_close(struct sender *sender, uint32_t handle)
{
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&sender->lock);
    struct outgoing *outgoing = sender_find(sender, handle);
    if (outgoing != NULL) {
        struct slot *slot = &sender->slots[(handle & 0xffff) - 1];
        slot->outgoing = NULL;
        atomic_store(&slot->handle, 0);
        sender->counts.streams--;
    }
    pthread_mutex_unlock(&sender->lock);
    if (outgoing == NULL)
        return SEND_CLOSED;
    play_stop(&outgoing->plays, PLAY_STOPPED, now);
    say_bye(sender, outgoing, now);
    outgoing_free(outgoing);
    return SEND_OK;
}

/* ---- what is sent ---- */

/* The stream, with the lock held; NULL, without it, when there is none. */
static struct outgoing *lock(struct sender *sender, uint32_t handle)
{
    pthread_mutex_lock(&sender->lock);
    struct outgoing *outgoing = sender_find(sender, handle);
    if (outgoing == NULL)
        pthread_mutex_unlock(&sender->lock);
    return outgoing;
}

static enum send_fault unlock(struct sender *sender, enum send_fault fault)
{
    pthread_mutex_unlock(&sender->lock);
    return fault;
}

enum send_fault sender_redirect(struct sender *sender, uint32_t handle, const struct address *to,
                                const struct address *rtcp_to)
{
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    const bool reached = set_destinations(outgoing, to, rtcp_to);
    return unlock(sender, reached ? SEND_OK : SEND_UNREACHABLE);
}

enum send_fault sender_codec(struct sender *sender, uint32_t handle, enum codec *codec)
{
    const struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    *codec = outgoing->settings.codec;
    return unlock(sender, SEND_OK);
}

enum send_fault sender_play(struct sender *sender, uint32_t handle, struct prompt *prompt,
                            uint32_t turns, bool interruptible, uint32_t *number)
{
    enum codec codec;
    if (sender_codec(sender, handle, &codec) != SEND_OK)
        return SEND_CLOSED;
    const uint8_t *octets = prompt_encoded(prompt, codec);
    if (octets == NULL)
        return SEND_NO_MEMORY;
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    *number = play_prompt(&outgoing->plays, prompt, octets, turns, interruptible);
    return unlock(sender, *number == 0 ? SEND_FULL : SEND_OK);
}

enum send_fault sender_push(struct sender *sender, uint32_t handle, const int16_t *samples,
                            size_t count, bool last, bool interruptible, size_t *taken)
{
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    const bool taking =
        play_push(&outgoing->plays, samples, count, last, interruptible, taken);
    return unlock(sender, taking ? SEND_OK : SEND_NO_MEMORY);
}

enum send_fault sender_stop(struct sender *sender, uint32_t handle)
{
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    play_stop(&outgoing->plays, PLAY_STOPPED, clock_ns(CLOCK_MONOTONIC));
    return unlock(sender, SEND_OK);
}

void sender_barge_in(struct sender *sender, uint32_t handle)
{
    const size_t index = (handle & 0xffff) - 1;
    if (handle == 0 || index >= sender->settings.room)
        return;
    struct slot *slot = &sender->slots[index];
    if (atomic_load(&slot->handle) == handle)
        atomic_store(&slot->barged, handle);
}

enum send_fault sender_digits(struct sender *sender, uint32_t handle, const struct digit *digits,
                              size_t count)
{
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    if (outgoing->settings.event_type == NO_PAYLOAD_TYPE)
        return unlock(sender, SEND_NO_EVENTS);
    const bool added = digits_add(&outgoing->digits, digits, count);
    return unlock(sender, added ? SEND_OK : SEND_FULL);
}

/* ---- reports and counts ---- */

enum send_fault sender_reception(struct sender *sender, uint32_t handle,
                                 const struct reception *reception)
{
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    rtcp_reception(&outgoing->rtcp, reception);
    return unlock(sender, SEND_OK);
}

enum send_fault sender_rtcp(struct sender *sender, uint32_t handle, const uint8_t *datagram,
                            size_t length, int64_t now, enum rtcp_fault *fault)
{
    struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    *fault = rtcp_receive(&outgoing->rtcp, outgoing->settings.ssrc, datagram, length,
                          now + sender->wall_offset);
    return unlock(sender, SEND_OK);
}

enum send_fault sender_stream_counts(struct sender *sender, uint32_t handle,
                                     struct send_counts *counts)
{
    const struct outgoing *outgoing = lock(sender, handle);
    if (outgoing == NULL)
        return SEND_CLOSED;
    *counts = outgoing->counts;
    counts->underruns = outgoing->plays.underruns;
    counts->reports_sent = outgoing->rtcp.sent;
    counts->reports_came = outgoing->rtcp.came;
    counts->reports_faulty = outgoing->rtcp.faulty;
    counts->remote = outgoing->rtcp.remote;
    counts->round_trip = outgoing->rtcp.round_trip;
    return unlock(sender, SEND_OK);
}

void sender_counts(struct sender *sender, struct sender_counts *counts)
{
    pthread_mutex_lock(&sender->lock);
    *counts = sender->counts;
    pthread_mutex_unlock(&sender->lock);
}
