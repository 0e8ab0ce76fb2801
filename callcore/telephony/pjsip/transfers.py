"""REFER from a phone: asked of callcore's rules, answered by NOTIFY (RFC 3515, RFC 3891)."""

from __future__ import annotations

from typing import Any

import structlog

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.errors import ActionRefused
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.headers import referral
from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.stack import reason_of

log = structlog.get_logger(__name__)

TRYING, DONE, REFUSED, NO_SUCH_CALL = (
    "100 Trying",
    "200 OK",
    "603 Decline",
    "481 Call Does Not Exist",
)


class Transfers:
    """One REFER at a time per channel. `refer.c` has accepted it with 202."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.stack.on_refer = self._asked

    def _asked(self, call_id: str, refer_to: str) -> None:
        leg = self._exchange.by_call_id.get(call_id)
        if leg is None or leg.ended or not leg.live:
            return
        where = referral(refer_to)
        other = self._exchange.by_call_id.get(where.replaces) if where.replaces else None
        if leg.referred or (where.replaces and (other is None or other.ended)):
            self._notify(leg, NO_SUCH_CALL if where.replaces else REFUSED)
            return
        leg.referred = True
        self._notify(leg, TRYING)
        if other is not None:
            self._exchange.tell(ev.TransferAsked(channel=leg.channel, other=other.channel))
        else:
            self._exchange.tell(ev.TransferAsked(channel=leg.channel, target=where.target))

    def answer(self, action: act.AnswerTransfer) -> None:
        leg = self._exchange.live(action.channel)
        if not leg.referred:
            raise ActionRefused(f"channel {leg.channel}: no transfer was asked for", 409)
        leg.referred = False
        self._notify(leg, DONE if action.ok else REFUSED)

    def _notify(self, leg: Leg, status: str) -> None:
        pj = self._exchange.stack.pj
        request = pj.CallSendRequestParam()
        request.method = "NOTIFY"
        over = status != TRYING
        state = "terminated;reason=noresource" if over else "active;expires=180"
        request.txOption.headers.append(_header(pj, "Event", "refer"))
        request.txOption.headers.append(_header(pj, "Subscription-State", state))
        request.txOption.contentType = "message/sipfrag;version=2.0"
        request.txOption.msgBody = f"SIP/2.0 {status}\r\n"
        try:
            leg.call.sendRequest(request)
        except pj.Error as exc:
            log.debug("notify_failed", channel=leg.channel, reason=reason_of(exc))


def _header(pj: Any, name: str, value: str) -> Any:
    header = pj.SipHeader()
    header.hName, header.hValue = name, value
    return header
