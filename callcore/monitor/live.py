"""The snapshot a supervisor sees, read from the machines; pure."""

from __future__ import annotations

from callcore.acd.agent import Status
from callcore.acd.distributor import Distributor
from callcore.acd.stats import QueueStats, ServiceLevel
from callcore.call.model import Call, LegState, SwitchState
from callcore.call.transfer import count_channels
from callcore.directory import Agent, Queue
from callcore.monitor.view import (
    AgentView,
    CallView,
    NodeView,
    PhoneView,
    QueueView,
    Snapshot,
    TrunkView,
)
from callcore.types import AgentId, CallId, QueueId


def live_snapshot(
    state: SwitchState, distributor: Distributor, nodes: tuple[NodeView, ...], now: float
) -> Snapshot:
    """Everything there is to see, in the order of configuration or arrival."""
    directory = state.directory
    positions = _positions(distributor)
    at_phone = {session.phone: session.agent for session in state.sessions.values()}
    serving = _queues_by_agent(directory.queues)
    return Snapshot(
        at=now,
        queues=tuple(_queue(queue, distributor) for queue in directory.queues.values()),
        agents=tuple(
            _agent(agent, state, distributor, serving.get(agent.id, ()))
            for agent in directory.agents.values()
        ),
        calls=tuple(
            _call(call, positions.get(call.id, 0)) for call in state.calls.values() if call.live
        ),
        phones=tuple(
            PhoneView(
                id=phone.id,
                reachable=state.reachable.get(phone.id, bool(phone.host)),
                agent=at_phone.get(phone.id, ""),
            )
            for phone in directory.phones.values()
        ),
        trunks=tuple(
            TrunkView(id=trunk.id, host=trunk.host, calls=count_channels(state, trunk.id))
            for trunk in directory.trunks.values()
        ),
        nodes=nodes,
    )


def _positions(distributor: Distributor) -> dict[CallId, int]:
    """Place in the queue, from 1, of every waiting contact."""
    return {
        contact.id: place
        for queue in distributor.floor.queues
        for place, contact in enumerate(distributor.floor.contacts_of(queue), start=1)
    }


def _queues_by_agent(queues: dict[QueueId, Queue]) -> dict[AgentId, tuple[QueueId, ...]]:
    serving: dict[AgentId, tuple[QueueId, ...]] = {}
    for queue in queues.values():
        for member in queue.members:
            serving[member.agent] = (*serving.get(member.agent, ()), queue.id)
    return serving


def _queue(queue: Queue, distributor: Distributor) -> QueueView:
    floor = distributor.floor
    stats = floor.state.stats.queues.get(queue.id) or QueueStats()
    waiting = floor.contacts_of(queue.id) if queue.id in floor.queues else []
    states: dict[str, int] = {}
    for member in queue.members:
        seat = floor.seats.get(member.agent)
        if seat is not None and seat.agent.status is not Status.LOGGED_OUT:
            state = seat.agent.observed().value
            states[state] = states.get(state, 0) + 1
    return QueueView(
        id=queue.id,
        name=queue.name,
        strategy=queue.strategy,
        waiting=len(waiting),
        waiting_since=min((contact.since for contact in waiting), default=None),
        agents=states,
        members=tuple(member.agent for member in queue.members),
        offered_today=stats.entered,
        answered_today=stats.answered,
        abandoned_today=stats.abandoned,
        short_abandoned_today=stats.short_abandoned,
        overflowed_today=stats.overflowed,
        service_level=stats.service_level(ServiceLevel.ABANDONS_NEGATIVE),
        average_wait=stats.average_speed_of_answer,
    )


def _agent(
    agent: Agent, state: SwitchState, distributor: Distributor, queues: tuple[QueueId, ...]
) -> AgentView:
    seat = distributor.floor.seats.get(agent.id)
    session = state.sessions.get(agent.id)
    if seat is None:
        return AgentView(id=agent.id, name=agent.name, queues=queues)
    live = seat.agent
    return AgentView(
        id=agent.id,
        name=agent.name,
        state=live.observed().value,
        reason=live.pause_reason,
        phone=session.phone if session is not None else "",
        since=live.since or None,
        until=live.deadline,
        contact=live.contact,
        queue=live.queue,
        queues=queues,
    )


def _call(call: Call, position: int) -> CallView:
    since = call.segments[-1].start if call.segments else call.arrived_at
    return CallView(
        id=call.id,
        state=call.state.value,
        direction=call.direction,
        caller=call.caller_number,
        caller_name=call.caller_name,
        dialled=call.dialled,
        tree=call.tree,
        queue=call.queue,
        position=position,
        agent=call.agent,
        arrived_at=call.arrived_at,
        since=since,
        queued_at=call.queued_at,
        recording=call.recording,
        recording_paused=call.recording_paused,
        on_hold=any(leg.on_hold and leg.state is LegState.UP for leg in call.legs.values()),
    )
