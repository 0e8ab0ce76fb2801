"""Calls out: to a phone's address, or over a trunk."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, NamedTuple

import structlog

from callcore.call import actions as act
from callcore.directory import Trunk
from callcore.errors import ActionRefused
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.failover import REQUEST_TIMEOUT, may_go_on, next_trunk
from callcore.telephony.pjsip.leg import Leg
from callcore.telephony.pjsip.peers import phone_uri, trunk_uri
from callcore.telephony.pjsip.stack import reason_of
from callcore.types import ChannelId, HangupReason, PhoneId, TrunkId

log = structlog.get_logger(__name__)

NO_ANSWER, ABSENT, CONGESTION = 19, 20, 34
UNAVAILABLE = 503
#: pj/errno.h: PJ_ETOOMANY, no room for another call.
TOO_MANY = 70010
_NUMBER = re.compile(r"[0-9A-Za-z+*#_.-]{1,64}\Z")
_UNQUOTABLE = str.maketrans("", "", '"\\<>')


class Target(NamedTuple):
    account: Any
    uri: str
    #: Of a trunk that knows us by a user: the caller's number goes into P-Asserted-Identity.
    trunk: Trunk | None = None


class Dialling:
    """Carries out `Dial`; whatever goes wrong is a `LegFailed`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        #: What was dialled, until it is answered or has failed over the last trunk.
        self._actions: dict[ChannelId, act.Dial] = {}
        exchange.on_failed = self._failed
        exchange.on_end.append(self._ended)
        #: Phones that did not answer their last ping.
        self.unreachable: dict[PhoneId, bool] = {}

    def dial(self, action: act.Dial) -> None:
        if action.channel in self._exchange.legs:
            raise ActionRefused(f"channel {action.channel} exists already", 409)
        kind, _, rest = action.endpoint.partition(":")
        name, _, number = rest.partition("/")
        leg = Leg(action.channel, name, dialled=True)
        give_up = partial(self._not_answered, action.channel)
        leg.timer = self._exchange.stack.after(action.timeout, give_up)
        self._actions[action.channel] = action
        if kind == "trunk":
            leg.tried = (name,)
        self._attempt(action, leg, kind, number)

    def _attempt(self, action: act.Dial, leg: Leg, kind: str, number: str) -> None:
        try:
            target = self._target(kind, leg.endpoint, number)
            self._exchange.call_out(leg, target.account, target.uri, self._option(action, target))
            self._watch(leg)
        except ActionRefused as exc:
            log.debug("dial_refused", channel=action.channel, reason=str(exc))
            self._exchange.end(leg, CONGESTION if exc.status == 503 else ABSENT, by_peer=True)
        except self._exchange.stack.pj.Error as exc:
            log.info("dial_failed", channel=action.channel, reason=reason_of(exc))
            full = exc.status == TOO_MANY
            if not self._failed(leg, UNAVAILABLE):
                self._exchange.end(leg, CONGESTION if full else ABSENT, by_peer=True)

    def _watch(self, leg: Leg) -> None:
        """A provider that is silent fails sooner where there is a backup."""
        if self._following(leg):
            seconds = self._exchange.stack.settings.silence
            self._exchange.stack.after(seconds, partial(self._silent, leg, leg.call))

    def _silent(self, leg: Leg, call: Any) -> None:
        if leg.call is not call or leg.live or leg.ended:
            return
        if not self._exchange.stack.ports.provisional(call.getId()):
            self._failed(leg, REQUEST_TIMEOUT)

    def _following(self, leg: Leg) -> TrunkId:
        """The trunk to try next; empty: nobody is left."""
        return next_trunk(self._exchange.directory.trunks, leg.tried) if leg.tried else ""

    def _failed(self, leg: Leg, status: int) -> bool:
        """Over the backup, if the trunk is to blame."""
        following = self._following(leg)
        if not following or not may_go_on(status, progressed=leg.progressed):
            return False
        log.info("trunk_failed_over", channel=leg.channel, status=status, trunk=following)
        # Behind the callback that told of the failure.
        self._exchange.stack.submit(partial(self._again, leg, following))
        return True

    def _again(self, leg: Leg, trunk: TrunkId) -> None:
        action = self._actions.get(leg.channel)
        if leg.ended or action is None:
            self._exchange.forget(leg)
            return
        # Should the provider speak after all, it is told CANCEL or BYE.
        self._exchange.release(leg)
        leg.progressed = False
        leg.endpoint = trunk
        leg.tried = (*leg.tried, trunk)
        self._attempt(action, leg, "trunk", action.endpoint.partition("/")[2])

    def _ended(self, leg: Leg) -> None:
        self._actions.pop(leg.channel, None)

    def _target(self, kind: str, name: str, number: str) -> Target:
        if kind == "phone" and not number:
            return self._phone(name)
        if kind == "trunk" and _NUMBER.match(number):
            return self._over(name, number)
        raise ActionRefused(f"cannot dial {kind}:{name[:40]}", 400)

    def _phone(self, name: PhoneId) -> Target:
        phone = self._exchange.directory.phones.get(name)
        if phone is None or not phone.host:
            raise ActionRefused(f"phone {name[:40]!r} has no address", 404)
        if self.unreachable.get(name, False):
            raise ActionRefused(f"phone {name} does not answer", 404)
        return Target(self._exchange.accounts.of_phone(phone), phone_uri(phone))

    def _over(self, name: str, number: str) -> Target:
        """The number over this trunk."""
        trunk = self._exchange.directory.trunks.get(name)
        if trunk is None:
            raise ActionRefused(f"no trunk {name[:40]!r}", 404)
        busy = sum(leg.endpoint == name for leg in self._exchange.legs.values())
        if trunk.max_channels and busy >= trunk.max_channels:
            raise ActionRefused(f"trunk {name} is full", 503)
        account = self._exchange.accounts.of_trunk(name)
        return Target(account, trunk_uri(trunk, number.replace("#", "%23")), trunk)

    def _option(self, action: act.Dial, target: Target) -> Any:
        option = self._exchange.stack.pj.SipTxOption()
        identity = self._identity(action)
        if identity and target.trunk is not None and target.trunk.user:
            option.headers.append(self._header("P-Asserted-Identity", identity))
        elif identity:
            option.localUri = identity
        if action.auto_answer:
            info = "<http://127.0.0.1>;info=alert-autoanswer"
            option.headers.append(self._header("Alert-Info", info))
            option.headers.append(self._header("Call-Info", "<sip:127.0.0.1>;answer-after=0"))
        return option

    def _identity(self, action: act.Dial, limit: int = 80) -> str:
        """Caller name and number as one field; a hostile one stays data."""
        number = "".join(c for c in action.caller_number if c.isalnum() or c in "+*._-")[:limit]
        name = "".join(c for c in action.caller_name[: limit * 4] if c.isprintable())
        name = name.translate(_UNQUOTABLE).strip()[:limit]
        if not number and not name:
            return ""
        return f'"{name}" <{self._exchange.accounts.own_uri(number or "anonymous")}>'

    def _header(self, name: str, value: str) -> Any:
        header = self._exchange.stack.pj.SipHeader()
        header.hName, header.hValue = name, value
        return header

    def _not_answered(self, channel: ChannelId) -> None:
        leg = self._exchange.legs.get(channel)
        if leg is None or leg.live or leg.ended:
            return
        self._exchange.end(leg, NO_ANSWER, by_peer=True)
        leg.reason = HangupReason.NO_ANSWER
        self._exchange.give_up(leg)
