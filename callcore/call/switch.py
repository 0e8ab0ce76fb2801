"""The switch: every event goes in here with its time, every action comes out.

Pure: the same events with the same times give the same actions, which is what lets the journal
rebuild the state after a crash and the simulator replay a day. The rules themselves are in the
files beside this one; here is only which event goes to which rule, the distributor's turn, and the
one timer.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import msgspec

from callcore.acd import events as acd
from callcore.acd.distributor import Distributor
from callcore.acd.floor import DistributorState
from callcore.acd.stats import INTERVAL_SECONDS, interval_begin
from callcore.call import (
    announcements,
    arrival,
    attended,
    callback,
    callback_promise,
    callback_request,
    direct,
    ending,
    events,
    legs,
    queueing,
    reconcile,
    service,
    sessions,
    supervision,
    talking,
    transfer,
    tree_walk,
)
from callcore.call.actions import AnyAction, WriteInterval
from callcore.call.context import Context
from callcore.call.model import Call, LegState, Role, SwitchState
from callcore.call.state import CallState
from callcore.types import CallId, HangupReason, Outcome

SNAPSHOT_VERSION = 1


class SwitchSnapshot(msgspec.Struct, kw_only=True):
    """All state of the pure core; `version` changes when its meaning does."""

    version: int
    switch: SwitchState
    distributor: DistributorState


class Switch:
    """All calls, agents and queues of one callcore."""

    def __init__(self, distributor: Distributor, state: SwitchState | None = None) -> None:
        self.state = state or SwitchState()
        self.distributor = distributor
        self.cx = Context(self.state, distributor)
        self._timers: list[tuple[float, CallId]] = []
        self._armed: dict[CallId, float] = {}
        since = distributor.snapshot().stats.since
        #: None: no interval was begun yet.
        self._interval_ends = None if since is None else since + INTERVAL_SECONDS
        self.cx.touched.update(self.state.calls)
        self._arm()

    # --- the machine -----------------------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> list[AnyAction]:
        """One event happened at `now`; returns what is to be done, in order."""
        self._begin(now)
        rule = _RULES.get(type(event))
        if rule is not None:
            rule(self.cx, event)
        return self._finish()

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called next."""
        while self._timers and self._armed.get(self._timers[0][1]) != self._timers[0][0]:
            heapq.heappop(self._timers)
        times = [self._timers[0][0]] if self._timers else []
        queue_time = self.distributor.next_timer()
        if queue_time is not None:
            times.append(queue_time)
        if self._interval_ends is not None:
            times.append(self._interval_ends)
        times.extend(
            since + reconcile.LINK_GRACE_SECONDS
            for since in self.state.down.values()
            if since != float("inf")
        )
        return min(times, default=None)

    def handle_timer(self, now: float) -> list[AnyAction]:
        """Time has come for everything due at `now`."""
        self._begin(now)
        for decision in self.distributor.handle_timer(now):
            self._decide(decision)
        self._drain()
        while (due := self._pop_due(now)) is not None:
            _call_timer(self.cx, due)
            self._drain()
        reconcile.links_overdue(self.cx)
        return self._finish()

    def give_up(self, call_id: CallId, now: float) -> list[AnyAction]:
        """A rule failed on this call (our mistake): end it cleanly, the others go on."""
        self._begin(now)
        call = self.state.calls.get(call_id)
        if call is not None:
            ending.end_call(
                self.cx,
                call,
                hung_up_by="callcore",
                outcome=Outcome.FAILED,
                reason=HangupReason.CONGESTION,
            )
        return self._finish()

    def _begin(self, now: float) -> None:
        self.cx.now = now
        self.cx.actions = []
        if self._interval_ends is None or now >= self._interval_ends:
            self._begin_interval(now)

    def _begin_interval(self, now: float) -> None:
        """Before anything else of this moment: whatever happens is counted in its own interval."""
        begin = interval_begin(now)
        self._interval_ends = begin + INTERVAL_SECONDS
        for decision in self.distributor.handle(acd.IntervalBegan(at=begin), now):
            self._decide(decision)

    def _finish(self) -> list[AnyAction]:
        self._drain()
        self._arm()
        return self.cx.actions

    def _drain(self) -> None:
        """Let the distributor hear what it was told, and do what it decides."""
        waiting = self.cx.to_distributor
        self._settle()
        while waiting:
            event = waiting.popleft()
            # What it brings about comes before what happened after it: else an agent who logs in
            # is offered a caller whom the log-out before has just sent elsewhere.
            later = tuple(waiting)
            waiting.clear()
            try:
                for decision in self.distributor.handle(event, self.cx.now):
                    self._decide(decision)
                self._settle()
            finally:
                waiting.extend(later)

    def _settle(self) -> None:
        """What follows from whatever the rules did."""
        supervision.follow(self.cx)
        while self.cx.phones_to_check:
            agent, _ = self.cx.phones_to_check.popitem()
            sessions.tell_busy(self.cx, agent)

    def _decide(self, decision: acd.AnyAcdAction) -> None:
        match decision:
            case acd.Offer():
                queueing.offer(self.cx, decision)
            case acd.Withdraw():
                queueing.withdraw(self.cx, decision)
            case acd.Overflow():
                queueing.overflow(self.cx, decision)
            case acd.AgentChanged():
                sessions.changed(self.cx, decision)
            case acd.WrapUpEnded():
                call = self.state.calls.get(decision.contact)
                if call is not None:
                    ending.wrap_up_ended(self.cx, call, decision.agent, decision.seconds)
            case acd.IntervalEnded():
                self.cx.do(WriteInterval(begin=decision.begin, counts=decision.counts))

    # --- timers ----------------------------------------------------------------------------

    def _arm(self) -> None:
        """Note the deadlines of the calls that were touched."""
        for call_id in sorted(self.cx.touched):
            call = self.state.calls.get(call_id)
            deadline = _deadline(call) if call is not None else None
            if deadline is None:
                self._armed.pop(call_id, None)
            elif self._armed.get(call_id) != deadline:
                self._armed[call_id] = deadline
                heapq.heappush(self._timers, (deadline, call_id))
        self.cx.touched.clear()

    def _pop_due(self, now: float) -> Call | None:
        while self._timers and self._timers[0][0] <= now:
            deadline, call_id = heapq.heappop(self._timers)
            if self._armed.get(call_id) == deadline:
                del self._armed[call_id]
                self.cx.touched.add(call_id)
                call = self.state.calls.get(call_id)
                if call is not None:
                    return call
        return None

    # --- what the shell asks ---------------------------------------------------------------

    def call_id_of(self, event: events.Event) -> CallId:
        """The call an event is about, for logging; empty: none, or not yet."""
        call = getattr(event, "call", "")
        return call or self.cx.by_channel.get(getattr(event, "channel", ""), "")

    def masked(self, event: events.Event) -> events.Event:
        """The event as the journal may hold it: a letter stands for each digit of a PIN or a
        secret entry. Handled in its place, the masked event leads to the same state."""
        if type(event) is not events.DigitPressed:
            return event
        call = self.cx.call_of(event.channel)
        if call is None or event.channel != call.channel:
            return event
        key = service.masked_key(call, event.digit)
        key = tree_walk.masked_key(self.cx, call, key)
        return event if key == event.digit else msgspec.structs.replace(event, digit=key)

    def snapshot(self) -> SwitchSnapshot:
        return SwitchSnapshot(
            version=SNAPSHOT_VERSION,
            switch=self.state,
            distributor=self.distributor.snapshot(),
        )


def restore(snapshot: SwitchSnapshot) -> Switch:
    """A switch that goes on where the snapshot was taken."""
    return Switch(Distributor(snapshot.distributor), snapshot.switch)


def _deadline(call: Call) -> float | None:
    if not call.live:
        return call.message_deadline if call.voicemail else None
    if call.service is not None:
        return call.service.deadline
    if call.supervision is not None:
        return call.supervision.deadline
    if call.direct is not None:
        return call.direct.deadline
    if call.request is not None:
        return call.request.deadline
    if call.callback is not None and call.callback.deadline is not None:
        return call.callback.deadline
    if call.run is not None and call.state is CallState.IVR:
        return call.run.deadline
    return call.announce_at if call.queued_since is not None else None


def _call_timer(cx: Context, call: Call) -> None:
    if not call.live:
        legs.message_is_over(cx, call)
    elif call.service is not None:
        service.timer(cx, call)
    elif call.supervision is not None:
        supervision.ring_timeout(cx, call)
    elif call.direct is not None:
        direct.ring_timeout(cx, call)
    elif call.request is not None:
        callback_request.timer(cx, call)
    elif call.callback is not None and call.callback.deadline is not None:
        callback.timer(cx, call)
    elif call.queued_since is not None:
        announcements.timer(cx, call)
    else:
        tree_walk.timer(cx, call)


# --- which event goes to which rule ------------------------------------------------------------


def _started(cx: Context, event: events.Started) -> None:
    cx.state.prefix = event.prefix


def _directory_changed(cx: Context, event: events.DirectoryChanged) -> None:
    cx.state.directory = event.directory
    cx.tell(
        acd.Configured(
            queues=event.directory.queues,
            agents=event.directory.agents,
            kinds=event.directory.kinds,
            statuses=event.directory.statuses,
        )
    )
    for agent in list(cx.state.sessions):
        if agent in event.directory.agents:
            sessions.tell_reachable(cx, agent)
        else:
            sessions.logout(cx, agent)


def _trees_changed(cx: Context, event: events.TreesChanged) -> None:
    cx.state.trees.replace(event.trees)
    cx.state.trees.prune(
        (call.run.tree, call.run.version)
        for call in cx.state.calls.values()
        if call.run is not None
    )


def _backend_up(cx: Context, event: events.BackendUp) -> None:
    for phone in cx.state.directory.phones:
        sessions.phone_reachable(cx, phone, phone in event.reachable_phones)
    reconcile.backend_up(cx, event)


def _hung_up(cx: Context, event: events.HungUp) -> None:
    legs.gone(cx, event.channel, by_peer=event.by_peer, cause=event.cause)


def _hold(on: bool) -> Callable[[Context, Any], None]:
    def rule(cx: Context, event: events.HoldStarted | events.HoldEnded) -> None:
        call = cx.call_of(event.channel)
        leg = call.leg(event.channel) if call is not None else None
        up = leg is not None and leg.state is LegState.UP
        if call is not None and leg is not None and up and call.state is CallState.TALKING:
            talking.hold(cx, call, leg, on)

    return rule


def _transfer_asked(cx: Context, event: events.TransferAsked) -> None:
    call = cx.call_of(event.channel)
    leg = call.leg(event.channel) if call is not None else None
    if call is None or leg is None or leg.state is LegState.ENDING:
        return
    if call.callback is not None and leg.role is Role.CALLER:
        transfer.refuse(cx, call, leg)  # a customer we called sends nobody anywhere
        return
    if not event.other:
        transfer.blind(cx, call, leg, event.target, refer=True)
        return
    second = cx.call_of(event.other)
    if second is not None and second.id != call.id:
        attended.join_parties(cx, call, second, event.channel)
    else:
        transfer.refuse(cx, call, leg)


def _action_failed(cx: Context, event: events.ActionFailed) -> None:
    call = cx.state.calls.get(event.call)
    if call is None or event.gone:
        return  # its HungUp tells the rest
    if event.action in ("Listen", "Join"):
        supervisor = cx.call_of(event.channel)
        if supervisor is not None and supervision.failed(cx, supervisor, event.reason):
            return
    cx.note(call, "action_failed", action=event.action, reason=event.reason)
    if event.action == "StartRecording":
        talking.recording_failed(cx, call, event.reason)
    elif event.action == "RecordVoicemail":
        legs.message_ended(cx, event.channel, call.voicemail, 0.0, ok=False)
    elif event.action in ("Answer", "Join", "CreateBridge"):
        ending.end_call(
            cx,
            call,
            hung_up_by="callcore",
            outcome=Outcome.FAILED,
            reason=HangupReason.CONGESTION,
        )
    elif event.action == "Play":
        for playing in list(call.playing.values()):
            if playing.channel == event.channel:
                legs.playback_ended(cx, playing.channel, playing.playback, ok=False)


def _pin_checked(cx: Context, event: events.PinChecked) -> None:
    call = cx.state.calls.get(event.call)
    if call is not None:
        service.pin_checked(cx, call, event.agent, event.ok)


def _look_up_answered(cx: Context, event: events.LookUpAnswered) -> None:
    call = cx.state.calls.get(event.call)
    if call is not None:
        tree_walk.look_up_answered(cx, call, event.token, event.values, event.error)


def _on_call(rule: Callable[[Context, Call], None]) -> Callable[[Context, Any], None]:
    """A rule for an operator's command on a live call."""

    def with_call(cx: Context, event: Any) -> None:
        call = cx.state.calls.get(event.call)
        if call is not None and call.live:
            rule(cx, call)

    return with_call


def _call_transfer_asked(cx: Context, event: events.CallTransferAsked) -> None:
    call = cx.state.calls.get(event.call)
    if call is not None and call.live and not callback.away(call):
        transfer.by_operator(cx, call, event.target)


def _call_supervise_asked(cx: Context, event: events.CallSuperviseAsked) -> None:
    call = cx.state.calls.get(event.call)
    if call is not None and call.live:
        supervision.ask(cx, call, event.phone, event.mode)


def _callback_cancel_asked(cx: Context, event: events.CallbackCancelAsked) -> None:
    back = cx.state.calls.get(event.call)
    if back is not None:
        callback_promise.cancel(cx, back)


def _queue_leave_asked(cx: Context, event: events.QueueLeaveAsked) -> None:
    call = cx.state.calls.get(event.call)
    if call is not None and call.queued_since is not None:
        queueing.enter_queue(
            cx,
            call,
            event.queue,
            priority=call.priority,
            needs=queueing.anyone(call.needs),
            since=call.queued_since,
        )


def _call_priority_asked(cx: Context, event: events.CallPriorityAsked) -> None:
    call = cx.state.calls.get(event.call)
    if call is not None and call.queued_since is not None:
        call.priority = event.priority
        cx.note(call, "priority", queue=call.queue, priority=event.priority)
        cx.tell(acd.PriorityChanged(contact=call.id, priority=event.priority))


_RULES: dict[type[events.Event], Callable[[Context, Any], None]] = {
    events.CallArrived: arrival.arrived,
    events.LegRinging: lambda cx, e: legs.ringing(cx, e.channel),
    events.LegAnswered: lambda cx, e: legs.answered(cx, e.channel),
    events.LegFailed: lambda cx, e: legs.failed(cx, e.channel, e.failure),
    events.HungUp: _hung_up,
    events.DigitPressed: lambda cx, e: legs.digit(cx, e.channel, e.digit),
    events.PlaybackEnded: lambda cx, e: legs.playback_ended(cx, e.channel, e.playback, ok=e.ok),
    events.VoicemailEnded: lambda cx, e: legs.message_ended(
        cx, e.channel, e.recording, e.seconds, ok=e.ok
    ),
    events.HoldStarted: _hold(True),
    events.HoldEnded: _hold(False),
    events.TransferAsked: _transfer_asked,
    events.ActionFailed: _action_failed,
    events.PhoneReachability: lambda cx, e: sessions.phone_reachable(cx, e.phone, e.reachable),
    events.PhoneBusy: lambda cx, e: sessions.phone_busy(cx, e.phone, e.busy),
    events.BackendUp: _backend_up,
    events.BackendDown: reconcile.backend_down,
    events.Started: _started,
    events.DirectoryChanged: _directory_changed,
    events.TreesChanged: _trees_changed,
    events.DayBegan: lambda cx, e: cx.tell(acd.DayBegan()),
    events.LookUpAnswered: _look_up_answered,
    events.PinChecked: _pin_checked,
    events.AgentLogin: lambda cx, e: sessions.login(cx, e.agent, e.phone, e.ready),
    events.AgentLogout: lambda cx, e: sessions.logout(cx, e.agent),
    events.AgentPaused: lambda cx, e: sessions.pause(cx, e.agent, e.reason),
    events.AgentReady: lambda cx, e: sessions.ready(cx, e.agent),
    events.AgentStatusChosen: lambda cx, e: sessions.choose_status(cx, e.agent, e.status),
    events.AgentWrapUpAsked: lambda cx, e: sessions.ask_wrap_up(cx, e.agent),
    events.AgentWrapUpExtended: lambda cx, e: sessions.extend_wrap_up(cx, e.agent, e.seconds),
    events.CallHangupAsked: _on_call(
        lambda cx, call: ending.end_call(cx, call, hung_up_by="callcore")
    ),
    events.CallbackCancelAsked: _callback_cancel_asked,
    events.CallTransferAsked: _call_transfer_asked,
    events.CallSuperviseAsked: _call_supervise_asked,
    events.RecordingPauseAsked: _on_call(talking.pause_recording),
    events.RecordingResumeAsked: _on_call(talking.resume_recording),
    events.QueueLeaveAsked: _queue_leave_asked,
    events.CallPriorityAsked: _call_priority_asked,
}
