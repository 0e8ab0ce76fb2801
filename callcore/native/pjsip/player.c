/* A port that plays sounds from memory. */
#include "port.h"

#include <string.h>

static void end_playing(struct port *port)
{
    port->playing = false;
    port->ended = true;
}

/* Copy what is left of the sounds into one frame; true while something was copied. */
static bool fill(struct port *port, int16_t *frame)
{
    size_t filled = 0;
    while (filled < PORT_FRAME && port->playing) {
        const struct sound *sound = &port->sounds[port->current];
        size_t left = sound->count - port->position;
        size_t wanted = PORT_FRAME - filled;
        size_t count = left < wanted ? left : wanted;
        memcpy(frame + filled, sound->samples + port->position, count * sizeof *frame);
        filled += count;
        port->position += count;
        if (port->position < sound->count)
            continue;
        port->position = 0;
        port->current = (port->current + 1) % port->count;
        if (port->current == 0 && !port->loop)
            end_playing(port);
    }
    memset(frame + filled, 0, (PORT_FRAME - filled) * sizeof *frame);
    return filled > 0;
}

pj_status_t player_frame(pjmedia_port *base, pjmedia_frame *frame)
{
    struct port *port = (struct port *)base;
    bool sounding;

    pthread_mutex_lock(&port->lock);
    sounding = fill(port, frame->buf);
    if (port->ended && notes_played(port->serial))
        port->ended = false;
    pthread_mutex_unlock(&port->lock);
    frame->type = sounding ? PJMEDIA_FRAME_TYPE_AUDIO : PJMEDIA_FRAME_TYPE_NONE;
    frame->size = sounding ? PORT_FRAME * sizeof(int16_t) : 0;
    return PJ_SUCCESS;
}

bool port_play(struct port *port, uint64_t serial, const struct sound *sounds, size_t count,
               bool loop)
{
    struct sound *made = NULL, *before;
    size_t kept = 0;

    made = block_new(count ? count : 1, sizeof *made);
    if (made == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (sounds[i].count > 0)
            made[kept++] = sounds[i];
    pthread_mutex_lock(&port->lock);
    before = port->sounds;
    port->sounds = made;
    port->count = kept;
    port->current = port->position = 0;
    port->serial = serial;
    port->loop = loop;
    port->playing = kept > 0;
    port->ended = kept == 0;
    pthread_mutex_unlock(&port->lock);
    block_free(before);
    return true;
}

void port_halt(struct port *port)
{
    struct sound *before;

    pthread_mutex_lock(&port->lock);
    before = port->sounds;
    port->sounds = NULL;
    port->count = 0;
    port->playing = port->ended = false;
    pthread_mutex_unlock(&port->lock);
    block_free(before);
}
