/* REFER within a dialog (RFC 3515): accepted here, carried out by callcore.
 *
 * pjsua answers a REFER by calling the target itself and tells the phone what came of that. In
 * callcore the rules decide: the request is accepted with 202, and NOTIFY follows from there.
 */
#include <pjsua-lib/pjsua.h>

#include "notes.h"

static pj_bool_t took_refer(pjsip_rx_data *request);

static pjsip_module module = {
    .name = {"mod-callcore-refer", 18},
    .id = -1,
    /* Behind the transactions, which absorb repeated requests, and before the dialogs. */
    .priority = PJSIP_MOD_PRIORITY_TSX_LAYER + 4,
    .on_rx_request = took_refer,
};

static bool copy(char *to, size_t room, const pj_str_t *from)
{
    if (from->slen <= 0 || (size_t)from->slen >= room)
        return false;
    pj_memcpy(to, from->ptr, (size_t)from->slen);
    to[from->slen] = '\0';
    return true;
}

static void accept_refer(pjsip_rx_data *request, const pjsip_dialog *dialog)
{
    pjsip_hdr headers;
    pjsip_hdr *contact = pjsip_hdr_clone(request->tp_info.pool, dialog->local.contact);

    pj_list_init(&headers);
    pj_list_push_back(&headers, contact);
    pjsip_endpt_respond(pjsua_get_pjsip_endpt(), NULL, request, PJSIP_SC_ACCEPTED, NULL, &headers,
                        NULL, NULL);
}

static pj_bool_t took_refer(pjsip_rx_data *request)
{
    static const pj_str_t refer_to = {"Refer-To", 8};
    const pjsip_msg *message = request->msg_info.msg;
    const pjsip_generic_string_hdr *target;
    const pjsip_dialog *dialog;
    struct refer refer;

    if (pjsip_method_cmp(&message->line.req.method, pjsip_get_refer_method()) != 0
        || request->msg_info.to->tag.slen == 0)
        return PJ_FALSE;
    dialog = pjsip_ua_find_dialog(&request->msg_info.cid->id, &request->msg_info.to->tag,
                                  &request->msg_info.from->tag, PJ_FALSE);
    target = pjsip_msg_find_hdr_by_name(message, &refer_to, NULL);
    /* What cannot be used is left to pjsua, which refuses it. */
    if (dialog == NULL || target == NULL || pjsip_rdata_get_tsx(request) != NULL
        || !copy(refer.call_id, sizeof refer.call_id, &request->msg_info.cid->id)
        || !copy(refer.refer_to, sizeof refer.refer_to, &target->hvalue))
        return PJ_FALSE;
    if (notes_refer(&refer))
        accept_refer(request, dialog);
    else
        pjsip_endpt_respond(pjsua_get_pjsip_endpt(), NULL, request, PJSIP_SC_SERVICE_UNAVAILABLE,
                            NULL, NULL, NULL, NULL);
    return PJ_TRUE;
}

int refer_open(void)
{
    return pjsip_endpt_register_module(pjsua_get_pjsip_endpt(), &module);
}

void refer_close(void)
{
    if (module.id >= 0)
        pjsip_endpt_unregister_module(pjsua_get_pjsip_endpt(), &module);
}
