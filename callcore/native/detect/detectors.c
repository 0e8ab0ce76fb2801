/* The detectors of one stream: each hears 8 kHz audio without gaps, whatever the stream brings. */
#include "detectors.h"

#include <string.h>

/* The newest samples: those of the last window but one hop, and the hop being filled. */
struct window {
    uint32_t fresh;
    int16_t samples[SPECTRUM_WINDOW];
};

struct detectors {
    uint32_t rate;
    int64_t expected; /* position after the last sample heard; -1: none yet */
    struct halve halve;
    struct dtmf *dtmf;
    struct tones *tones;
    struct words *words;
    struct spectrum *spectrum;
    struct window *window;
};

struct detectors *detectors_new(uint32_t rate, unsigned wanted)
{
    struct detectors *detectors = audio_calloc(1, sizeof *detectors);
    if (detectors == NULL)
        return NULL;
    detectors->rate = rate;
    detectors->expected = -1;
    if (wanted & DETECT_DTMF && (detectors->dtmf = dtmf_new()) == NULL)
        goto failed;
    if (wanted & DETECT_TONES && (detectors->tones = audio_calloc(1, sizeof *detectors->tones)) == NULL)
        goto failed;
    if (wanted & DETECT_WORDS && (detectors->words = audio_calloc(1, sizeof *detectors->words)) == NULL)
        goto failed;
    if (wanted & DETECT_SPECTRUM && (detectors->spectrum = audio_calloc(1, sizeof *detectors->spectrum)) == NULL)
        goto failed;
    if (wanted & (DETECT_TONES | DETECT_SPECTRUM) &&
        (detectors->window = audio_calloc(1, sizeof *detectors->window)) == NULL)
        goto failed;
    return detectors;
failed:
    detectors_free(detectors);
    return NULL;
}

void detectors_free(struct detectors *detectors)
{
    if (detectors == NULL)
        return;
    dtmf_free(detectors->dtmf);
    audio_free(detectors->tones);
    audio_free(detectors->words);
    audio_free(detectors->spectrum);
    audio_free(detectors->window);
    audio_free(detectors);
}

size_t detectors_size(const struct detectors *detectors)
{
    return sizeof *detectors + (detectors->dtmf != NULL ? dtmf_size() : 0) +
           (detectors->tones != NULL ? sizeof *detectors->tones : 0) +
           (detectors->words != NULL ? sizeof *detectors->words : 0) +
           (detectors->spectrum != NULL ? sizeof *detectors->spectrum : 0) +
           (detectors->window != NULL ? sizeof *detectors->window : 0);
}

static bool is_silent(const int16_t *samples)
{
    int any = 0;
    for (int i = 0; i < SPECTRUM_WINDOW; i++)
        any |= samples[i];
    return any == 0;
}

/* The window is full; `position`: of its middle. */
static size_t hear_window(struct detectors *detectors, int64_t position, struct audio_event *out,
                          size_t room)
{
    struct window *window = detectors->window;
    float power[SPECTRUM_BINS] = {0};
    size_t told = 0;
    if (!is_silent(window->samples))
        power_spectrum(window->samples, power);
    if (detectors->tones != NULL)
        told = tones_hop(detectors->tones, power, position, out, room);
    if (detectors->spectrum != NULL)
        spectrum_hop(detectors->spectrum, power);
    window->fresh = 0;
    memmove(window->samples, window->samples + SPECTRUM_HOP,
            (SPECTRUM_WINDOW - SPECTRUM_HOP) * sizeof *window->samples);
    return told;
}

static size_t hear_spectra(struct detectors *detectors, const int16_t *samples, size_t count,
                           struct audio_event *out, size_t room)
{
    struct window *window = detectors->window;
    size_t told = 0;
    for (size_t heard = 0; heard < count;) {
        const size_t wanted = SPECTRUM_HOP - window->fresh;
        const size_t part = count - heard < wanted ? count - heard : wanted;
        int16_t *end = window->samples + SPECTRUM_WINDOW - SPECTRUM_HOP + window->fresh;
        memcpy(end, samples + heard, part * sizeof *samples);
        heard += part;
        window->fresh += (uint32_t)part;
        if (window->fresh == SPECTRUM_HOP)
            told += hear_window(detectors, (int64_t)heard - SPECTRUM_WINDOW / 2, out + told,
                                room - told);
    }
    return told;
}

/* Positions in the events are those of `samples`, the first being 0. */
static size_t hear(struct detectors *detectors, const int16_t *samples, size_t count,
                   struct audio_event *out, size_t room)
{
    size_t told = 0;
    if (detectors->dtmf != NULL)
        told += dtmf_frame(detectors->dtmf, samples, count, 0, out, room);
    if (detectors->window != NULL)
        told += hear_spectra(detectors, samples, count, out + told, room - told);
    if (detectors->words != NULL)
        told += words_frame(detectors->words, samples, count, 0, out + told, room - told);
    return told;
}

static size_t hear_at_rate(struct detectors *detectors, const int16_t *samples, size_t count,
                           int64_t position, struct audio_event *out, size_t room)
{
    int16_t halved[MAX_FRAME / 2 + 1];
    size_t told;
    if (detectors->rate == 8000) {
        told = hear(detectors, samples, count, out, room);
        for (size_t i = 0; i < told; i++)
            out[i].position += position;
    } else {
        const int64_t first = position + (int64_t)detectors->halve.odd - HALVE_DELAY;
        count = halve(&detectors->halve, samples, count, halved);
        told = hear(detectors, halved, count, out, room);
        for (size_t i = 0; i < told; i++)
            out[i].position = first + 2 * out[i].position;
    }
    return told;
}

size_t detectors_frame(struct detectors *detectors, const int16_t *samples, size_t count,
                       int64_t position, struct audio_event *out, size_t room)
{
    static const int16_t silence[MAX_FRAME];
    const int64_t most = (int64_t)MAX_GAP_SECONDS * detectors->rate;
    int64_t gap = detectors->expected < 0 ? 0 : position - detectors->expected;
    size_t told = 0;
    if (gap > most)
        gap = most;
    while (gap > 0) {
        const size_t part = gap < MAX_FRAME ? (size_t)gap : MAX_FRAME;
        told += hear_at_rate(detectors, silence, part, position - gap, out + told, room - told);
        gap -= (int64_t)part;
    }
    told += hear_at_rate(detectors, samples, count, position, out + told, room - told);
    detectors->expected = position + (int64_t)count;
    return told;
}

void detectors_spectrum(const struct detectors *detectors, struct spectrum_features *features)
{
    memset(features, 0, sizeof *features);
    if (detectors->spectrum != NULL)
        spectrum_features(detectors->spectrum, features);
}
