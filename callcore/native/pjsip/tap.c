/* A tap: the frames that one or two ports hear, side by side on the bridge's clock.
 *
 * Both ports are written to on one thread, tick by tick, each tick with its time; a tick is complete
 * when the next one begins. The ring has one writer (that clock) and one reader.
 */
#include "port.h"

#include <string.h>

/* A jump of the clock longer than this is no silence that was missed. */
enum { LONGEST_GAP = 5 * 50 };

struct tap {
    struct port *left, *right;
    unsigned channels;
    bool begun;
    uint64_t tick; /* time of the frame being put together, in samples */
    int16_t frame[2 * PORT_FRAME];
    atomic_bool muted;
    atomic_ullong dropped;
    size_t room; /* of the ring, in frames */
    atomic_size_t written, taken; /* in frames, ever rising */
    size_t offset; /* samples already taken of the oldest frame */
    int16_t ring[];
};

static void push(struct tap *tap, const int16_t *frame)
{
    const size_t size = tap->channels * PORT_FRAME;
    size_t written = atomic_load_explicit(&tap->written, memory_order_relaxed);

    if (written - atomic_load_explicit(&tap->taken, memory_order_acquire) >= tap->room) {
        atomic_fetch_add(&tap->dropped, 1);
        return;
    }
    memcpy(tap->ring + written % tap->room * size, frame, size * sizeof *frame);
    atomic_store_explicit(&tap->written, written + 1, memory_order_release);
}

/* Bring the frame being put together to the time of a tick. */
static void advance(struct tap *tap, uint64_t tick)
{
    uint64_t passed = tap->begun ? (tick - tap->tick) / PORT_FRAME : 0;

    if (passed > 0)
        push(tap, tap->frame);
    if (passed > 0 || !tap->begun)
        memset(tap->frame, 0, sizeof tap->frame);
    if (passed <= LONGEST_GAP)
        for (uint64_t missing = 1; missing < passed; missing++)
            push(tap, tap->frame);
    tap->begun = true;
    tap->tick = tick;
}

pj_status_t tap_frame(pjmedia_port *base, pjmedia_frame *frame)
{
    struct port *port = (struct port *)base;
    struct tap *tap;

    pthread_mutex_lock(&port->lock);
    tap = port->tap;
    if (tap != NULL) {
        if (!tap->begun || frame->timestamp.u64 != tap->tick)
            advance(tap, frame->timestamp.u64);
        if (frame->type == PJMEDIA_FRAME_TYPE_AUDIO && !atomic_load(&tap->muted)
            && frame->size >= PORT_FRAME * sizeof(int16_t)) {
            const int16_t *heard = frame->buf;
            for (size_t i = 0; i < PORT_FRAME; i++)
                tap->frame[i * tap->channels + port->channel] = heard[i];
        }
    }
    pthread_mutex_unlock(&port->lock);
    return PJ_SUCCESS;
}

static bool attach(struct port *port, struct tap *tap, unsigned channel)
{
    bool free_port;

    if (port == NULL)
        return true;
    pthread_mutex_lock(&port->lock);
    free_port = port->tap == NULL;
    if (free_port) {
        atomic_fetch_add(&port->users, 1);
        port->tap = tap;
        port->channel = channel;
    }
    pthread_mutex_unlock(&port->lock);
    return free_port;
}

static void detach(struct port *port, const struct tap *tap)
{
    bool attached;

    if (port == NULL)
        return;
    pthread_mutex_lock(&port->lock);
    attached = port->tap == tap;
    if (attached)
        port->tap = NULL;
    pthread_mutex_unlock(&port->lock);
    if (attached)
        port_let_go(port);
}

struct tap *tap_open(struct port *left, struct port *right, uint32_t room_ms)
{
    const unsigned channels = right == NULL ? 1 : 2;
    const size_t room = room_ms / 20 + 1;
    struct tap *tap = NULL;

    tap = block_new(1, sizeof *tap + room * channels * PORT_FRAME * sizeof(int16_t));
    if (tap == NULL)
        return NULL;
    tap->left = left;
    tap->right = right;
    tap->channels = channels;
    tap->room = room;
    if (attach(left, tap, 0) && attach(right, tap, 1))
        return tap;
    /* Only what was attached is let go: the other port is another tap's. */
    tap_close(tap);
    return NULL;
}

void tap_mute(struct tap *tap, bool mute)
{
    atomic_store(&tap->muted, mute);
}

size_t tap_waiting(const struct tap *tap)
{
    size_t frames = atomic_load(&tap->written) - atomic_load(&tap->taken);
    return frames * tap->channels * PORT_FRAME - tap->offset;
}

size_t tap_take(struct tap *tap, int16_t *samples, size_t room)
{
    const size_t size = tap->channels * PORT_FRAME;
    size_t taken = atomic_load_explicit(&tap->taken, memory_order_relaxed);
    const size_t written = atomic_load_explicit(&tap->written, memory_order_acquire);
    size_t filled = 0;

    while (taken < written && filled < room) {
        size_t left = size - tap->offset, wanted = room - filled;
        size_t count = left < wanted ? left : wanted;
        const int16_t *from = tap->ring + taken % tap->room * size + tap->offset;
        memcpy(samples + filled, from, count * sizeof *samples);
        filled += count;
        tap->offset = (tap->offset + count) % size;
        if (tap->offset == 0)
            atomic_store_explicit(&tap->taken, ++taken, memory_order_release);
    }
    return filled;
}

uint64_t tap_dropped(const struct tap *tap)
{
    return atomic_load(&tap->dropped);
}

void tap_close(struct tap *tap)
{
    detach(tap->left, tap);
    detach(tap->right, tap);
    block_free(tap);
}
