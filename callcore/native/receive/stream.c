/* One stream: its packets in, events and frames out.
 *
 * Two paths lead on. Analysis looks at audio as it arrives, newest packets only, so that speech is
 * known at once; play-out (jitter.c) puts everything in order first. A position counts samples since
 * the stream's first, by RTP timestamps, so that loss and silence not sent keep their length.
 */
#include "receive.h"

enum {
    CACHE_LINE = 64,
    COMFORT_NOISE = 13,   /* RFC 3389: says that nothing is said */
    MAX_SAMPLES = MAX_DATAGRAM, /* of one packet */
    MOST_EVENT = 16,      /* RFC 4733 §3.2: the codes of DTMF and flash */
    SHORT_GAP_MS = 60,    /* as much loss changes nothing in the speech state */
    LONGEST_GAP_MS = 30000,
    JUMP_MS = 2000,       /* a timestamp so far ahead of the time that has passed: another clock */
    OLD_EVENT_MS = 10000, /* an event from so long ago: another clock */
    SILENT_MS = 100,      /* no packet for so long: silence */
    DETECTED = 4          /* events of one frame */
};

struct stream *stream_new(uint32_t id, uint32_t rate, const struct stream_settings *settings,
                          struct events *events)
{
    struct stream *stream = audio_calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    if (rate != 8000 && rate != 16000)
        goto failed;
    stream->id = id;
    stream->rate = rate;
    stream->settings = *settings;
    stream->events = events;
    speech_init(&stream->speech, &settings->speech, rate);
    if (settings->vad_mode >= 0 && (stream->vad = vad_new(rate, settings->vad_mode)) == NULL)
        goto failed;
    if (settings->frames
        && (stream->jitter = jitter_new(rate, settings->least_delay_ms, settings->most_delay_ms))
            == NULL)
        goto failed;
    if (settings->detect && (stream->detectors = detectors_new(rate, settings->detect)) == NULL)
        goto failed;
    return stream;
failed:
    stream_free(stream);
    return NULL;
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    vad_free(stream->vad);
    jitter_free(stream->jitter);
    detectors_free(stream->detectors);
    audio_free(stream);
}

static void prefetch(const struct stream *stream)
{
    for (size_t at = 0; at < offsetof(struct stream, pending); at += CACHE_LINE)
        __builtin_prefetch((const char *)stream + at, 1);
}

void stream_prefetch_packet(const struct stream *stream, unsigned step)
{
    if (step == 0)
        prefetch(stream);
    if (step == 1 && stream->vad != NULL)
        vad_prefetch(stream->vad);
    if (step == 1 && stream->jitter != NULL)
        jitter_prefetch(stream->jitter);
    if (step == 2 && stream->jitter != NULL)
        jitter_prefetch_packet(stream->jitter);
}

void stream_prefetch_tick(const struct stream *stream, unsigned step)
{
    if (step == 0)
        prefetch(stream);
    if (step == 1 && stream->jitter != NULL)
        jitter_prefetch(stream->jitter);
    if (step == 2 && stream->jitter != NULL)
        jitter_prefetch_frame(stream->jitter);
}

static int64_t samples_of_ms(const struct stream *stream, int64_t ms)
{
    return ms * stream->rate / 1000;
}

/* ---- analysis ---- */

static void tell(struct stream *stream, struct audio_event *event, int64_t now)
{
    event->stream = stream->id;
    event->at = now;
    events_add(stream->events, event);
    if (event->kind == EVENT_SPEECH_STARTED && stream->link.sender != NULL)
        sender_barge_in(stream->link.sender, stream->link.handle);
}

/* What a frame, decided to be speech or not, brings; with it, all up to its end is analysed. */
static void analysed(struct stream *stream, bool decision, const int16_t *samples, size_t count,
                     int64_t now)
{
    struct audio_event found[2 + DETECTED];
    size_t told = 0;
    if (stream->vad != NULL)
        told = speech_frame(&stream->speech, decision, &stream->measures, stream->analysed, count,
                            found);
    if (stream->detectors != NULL)
        told += detectors_frame(stream->detectors, samples, count, stream->analysed, found + told,
                                DETECTED);
    for (size_t i = 0; i < told; i++)
        tell(stream, &found[i], now);
    stream->analysed += (int64_t)count;
}

static void analyse_frame(struct stream *stream, const int16_t *samples, size_t count, int64_t now)
{
    const bool decision = stream->vad != NULL && vad_decide(stream->vad, samples, count);
    measure(samples, count, &stream->measures);
    stream->measures.noise_floor =
        noise_floor_update(&stream->noise, stream->measures.level, decision);
    analysed(stream, decision, samples, count, now);
}

/* Silence that did not come as audio. */
static void analyse_silence(struct stream *stream, int64_t until, int64_t now)
{
    static const int16_t silence[MAX_FRAME];
    const size_t frame = stream->rate * FRAME_MS / 1000;
    if (until - stream->analysed > samples_of_ms(stream, LONGEST_GAP_MS))
        stream->analysed = until - samples_of_ms(stream, LONGEST_GAP_MS);
    stream->measures.level = -96.0f;
    stream->pending_count = 0;
    while (stream->analysed + (int64_t)frame <= until)
        analysed(stream, false, silence, frame, now);
    stream->analysed = until;
}

static void analyse(struct stream *stream, int64_t position, const int16_t *samples, size_t count,
                    int64_t now)
{
    const size_t frame = stream->rate * FRAME_MS / 1000;
    const int64_t heard = stream->analysed + (int64_t)stream->pending_count;
    if (position - heard > samples_of_ms(stream, SHORT_GAP_MS))
        analyse_silence(stream, position, now);
    else if (position != heard) {
        stream->pending_count = 0;
        stream->analysed = position;
    }
    while (count > 0) {
        if (stream->pending_count == 0 && count >= frame) {
            analyse_frame(stream, samples, frame, now);
            samples += frame, count -= frame;
            continue;
        }
        stream->pending[stream->pending_count++] = *samples++;
        count--;
        if (stream->pending_count == frame) {
            stream->pending_count = 0;
            analyse_frame(stream, stream->pending, frame, now);
        }
    }
}

void stream_tick(struct stream *stream, int64_t now)
{
    const int64_t quiet_ns = now - stream->last_arrival;
    const bool idle = stream->vad == NULL && stream->detectors == NULL;
    if (idle || stream->last_arrival == 0 || quiet_ns < SILENT_MS * 1000000LL)
        return;
    analyse_silence(stream, stream->analysed + (int64_t)(stream->rate * FRAME_MS / 1000), now);
}

/* ---- what packets mean ---- */

/* Where a packet lies; the stream never goes back over what was analysed as silence meanwhile, nor
 * further ahead than the time that has passed. */
static int64_t position_of(struct stream *stream, uint32_t timestamp, int64_t now)
{
    const int64_t passed = samples_of_ns(stream->rate, now - stream->last_arrival);
    int64_t position = stream->last_position + (int32_t)(timestamp - stream->last_timestamp);
    if (position > stream->last_position + passed + samples_of_ms(stream, JUMP_MS))
        position = stream->last_position + passed;
    if (position < stream->analysed)
        position = stream->analysed;
    stream->last_timestamp = timestamp;
    stream->last_position = position;
    return position;
}

/* Each event is told once, by its first packet that arrives: those of one event share a timestamp,
 * and a long event goes on with a new one where its duration would overflow (RFC 4733 §2.5.1.3). */
static void receive_event(struct stream *stream, const struct rtp_packet *packet, int64_t now)
{
    struct telephone_event heard;
    stream->counts.events++;
    if (!telephone_event_parse(packet->payload, packet->length, &heard) || heard.code > MOST_EVENT)
        return;
    const int32_t later = (int32_t)(packet->timestamp - stream->event_timestamp);
    const bool goes_on = !packet->marker && heard.code == stream->event_code
        && later >= 0xffff - MAX_FRAME && later <= 0xffff;
    const bool old = later <= 0 && later > -samples_of_ms(stream, OLD_EVENT_MS);
    if (stream->event_known && (old || goes_on)) {
        if (goes_on)
            stream->event_timestamp = packet->timestamp;
        return;
    }
    stream->event_known = true;
    stream->event_timestamp = packet->timestamp;
    stream->event_code = heard.code;
    struct audio_event event = {
        .kind = EVENT_DIGIT, .code = heard.code, .position = stream->analysed,
    };
    tell(stream, &event, now);
}

/* The extended number of a packet that is not newer than the newest. */
static uint32_t extended(const struct stream *stream, const struct rtp_packet *packet)
{
    const uint32_t highest = stream->sequence.highest;
    return highest - (uint16_t)((uint16_t)highest - packet->sequence);
}

static void receive_audio(struct stream *stream, const struct rtp_packet *packet, bool newest,
                          int64_t now)
{
    int16_t samples[MAX_SAMPLES];
    const size_t count = codec_decode(stream->settings.codec, packet->payload, packet->length,
                                      samples, MAX_SAMPLES);
    if (stream->jitter != NULL)
        (void)jitter_put(stream->jitter, extended(stream, packet), packet->timestamp, samples,
                         count, now);
    if (!newest || count == 0)
        return;
    analyse(stream, position_of(stream, packet->timestamp, now), samples, count, now);
    stream->last_arrival = now;
}

/* ---- packets ---- */

/* The source counts anew: nothing that was can be compared with what comes. */
static void forget_clock(struct stream *stream)
{
    stream->event_known = false;
    if (stream->jitter != NULL)
        jitter_reset(stream->jitter);
}

static void begin_source(struct stream *stream, const struct rtp_packet *packet)
{
    stream->ssrc = packet->ssrc;
    stream->source_known = true;
    stream->next_seen = false;
    stream->sequence = (struct sequence){0};
    stream->last_timestamp = packet->timestamp;
    stream->last_position = stream->analysed;
    forget_clock(stream);
}

/* A new SSRC takes over once two packets of it came in a row; one alone is a stray. */
static bool source_accepted(struct stream *stream, const struct rtp_packet *packet, int64_t now)
{
    if (!stream->source_known) {
        begin_source(stream, packet);
        return true;
    }
    if (packet->ssrc == stream->ssrc) {
        stream->next_seen = false;
        return true;
    }
    const bool again = stream->next_seen && packet->ssrc == stream->next_ssrc
        && packet->sequence == stream->next_number;
    stream->next_seen = true;
    stream->next_ssrc = packet->ssrc;
    stream->next_number = (uint16_t)(packet->sequence + 1);
    if (!again)
        return false;
    begin_source(stream, packet);
    stream->counts.source_changes++;
    struct audio_event event = {.kind = EVENT_SOURCE_CHANGED, .position = stream->analysed};
    tell(stream, &event, now);
    return true;
}

static void note_arrival(struct stream *stream, const struct rtp_packet *packet, int64_t now)
{
    const uint32_t arrival = (uint32_t)samples_of_ns(stream->rate, now);
    sequence_arrival(&stream->sequence, packet->timestamp, arrival);
}

static void receive_packet(struct stream *stream, const struct rtp_packet *packet, int64_t now)
{
    const enum sequence_verdict verdict = sequence_update(&stream->sequence, packet->sequence);
    if (verdict == SEQUENCE_STRAY)
        stream->counts.strays++;
    if (verdict == SEQUENCE_STRAY || verdict == SEQUENCE_DUPLICATE)
        return;
    if (verdict == SEQUENCE_RESTARTED)
        forget_clock(stream);
    if (packet->payload_type == stream->settings.payload_type) {
        note_arrival(stream, packet, now);
        receive_audio(stream, packet, verdict != SEQUENCE_LATE, now);
        return;
    }
    if (stream->jitter != NULL && verdict != SEQUENCE_LATE)
        jitter_skip(stream->jitter, extended(stream, packet));
    if (packet->payload_type == stream->settings.event_type)
        receive_event(stream, packet, now);
    else if (packet->payload_type != COMFORT_NOISE)
        stream->counts.unknown_type++;
}

static enum rtp_fault parse(const uint8_t *datagram, size_t length, struct rtp_packet *packet)
{
    return length > MAX_DATAGRAM ? RTP_TOO_LONG : rtp_parse(datagram, length, packet);
}

bool stream_expects(const struct stream *stream, const uint8_t *datagram, size_t length)
{
    struct rtp_packet packet;
    return parse(datagram, length, &packet) == RTP_OK
        && (packet.payload_type == stream->settings.payload_type
            || packet.payload_type == stream->settings.event_type);
}

void stream_receive(struct stream *stream, const uint8_t *datagram, size_t length, int64_t now)
{
    struct rtp_packet packet;
    const enum rtp_fault fault = parse(datagram, length, &packet);
    if (fault != RTP_OK) {
        stream->counts.malformed[fault]++;
        return;
    }
    if (!source_accepted(stream, &packet, now)) {
        stream->counts.strays++;
        return;
    }
    stream->counts.packets++;
    stream->counts.octets += packet.length;
    receive_packet(stream, &packet, now);
}

static void push_piece(struct stream *stream, const int16_t *samples, size_t count, int64_t now)
{
    if (stream->jitter != NULL)
        (void)jitter_put(stream->jitter, stream->sequence.highest++, stream->last_timestamp, samples,
                         count, now);
    stream->last_timestamp += (uint32_t)count;
    analyse(stream, stream->analysed + (int64_t)stream->pending_count, samples, count, now);
}

void stream_push(struct stream *stream, const int16_t *samples, size_t count, int64_t now)
{
    stream->last_arrival = now;
    stream->counts.packets++;
    stream->counts.octets += 2 * count;
    for (size_t at = 0; at < count; at += MAX_FRAME)
        push_piece(stream, samples + at, count - at < MAX_FRAME ? count - at : MAX_FRAME, now);
}

void stream_look(const struct stream *stream, struct stream_look *look)
{
    *look = (struct stream_look){.stream = *stream};
    if (stream->jitter != NULL) {
        jitter_counts(stream->jitter, &look->jitter);
        look->target_ms = jitter_target_ms(stream->jitter);
    }
    if (stream->detectors != NULL)
        detectors_spectrum(stream->detectors, &look->spectrum);
    look->stream.vad = NULL;
    look->stream.jitter = NULL;
    look->stream.detectors = NULL;
    look->stream.events = NULL;
}
