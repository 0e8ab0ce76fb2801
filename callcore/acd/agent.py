"""An agent as the distributor sees one: the status chosen, the state observed, the contacts held.

The two are kept apart because they answer different questions and change independently: an agent
may choose a pause while talking, and the talk goes on. Each contact held is a piece of work that
follows one table, `NEXT`; a step that is not in it is a contradiction inside callcore and raises.
What the phone tells (reachable, busy with an outside call) only shows while there is no work.

How many contacts of which kind an agent may hold at once is `capacity`; of voice it is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from callcore.acd.events import ContactId
from callcore.directory_queue import VOICE, Kind
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
    #: On a call outside the distributor.
    BUSY = "busy"
    UNREACHABLE = "unreachable"


class Step(StrEnum):
    """What moves a piece of work on."""

    ANSWER = "answer"
    HOLD = "hold"
    RESUME = "resume"
    #: Another contact takes the place of the present one (attended transfer).
    EXCHANGE = "exchange"
    RELEASE = "release"


WORK = (State.IDLE, State.OFFERED, State.TALKING, State.ON_HOLD, State.WRAPPING_UP)

#: The whole life of a piece of work: it begins OFFERED, or TALKING where a contact was assigned,
#: and ends with the offer or the wrap-up. A queue without wrap-up passes WRAPPING_UP in no time.
NEXT: dict[State, dict[Step, State]] = {
    State.OFFERED: {Step.ANSWER: State.TALKING},
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
    State.WRAPPING_UP: {},
}
#: Which work shows when an agent has several: the one that asks most.
FOREMOST = (State.TALKING, State.ON_HOLD, State.OFFERED, State.WRAPPING_UP)

_IDLE = State.IDLE
_READY = Status.READY


class Work(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One contact an agent holds, from its offer to the end of its wrap-up."""

    contact: ContactId
    #: Where it came from; empty: assigned by hand.
    queue: QueueId = ""
    kind: str = VOICE
    state: State = State.OFFERED
    #: Since when it is in its state, and what the contact took so far.
    since: float = 0.0
    #: When it was offered, or assigned.
    began: float = 0.0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    #: Skills the contact asked for.
    skills: tuple[str, ...] = ()
    #: When ringing or wrap-up ends by itself.
    deadline: float | None = None
    #: Its wrap-up has no end but the agent's.
    until_ready: bool = False
    #: The agent asked for an optional wrap-up.
    wrap_up_asked: bool = False

    def step(self, step: Step, now: float) -> None:
        """Move the work on and account for the time it took; raises on a step not in `NEXT`."""
        after = NEXT[self.state].get(step)
        if after is None:
            raise InvalidTransition(f"contact {self.contact}: {step} while {self.state}")
        if self.state is State.TALKING:
            self.talk_seconds += now - self.since
        elif self.state is State.ON_HOLD:
            self.hold_seconds += now - self.since
        self.state = after
        self.since = now


class LiveAgent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One agent now. Plain values only, so that a snapshot holds it as it is."""

    id: AgentId
    skills: dict[str, int] = {}
    languages: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    site: str = ""
    cost: float = 0.0
    #: Contacts at once, by kind.
    capacity: dict[str, int] = msgspec.field(default_factory=lambda: {VOICE: 1})
    status: Status = Status.LOGGED_OUT
    #: The site's own name of the status chosen, where it is one, and the kinds offered in it.
    site_status: str = ""
    offered_kinds: tuple[str, ...] | None = None
    pause_reason: str = ""
    #: What is held, in the order of offers.
    works: dict[ContactId, Work] = {}
    #: What was last shown to the world, and since when.
    state: State = State.LOGGED_OUT
    since: float = 0.0
    #: The place in the order of idle agents: since login, ready, the end of the last work or an
    #: unanswered offer. An offer withdrawn through no doing of the agent keeps the place.
    idle_since: float = 0.0
    reachable: bool = True
    #: The phone is on a call outside the distributor.
    busy: bool = False
    #: Until when the agent rests after an unanswered offer.
    resting_until: float | None = None
    #: Unanswered offers in a row.
    missed: int = 0
    #: Gone from the configuration; leaves when the present contact is wrapped up.
    removed: bool = False
    #: Contacts answered today.
    answered_today: int = 0

    @property
    def ready(self) -> bool:
        """Could be offered something, as far as no kind of contact is looked at."""
        return (
            self.status is _READY
            and not self.busy
            and self.resting_until is None
            and not self.removed
        )

    def may_take(self, name: str, kind: Kind, kinds: Mapping[str, Kind]) -> bool:
        """May be offered a contact of this kind now."""
        if (
            not self.ready
            or (kind.by_phone and not self.reachable)
            or (self.offered_kinds is not None and name not in self.offered_kinds)
        ):
            return False
        if not self.works:
            return self.capacity.get(name, 0) > 0
        return self._has_room(name, kind, kinds)

    def _has_room(self, name: str, kind: Kind, kinds: Mapping[str, Kind]) -> bool:
        """Beside what is held: one offer at a time, and exclusive kinds among themselves."""
        held = 0
        for work in self.works.values():
            if work.state is State.OFFERED:
                return False
            if work.kind == name:
                held += 1
            elif kind.exclusive or work.kind not in kinds or kinds[work.kind].exclusive:
                return False
        return held < self.capacity.get(name, 0)

    def load(self, kind: str) -> float:
        """The share of the capacity for a kind that is taken."""
        if not self.works:
            return 0.0
        return len(self.works) / max(1, self.capacity.get(kind, 1))

    @property
    def foremost(self) -> Work | None:
        """The work that is shown: of the state that asks most, the oldest."""
        works = self.works
        if not works:
            return None
        if len(works) == 1:
            return next(iter(works.values()))
        return min(works.values(), key=lambda work: FOREMOST.index(work.state))

    @property
    def contact(self) -> ContactId:
        work = self.foremost
        return "" if work is None else work.contact

    @property
    def queue(self) -> QueueId:
        work = self.foremost
        return "" if work is None else work.queue

    @property
    def offered(self) -> Work | None:
        """The one offer that rings, if any."""
        return next((work for work in self.works.values() if work.state is State.OFFERED), None)

    @property
    def deadline(self) -> float | None:
        """When something about the agent changes by itself."""
        first = self.resting_until
        for work in self.works.values():
            deadline = work.deadline
            if deadline is not None and (first is None or deadline < first):
                first = deadline
        return first

    def working(self, states: Iterable[State]) -> list[Work]:
        """The works in one of these states, oldest first."""
        return [work for work in self.works.values() if work.state in states]

    def observed(self) -> State:
        """The state to show: work first, then why an agent without work gets none."""
        work = self.foremost
        return self.without_work() if work is None else work.state

    def without_work(self) -> State:
        """The state to show of an agent who holds nothing."""
        if self.status is Status.LOGGED_OUT:
            return State.LOGGED_OUT
        if not self.reachable and VOICE in self.capacity:
            return State.UNREACHABLE
        if self.busy:
            return State.BUSY
        return State.PAUSED if self.status is Status.PAUSED else _IDLE
