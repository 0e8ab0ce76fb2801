/* Loss concealment in the manner of ITU-T G.711 appendix I: the last pitch period again, fading.
 *
 * Appendix I's overlap of one quarter period inside the repetition is left out: the period is cut
 * where it matches itself best, and a loss of more than one packet fades within 60 ms.
 */
#include "audio.h"

#include <string.h>

enum {
    LEAST_LAG_US = 2500,
    MOST_LAG_US = 15000,
    COMPARED_MS = 10, /* how much of the end is compared with itself */
    FULL_MS = 10,     /* as loud as it was for so long */
    GONE_MS = 60,     /* silent from then on */
    JOIN_MS = 4
};

void conceal_init(struct conceal *conceal, uint32_t rate)
{
    *conceal = (struct conceal){.rate = rate};
}

static int64_t product(const int16_t *left, const int16_t *right, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (int32_t)left[i] * right[i];
    return sum;
}

uint32_t pitch_lag(const int16_t *history, size_t length, uint32_t rate)
{
    const size_t compared = rate * COMPARED_MS / 1000;
    const size_t least = (size_t)rate * LEAST_LAG_US / 1000000;
    const size_t most = (size_t)rate * MOST_LAG_US / 1000000;
    if (length < compared + most)
        return 0;
    const int16_t *end = history + length - compared;
    uint32_t best_lag = 0;
    double best = 0;
    int64_t energy = product(end - least, end - least, compared);
    for (size_t lag = least; lag <= most; lag++) {
        const double likeness = (double)product(end, end - lag, compared);
        if (likeness > 0 && likeness * likeness / ((double)energy + 1.0) > best) {
            best = likeness * likeness / ((double)energy + 1.0);
            best_lag = (uint32_t)lag;
        }
        if (lag < most) { /* a sample comes in at the front, the last one leaves */
            const int16_t *next = end - lag - 1, *left = end - lag + compared - 1;
            energy += (int32_t)*next * *next - (int32_t)*left * *left;
        }
    }
    return best_lag;
}

static void begin(struct conceal *conceal, const int16_t *history, size_t length)
{
    uint32_t lag = pitch_lag(history, length, conceal->rate);
    if (lag == 0)
        lag = conceal->rate * FULL_MS / 1000; /* nothing repeats: noise may as well */
    if (lag > length)
        lag = (uint32_t)length;
    conceal->pitch = lag;
    memcpy(conceal->period, history + length - lag, lag * sizeof *history);
}

/* The made-up sample `at` samples after the last real one. */
static int32_t made_up(const struct conceal *conceal, uint32_t at)
{
    const uint32_t full = conceal->rate * FULL_MS / 1000, gone = conceal->rate * GONE_MS / 1000;
    if (conceal->pitch == 0 || at >= gone)
        return 0;
    const int32_t sample = conceal->period[at % conceal->pitch];
    return at < full ? sample : sample * (int32_t)(gone - at) / (int32_t)(gone - full);
}

void conceal_lost(struct conceal *conceal, const int16_t *history, size_t length, int16_t *samples,
                  size_t count)
{
    if (conceal->run == 0)
        begin(conceal, history, length);
    for (size_t i = 0; i < count; i++)
        samples[i] = (int16_t)made_up(conceal, conceal->run + (uint32_t)i);
    if (conceal->run < conceal->rate)
        conceal->run += (uint32_t)count;
}

void conceal_join(struct conceal *conceal, int16_t *samples, size_t count)
{
    const int32_t length = (int32_t)(conceal->rate * JOIN_MS / 1000);
    for (int32_t i = 0; i < length && (size_t)i < count; i++) {
        const int32_t old = made_up(conceal, conceal->run + (uint32_t)i);
        samples[i] = (int16_t)((old * (length - i) + samples[i] * i) / length);
    }
    conceal->run = 0;
}
