/* Provisional answers, and requests that met one of the far end (491; RFC 3261, 14.1).
 *
 * Within a call all requests with an offer are ours to refresh the session: pjsua does not repeat one
 * that was refused with 491, and would end the call when the session runs out.
 */
#include "requests.h"

#include "notes.h"

static bool provisional[PJSUA_MAX_CALLS];

static bool carries_offer(const pjsip_transaction *transaction)
{
    static const pjsip_method update = {PJSIP_OTHER_METHOD, {"UPDATE", 6}};

    return transaction->role == PJSIP_ROLE_UAC
           && (transaction->method.id == PJSIP_INVITE_METHOD
               || pjsip_method_cmp(&transaction->method, &update) == 0);
}

void requests_changed(pjsua_call_id call, const pjsip_transaction *transaction)
{
    if (!carries_offer(transaction))
        return;
    if (transaction->state == PJSIP_TSX_STATE_CALLING)
        provisional[call] = false;
    else if (transaction->state == PJSIP_TSX_STATE_PROCEEDING)
        provisional[call] = true;
    else if (transaction->state == PJSIP_TSX_STATE_COMPLETED
             && transaction->status_code == PJSIP_SC_REQUEST_PENDING)
        (void)notes_glare(call); /* without room the session ends when it runs out */
}

bool requests_provisional(int call)
{
    return call >= 0 && call < PJSUA_MAX_CALLS && provisional[call];
}
