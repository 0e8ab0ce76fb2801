"""The routing rules compared: longest idle, penalties, and service-level routing."""

from __future__ import annotations

from dataclasses import dataclass

from callcore.acd.contact import Contact
from callcore.acd.distributor import Distributor
from callcore.acd.floor import DistributorState, Floor
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.routing import Router
from callcore.acd.skills import Needs
from callcore.acd.urgency import service_level_urgency
from callcore.bench.service_level import Rule


@dataclass(frozen=True)
class _Order:
    service_level_seconds: float
    weight: float = 1.0
    priority_seconds: float = 600.0


class _ServiceLevelFloor(Floor):
    """Flexible agents are kept free, and a freed agent takes the most urgent head."""

    def best_idle(self, queue: LiveQueue, needs: Needs) -> Seat | None:
        fitting = [
            seat for place in queue.idle.sorted() if (seat := self.seats[place[2]]).fits(needs)
        ]
        return min(fitting, key=lambda seat: len(seat.places), default=None)

    def best_contact(self, seat: Seat) -> Contact | None:
        best: tuple[float, float, str] | None = None
        for queue, _ in seat.places:
            order = _Order(queue.config.service_level_seconds)
            for needs, line in queue.lines.items():
                head = line.first()
                if head is not None and seat.fits(needs):
                    urgency = service_level_urgency(order, -head[0], self.state.now - head[1])
                    best = min(best or (1.0, 0.0, ""), (-urgency, head[1], head[2]))
        return None if best is None else self.contacts[best[2]]


class _ServiceLevelDistributor(Distributor):
    def restore(self, state: DistributorState) -> None:
        self.floor = _ServiceLevelFloor(state)
        self._router = Router(self.floor)


RULES = {
    "longest_idle": Rule(),
    "penalty": Rule(secondary_penalty=1),
    "callcore": Rule(make=_ServiceLevelDistributor),
}
