/* pjsua's callbacks, each with callcore's part before pjsua2's.
 *
 * pjsua2 calls into Python with copies of whole messages, and does not call at all for a call it does
 * not know yet. What has to be decided within a request is decided here, by the thread that owns
 * pjsua2's objects.
 */
#include "hooks.h"

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include "codecs.h"
#include "connections.h"
#include "requests.h"

static pjsua_callback next; /* pjsua2's */
static bool open;

static void sdp_created(pjsua_call_id call, pjmedia_sdp_session *ours, pj_pool_t *pool,
                        const pjmedia_sdp_session *theirs)
{
    codecs_restrict(call, ours, pool);
    next.on_call_sdp_created(call, ours, pool, theirs);
}

static void offered(pjsua_call_id call, const pjmedia_sdp_session *offer, void *reserved,
                    pjsip_status_code *code, pjsua_call_setting *setting)
{
    if (codecs_fit(call, offer))
        next.on_call_rx_offer(call, offer, reserved, code, setting);
    else
        *code = PJSIP_SC_NOT_ACCEPTABLE_HERE;
}

/* pjsua2 tells of a call while pjsua makes its media transport, and only then pjsua compares the
 * codecs. One that will be refused with 488 is not told: without its request pjsua2 is silent. */
static void hide_unusable(pjsua_call_id number)
{
    struct pjsua_call *call = &pjsua_var.calls[number];
    const pjmedia_sdp_session *offer = NULL;

    if (call->incoming_data == NULL || call->inv == NULL || call->inv->neg == NULL
        || pjmedia_sdp_neg_get_neg_remote(call->inv->neg, &offer) != PJ_SUCCESS
        || codecs_fit(number, offer))
        return;
    pjsip_rx_data_free_cloned(call->incoming_data);
    call->incoming_data = NULL;
}

static pjmedia_transport *transport_made(pjsua_call_id call, unsigned media,
                                         pjmedia_transport *transport, unsigned flags)
{
    const pjsip_rx_data *request = pjsua_var.calls[call].incoming_data;

    if (request != NULL)
        connections_keep(call, request->tp_info.transport);
    hide_unusable(call);
    return next.on_create_media_transport(call, media, transport, flags);
}

/* One that came without an offer. */
static void incoming(pjsua_acc_id account, pjsua_call_id call, pjsip_rx_data *request)
{
    connections_keep(call, request->tp_info.transport);
    next.on_incoming_call(account, call, request);
}

static void transport_changed(pjsip_transport *transport, pjsip_transport_state state,
                              const pjsip_transport_state_info *info)
{
    if (state == PJSIP_TP_STATE_DISCONNECTED || state == PJSIP_TP_STATE_SHUTDOWN
        || state == PJSIP_TP_STATE_DESTROY)
        connections_lost(transport);
    next.on_transport_state(transport, state, info);
}

static void transaction_changed(pjsua_call_id call, pjsip_transaction *transaction,
                                pjsip_event *event)
{
    requests_changed(call, transaction);
    next.on_call_tsx_state(call, transaction, event);
}

int hooks_open(void)
{
    pjsua_callback *callbacks = &pjsua_var.ua_cfg.cb;

    /* Its fields are where this file believes them: both ends of the structure are asked for. */
    if (pjsua_var.endpt != pjsua_get_pjsip_endpt()
        || pjsua_var.med_endpt != pjsua_get_pjmedia_endpt())
        return PJ_EBUG;
    next = *callbacks;
    if (!next.on_call_sdp_created || !next.on_call_rx_offer || !next.on_create_media_transport
        || !next.on_call_tsx_state || !next.on_incoming_call || !next.on_transport_state)
        return PJ_EBUG;
    codecs_forget();
    callbacks->on_call_sdp_created = sdp_created;
    callbacks->on_call_rx_offer = offered;
    callbacks->on_create_media_transport = transport_made;
    callbacks->on_call_tsx_state = transaction_changed;
    callbacks->on_incoming_call = incoming;
    callbacks->on_transport_state = transport_changed;
    open = true;
    return PJ_SUCCESS;
}

void hooks_close(void)
{
    pjsua_callback *callbacks = &pjsua_var.ua_cfg.cb;

    if (!open)
        return;
    callbacks->on_call_sdp_created = next.on_call_sdp_created;
    callbacks->on_call_rx_offer = next.on_call_rx_offer;
    callbacks->on_create_media_transport = next.on_create_media_transport;
    callbacks->on_call_tsx_state = next.on_call_tsx_state;
    callbacks->on_incoming_call = next.on_incoming_call;
    callbacks->on_transport_state = next.on_transport_state;
    open = false;
}
