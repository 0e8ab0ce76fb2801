/* Offers and answers have the codecs of their account, in its order (RFC 3264, 5.1 and 6.1).
 *
 * pjsua describes every call with all its codecs. Here what the account does not want is taken out
 * of the description before it is offered, or compared with the offer: with nothing in common the
 * call is refused with 488. Within a call pjsua finds that out too late and answers 500; so an offer
 * is looked at before (RFC 3261, 14.2).
 */
#include "codecs.h"

#include <pjsua-lib/pjsua_internal.h>
#include <string.h>

struct list {
    size_t count;
    char names[CODECS_MOST][CODEC_NAME];
};

static struct list lists[PJSUA_MAX_ACC];

/* What stands for a payload type without a=rtpmap (RFC 3551, 6). */
static const struct {
    const char *number, *name;
} fixed[] = {{"0", "PCMU"}, {"8", "PCMA"}, {"9", "G722"}};

static const struct list *list_of(pjsua_call_id call)
{
    const pjsua_acc_id account = pjsua_var.calls[call].acc_id;
    if (account < 0 || account >= PJSUA_MAX_ACC || lists[account].count == 0)
        return NULL;
    return &lists[account];
}

/* Name and clock rate of a format; false: it has none. */
static bool described(const pjmedia_sdp_media *media, const pj_str_t *format,
                      pjmedia_sdp_rtpmap *codec)
{
    const pjmedia_sdp_attr *attribute = pjmedia_sdp_media_find_attr2(media, "rtpmap", format);

    if (attribute != NULL)
        return pjmedia_sdp_attr_get_rtpmap(attribute, codec) == PJ_SUCCESS;
    for (size_t i = 0; i < PJ_ARRAY_SIZE(fixed); i++)
        if (pj_strcmp2(format, fixed[i].number) == 0) {
            codec->enc_name = pj_str((char *)fixed[i].name);
            codec->clock_rate = 8000;
            return true;
        }
    return false;
}

static bool is_audio(const pjmedia_sdp_media *media)
{
    return pj_stricmp2(&media->desc.media, "audio") == 0;
}

/* ---- what leaves ---- */

/* Formats of this name, behind those that were kept; the clock rates they run at. */
static unsigned keep(pjmedia_sdp_media *media, unsigned kept, const char *name, unsigned *rates)
{
    pjmedia_sdp_rtpmap codec;

    for (unsigned i = kept; i < media->desc.fmt_count; i++) {
        const pj_str_t format = media->desc.fmt[i];
        if (!described(media, &format, &codec) || pj_stricmp2(&codec.enc_name, name) != 0)
            continue;
        /* Those between keep their order. */
        memmove(&media->desc.fmt[kept + 1], &media->desc.fmt[kept],
                (i - kept) * sizeof media->desc.fmt[0]);
        media->desc.fmt[kept++] = format;
        rates[kept - 1] = codec.clock_rate;
    }
    return kept;
}

/* Events are told at the clock rate of the sound they interrupt (RFC 4733, 2.1). */
static unsigned keep_events(pjmedia_sdp_media *media, unsigned kept, const unsigned *rates)
{
    const unsigned codecs = kept;
    pjmedia_sdp_rtpmap codec;

    for (unsigned i = kept; i < media->desc.fmt_count; i++) {
        const pj_str_t format = media->desc.fmt[i];
        bool runs = false;
        if (!described(media, &format, &codec)
            || pj_stricmp2(&codec.enc_name, "telephone-event") != 0)
            continue;
        for (unsigned j = 0; j < codecs; j++)
            runs = runs || rates[j] == codec.clock_rate;
        if (runs)
            media->desc.fmt[kept++] = format;
    }
    return kept;
}

/* Whether a=rtpmap or a=fmtp speaks of a format that is there. */
static bool has_format(const pjmedia_sdp_media *media, const pjmedia_sdp_attr *attribute)
{
    for (unsigned i = 0; i < media->desc.fmt_count; i++) {
        const pj_str_t *format = &media->desc.fmt[i];
        if (pj_strncmp(&attribute->value, format, (pj_size_t)format->slen) == 0
            && attribute->value.slen > format->slen && attribute->value.ptr[format->slen] == ' ')
            return true;
    }
    return false;
}

static void drop_attributes(pjmedia_sdp_media *media)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < media->attr_count; i++) {
        const pjmedia_sdp_attr *attribute = media->attr[i];
        const bool of_format = pj_strcmp2(&attribute->name, "rtpmap") == 0
                               || pj_strcmp2(&attribute->name, "fmtp") == 0;
        if (!of_format || has_format(media, attribute))
            media->attr[kept++] = media->attr[i];
    }
    media->attr_count = kept;
}

static void restrict_media(pjmedia_sdp_media *media, const struct list *list, pj_pool_t *pool)
{
    unsigned rates[PJMEDIA_MAX_SDP_FMT];
    unsigned kept = 0;

    for (size_t i = 0; i < list->count; i++)
        kept = keep(media, kept, list->names[i], rates);
    if (kept == 0) {
        pjmedia_sdp_media_deactivate(pool, media); /* pjsua was built without any of them */
        return;
    }
    media->desc.fmt_count = keep_events(media, kept, rates);
    drop_attributes(media);
}

void codecs_restrict(int call, pjmedia_sdp_session *ours, pj_pool_t *pool)
{
    const struct list *list = list_of(call);

    for (unsigned i = 0; list != NULL && i < ours->media_count; i++)
        if (is_audio(ours->media[i]) && ours->media[i]->desc.port != 0)
            restrict_media(ours->media[i], list, pool);
}

/* ---- what comes ---- */

static bool wanted(const struct list *list, const pj_str_t *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (pj_stricmp2(name, list->names[i]) == 0)
            return true;
    return false;
}

bool codecs_fit(int call, const pjmedia_sdp_session *offer)
{
    const struct list *list = list_of(call);
    pjmedia_sdp_rtpmap codec;

    if (list == NULL)
        return true;
    for (unsigned i = 0; i < offer->media_count; i++) {
        const pjmedia_sdp_media *media = offer->media[i];
        if (!is_audio(media) || media->desc.port == 0)
            continue;
        for (unsigned j = 0; j < media->desc.fmt_count; j++)
            if (described(media, &media->desc.fmt[j], &codec) && wanted(list, &codec.enc_name))
                return true;
    }
    return false;
}

/* ---- which ---- */

void codecs_forget(void)
{
    memset(lists, 0, sizeof lists);
}

bool codecs_set(int account, const char *const *names, size_t count)
{
    struct list list = {0};

    if (account < 0 || account >= PJSUA_MAX_ACC || count > CODECS_MOST)
        return false;
    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(names[i]);
        if (length >= CODEC_NAME)
            return false;
        memcpy(list.names[i], names[i], length + 1);
    }
    list.count = count;
    lists[account] = list;
    return true;
}
