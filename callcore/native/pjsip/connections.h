/* Calls that came over TCP or TLS: their connection is the way back. */
#ifndef CALLCORE_PJSIP_CONNECTIONS_H
#define CALLCORE_PJSIP_CONNECTIONS_H

#include <pjsua-lib/pjsua.h>

/* Requests within this call, which has just come, go over the connection it came by. */
void connections_keep(pjsua_call_id call, pjsip_transport *came_by);
/* A connection is gone: its calls go to the far end's Contact. */
void connections_lost(const pjsip_transport *gone);

#endif
