/* The codecs of each account: pjsua itself has one list for all. */
#ifndef CALLCORE_PJSIP_CODECS_H
#define CALLCORE_PJSIP_CODECS_H

#include <stdbool.h>
#include <stddef.h>

enum { CODECS_MOST = 8, CODEC_NAME = 16 };

/* Look at each description before it leaves, and at offers within calls. 0 or pjlib's status. */
int codecs_open(void);
void codecs_close(void);
/* Encoding names (PCMU, opus …) in order of preference for an account of pjsua; none: all that
 * pjsua has. False: too many, or too long. */
bool codecs_set(int account, const char *const *names, size_t count);

#endif
