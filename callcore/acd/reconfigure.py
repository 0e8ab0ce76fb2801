"""A new configuration on a running floor: nobody who waits is moved or lost."""

from __future__ import annotations

from callcore.acd.agent import LiveAgent, State, Status
from callcore.acd.events import Configured, OverflowReason, WithdrawReason
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.routing import Router
from callcore.acd.strategy import STRATEGIES
from callcore.directory import Agent, Queue
from callcore.types import AgentId, QueueId


def refusal(event: Configured) -> str:
    """Why a configuration cannot be used, as a code; empty when it can."""
    for queue in event.queues.values():
        if queue.strategy not in STRATEGIES:
            return "unknown_strategy"
    return ""


def reconfigure(router: Router, event: Configured) -> None:
    """Agents first, then queues, then who serves what; at the end everybody is matched again."""
    _change_agents(router, event.agents)
    _remove_queues(router, event.queues)
    _change_queues(router, event.queues)
    router.floor.seat_members()
    router.match_waiting(list(router.floor.queues.values()))


def _change_agents(router: Router, agents: dict[AgentId, Agent]) -> None:
    floor = router.floor
    for ident, config in agents.items():
        seat = floor.seats.get(ident)
        if seat is None:
            floor.add_agent(LiveAgent(id=ident, skills=dict(config.skills), since=router.now))
        else:
            seat.agent.removed = False
            seat.relearn(dict(config.skills))
    for seat in list(floor.seats.values()):
        if seat.agent.id not in agents:
            _remove_agent(router, seat)


def _remove_agent(router: Router, seat: Seat) -> None:
    """At once without a contact; else when the present one is wrapped up."""
    agent = seat.agent
    agent.removed = True
    if agent.work not in (State.IDLE, State.OFFERED):
        return
    agent.status = Status.LOGGED_OUT
    router.floor.unlist(seat)
    if agent.work is State.OFFERED:
        # Matched at the end, when all memberships are new.
        router.keep_place(router.lose_offer(seat, "removed", WithdrawReason.AGENT_GONE))
    else:
        router.show(agent, "removed")
    router.floor.forget(seat)


def _remove_queues(router: Router, queues: dict[QueueId, Queue]) -> None:
    floor = router.floor
    for ident in [ident for ident in floor.queues if ident not in queues]:
        for contact in floor.contacts_of(ident):
            router.overflow(contact, OverflowReason.NO_SUCH_QUEUE)
        floor.remove_queue(ident)


def _change_queues(router: Router, queues: dict[QueueId, Queue]) -> None:
    floor = router.floor
    for ident, config in queues.items():
        queue = floor.queues.get(ident)
        if queue is None:
            floor.add_queue(config)
        elif queue.config != config:
            floor.state.queues[ident] = config
            queue.reconfigure(config)
            _apply_to_contacts(router, queue)


def _apply_to_contacts(router: Router, queue: LiveQueue) -> None:
    """Deadlines follow the new max_wait; lines hold whoever is open under the new strategy."""
    for contact in router.floor.contacts_of(queue.config.id):
        queue.step_out(contact)
        if queue.is_open(contact):
            queue.line_up(contact)
        max_wait = queue.config.max_wait_seconds
        contact.deadline = contact.since + max_wait if max_wait > 0 else None
        router.floor.contact_timers.set(contact.id, contact.deadline)
