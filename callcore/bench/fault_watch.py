"""What phones and callers of a faulty floor see, checked at every event.

Nobody is offered two contacts at once or one beside a call, no contact rings at two phones (unless
all ring), nobody is connected twice, each contact has exactly one end in each queue, equal contacts
of a queue are offered in the order they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from callcore.acd import events as ev
from callcore.acd.strategy import STRATEGIES
from callcore.bench.fault_site import AGENTS, QUEUES, ROOM
from callcore.directory import Queue
from callcore.directory_queue import VOICE


@dataclass(slots=True)
class Waiting:
    """A contact in a queue: those of one `needs` any agent can serve alike."""

    needs: tuple[str, ...]
    priority: int
    since: float
    #: Phones that ring for it.
    rings: int = 0


class Watch:
    """What phones and callers see, from accepted events and actions alone."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self.broken = broken
        #: By agent: the contacts held, and whether the two talk.
        self.desks: dict[str, dict[str, bool]] = {agent: {} for agent in AGENTS}
        #: What kind a contact was when it was offered last.
        self.kinds: dict[str, str] = {}
        self.queued: dict[str, Waiting] = {}
        self.ends: Counter[str] = Counter()
        #: Queues in which everybody rings, and those whose contacts need less with time: a timer
        #: that fires late is late for some of them.
        self.shared: set[str] = set()
        self.relaxing: set[str] = set()

    def configured(self, queue: Queue) -> None:
        """How this queue's contacts are offered from now on."""
        # What rings now may still ring at several phones until it ends.
        if STRATEGIES[queue.strategy].rings_all:
            self.shared.add(queue.id)
        (self.relaxing.add if queue.rings else self.relaxing.discard)(queue.id)

    def took(self, event: ev.AnyAcdEvent, now: float) -> None:
        """The distributor accepted an event."""
        if isinstance(event, ev.ContactQueued):
            since = now if event.since is None else min(event.since, now)
            needs = (event.queue, str(sorted(event.skills.items())), event.rule, event.language)
            alone = (event.contact,) if event.wanted else ()
            self.queued[event.contact] = Waiting((*needs, *alone), event.priority, since)
        elif isinstance(event, ev.PriorityChanged):
            self.queued[event.contact].priority = event.priority
        elif isinstance(event, ev.ContactLeft):
            self._end(event.contact, "abandoned")
        elif isinstance(event, ev.OfferAnswered):
            self._answered(event)
        elif isinstance(event, ev.OfferFailed):
            self._stopped(event.agent, event.contact)
        elif isinstance(event, ev.ContactReleased):
            self._hung_up(event)
        elif isinstance(event, ev.ContactAssigned):
            if self.desks[event.agent].get(event.contact) is False:
                self.desks[event.agent][event.contact] = True  # where it rang
            if event.contact in self.queued:
                self._end(event.contact, "answered")

    def _end(self, contact: str, end: str) -> None:
        if self.queued.pop(contact, None) is None:
            self.broken(f"{contact} was not in a queue any more and is {end}")
        self.ends[end] += 1

    def _answered(self, event: ev.OfferAnswered) -> None:
        if self.desks[event.agent].get(event.contact) is not False:
            self.broken(f"{event.agent} answers {event.contact}, which does not ring there")
        self._end(event.contact, "answered")
        self.desks[event.agent][event.contact] = True

    def _hung_up(self, event: ev.ContactReleased) -> None:
        if self.desks[event.agent].pop(event.contact, None) is not True:
            self.broken(f"{event.agent} releases {event.contact} without a talk")

    def _stopped(self, agent: str, contact: str) -> None:
        if self.desks[agent].pop(contact, None) is not False:
            self.broken(f"{agent} stops ringing for {contact}, which did not ring there")
        if contact in self.queued:
            self.queued[contact].rings -= 1

    def saw(self, action: ev.AnyAcdAction) -> None:
        """The distributor decided something."""
        if isinstance(action, ev.Offer):
            self._offered(action)
        elif isinstance(action, ev.Withdraw):
            self._stopped(action.agent, action.contact)
        elif isinstance(action, ev.Overflow):
            self._end(action.contact, "overflowed")
        elif isinstance(action, ev.WrapUpEnded):
            # Exchanged for another, or it comes back to the same agent.
            self.desks[action.agent].pop(action.contact, None)

    def _offered(self, offer: ev.Offer) -> None:
        held = self.desks[offer.agent]
        kind = self.kinds[offer.contact] = QUEUES[offer.queue]
        kinds = [self.kinds.get(contact, VOICE) for contact in held]
        alone = any(each != "chat" for each in (kind, *kinds))
        full = kinds.count(kind) >= ROOM[kind] or (alone and bool(held))
        if full or not all(held.values()):
            self.broken(f"{offer.agent} is offered {offer.contact} ({kind}) beside {held}")
        waiting = self.queued.get(offer.contact)
        if waiting is None:
            self.broken(f"{offer.contact} is not in a queue any more and is offered")
            return
        held[offer.contact] = False
        waiting.rings += 1
        if waiting.rings > 1 and offer.queue not in self.shared:
            self.broken(f"{offer.contact} rings at {waiting.rings} phones")
        for contact, other in self.queued.items():
            if offer.queue in self.relaxing:
                break
            same = (other.needs, other.priority) == (waiting.needs, waiting.priority)
            if same and other.since < waiting.since and not other.rings:
                self.broken(f"{offer.contact} is offered before {contact}, which came first")
