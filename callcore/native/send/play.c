/* What a stream plays: prompts, encoded once per codec and shared, and speech as it is pushed.
 *
 * Nothing here is locked but a prompt's encodings: a queue belongs to its stream (sender.c).
 */
#include "send.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { CODECS = CODEC_L16 + 1 };

/* ---- prompts ---- */

struct prompt {
    atomic_uint holds;
    size_t count;
    int16_t *samples;
    pthread_mutex_t encoding;
    uint8_t *encoded[CODECS];
};

struct prompt *prompt_new(const int16_t *samples, size_t count)
{
    struct prompt *prompt = audio_calloc(1, sizeof *prompt);
    int16_t *copy = audio_calloc(count > 0 ? count : 1, sizeof *copy);
    if (prompt == NULL || copy == NULL) {
        audio_free(copy);
        audio_free(prompt);
        return NULL;
    }
    if (count > 0)
        memcpy(copy, samples, count * sizeof *copy);
    prompt->samples = copy;
    prompt->count = count;
    atomic_init(&prompt->holds, 1);
    pthread_mutex_init(&prompt->encoding, NULL);
    return prompt;
}

struct prompt *prompt_hold(struct prompt *prompt)
{
    atomic_fetch_add(&prompt->holds, 1);
    return prompt;
}

void prompt_free(struct prompt *prompt)
{
    if (prompt == NULL || atomic_fetch_sub(&prompt->holds, 1) > 1)
        return;
    for (int codec = 0; codec < CODECS; codec++)
        audio_free(prompt->encoded[codec]);
    pthread_mutex_destroy(&prompt->encoding);
    audio_free(prompt->samples);
    audio_free(prompt);
}

size_t prompt_length(const struct prompt *prompt)
{
    return prompt->count;
}

const uint8_t *prompt_encoded(struct prompt *prompt, enum codec codec)
{
    pthread_mutex_lock(&prompt->encoding);
    uint8_t *octets = prompt->encoded[codec];
    if (octets == NULL)
        octets = audio_calloc(prompt->count > 0 ? prompt->count : 1, codec_width(codec));
    if (octets != NULL && prompt->encoded[codec] == NULL) {
        codec_encode(codec, prompt->samples, prompt->count, octets);
        prompt->encoded[codec] = octets;
    }
    pthread_mutex_unlock(&prompt->encoding);
    return octets;
}

struct prompt *noise_prompt(uint32_t rate, float level)
{
    int16_t *samples = audio_calloc(rate, sizeof *samples);
    if (samples == NULL)
        return NULL;
    /* Evenly spread values have a mean square of a third of the largest. */
    const float largest = 32768.0f * sqrtf(3.0f) * powf(10.0f, fminf(level, -20.0f) / 20.0f);
    uint32_t random = 1;
    for (uint32_t i = 0; i < rate; i++) {
        random = random * 1664525u + 1013904223u;
        samples[i] = (int16_t)lrintf(largest * ((float)(random >> 8) / 8388608.0f - 1.0f));
    }
    struct prompt *noise = prompt_new(samples, rate);
    audio_free(samples);
    return noise;
}

/* ---- the queue ---- */

static struct play *newest(struct play_queue *queue)
{
    return &queue->plays[(queue->first + queue->count - 1) % PLAY_ROOM];
}

static struct play *add_play(struct play_queue *queue, const struct play *play)
{
    if (queue->count == PLAY_ROOM)
        return NULL;
    queue->count++;
    *newest(queue) = *play;
    newest(queue)->number = ++queue->numbered;
    return newest(queue);
}

uint32_t play_prompt(struct play_queue *queue, struct prompt *prompt, const uint8_t *octets,
                     uint32_t turns, bool interruptible)
{
    const struct play *added = add_play(queue, &(struct play){.prompt = prompt,
                                                              .octets = octets,
                                                              .length = prompt_length(prompt),
                                                              .turns = turns,
                                                              .interruptible = interruptible});
    if (added == NULL)
        return 0;
    prompt_hold(prompt);
    return added->number;
}

/* Encode into the ring what fits; returns how many samples. */
static size_t fill_ring(struct play_queue *queue, const int16_t *samples, size_t count)
{
    const size_t width = codec_width(queue->codec), room = queue->ring_room;
    if (count > room - queue->ring_held)
        count = room - queue->ring_held;
    const size_t at = (queue->ring_first + queue->ring_held) % room;
    const size_t before_wrap = count < room - at ? count : room - at;
    codec_encode(queue->codec, samples, before_wrap, queue->ring + at * width);
    codec_encode(queue->codec, samples + before_wrap, count - before_wrap, queue->ring);
    queue->ring_held += count;
    return count;
}

bool play_push(struct play_queue *queue, const int16_t *samples, size_t count, bool last,
               bool interruptible, size_t *taken)
{
    *taken = 0;
    if (queue->ring == NULL)
        queue->ring = audio_calloc(queue->ring_room, codec_width(queue->codec));
    if (queue->ring == NULL)
        return false;
    struct play *play = queue->count > 0 && newest(queue)->open ? newest(queue) : NULL;
    if (play == NULL)
        play = add_play(queue, &(struct play){.open = true, .interruptible = interruptible});
    if (play == NULL)
        return true;
    *taken = fill_ring(queue, samples, count);
    play->length += *taken;
    if (last && *taken == count)
        play->open = false;
    return true;
}

static void end_first(struct play_queue *queue, enum play_end end, int64_t now)
{
    struct play *play = &queue->plays[queue->first];
    const struct audio_event ended = {
        .stream = queue->stream,
        .kind = EVENT_PLAY_ENDED,
        .code = (uint16_t)end,
        .at = now,
        .position = play->played,
        .value = (float)(play->number & 0xffffff), /* what a float holds exactly */
    };
    if (play->prompt == NULL) { /* what was pushed and not spoken */
        const size_t unspoken = play->length - play->at;
        queue->ring_first = (queue->ring_first + unspoken) % queue->ring_room;
        queue->ring_held -= unspoken;
    }
    prompt_free(play->prompt);
    play->prompt = NULL;
    queue->first = (queue->first + 1) % PLAY_ROOM;
    queue->count--;
    events_put(queue->events, &ended);
}

void play_stop(struct play_queue *queue, enum play_end end, int64_t now)
{
    while (queue->count > 0 &&
           (end != PLAY_INTERRUPTED || queue->plays[queue->first].interruptible))
        end_first(queue, end, now);
}

void play_clear(struct play_queue *queue)
{
    while (queue->count > 0) {
        prompt_free(queue->plays[queue->first].prompt);
        queue->first = (queue->first + 1) % PLAY_ROOM;
        queue->count--;
    }
    audio_free(queue->ring);
    queue->ring = NULL;
}

static size_t take_prompt(struct play *play, uint8_t *payload, size_t samples, size_t width)
{
    const size_t left = play->length - play->at, taken = left < samples ? left : samples;
    memcpy(payload, play->octets + play->at * width, taken * width);
    return taken;
}

static size_t take_pushed(struct play_queue *queue, const struct play *play, uint8_t *payload,
                          size_t samples)
{
    const size_t width = codec_width(queue->codec), left = play->length - play->at;
    const size_t taken = left < samples ? left : samples;
    const size_t to_wrap = queue->ring_room - queue->ring_first;
    const size_t before_wrap = taken < to_wrap ? taken : to_wrap;
    memcpy(payload, queue->ring + queue->ring_first * width, before_wrap * width);
    memcpy(payload + before_wrap * width, queue->ring, (taken - before_wrap) * width);
    queue->ring_first = (queue->ring_first + taken) % queue->ring_room;
    queue->ring_held -= taken;
    return taken;
}

/* Whether the first play, all taken, is over; a prompt with turns left begins again. */
static bool is_over(struct play *play)
{
    if (play->at < play->length || play->open)
        return false;
    if (play->prompt == NULL || play->length == 0 || play->turns == 1)
        return true;
    play->at = 0;
    if (play->turns > 0)
        play->turns--;
    return false;
}

size_t play_frame(struct play_queue *queue, uint8_t *payload, size_t samples, int64_t now)
{
    const size_t width = codec_width(queue->codec);
    size_t filled = 0;
    while (queue->count > 0 && filled < samples) {
        struct play *play = &queue->plays[queue->first];
        uint8_t *at = payload + filled * width;
        const size_t taken = play->prompt != NULL
                                 ? take_prompt(play, at, samples - filled, width)
                                 : take_pushed(queue, play, at, samples - filled);
        play->at += taken;
        play->played += (int64_t)taken;
        filled += taken;
        if (is_over(play))
            end_first(queue, PLAY_FINISHED, now);
        else if (taken == 0 && play->open)
            break; /* more is to come */
    }
    queue->starved = filled < samples && queue->count > 0;
    queue->underruns += queue->starved ? 1 : 0;
    return filled;
}
