/* DTMF out as RFC 4733 telephone-events: one packet a frame, the end told three times. */
#include "send.h"

#include <string.h>

int digit_code(char key)
{
    static const char keys[] = "0123456789*#ABCD";
    const char *found = key == '\0' ? NULL : strchr(keys, key);
    return found == NULL ? -1 : (int)(found - keys);
}

bool digits_add(struct digit_queue *queue, const struct digit *digits, size_t count)
{
    if (count > DIGITS_ROOM - queue->count)
        return false;
    for (size_t i = 0; i < count; i++)
        queue->digits[(queue->first + queue->count + i) % DIGITS_ROOM] = digits[i];
    queue->count += count;
    return true;
}

static enum digit_step step_gap(struct digit_queue *queue, uint32_t samples)
{
    queue->rest = queue->rest > samples ? queue->rest - samples : 0;
    return DIGIT_GAP;
}

/* The third end packet is out: the next step is of the gap, of which two frames are over. */
static void end_digit(struct digit_queue *queue, uint32_t gap, uint32_t samples)
{
    const uint32_t over = (DIGIT_PACKETS_AT_END - 1) * samples;
    queue->rest = gap > over ? gap - over : 0;
    queue->elapsed = 0;
    queue->ends = 0;
    queue->first = (queue->first + 1) % DIGITS_ROOM;
    queue->count--;
}

enum digit_step digits_step(struct digit_queue *queue, uint32_t timestamp, uint32_t samples,
                            struct digit_packet *packet)
{
    if (queue->rest > 0)
        return step_gap(queue, samples);
    if (queue->count == 0)
        return DIGIT_NONE;
    const struct digit *digit = &queue->digits[queue->first];
    const bool first = queue->elapsed == 0;
    if (first)
        queue->start = timestamp;
    queue->elapsed = queue->elapsed + samples < digit->duration ? queue->elapsed + samples
                                                                : digit->duration;
    const bool end = queue->elapsed == digit->duration;
    queue->ends += end ? 1 : 0;
    *packet = (struct digit_packet){
        .event = {.code = digit->code,
                  .end = end,
                  .volume = digit->volume,
                  .duration = (uint16_t)queue->elapsed},
        .timestamp = queue->start,
        .marker = first,
        .finished = digit->last && queue->ends == DIGIT_PACKETS_AT_END,
    };
    if (queue->ends == DIGIT_PACKETS_AT_END)
        end_digit(queue, digit->gap, samples);
    return DIGIT_EVENT;
}
