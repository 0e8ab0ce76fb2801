/* A ring of batches between the receiving thread, which never waits, and Python, which may be late. */
#include "receive.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FREE, READY, TAKEN };

/* Rows begin on cache lines; the state alone is shared while a batch changes hands. */
struct batches {
    int fd;
    size_t depth;
    size_t writing; /* where to look first for one that is free */
    uint64_t number;
    atomic_ulong overruns;
    struct batch *ring;
    int16_t *samples;
    uint32_t *streams;
    uint32_t *moments;
    uint8_t *kinds;
};

struct batches *batches_new(size_t room, size_t frame, size_t depth)
{
    struct batches *batches = audio_calloc(1, sizeof *batches);
    if (batches == NULL)
        return NULL;
    batches->depth = depth;
    batches->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    batches->ring = audio_calloc(depth, sizeof *batches->ring);
    batches->samples = audio_calloc(depth * room * frame, sizeof *batches->samples);
    batches->streams = audio_calloc(depth * room, sizeof *batches->streams);
    batches->moments = audio_calloc(depth * room, sizeof *batches->moments);
    batches->kinds = audio_calloc(depth * room, sizeof *batches->kinds);
    if (batches->fd < 0 || batches->ring == NULL || batches->samples == NULL
        || batches->streams == NULL || batches->moments == NULL || batches->kinds == NULL) {
        batches_free(batches);
        return NULL;
    }
    for (size_t i = 0; i < depth; i++) {
        batches->ring[i].samples = batches->samples + i * room * frame;
        batches->ring[i].streams = batches->streams + i * room;
        batches->ring[i].moments = batches->moments + i * room;
        batches->ring[i].kinds = batches->kinds + i * room;
    }
    return batches;
}

void batches_free(struct batches *batches)
{
    if (batches == NULL)
        return;
    if (batches->fd >= 0)
        close(batches->fd);
    audio_free(batches->ring);
    audio_free(batches->samples);
    audio_free(batches->streams);
    audio_free(batches->moments);
    audio_free(batches->kinds);
    audio_free(batches);
}

static int state_of(const struct batch *batch)
{
    return __atomic_load_n(&batch->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct batch *batch, int state)
{
    __atomic_store_n(&batch->state, state, __ATOMIC_RELEASE);
}

/* Not always the next: the reader may keep one for long, which must not stop the others. */
static struct batch *free_batch(struct batches *batches)
{
    for (size_t i = 0; i < batches->depth; i++) {
        const size_t place = (batches->writing + i) % batches->depth;
        if (state_of(&batches->ring[place]) != FREE)
            continue;
        batches->writing = (place + 1) % batches->depth;
        return &batches->ring[place];
    }
    return NULL;
}

struct batch *batches_begin(struct batches *batches)
{
    struct batch *batch = free_batch(batches);
    batches->number++;
    if (batch == NULL) {
        atomic_fetch_add(&batches->overruns, 1);
        return NULL;
    }
    batch->count = 0;
    batch->number = batches->number;
    return batch;
}

void batches_publish(struct batches *batches, struct batch *batch)
{
    set_state(batch, READY);
    eventfd_write(batches->fd, 1);
}

static struct batch *oldest_ready(const struct batches *batches)
{
    struct batch *oldest = NULL;
    for (size_t i = 0; i < batches->depth; i++) {
        struct batch *batch = &batches->ring[i];
        if (state_of(batch) == READY && (oldest == NULL || batch->number < oldest->number))
            oldest = batch;
    }
    return oldest;
}

struct batch *batches_take(struct batches *batches)
{
    struct batch *batch = oldest_ready(batches);
    if (batch != NULL)
        set_state(batch, TAKEN);
    return batch;
}

void batches_release(struct batches *batches, struct batch *batch)
{
    (void)batches;
    set_state(batch, FREE);
}

uint64_t batches_overruns(const struct batches *batches)
{
    return atomic_load(&batches->overruns);
}

int batches_fd(const struct batches *batches)
{
    return batches->fd;
}
