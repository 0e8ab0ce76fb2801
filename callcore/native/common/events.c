/* The bounded queue by which the threads tell Python; an eventfd, read by who waits on it, wakes. */
#include "audio.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct events {
    pthread_mutex_t lock;
    int fd;
    size_t room, first, count;
    uint64_t dropped;
    bool woken; /* the reader was woken and has not taken all since */
    struct audio_event *ring;
};

struct events *events_new(size_t room)
{
    struct events *events = audio_calloc(1, sizeof *events);
    if (events == NULL)
        return NULL;
    events->room = room;
    events->ring = audio_calloc(room, sizeof *events->ring);
    events->fd = events->ring != NULL ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
    if (events->fd < 0 || pthread_mutex_init(&events->lock, NULL) != 0) {
        if (events->fd >= 0)
            close(events->fd);
        audio_free(events->ring);
        audio_free(events);
        return NULL;
    }
    return events;
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    close(events->fd);
    pthread_mutex_destroy(&events->lock);
    audio_free(events->ring);
    audio_free(events);
}

void events_add(struct events *events, const struct audio_event *event)
{
    pthread_mutex_lock(&events->lock);
    if (events->count == events->room)
        events->dropped++;
    else
        events->ring[(events->first + events->count++) % events->room] = *event;
    pthread_mutex_unlock(&events->lock);
}

bool events_wake(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    const bool wake = events->count > 0 && !events->woken;
    events->woken = events->woken || wake;
    pthread_mutex_unlock(&events->lock);
    if (wake)
        eventfd_write(events->fd, 1);
    return wake;
}

void events_put(struct events *events, const struct audio_event *event)
{
    events_add(events, event);
    (void)events_wake(events);
}

size_t events_take(struct events *events, struct audio_event *taken, size_t room)
{
    pthread_mutex_lock(&events->lock);
    size_t count = events->count < room ? events->count : room;
    for (size_t i = 0; i < count; i++) {
        taken[i] = events->ring[events->first];
        events->first = (events->first + 1) % events->room;
    }
    events->count -= count;
    if (events->count == 0)
        events->woken = false;
    pthread_mutex_unlock(&events->lock);
    return count;
}

uint64_t events_dropped(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    const uint64_t dropped = events->dropped;
    pthread_mutex_unlock(&events->lock);
    return dropped;
}

int events_fd(const struct events *events)
{
    return events->fd;
}
