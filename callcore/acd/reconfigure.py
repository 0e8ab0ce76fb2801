"""A new configuration on a running floor: nobody who waits is moved or lost."""

from __future__ import annotations

from callcore.acd.admission import set_patience
from callcore.acd.agent import LiveAgent, Status
from callcore.acd.events import Configured, OverflowReason, WithdrawReason
from callcore.acd.queue import LiveQueue, Seat
from callcore.acd.routing import Router, end_wish
from callcore.acd.rule import readable
from callcore.acd.strategy import STRATEGIES
from callcore.directory import Agent, Queue, kinds_of
from callcore.directory_queue import Kind
from callcore.types import AgentId, QueueId


def refusal(event: Configured) -> str:
    """Why a configuration cannot be used, as a code; empty when it can."""
    kinds = kinds_of(event.kinds)
    for queue in event.queues.values():
        if queue.strategy not in STRATEGIES:
            return "unknown_strategy"
        if queue.kind not in kinds:
            return "unknown_kind"
        if queue.requires and not readable(queue.requires):
            return "unreadable_rule"
    return ""


def reconfigure(router: Router, event: Configured) -> None:
    """Kinds and agents first, then queues, then who serves what; at the end all are matched."""
    state = router.floor.state
    state.kinds.clear()
    state.kinds.update(kinds_of(event.kinds))
    state.statuses = dict(event.statuses)
    state.agent_settings = dict(event.agents)
    _change_agents(router, event.agents)
    _remove_queues(router, event.queues)
    _change_queues(router, event.queues)
    router.floor.seat_members()
    queues = list(router.floor.queues.values())
    router.match_waiting(queues, list(router.floor.seats.values()))
    router.leave_unstaffed(queues)


def _change_agents(router: Router, agents: dict[AgentId, Agent]) -> None:
    floor = router.floor
    for ident, config in agents.items():
        seat = floor.seats.get(ident)
        if seat is None:
            floor.add_agent(LiveAgent(id=ident, since=router.now))
            seat = floor.seats[ident]
        seat.agent.removed = False
        _set_traits(seat, config, floor.kinds)
    for seat in list(floor.seats.values()):
        if seat.agent.id not in agents:
            _remove_agent(router, seat)


def _set_traits(seat: Seat, config: Agent, kinds: dict[str, Kind]) -> None:
    agent = seat.agent
    agent.skills = dict(config.skills)
    agent.languages, agent.groups = config.languages, config.groups
    agent.site, agent.cost = config.site, config.cost
    agent.capacity = {name: config.capacity.get(name, kinds[name].capacity) for name in kinds}
    seat.relearn()


def _remove_agent(router: Router, seat: Seat) -> None:
    """At once without a contact; else when the present one is wrapped up."""
    agent = seat.agent
    agent.removed = True
    router.floor.unlist(seat)
    for entry in seat.wanted.sorted():
        contact = router.floor.contacts[entry[2]]
        router.floor.step_out(contact)
        end_wish(contact)
        router.floor.set_due(contact)
        router.keep_place(contact)
    offered = agent.offered
    if offered is not None:
        # Matched at the end, when all memberships are new.
        contact = router.floor.contacts[offered.contact]
        if len(agent.works) == 1:
            router.floor.set_status(seat, Status.LOGGED_OUT)
        router.lose_offer(seat, contact, "removed", WithdrawReason.AGENT_GONE)
        router.keep_place(contact)
    if agent.works:
        return
    router.floor.set_status(seat, Status.LOGGED_OUT)
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
            continue
        floor.state.queues[ident] = config
        if queue.config != config:
            _change_queue(router, queue, config)


def _change_queue(router: Router, queue: LiveQueue, config: Queue) -> None:
    """Waits end as the new limits say; places and lines are those of the new needs."""
    floor = router.floor
    waiting = floor.contacts_of(config.id)
    for contact in waiting:
        if queue.is_open(contact):
            floor.step_out(contact)
    queue.reconfigure(config)
    for contact in waiting:
        contact.kind = config.kind
        set_patience(contact, queue)
        floor.require(contact)
        floor.set_due(contact)
        if queue.is_open(contact):
            floor.line_up(contact)
