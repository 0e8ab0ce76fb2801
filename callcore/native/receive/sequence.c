/* One source's sequence numbers: wrap, loss, reordering, duplicates, restarts (RFC 3550 appendix A).
 *
 * A.1's probation of a new source is left out: the receiver takes packets of announced sources only.
 */
#include "audio.h"

enum {
    MAX_DROPOUT = 3000,  /* A.1: further ahead than that is a restart, not a loss */
    MAX_MISORDER = 64,   /* A.1 says 100; the window of duplicates is 64 wide */
    NO_BAD_NEXT = 0x10000
};

static void begin(struct sequence *sequence, uint16_t number)
{
    const uint32_t duplicates = sequence->duplicates;
    /* Room below, so that packets that overtook the first one stay positive. */
    const uint32_t extended = 0x10000u + number;
    *sequence = (struct sequence){
        .begun = true,
        .first = extended,
        .highest = extended,
        .window = 1,
        .bad_next = NO_BAD_NEXT,
        .received = 1,
        .duplicates = duplicates,
    };
}

static enum sequence_verdict ahead(struct sequence *sequence, uint16_t step)
{
    sequence->highest += step;
    sequence->window = step < 64 ? sequence->window << step | 1 : 1;
    sequence->received++;
    sequence->bad_next = NO_BAD_NEXT;
    return SEQUENCE_NEXT;
}

static enum sequence_verdict behind(struct sequence *sequence, uint16_t back)
{
    const uint64_t bit = (uint64_t)1 << back;
    if (sequence->window & bit) {
        sequence->duplicates++;
        return SEQUENCE_DUPLICATE;
    }
    sequence->window |= bit;
    sequence->received++;
    sequence->late++;
    if (sequence->highest - back < sequence->first)
        sequence->first = sequence->highest - back;
    return SEQUENCE_LATE;
}

enum sequence_verdict sequence_update(struct sequence *sequence, uint16_t number)
{
    if (!sequence->begun) {
        begin(sequence, number);
        return SEQUENCE_NEXT;
    }
    const uint16_t step = (uint16_t)(number - (uint16_t)sequence->highest);
    const uint16_t back = (uint16_t)-step;
    if (back < MAX_MISORDER)
        return behind(sequence, back);
    if (step < MAX_DROPOUT)
        return ahead(sequence, step);
    if (number == sequence->bad_next) {
        begin(sequence, number);
        return SEQUENCE_RESTARTED;
    }
    sequence->bad_next = (uint16_t)(number + 1);
    return SEQUENCE_STRAY;
}

void sequence_arrival(struct sequence *sequence, uint32_t timestamp, uint32_t arrival)
{
    const int32_t transit = (int32_t)(arrival - timestamp);
    if (sequence->transit_known) {
        const double change = (double)(int32_t)((uint32_t)transit - (uint32_t)sequence->transit);
        sequence->jitter += ((change < 0 ? -change : change) - sequence->jitter) / 16;
    }
    sequence->transit = transit;
    sequence->transit_known = true;
}

uint32_t sequence_expected(const struct sequence *sequence)
{
    return sequence->begun ? sequence->highest - sequence->first + 1 : 0;
}

int32_t sequence_lost(const struct sequence *sequence)
{
    return (int32_t)(sequence_expected(sequence) - sequence->received);
}

uint8_t sequence_fraction_lost(struct sequence *sequence)
{
    const uint32_t expected = sequence_expected(sequence);
    const uint32_t expected_now = expected - sequence->expected_before;
    const uint32_t received_now = sequence->received - sequence->received_before;
    sequence->expected_before = expected;
    sequence->received_before = sequence->received;
    if (expected_now == 0 || received_now >= expected_now)
        return 0;
    const uint32_t share = ((expected_now - received_now) << 8) / expected_now;
    return (uint8_t)(share > 255 ? 255 : share);
}
