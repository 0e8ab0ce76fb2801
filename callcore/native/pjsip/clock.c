/* A port nobody hears: it sees each tick of the bridge's clock and how late it came. */
#define _GNU_SOURCE
#include "port.h"

#include <sched.h>
#include <time.h>

/* Above all ordinary work, below what other programs ask for. */
enum { CLOCK_PRIORITY = 1, TICKS_PER_SECOND = 50 };

static struct {
    atomic_ullong ticks, late;
    atomic_llong worst; /* ns */
    int64_t began;      /* when the tick with the number 0 was due */
    uint64_t first;     /* its time, in samples */
    int64_t least;      /* ns: the smallest lateness of so many ticks */
    unsigned seen;
    bool running;
} watch;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* When ticks are due is what the earliest of them says. After half a second without one pjmedia's
 * clock goes on from there: then all of a second are late by the same, which is no lateness. */
static void rebase(int64_t late)
{
    if (late < watch.least || watch.seen == 0)
        watch.least = late;
    if (++watch.seen < TICKS_PER_SECOND && late >= 0)
        return;
    if (watch.least < 0 || watch.least > CLOCK_LATE_MS * INT64_C(1000000))
        watch.began += watch.least;
    watch.seen = 0;
}

/* The clock's thread is pjmedia's: from inside, the first tick gives it the right to run first. It
 * sleeps for most of each 20 ms. Where that is not allowed it stays an ordinary thread. */
static void run_first(void)
{
    const struct sched_param parameters = {.sched_priority = CLOCK_PRIORITY};
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
    pthread_setname_np(pthread_self(), "callcore-bridge");
}

static pj_status_t ticked(pjmedia_port *base, pjmedia_frame *frame)
{
    const int64_t now = now_ns();
    int64_t due, late;

    (void)base;
    if (!watch.running) {
        watch.first = frame->timestamp.u64;
        watch.began = now;
        watch.running = true;
        run_first();
    }
    due = watch.began
          + (int64_t)((frame->timestamp.u64 - watch.first) * UINT64_C(1000000000) / PORT_RATE);
    late = now - due;
    rebase(late);
    atomic_fetch_add(&watch.ticks, 1);
    if (late > CLOCK_LATE_MS * INT64_C(1000000))
        atomic_fetch_add(&watch.late, 1);
    if (late > atomic_load(&watch.worst))
        atomic_store(&watch.worst, late);
    return PJ_SUCCESS;
}

struct port *clock_open(int *status)
{
    watch.running = false;
    return port_open_with(ticked, status);
}

void clock_take(struct clock_counts *counts)
{
    counts->ticks = atomic_exchange(&watch.ticks, 0);
    counts->late = atomic_exchange(&watch.late, 0);
    counts->worst_ms = (double)atomic_exchange(&watch.worst, 0) / 1e6;
}
