/* From one decision a frame to utterances whose begin and end are where the energy says.
 *
 * The detector notices an end 120 to 160 ms late, since it has a hang-over of its own, and a soft
 * begin a few frames late: both are dated back by the frames that stood out of the noise.
 */
#include "audio.h"

static const float OUT_OF_NOISE = 7.0f;  /* dB above the noise floor */
static const float FAR_OUT = 10.0f;      /* so much that one frame alone is no noise */
static const float BELOW_PEAK = 38.0f;   /* dB: quieter than that is no part of the utterance */
static const float PEAK_FORGOTTEN = 0.2f; /* dB a frame */
enum { WINDOW = 5, DETECTOR_HANGOVER_MS = 200 };

static int64_t samples_of_ms(const struct speech *speech, uint32_t ms)
{
    return (int64_t)ms * speech->rate / 1000;
}

void speech_init(struct speech *speech, const struct speech_settings *settings, uint32_t rate)
{
    *speech = (struct speech){.settings = *settings, .rate = rate, .peak = -96.0f};
}

static bool is_far_out(const struct measures *measures)
{
    return measures->level > measures->noise_floor + FAR_OUT;
}

static bool stands_out(struct speech *speech, const struct measures *measures)
{
    speech->peak -= PEAK_FORGOTTEN;
    if (measures->level > speech->peak)
        speech->peak = measures->level;
    return measures->level > measures->noise_floor + OUT_OF_NOISE
        && measures->level > speech->peak - BELOW_PEAK;
}

/* Frames before the newest at which the utterance began: the oldest speech of the window, and the
 * loud frames that touch it. */
static unsigned frames_back(const struct speech *speech)
{
    unsigned back = 31 - (unsigned)__builtin_clz(speech->recent & ((1u << WINDOW) - 1));
    while (back < 2 * WINDOW && (speech->loud >> (back + 1) & 1))
        back++;
    /* A decision on a frame that is still quiet anticipates: the energy says where it begins. */
    while (back > 0 && !(speech->loud >> back & 1))
        back--;
    return back;
}

/* Speech often enough, and standing out: the detector takes the first frames of any stream, and some
 * of plain noise, for speech. */
static bool begins(const struct speech *speech)
{
    const unsigned needed = (speech->settings.onset_ms + FRAME_MS - 1) / FRAME_MS;
    const uint32_t window = speech->recent & ((1u << WINDOW) - 1);
    const unsigned found = (unsigned)__builtin_popcount(window);
    return (window & speech->loud) != 0 && found >= needed;
}

static int64_t end_of_utterance(const struct speech *speech)
{
    const int64_t least = speech->decided_end - samples_of_ms(speech, DETECTOR_HANGOVER_MS);
    const int64_t end = speech->loud_end > least ? speech->loud_end : least;
    return end < speech->decided_end ? end : speech->decided_end;
}

static struct audio_event started(struct speech *speech, int64_t position, size_t count)
{
    int64_t began = position - (int64_t)(frames_back(speech) * count);
    if (began < speech->silent_since)
        began = speech->silent_since;
    speech->speaking = true;
    return (struct audio_event){
        .kind = EVENT_SPEECH_STARTED,
        .position = began,
        .value = (float)(began - speech->silent_since) / (float)speech->rate,
    };
}

static struct audio_event ended(struct speech *speech)
{
    speech->speaking = false;
    speech->silence_told = false;
    speech->silent_since = end_of_utterance(speech);
    return (struct audio_event){.kind = EVENT_SPEECH_ENDED, .position = speech->silent_since};
}

static bool silent_for(const struct speech *speech, int64_t until, int64_t since, uint32_t ms)
{
    return until - since >= samples_of_ms(speech, ms);
}

size_t speech_frame(struct speech *speech, bool decision, const struct measures *measures,
                    int64_t position, size_t count, struct audio_event out[2])
{
    const int64_t until = position + (int64_t)count;
    const bool loud = stands_out(speech, measures);
    speech->recent = speech->recent << 1 | decision;
    speech->loud = speech->loud << 1 | loud;
    if (decision)
        speech->decided_end = until;
    if (loud && (speech->loud & 2 || is_far_out(measures)))
        speech->loud_end = until;
    size_t told = 0;
    if (!speech->speaking && begins(speech))
        out[told++] = started(speech, position, count);
    else if (speech->speaking && !decision
             && silent_for(speech, until, end_of_utterance(speech), speech->settings.hangover_ms))
        out[told++] = ended(speech);
    if (!speech->speaking && !speech->silence_told && speech->settings.silence_ms
        && silent_for(speech, until, speech->silent_since, speech->settings.silence_ms)) {
        speech->silence_told = true;
        out[told++] = (struct audio_event){
            .kind = EVENT_SILENCE,
            .position = until,
            .value = (float)(until - speech->silent_since) / (float)speech->rate,
        };
    }
    return told;
}
