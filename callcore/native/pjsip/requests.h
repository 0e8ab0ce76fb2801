/* What far ends say to our INVITE and UPDATE, where pjsua2 does not tell. */
#ifndef CALLCORE_PJSIP_REQUESTS_H
#define CALLCORE_PJSIP_REQUESTS_H

#include <pjsua-lib/pjsua.h>
#include <stdbool.h>

/* pjsua tells of a transaction of this call. */
void requests_changed(pjsua_call_id call, const pjsip_transaction *transaction);
/* Whether any provisional answer came to the call's INVITE, 100 included. */
bool requests_provisional(int call);

#endif
