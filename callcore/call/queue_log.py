"""Lines of a queue_log (see `queue_log_line`), made from the rows of calls and agents.

The rows are those that become call events and agents' states in the database, so the log, the
records and the statistics tell the same. Pure: it is given rows and returns text.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from callcore.call.actions import RowAction, WriteAgentState, WriteEvent
from callcore.call.model import Call, SwitchState
from callcore.call.queue_log_agents import AgentLines
from callcore.call.queue_log_line import NOBODY, line, member
from callcore.call.record import CallEvent, Segment, SegmentKind
from callcore.types import AgentId, CallId, QueueId

#: There is no dialplan behind a transfer.
CONTEXT = "callcore"

#: Of a caller turned away at the door, by the reason noted; any other: nothing is written.
_REFUSED = {
    "queue_full": "FULL",
    "closed": "CLOSED",
    "unstaffed": "JOINEMPTY",
    "estimated_wait": "DIVERT_HOLDTIME",
}
_AT_THE_DOOR = (*_REFUSED, "no_such_queue")
#: Of a caller whom the queue gave up on.
_OVERFLOWED = {"left_unstaffed": "EXITEMPTY", "no_such_queue": "EXITEMPTY"}
#: What shows whether a caller got in: the first of these notes after "queued".
_NEXT = ("overflowed", "offered", "queued", "left_queue", "abandoned", "ended")
_TALKING = ("talking", "on_hold")
_SILENT = "answered_elsewhere"

#: Order in a queue: priority, then how long; the call makes it unique.
_Place = tuple[int, float, CallId]


def _turned_away(following: CallEvent | None) -> bool:
    """What follows "queued" says that the caller did not get in."""
    if following is None or following.name != "overflowed":
        return False
    return following.details.get("reason") in _AT_THE_DOOR


class _Waiting(msgspec.Struct, kw_only=True):
    queue: QueueId
    place: _Place
    since: float
    first_position: int
    #: When each phone began to ring.
    rings: dict[AgentId, float] = {}
    #: Who answered, whose channel, after how many seconds of ringing.
    agent: AgentId = ""
    channel: str = ""
    rang: float = 0.0


class _Talk(msgspec.Struct, kw_only=True):
    queue: QueueId
    agent: AgentId
    at: float
    hold: float
    first_position: int


class _Transfer(msgspec.Struct, kw_only=True):
    target: str = ""
    consult: CallId = ""


class _Caller(msgspec.Struct, kw_only=True):
    waiting: _Waiting | None = None
    talk: _Talk | None = None
    transfer: _Transfer | None = None
    callback: bool = False


class QueueLog:
    """Remembers who waits, rings and talks; `queues_of` names the queues an agent serves."""

    def __init__(self, queues_of: Callable[[AgentId], Iterable[QueueId]]) -> None:
        self._agents = AgentLines(queues_of)
        self._callers: dict[CallId, _Caller] = {}
        self._queues: dict[QueueId, list[_Place]] = {}
        self._out: list[str] = []
        self._notes: dict[str, Callable[[CallEvent], None]] = {
            "callback_opened": self._callback_opened,
            "offered": self._offered,
            "offer_failed": self._offer_failed,
            "offer_withdrawn": self._offer_withdrawn,
            "agent_answered": self._agent_answered,
            "connected": self._connected,
            "abandoned": self._abandoned,
            "overflowed": self._overflowed,
            "left_queue": self._left_queue,
            "transfer_asked": self._transfer_asked,
            "transfer_refused": self._transfer_refused,
            "transfer_failed": self._transfer_failed,
            "transferred": self._transferred,
            "ivr_entered": self._transferred,
            "ended": self._ended,
        }

    # --- in --------------------------------------------------------------------------------

    def lines(self, rows: Sequence[RowAction]) -> list[str]:
        """What the rows of one moment (or more) leave in the log, without line ends."""
        self._out = []
        for number, row in enumerate(rows):
            match row:
                case WriteEvent(event=event) if event.name == "queued":
                    self._queued(event, _what_follows(event, rows[number + 1 :]))
                case WriteEvent(event=event) if event.name in self._notes:
                    self._notes[event.name](event)
                case WriteAgentState():
                    self._agent_state(row)
        return self._out

    def started(self, at: float) -> str:
        return line(at, NOBODY, NOBODY, NOBODY, "QUEUESTART")

    def resume(self, state: SwitchState, statuses: Mapping[AgentId, str]) -> None:
        """Go on with the calls and sessions that are there; what was before has its lines."""
        for session in state.sessions.values():
            status = statuses.get(session.agent, "ready")
            self._agents.resume(session.agent, session.phone, session.since, status)
        for call in state.calls.values():
            queued = _last(call.segments, SegmentKind.QUEUE)
            if call.live and queued is not None:
                self._callers[call.id] = self._resumed(call, queued)
            if call.live and call.callback is not None:
                self._callers.setdefault(call.id, _Caller()).callback = True

    def _resumed(self, call: Call, queued: Segment) -> _Caller:
        since = queued.start if queued.since is None else queued.since
        if call.queued_since is not None:
            waiting = self._line_up(call.id, queued.queue, call.priority, since)
            for segment in call.segments:
                if segment.kind is SegmentKind.OFFER and segment.end is None:
                    waiting.rings[segment.agent] = segment.start
            waiting.agent = call.agent
            return _Caller(waiting=waiting)
        if call.agent and queued.end is not None and queued.result == "answered":
            hold = queued.end - since
            talk = _Talk(
                queue=queued.queue, agent=call.agent, at=queued.end, hold=hold, first_position=1
            )
            return _Caller(talk=talk)
        return _Caller()

    # --- entering and waiting ----------------------------------------------------------------

    def _queued(self, event: CallEvent, following: CallEvent | None) -> None:
        queue = str(event.details.get("queue", ""))
        caller = self._callers.setdefault(event.call, _Caller())
        self._send_on(event, caller)
        self._dumped(event, caller)
        if _turned_away(following):
            return  # that note says why
        since = float(event.details.get("since") or event.at)
        priority = int(event.details.get("priority") or 0)
        caller.waiting = self._line_up(event.call, queue, priority, since)
        self._tell(
            event, queue, NOBODY, "ENTERQUEUE", "", event.details.get("caller", ""),
            caller.waiting.first_position,
        )  # fmt: skip

    def _line_up(self, call: CallId, queue: QueueId, priority: int, since: float) -> _Waiting:
        place = (-priority, since, call)
        line_of = self._queues.setdefault(queue, [])
        insort(line_of, place)
        position = bisect_left(line_of, place) + 1
        return _Waiting(queue=queue, place=place, since=since, first_position=position)

    def _leave(self, event: CallEvent, name: str, *before: object, after: object = None) -> None:
        """The caller is in the queue no more, for the reason that `name` says."""
        caller = self._callers.get(event.call)
        waiting = caller.waiting if caller is not None else None
        if caller is None or waiting is None:
            return
        self._rings_canceled(event, waiting)
        place, wait = self._step_out(waiting), int(event.at - waiting.since)
        more = () if after is None else (after,)
        self._tell(
            event,
            waiting.queue,
            waiting.agent,
            name,
            *before,
            place,
            waiting.first_position,
            wait,
            *more,
        )
        caller.waiting = None

    def _step_out(self, waiting: _Waiting) -> int:
        """The position it stood at."""
        places = self._queues[waiting.queue]
        at = bisect_left(places, waiting.place)
        del places[at]
        return at + 1

    def _callback_opened(self, event: CallEvent) -> None:
        self._callers.setdefault(event.call, _Caller()).callback = True

    def _abandoned(self, event: CallEvent) -> None:
        """Nobody holds the line for a callback: one that comes to nothing was dropped."""
        caller = self._callers.get(event.call)
        if caller is not None and caller.callback:
            self._leave(event, "WITHDRAW", after="dropped")
        else:
            self._leave(event, "ABANDON")

    def _overflowed(self, event: CallEvent) -> None:
        reason = str(event.details.get("reason", ""))
        caller = self._callers.get(event.call)
        if caller is not None and caller.waiting is not None:
            self._leave(event, _OVERFLOWED.get(reason, "EXITWITHTIMEOUT"))
        elif reason in _REFUSED:
            self._tell(event, str(event.details.get("queue", "")), "", _REFUSED[reason])

    def _left_queue(self, event: CallEvent) -> None:
        key = event.details.get("key")
        if key:
            self._leave(event, "EXITWITHKEY", key)
        else:
            self._leave(event, "WITHDRAW", after=event.details.get("reason", ""))
        self._forget_transfer(event)

    # --- ringing -------------------------------------------------------------------------------

    def _waiting(self, event: CallEvent) -> _Waiting | None:
        caller = self._callers.get(event.call)
        return caller.waiting if caller is not None else None

    def _offered(self, event: CallEvent) -> None:
        waiting = self._waiting(event)
        if waiting is not None:
            waiting.rings[_agent(event)] = event.at

    def _offer_failed(self, event: CallEvent) -> None:
        self._ring_over(event, "RINGNOANSWER")

    def _offer_withdrawn(self, event: CallEvent) -> None:
        reason, waiting = event.details.get("reason"), self._waiting(event)
        if waiting is not None and waiting.agent == _agent(event):
            waiting.agent = ""  # answered in the moment in which the offer was withdrawn
        self._ring_over(event, "RINGNOANSWER" if reason == "no_answer" else "RINGCANCELED")

    def _ring_over(self, event: CallEvent, name: str) -> None:
        waiting, agent = self._waiting(event), _agent(event)
        began = waiting.rings.pop(agent, None) if waiting is not None else None
        if waiting is None or began is None or event.details.get("reason") == _SILENT:
            return
        self._tell(event, waiting.queue, agent, name, int((event.at - began) * 1000))

    def _rings_canceled(self, event: CallEvent, waiting: _Waiting) -> None:
        for agent, began in waiting.rings.items():
            ms = int((event.at - began) * 1000)
            self._tell(event, waiting.queue, agent, "RINGCANCELED", ms)
        waiting.rings.clear()

    def _agent_answered(self, event: CallEvent) -> None:
        waiting, agent = self._waiting(event), _agent(event)
        if waiting is not None:
            waiting.rang = event.at - waiting.rings.pop(agent, event.at)
            waiting.agent, waiting.channel = agent, str(event.details.get("channel", ""))

    # --- talking -------------------------------------------------------------------------------

    def _connected(self, event: CallEvent) -> None:
        caller = self._callers.get(event.call)
        waiting = caller.waiting if caller is not None else None
        if caller is None or waiting is None or waiting.agent != _agent(event):
            return  # not from a queue, or back with the agent after a transfer that failed
        self._step_out(waiting)
        hold = event.at - waiting.since
        self._tell(
            event, waiting.queue, waiting.agent, "CONNECT",
            int(hold), waiting.channel, int(waiting.rang),
        )  # fmt: skip
        caller.waiting = None
        caller.talk = _Talk(
            queue=waiting.queue,
            agent=waiting.agent,
            at=event.at,
            hold=hold,
            first_position=waiting.first_position,
        )

    def _dumped(self, event: CallEvent, caller: _Caller) -> None:
        """Queued again while an agent heard the announcement: that agent hung up."""
        waiting = caller.waiting
        if waiting is not None:
            self._step_out(waiting)
            self._tell(event, waiting.queue, waiting.agent, "AGENTDUMP")
            caller.waiting = None

    def _over(self, event: CallEvent, caller: _Caller, name: str, *before: object) -> None:
        """The talk with the agent of the queue is over."""
        talk = caller.talk
        if talk is not None:
            spent = int(talk.hold), int(event.at - talk.at), talk.first_position
            self._tell(event, talk.queue, talk.agent, name, *before, *spent)
            caller.talk = None

    def _ended(self, event: CallEvent) -> None:
        caller = self._callers.get(event.call)
        if caller is None:
            return
        by = event.details.get("by", "")
        lost = ("abandoned", "unanswered") if caller.callback else ("abandoned",)
        if by == "caller" or event.details.get("outcome") in lost:
            self._abandoned(event)
        else:
            self._leave(event, "WITHDRAW", after=by)
        ours = by in ("caller", "network")
        self._over(event, caller, "COMPLETECALLER" if ours else "COMPLETEAGENT")
        del self._callers[event.call]

    # --- transfers -----------------------------------------------------------------------------

    def _transfer_asked(self, event: CallEvent) -> None:
        caller = self._callers.get(event.call)
        if caller is not None:
            caller.transfer = _Transfer(
                target=str(event.details.get("target", "")),
                consult=str(event.details.get("consult", "")),
            )

    def _transferred(self, event: CallEvent) -> None:
        caller = self._callers.get(event.call)
        if caller is not None:
            self._send_on(event, caller)

    def _send_on(self, event: CallEvent, caller: _Caller) -> None:
        """The agent's part ends with the transfer that was asked for."""
        asked, caller.transfer = caller.transfer, None
        if asked is None:
            return
        if asked.consult:
            self._over(event, caller, "ATTENDEDTRANSFER", "BRIDGE", asked.consult)
        else:
            self._over(event, caller, "BLINDTRANSFER", asked.target, CONTEXT)

    def _transfer_refused(self, event: CallEvent) -> None:
        self._forget_transfer(event)

    def _transfer_failed(self, event: CallEvent) -> None:
        self._forget_transfer(event)
        caller = self._callers.get(event.call)
        if caller is not None and event.details.get("back_to") == "queue":
            self._over(event, caller, "COMPLETEAGENT")

    def _forget_transfer(self, event: CallEvent) -> None:
        caller = self._callers.get(event.call)
        if caller is not None:
            caller.transfer = None

    # --- agents --------------------------------------------------------------------------------

    def _agent_state(self, row: WriteAgentState) -> None:
        if row.before in _TALKING and row.state not in _TALKING:
            self._agent_done(row)
        self._out += self._agents.lines(row)

    def _agent_done(self, row: WriteAgentState) -> None:
        """The agent left a caller who is still there (or was sent on)."""
        caller = self._callers.get(row.call)
        if caller is None or caller.talk is None or caller.talk.agent != row.agent:
            return
        event = CallEvent(call=row.call, sequence=0, at=row.at, name="released")
        self._send_on(event, caller)
        self._over(event, caller, "COMPLETEAGENT")

    # --- out -----------------------------------------------------------------------------------

    def _tell(
        self, event: CallEvent, queue: QueueId, agent: str, name: str, *parameters: object
    ) -> None:
        who = agent if agent in ("", NOBODY) else member(agent)
        self._out.append(line(event.at, event.call, queue, who or NOBODY, name, *parameters))


def _agent(event: CallEvent) -> AgentId:
    return str(event.details.get("agent", ""))


def _what_follows(event: CallEvent, rows: Iterable[RowAction]) -> CallEvent | None:
    for row in rows:
        if not isinstance(row, WriteEvent) or row.event.call != event.call:
            continue
        if row.event.name in _NEXT:
            return row.event
    return None


def _last(segments: Iterable[Segment], kind: SegmentKind) -> Segment | None:
    found = [segment for segment in segments if segment.kind is kind]
    return found[-1] if found else None
