/* The codecs of each account: pjsua itself has one list for all. */
#ifndef CALLCORE_PJSIP_CODECS_H
#define CALLCORE_PJSIP_CODECS_H

#include <pjsua-lib/pjsua.h>
#include <stdbool.h>
#include <stddef.h>

enum { CODECS_MOST = 8, CODEC_NAME = 16 };

/* Encoding names (PCMU, opus …) in order of preference for an account of pjsua; none: all that
 * pjsua has. False: too many, or too long. */
bool codecs_set(int account, const char *const *names, size_t count);
/* All accounts have all codecs. */
void codecs_forget(void);
/* Leave in our description what the call's account may use, in its order. */
void codecs_restrict(int call, pjmedia_sdp_session *ours, pj_pool_t *pool);
/* Whether an offer has any codec the call's account may use. */
bool codecs_fit(int call, const pjmedia_sdp_session *offer);

#endif
