/* In the place of callcore/native/vad.c, whose functions come out of a Python extension: loud frames
 * are speech. */
#include "fuzz.h"

struct vad {
    uint32_t rate;
};

struct vad *vad_new(uint32_t rate, int mode)
{
    struct vad *vad = audio_calloc(1, sizeof *vad);
    (void)mode;
    if (vad != NULL)
        vad->rate = rate;
    return vad;
}

void vad_free(struct vad *vad)
{
    audio_free(vad);
}

bool vad_decide(struct vad *vad, const int16_t *samples, size_t count)
{
    require(count == vad->rate * FRAME_MS / 1000);
    struct measures measures;
    measure(samples, count, &measures);
    return measures.level > -40;
}

void vad_prefetch(const struct vad *vad)
{
    (void)vad;
}
