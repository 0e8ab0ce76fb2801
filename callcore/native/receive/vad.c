/* Google's WebRTC voice activity detector, called in the webrtcvad extension without Python. */
#include "audio.h"

#include <dlfcn.h>

/* The C interface the extension exports; the handle is opaque. */
static struct {
    int (*create)(void **);
    int (*init)(void *);
    int (*set_mode)(void *, int);
    int (*process)(void *, int rate, const int16_t *, size_t);
    void (*free)(void *);
} webrtc;

enum { HANDLE_SIZE = 768 }; /* about: the type is not known here */

struct vad {
    void *handle;
    uint32_t rate;
};

/* POSIX promises that a function's address fits a void *; ISO C does not let one cast it. */
static bool find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    *(void **)function = found;
    return found != NULL;
}

const char *vad_load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return dlerror();
    if (find(library, "WebRtcVad_Create", &webrtc.create)
        && find(library, "WebRtcVad_Init", &webrtc.init)
        && find(library, "WebRtcVad_set_mode", &webrtc.set_mode)
        && find(library, "WebRtcVad_Process", &webrtc.process)
        && find(library, "WebRtcVad_Free", &webrtc.free))
        return NULL;
    webrtc.process = NULL;
    return "it does not export the functions WebRtcVad_*";
}

struct vad *vad_new(uint32_t rate, int mode)
{
    if (webrtc.process == NULL)
        return NULL;
    struct vad *vad = audio_calloc(1, sizeof *vad);
    if (vad == NULL)
        return NULL;
    vad->rate = rate;
    if (webrtc.create(&vad->handle) != 0 || webrtc.init(vad->handle) != 0
        || webrtc.set_mode(vad->handle, mode) != 0) {
        vad_free(vad);
        return NULL;
    }
    return vad;
}

void vad_free(struct vad *vad)
{
    if (vad == NULL)
        return;
    if (vad->handle != NULL)
        webrtc.free(vad->handle);
    audio_free(vad);
}

bool vad_decide(struct vad *vad, const int16_t *samples, size_t count)
{
    return webrtc.process(vad->handle, (int)vad->rate, samples, count) == 1;
}

void vad_prefetch(const struct vad *vad)
{
    for (size_t at = 0; at < HANDLE_SIZE; at += 64)
        __builtin_prefetch((const char *)vad->handle + at, 1);
}
