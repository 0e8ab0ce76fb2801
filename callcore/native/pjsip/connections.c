/* Requests within a call over the connection the call came by (RFC 5923, 5).
 *
 * A phone seldom listens where its Contact says: behind NAT, or with TLS and no certificate of its
 * own. pjsip would open another connection to the Contact. It does so still where the far end's proxy
 * stays in the way (Record-Route), where the Contact names another transport, and when the connection
 * is gone.
 */
#include "connections.h"

#include <pjsua-lib/pjsua_internal.h>
#include <stdbool.h>

static bool same_transport(const pjsip_dialog *dialog, const pjsip_transport *transport)
{
    const pjsip_uri *target = dialog->target;

    if (!PJSIP_URI_SCHEME_IS_SIP(target) && !PJSIP_URI_SCHEME_IS_SIPS(target))
        return false;
    const pjsip_sip_uri *uri = (const pjsip_sip_uri *)pjsip_uri_get_uri(target);
    return uri->transport_param.slen > 0
           && pjsip_transport_get_type_from_name(&uri->transport_param)
                  == (pjsip_transport_type_e)transport->key.type;
}

void connections_keep(pjsua_call_id call, pjsip_transport *came_by)
{
    const pjsip_inv_session *session = pjsua_var.calls[call].inv;
    pjsip_tpselector selector = {.type = PJSIP_TPSELECTOR_TRANSPORT, .u.transport = came_by};

    if (session == NULL || !PJSIP_TRANSPORT_IS_RELIABLE(came_by)
        || !pj_list_empty(&session->dlg->route_set) || !same_transport(session->dlg, came_by))
        return;
    pjsip_dlg_set_transport(session->dlg, &selector);
}

void connections_lost(const pjsip_transport *gone)
{
    const pjsip_tpselector any = {.type = PJSIP_TPSELECTOR_NONE};

    for (unsigned i = 0; i < pjsua_var.ua_cfg.max_calls; i++) {
        const pjsip_inv_session *session = pjsua_var.calls[i].inv;
        if (session != NULL && session->dlg->tp_sel.type == PJSIP_TPSELECTOR_TRANSPORT
            && session->dlg->tp_sel.u.transport == gone)
            pjsip_dlg_set_transport(session->dlg, &any);
    }
}
