/* Adaptive play-out: a ring of samples addressed by their timestamp.
 *
 * Packets of any length are put where their timestamp says, so order, duplicates and packet times
 * need no rules of their own; one bit for GRAIN samples says what is there. Play-out takes a frame
 * at the cursor each FRAME_MS, makes up what is missing, and moves the cursor towards the delay that
 * delay.c asks for: by whole steps while nothing is heard, else by a pitch period with a cross-fade.
 * What lies behind the cursor stays in the ring until it is overwritten, as history for conceal.c.
 */
#include "audio.h"

#include <string.h>

enum {
    CACHE_LINE = 64,
    HOT_BINS = 16,        /* of delay.c: where nearly all packets are counted */
    RING = 8192,          /* samples: a second at 8 kHz */
    GRAIN = 8,            /* samples a presence bit stands for */
    GRAINS = RING / GRAIN,
    KEPT = 1024,          /* history behind the cursor that packets ahead must not overwrite */
    MOST_SAMPLES = RING / 4, /* of one packet */
    LATE_RUN = 10,        /* so many late packets in a row: the source's clock has jumped */
    SETTLED = 50,         /* frames for which the delay was too long before it is made shorter */
    QUIET = 64            /* mean magnitude below which a frame may be skipped or held */
};

struct jitter {
    uint32_t rate;
    size_t frame;
    bool begun;
    bool started;            /* a frame was taken since */
    bool heard;              /* something was played already */
    uint32_t base;           /* timestamp of the first packet: grains are counted from it */
    uint32_t cursor;         /* next sample to play, from base; wraps */
    uint32_t newest_end;     /* end of the newest packet's samples, from base */
    uint32_t newest_sequence;
    bool paused;             /* the source has said that nothing follows for now */
    unsigned late_run;
    unsigned too_long;       /* frames in a row */
    int32_t least_excess;    /* the least excess of delay in that time */
    struct jitter_counts counts;
    uint64_t present[GRAINS / 64];
    struct delay delay;
    struct conceal conceal;
    int16_t ring[RING];
};

struct jitter *jitter_new(uint32_t rate, uint32_t least_ms, uint32_t most_ms)
{
    struct jitter *jitter = audio_calloc(1, sizeof *jitter);
    if (jitter == NULL)
        return NULL;
    const uint32_t room_ms = (RING - KEPT) * 1000 / rate / 2;
    jitter->rate = rate;
    jitter->frame = rate * FRAME_MS / 1000;
    const uint32_t most = most_ms < room_ms ? most_ms : room_ms;
    delay_init(&jitter->delay, rate, least_ms < most ? least_ms : most, most);
    conceal_init(&jitter->conceal, rate);
    return jitter;
}

void jitter_free(struct jitter *jitter)
{
    audio_free(jitter);
}

size_t jitter_size(const struct jitter *jitter)
{
    return sizeof *jitter;
}

void jitter_reset(struct jitter *jitter)
{
    const struct delay delay = jitter->delay;
    jitter->begun = jitter->started = jitter->heard = jitter->paused = false;
    jitter->late_run = jitter->too_long = 0;
    jitter->delay = (struct delay){
        .bin = delay.bin, .epoch = delay.epoch, .least = delay.least, .most = delay.most,
        .target = delay.target,
    };
    conceal_init(&jitter->conceal, jitter->rate);
    memset(jitter->present, 0, sizeof jitter->present);
}

/* ---- the ring ---- */

static void copy_in(struct jitter *jitter, uint32_t at, const int16_t *samples, size_t count)
{
    const size_t place = at % RING, straight = RING - place;
    if (count <= straight) {
        memcpy(jitter->ring + place, samples, count * sizeof *samples);
        return;
    }
    memcpy(jitter->ring + place, samples, straight * sizeof *samples);
    memcpy(jitter->ring, samples + straight, (count - straight) * sizeof *samples);
}

static void copy_out(const struct jitter *jitter, uint32_t at, int16_t *samples, size_t count)
{
    const size_t place = at % RING, straight = RING - place;
    if (count <= straight) {
        memcpy(samples, jitter->ring + place, count * sizeof *samples);
        return;
    }
    memcpy(samples, jitter->ring + place, straight * sizeof *samples);
    memcpy(samples + straight, jitter->ring, (count - straight) * sizeof *samples);
}

/* The bits of the word in which grain `first` lies that stand for [first, first + *left); takes them
 * off `left`. */
static uint64_t word_mask(uint32_t first, uint32_t *left)
{
    const uint32_t offset = first % 64, room = 64 - offset;
    const uint32_t count = *left < room ? *left : room;
    *left -= count;
    return (count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1) << offset;
}

/* Grains touched by the samples [at, at + count). */
static uint32_t grains_of(uint32_t at, size_t count, uint32_t *first)
{
    *first = at % RING / GRAIN;
    return (uint32_t)((at % GRAIN + count + GRAIN - 1) / GRAIN);
}

static void mark(struct jitter *jitter, uint32_t at, size_t count, bool there)
{
    uint32_t first, left = grains_of(at, count, &first);
    while (left > 0) {
        uint64_t *word = &jitter->present[first / 64 % (GRAINS / 64)];
        const uint64_t mask = word_mask(first, &left);
        *word = there ? *word | mask : *word & ~mask;
        first = (first / 64 + 1) * 64;
    }
}

enum presence { ABSENT, PARTIAL, PRESENT };

static enum presence presence_of(const struct jitter *jitter, uint32_t at, size_t count)
{
    uint32_t first, left = grains_of(at, count, &first);
    uint64_t found = 0, missing = 0;
    while (left > 0) {
        const uint64_t word = jitter->present[first / 64 % (GRAINS / 64)];
        const uint64_t mask = word_mask(first, &left);
        found |= word & mask;
        missing |= ~word & mask;
        first = (first / 64 + 1) * 64;
    }
    if (missing == 0)
        return PRESENT;
    return found != 0 ? PARTIAL : ABSENT;
}

static bool all_present(const struct jitter *jitter, uint32_t at, size_t count)
{
    return presence_of(jitter, at, count) == PRESENT;
}

static void prefetch(const void *memory, size_t size)
{
    for (size_t at = 0; at < size; at += CACHE_LINE)
        __builtin_prefetch((const char *)memory + at, 1);
}

void jitter_prefetch(const struct jitter *jitter)
{
    prefetch(jitter, offsetof(struct jitter, delay.spread[0][HOT_BINS]));
}

void jitter_prefetch_packet(const struct jitter *jitter)
{
    prefetch(jitter->ring + jitter->newest_end % RING, jitter->frame * sizeof *jitter->ring);
}

void jitter_prefetch_frame(const struct jitter *jitter)
{
    prefetch(jitter->ring + jitter->cursor % RING, jitter->frame * sizeof *jitter->ring);
}

/* ---- packets in ---- */

/* Wraps as timestamps do. */
static uint32_t clock_of(const struct jitter *jitter, int64_t now)
{
    return (uint32_t)samples_of_ns(jitter->rate, now);
}

/* The cursor at which play-out would be as late as delay.c asks for. */
static uint32_t wanted_cursor(const struct jitter *jitter, int64_t now)
{
    return clock_of(jitter, now) - delay_wanted_transit(&jitter->delay) - jitter->base;
}

static void begin(struct jitter *jitter, uint32_t sequence, uint32_t timestamp, int64_t now)
{
    jitter->begun = true;
    jitter->base = timestamp - RING; /* so that what overtook the first packet has a place */
    jitter->newest_end = RING;
    jitter->newest_sequence = sequence - 1;
    delay_packet(&jitter->delay, timestamp, clock_of(jitter, now));
    jitter->cursor = wanted_cursor(jitter, now);
}

/* Silence that was not sent (DTX) is put in like audio, or it would be taken for loss. */
static void fill_unsent(struct jitter *jitter, uint32_t until)
{
    static const int16_t silence[MAX_FRAME];
    uint32_t at = jitter->newest_end;
    if ((int32_t)(jitter->cursor - at) > 0)
        at = jitter->cursor;
    while ((int32_t)(until - at) > 0) {
        const size_t count = until - at < MAX_FRAME ? until - at : MAX_FRAME;
        copy_in(jitter, at, silence, count);
        mark(jitter, at, count, true);
        at += (uint32_t)count;
    }
}

static void note_newest(struct jitter *jitter, uint32_t sequence, uint32_t at, size_t count)
{
    if ((int32_t)(sequence - jitter->newest_sequence) <= 0)
        return;
    if (sequence == jitter->newest_sequence + 1)
        fill_unsent(jitter, at);
    jitter->paused = false;
    jitter->newest_sequence = sequence;
    jitter->newest_end = at + (uint32_t)count;
}

void jitter_skip(struct jitter *jitter, uint32_t sequence)
{
    if (!jitter->begun || sequence != jitter->newest_sequence + 1)
        return;
    jitter->newest_sequence = sequence;
    jitter->paused = true;
}

static enum jitter_put restart(struct jitter *jitter, uint32_t sequence, uint32_t timestamp,
                               const int16_t *samples, size_t count, int64_t now)
{
    jitter_reset(jitter);
    jitter->counts.resyncs++;
    (void)jitter_put(jitter, sequence, timestamp, samples, count, now);
    return JITTER_RESYNC;
}

enum jitter_put jitter_put(struct jitter *jitter, uint32_t sequence, uint32_t timestamp,
                           const int16_t *samples, size_t count, int64_t now)
{
    if (count == 0 || count > MOST_SAMPLES)
        return JITTER_LATE;
    if (!jitter->begun)
        begin(jitter, sequence, timestamp, now);
    else
        delay_packet(&jitter->delay, timestamp, clock_of(jitter, now));
    uint32_t at = timestamp - jitter->base;
    const int32_t ahead = (int32_t)(at + (uint32_t)count - jitter->cursor);
    /* A packet from long ago is late; one that was sent just now tells of another clock. */
    const bool newer = (int32_t)(sequence - jitter->newest_sequence) > 0;
    if (ahead > RING - KEPT || (ahead < -RING && newer))
        return restart(jitter, sequence, timestamp, samples, count, now);
    if (ahead <= 0) {
        jitter->counts.late++;
        if (newer && ++jitter->late_run >= LATE_RUN)
            return restart(jitter, sequence, timestamp, samples, count, now);
        return JITTER_LATE;
    }
    jitter->late_run = 0;
    if (ahead < (int32_t)count) { /* a part of it would have been played already */
        samples += count - (size_t)ahead;
        count = (size_t)ahead;
        at = jitter->cursor;
    }
    if (all_present(jitter, at, count)) {
        jitter->counts.duplicates++;
        return JITTER_DUPLICATE;
    }
    note_newest(jitter, sequence, at, count);
    copy_in(jitter, at, samples, count);
    mark(jitter, at, count, true);
    jitter->counts.stored++;
    return JITTER_STORED;
}

/* ---- frames out ---- */

static void make_up(struct jitter *jitter, uint32_t at, int16_t *samples, size_t count)
{
    int16_t history[MAX_RATE * CONCEAL_HISTORY_MS / 1000];
    const size_t length = jitter->rate * CONCEAL_HISTORY_MS / 1000;
    const bool unsent = jitter->paused && (int32_t)(at - jitter->newest_end) >= 0;
    if (!jitter->heard || unsent) { /* nothing is lost */
        memset(samples, 0, count * sizeof *samples);
        jitter->conceal.run = 0;
    } else {
        copy_out(jitter, at - (uint32_t)length, history, length);
        conceal_lost(&jitter->conceal, history, length, samples, count);
    }
    copy_in(jitter, at, samples, count);
}

/* A frame of which only a part came: packets shorter than a frame, or an unaligned cursor. */
static void piece_together(struct jitter *jitter, uint32_t at, int16_t *samples, size_t count)
{
    while (count > 0) {
        size_t step = GRAIN - at % GRAIN;
        const bool there = all_present(jitter, at, 1);
        while (step < count && all_present(jitter, at + (uint32_t)step, 1) == there)
            step += GRAIN;
        if (step > count)
            step = count;
        if (there) {
            copy_out(jitter, at, samples, step);
            if (jitter->conceal.run > 0)
                conceal_join(&jitter->conceal, samples, step);
        } else {
            make_up(jitter, at, samples, step);
        }
        at += (uint32_t)step, samples += step, count -= step;
    }
}

static enum jitter_frame take(struct jitter *jitter, int16_t *frame)
{
    const enum presence found = presence_of(jitter, jitter->cursor, jitter->frame);
    if (found == PRESENT && jitter->conceal.run == 0)
        copy_out(jitter, jitter->cursor, frame, jitter->frame);
    else
        piece_together(jitter, jitter->cursor, frame, jitter->frame);
    if (found != ABSENT) {
        jitter->heard = true;
        jitter->counts.played++;
        return JITTER_PLAYED;
    }
    /* What is made up has faded by then: from here on it is silence, whatever the reason. */
    const bool faded = !jitter->heard || jitter->conceal.run == 0
        || jitter->conceal.run > 3 * jitter->frame;
    jitter->counts.silent += faded;
    jitter->counts.concealed += !faded;
    return faded ? JITTER_SILENT : JITTER_CONCEALED;
}

static void advance(struct jitter *jitter, uint32_t samples)
{
    const uint32_t from = jitter->cursor;
    jitter->cursor += samples;
    /* The grain the cursor stands in stays: a part of it is still to be played. */
    const uint32_t cleared = jitter->cursor / GRAIN * GRAIN - from / GRAIN * GRAIN;
    if (cleared > 0)
        mark(jitter, from / GRAIN * GRAIN, cleared, false);
}

static bool is_quiet(const int16_t *frame, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint32_t)(frame[i] < 0 ? -frame[i] : frame[i]);
    return sum < QUIET * count;
}

/* Play the frame faded into the audio `lag` samples later (or earlier, when negative). */
static void cross_fade(const struct jitter *jitter, int32_t lag, int16_t *frame)
{
    int16_t other[MAX_FRAME];
    const int32_t count = (int32_t)jitter->frame;
    copy_out(jitter, jitter->cursor, frame, jitter->frame);
    copy_out(jitter, jitter->cursor + (uint32_t)lag, other, jitter->frame);
    for (int32_t i = 0; i < count; i++)
        frame[i] = (int16_t)((frame[i] * (count - i) + other[i] * i) / count);
}

/* One pitch period less or more; false when the audio for it is not there. */
static bool change_by_pitch(struct jitter *jitter, bool shorter, int16_t *frame)
{
    int16_t history[MAX_RATE * CONCEAL_HISTORY_MS / 1000];
    const size_t length = jitter->rate * CONCEAL_HISTORY_MS / 1000;
    copy_out(jitter, jitter->cursor - (uint32_t)length, history, length);
    const uint32_t lag = pitch_lag(history, length, jitter->rate);
    const size_t needed = jitter->frame + (shorter ? lag : 0);
    if (lag == 0 || jitter->conceal.run > 0 || !all_present(jitter, jitter->cursor, needed))
        return false;
    cross_fade(jitter, shorter ? (int32_t)lag : -(int32_t)lag, frame);
    advance(jitter, (uint32_t)jitter->frame + (shorter ? lag : 0u - lag));
    jitter->counts.played++;
    return true;
}

/* What may be skipped or held without being heard: audio that did not come, or quiet. */
static bool unheard(const struct jitter *jitter, int16_t *frame)
{
    if (!all_present(jitter, jitter->cursor, jitter->frame))
        return true;
    copy_out(jitter, jitter->cursor, frame, jitter->frame);
    return is_quiet(frame, jitter->frame);
}

/* Make the delay shorter by at most `excess` samples. True: `frame` is filled already. */
static bool shorten(struct jitter *jitter, uint32_t excess, int16_t *frame)
{
    if (unheard(jitter, frame)) {
        const uint32_t step = excess < jitter->frame ? excess : (uint32_t)jitter->frame;
        advance(jitter, step / GRAIN * GRAIN);
        jitter->counts.shrunk++;
        return false;
    }
    const bool done = change_by_pitch(jitter, true, frame);
    jitter->counts.shrunk += done;
    return done;
}

/* Make it longer by at most `lack` samples. True: `frame` is filled already. */
static bool lengthen(struct jitter *jitter, uint32_t lack, int16_t *frame)
{
    if (unheard(jitter, frame)) {
        /* What is played again was cleared: take() makes it up and joins. */
        const uint32_t step = lack < jitter->frame ? lack : (uint32_t)jitter->frame;
        jitter->cursor -= step / GRAIN * GRAIN;
        jitter->counts.stretched++;
        return false;
    }
    const bool done = change_by_pitch(jitter, false, frame);
    jitter->counts.stretched += done;
    return done;
}

/* Move the cursor towards the wanted delay. True: `frame` is filled already. */
static bool adapt(struct jitter *jitter, int16_t *frame, int64_t now)
{
    const int32_t excess = (int32_t)(wanted_cursor(jitter, now) - jitter->cursor);
    const int32_t tolerated = (int32_t)(jitter->frame / 4);
    if (excess < -tolerated) {
        jitter->too_long = 0;
        return lengthen(jitter, (uint32_t)-excess, frame);
    }
    if (excess < 2 * tolerated) {
        jitter->too_long = 0;
        return false;
    }
    if (jitter->too_long == 0 || excess < jitter->least_excess)
        jitter->least_excess = excess;
    if (++jitter->too_long < SETTLED)
        return false;
    jitter->too_long = 0;
    return shorten(jitter, (uint32_t)jitter->least_excess, frame);
}

enum jitter_frame jitter_get(struct jitter *jitter, int16_t *frame, uint32_t *moment, int64_t now)
{
    if (!jitter->begun) {
        memset(frame, 0, jitter->frame * sizeof *frame);
        jitter->counts.silent++;
        *moment = 0;
        return JITTER_NOTHING;
    }
    if (!jitter->started) /* from here on the cursor moves with the ticks */
        jitter->cursor = wanted_cursor(jitter, now);
    jitter->started = true;
    *moment = jitter->cursor + jitter->base + delay_least_transit(&jitter->delay);
    if (adapt(jitter, frame, now))
        return JITTER_PLAYED;
    const enum jitter_frame kind = take(jitter, frame);
    advance(jitter, (uint32_t)jitter->frame);
    return kind;
}

uint32_t jitter_target_ms(const struct jitter *jitter)
{
    return jitter->delay.target * 1000 / jitter->rate;
}

uint32_t jitter_cursor(const struct jitter *jitter)
{
    return jitter->cursor + jitter->base;
}

void jitter_counts(const struct jitter *jitter, struct jitter_counts *counts)
{
    *counts = jitter->counts;
}
