"""An agent as the distributor sees one: the status chosen, the state observed, the work held.

The two are kept apart because they answer different questions and change independently: an agent
may choose a pause while talking, and the talk goes on. The work follows one table, `NEXT`; a step
that is not in it is a contradiction inside callcore and raises. What the phone tells (reachable,
busy with an outside call) only shows while there is no work.

An agent holds at most one voice contact, so the work is a single slot; kinds with a larger
capacity become further slots.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from callcore.acd.events import ContactId
from callcore.errors import InvalidTransition
from callcore.types import AgentId, QueueId


class Status(StrEnum):
    """What the agent, or a supervisor, chose."""

    LOGGED_OUT = "logged_out"
    READY = "ready"
    PAUSED = "paused"


class State(StrEnum):
    """What is observed; only the five in `WORK` are steps of the work table."""

    IDLE = "idle"
    OFFERED = "offered"
    TALKING = "talking"
    ON_HOLD = "on_hold"
    WRAPPING_UP = "wrapping_up"
    LOGGED_OUT = "logged_out"
    PAUSED = "paused"
    BUSY = "busy"
    UNREACHABLE = "unreachable"


class Step(StrEnum):
    """What moves the work of an agent on."""

    OFFER = "offer"
    WITHDRAW = "withdraw"
    ANSWER = "answer"
    ASSIGN = "assign"
    HOLD = "hold"
    RESUME = "resume"
    #: Another contact takes the place of the present one (attended transfer).
    EXCHANGE = "exchange"
    RELEASE = "release"
    FINISH = "finish"


WORK = (State.IDLE, State.OFFERED, State.TALKING, State.ON_HOLD, State.WRAPPING_UP)

#: The whole life of an agent's work. A queue without wrap-up passes WRAPPING_UP in no time.
NEXT: dict[State, dict[Step, State]] = {
    State.IDLE: {Step.OFFER: State.OFFERED, Step.ASSIGN: State.TALKING},
    State.OFFERED: {Step.WITHDRAW: State.IDLE, Step.ANSWER: State.TALKING},
    State.TALKING: {
        Step.HOLD: State.ON_HOLD,
        Step.EXCHANGE: State.TALKING,
        Step.RELEASE: State.WRAPPING_UP,
    },
    State.ON_HOLD: {
        Step.RESUME: State.TALKING,
        Step.EXCHANGE: State.TALKING,
        Step.RELEASE: State.WRAPPING_UP,
    },
    State.WRAPPING_UP: {Step.FINISH: State.IDLE},
}

_IDLE = State.IDLE
_READY = Status.READY


class LiveAgent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One agent now. Plain values only, so that a snapshot holds it as it is."""

    id: AgentId
    skills: dict[str, int] = {}
    status: Status = Status.LOGGED_OUT
    pause_reason: str = ""
    work: State = State.IDLE
    #: The contact the work is about, and the queue it came from (empty: none).
    contact: ContactId = ""
    queue: QueueId = ""
    #: Skills that contact asked for.
    needed: tuple[str, ...] = ()
    #: What was last shown to the world, and since when.
    state: State = State.LOGGED_OUT
    since: float = 0.0
    #: Since when the work is in its state, and what the present contact took so far.
    work_since: float = 0.0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    #: The place in the order of idle agents: since login, ready, the end of the last work or an
    #: unanswered offer. An offer withdrawn through no doing of the agent keeps the place.
    idle_since: float = 0.0
    reachable: bool = True
    #: The phone is on a call outside the distributor.
    busy: bool = False
    #: When the present state ends by itself: ringing, wrap-up, or (idle) the rest after an
    #: unanswered offer.
    deadline: float | None = None
    #: Unanswered offers in a row.
    missed: int = 0
    #: Gone from the configuration; leaves when the present contact is wrapped up.
    removed: bool = False

    @property
    def available(self) -> bool:
        """May be offered a contact now."""
        return (
            self.work is _IDLE
            and self.status is _READY
            and self.reachable
            and not self.busy
            and self.deadline is None
            and not self.removed
        )

    @property
    def resting_until(self) -> float | None:
        """End of the rest after an unanswered offer."""
        return self.deadline if self.work is _IDLE else None

    def observed(self) -> State:
        """The state to show: work first, then why an agent without work gets none."""
        if self.work is not _IDLE:
            return self.work
        if self.status is Status.LOGGED_OUT:
            return State.LOGGED_OUT
        if not self.reachable:
            return State.UNREACHABLE
        if self.busy:
            return State.BUSY
        return State.PAUSED if self.status is Status.PAUSED else _IDLE

    def step(self, step: Step, now: float) -> None:
        """Move the work on and account for the time it took; raises on a step not in `NEXT`."""
        work = self.work
        after = NEXT[work].get(step)
        if after is None:
            raise InvalidTransition(f"agent {self.id}: {step} while {work}")
        if work is State.TALKING:
            self.talk_seconds += now - self.work_since
        elif work is State.ON_HOLD:
            self.hold_seconds += now - self.work_since
        self.work = after
        self.work_since = now
