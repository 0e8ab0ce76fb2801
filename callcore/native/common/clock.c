/* The kernel's clocks, and time counted in samples. */
#include "audio.h"

#include <errno.h>

int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

void sleep_until(int64_t when)
{
    const struct timespec until = {.tv_sec = when / NANOSECONDS, .tv_nsec = when % NANOSECONDS};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

int64_t samples_of_ns(uint32_t rate, int64_t ns)
{
    /* Split, so that nanoseconds times rate stay inside 64 bits. */
    return ns / NANOSECONDS * rate + ns % NANOSECONDS * rate / NANOSECONDS;
}
