"""What agents do and what is done to them: sessions, pauses, statuses, phones, wrap-up.

An event that does not fit is ignored under a code, see `Router.ignore`.
"""

from __future__ import annotations

from callcore.acd import events as ev
from callcore.acd.agent import State, Status
from callcore.acd.contact import Contact
from callcore.acd.queue import Seat
from callcore.acd.routing import Router, end_wish

TALKS = (State.TALKING, State.ON_HOLD)


class Attendance:
    """The rules about agents."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._floor = router.floor

    def logged_in(self, event: ev.LoggedIn) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.removed:
            self._router.ignore("agent_removed")
        elif agent.status is not Status.LOGGED_OUT:
            self._router.ignore("already_logged_in")
            self._set_reachable(seat, event.reachable)
        else:
            agent.reachable, agent.busy = event.reachable, event.busy
            agent.missed = 0
            agent.idle_since = self._router.now
            self._set_status(seat, Status.READY if event.ready else Status.PAUSED, "login")
            foremost = agent.foremost
            until = None if foremost is None else foremost.deadline
            self._router.show(agent, "login", until, chosen=True)
            self._router.settle([seat])

    def logged_out(self, event: ev.LoggedOut) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        if seat.agent.status is Status.LOGGED_OUT:
            self._router.ignore("not_logged_in")
            return
        self._set_status(seat, Status.LOGGED_OUT, "")
        self._router.agent_gone(seat, "logout", chosen=True)
        self._router.finish_wrap_ups(seat, "logout")
        for contact in self._wanting(seat):
            self._router.move(contact, end_wish)
        self._router.leave_unstaffed(self._floor.queues_of([seat]))

    def _wanting(self, seat: Seat) -> list[Contact]:
        return [self._floor.contacts[entry[2]] for entry in seat.wanted.sorted()]

    def paused(self, event: ev.Paused) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.status is Status.LOGGED_OUT:
            self._router.ignore("not_logged_in")
        elif agent.status is Status.PAUSED and agent.pause_reason == event.reason:
            self._router.ignore("already_paused")
        else:
            self._pause(seat, event.reason)

    def _pause(self, seat: Seat, reason: str) -> None:
        self._set_status(seat, Status.PAUSED, reason)
        self._router.agent_gone(seat, reason, chosen=True)
        self._router.leave_unstaffed(self._floor.queues_of([seat]))

    def _set_status(self, seat: Seat, status: Status, reason: str) -> None:
        """`reason` is that of a pause; the rest after an unanswered offer is over."""
        agent = seat.agent
        self._floor.set_status(seat, status)
        agent.pause_reason = reason if status is Status.PAUSED else ""
        agent.site_status, agent.offered_kinds = "", None
        if agent.resting_until is not None:
            agent.resting_until = None
            self._floor.arm(agent)

    def ready(self, event: ev.Ready) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.status is Status.LOGGED_OUT:
            self._router.ignore("not_logged_in")
            return
        changes = agent.status is Status.PAUSED or bool(agent.site_status)
        if changes:
            self._set_status(seat, Status.READY, "")
            agent.missed = 0
        if self._router.finish_wrap_ups(seat, "ready"):
            return
        if not changes:
            self._router.ignore("already_ready")
            return
        if not agent.works:
            agent.idle_since = self._router.now
        self._router.show(agent, "ready", chosen=True)
        self._router.settle([seat])

    def status_chosen(self, event: ev.StatusChosen) -> None:
        """One of the site's own: a pause where nothing is offered in it, else ready for some."""
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        agent, kinds = seat.agent, self._floor.state.statuses.get(event.status)
        if kinds is None:
            self._router.ignore("unknown_status")
        elif agent.status is Status.LOGGED_OUT:
            self._router.ignore("not_logged_in")
        elif agent.site_status == event.status:
            self._router.ignore("no_change")
        elif not kinds:
            self._pause(seat, event.status)
            agent.site_status = event.status
        else:
            self._ready_for_some(seat, event.status, kinds)

    def _ready_for_some(self, seat: Seat, status: str, kinds: tuple[str, ...]) -> None:
        agent = seat.agent
        self._set_status(seat, Status.READY, "")
        agent.site_status, agent.offered_kinds, agent.missed = status, kinds, 0
        offered = agent.offered
        if offered is not None and offered.kind not in kinds:
            self._router.agent_gone(seat, status, chosen=True)
        else:
            self._router.show(agent, status, agent.deadline, chosen=True)
        self._router.settle([seat])

    def wrap_up_asked(self, event: ev.WrapUpAsked) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        works = seat.agent.working(TALKS)
        if not works:
            self._router.ignore("not_connected")
        for work in works:
            work.wrap_up_asked = True

    def wrap_up_extended(self, event: ev.WrapUpExtended) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        works = seat.agent.working((State.WRAPPING_UP,))
        timed = [work for work in works if work.deadline is not None]
        if not timed or event.seconds <= 0:
            self._router.ignore("no_timed_wrap_up" if not timed else "no_change")
            return
        for work in timed:
            assert work.deadline is not None
            work.deadline += event.seconds
        self._floor.arm(seat.agent)
        self._router.show(seat.agent, "extended", seat.agent.deadline, chosen=True)

    def reachable_changed(self, event: ev.ReachableChanged) -> None:
        seat = self._router.seat(event.agent)
        if seat is not None and not self._set_reachable(seat, event.reachable):
            self._router.ignore("no_change")

    def _set_reachable(self, seat: Seat, reachable: bool) -> bool:
        agent = seat.agent
        if agent.reachable == reachable:
            return False
        agent.reachable = reachable
        offered = agent.offered
        kind = self._floor.kinds.get(offered.kind) if offered is not None else None
        if reachable or (kind is not None and not kind.by_phone):
            self._router.show(agent, "reachable" if reachable else "unreachable")
            self._router.settle([seat])
        else:
            self._router.agent_gone(seat, "unreachable")
            self._router.settle([seat])  # what needs no phone goes on
            self._router.leave_unstaffed(self._floor.queues_of([seat]))
        return True

    def busy_changed(self, event: ev.BusyChanged) -> None:
        seat = self._router.seat(event.agent)
        if seat is None:
            return
        agent = seat.agent
        if agent.busy == event.busy:
            self._router.ignore("no_change")
            return
        agent.busy = event.busy
        if event.busy:
            self._router.agent_gone(seat, "outside_call")
            return
        if not agent.works:
            agent.idle_since = self._router.now
        self._router.show(agent, "outside_call_over")
        self._router.settle([seat])
