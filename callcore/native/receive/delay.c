/* How long play-out has to wait: the spread of the packets' transit times, watched as it changes.
 *
 * Transit is arrival minus timestamp. Its minimum over the last seconds is the path itself and
 * moves with the two clocks' drift; what comes on top is jitter, of which a share so small that
 * nobody hears it may be late. Two epochs are kept, so that what is old is forgotten in one step.
 */
#include "audio.h"

#include <string.h>

static const double IN_TIME = 0.995; /* share of the packets that shall be in time */

void delay_init(struct delay *delay, uint32_t rate, uint32_t least_ms, uint32_t most_ms)
{
    *delay = (struct delay){
        .bin = rate * DELAY_BIN_MS / 1000,
        .epoch = rate * DELAY_EPOCH_MS / 1000,
        .least = rate * least_ms / 1000,
        .most = rate * most_ms / 1000,
    };
    delay->target = delay->least;
}

uint32_t delay_least_transit(const struct delay *delay)
{
    const int32_t difference = (int32_t)((uint32_t)delay->minimum[0] - (uint32_t)delay->minimum[1]);
    return (uint32_t)delay->minimum[delay->epochs > 1 && difference > 0];
}

static void begin_epoch(struct delay *delay, int32_t transit, uint32_t arrival)
{
    delay->minimum[1] = delay->minimum[0];
    delay->minimum[0] = transit;
    memcpy(delay->spread[1], delay->spread[0], sizeof delay->spread[0]);
    memset(delay->spread[0], 0, sizeof delay->spread[0]);
    delay->counted[1] = delay->counted[0];
    delay->counted[0] = 0;
    delay->began = arrival;
    if (delay->epochs < 2)
        delay->epochs++;
}

/* The extra delay within which IN_TIME of the packets came. */
static uint32_t spread_of(const struct delay *delay)
{
    const uint32_t counted = delay->counted[0] + delay->counted[1];
    const uint32_t may_be_late = (uint32_t)((1.0 - IN_TIME) * counted);
    uint32_t beyond = 0;
    for (int bin = DELAY_BINS - 1; bin >= 0; bin--) {
        beyond += (uint32_t)delay->spread[0][bin] + delay->spread[1][bin];
        if (beyond > may_be_late)
            return (uint32_t)(bin + 1) * delay->bin;
    }
    return 0;
}

static void aim(struct delay *delay)
{
    const uint32_t wanted = spread_of(delay);
    delay->target = wanted < delay->least ? delay->least : wanted;
    if (delay->target > delay->most)
        delay->target = delay->most;
}

void delay_packet(struct delay *delay, uint32_t timestamp, uint32_t arrival)
{
    const int32_t transit = (int32_t)(arrival - timestamp);
    if (delay->epochs == 0 || arrival - delay->began >= delay->epoch)
        begin_epoch(delay, transit, arrival);
    if ((int32_t)((uint32_t)transit - (uint32_t)delay->minimum[0]) < 0)
        delay->minimum[0] = transit;
    const uint32_t extra = (uint32_t)transit - delay_least_transit(delay);
    const uint32_t bin = extra / delay->bin < DELAY_BINS ? extra / delay->bin : DELAY_BINS - 1;
    delay->spread[0][bin] += delay->spread[0][bin] < UINT16_MAX;
    /* The target is looked at again when a packet came later than it allows, and now and then. */
    if (++delay->counted[0] % 32 == 0 || extra > delay->target)
        aim(delay);
}

uint32_t delay_wanted_transit(const struct delay *delay)
{
    return delay_least_transit(delay) + delay->target;
}
