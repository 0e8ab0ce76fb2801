"""The snapshot a supervisor sees, read from the machines; pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from callcore.acd import views as acd
from callcore.acd.agent import State
from callcore.acd.counts import ServiceLevel
from callcore.acd.distributor import Distributor
from callcore.call.model import Call, LegState, SwitchState
from callcore.call.trunks import channels_on
from callcore.directory import Agent, Queue, members_of
from callcore.monitor.view import (
    AgentView,
    CallView,
    NodeView,
    PhoneView,
    QueueView,
    Snapshot,
    TrunkView,
)
from callcore.types import AgentId, CallId, PhoneId, TrunkId

EMPTY: Mapping[TrunkId, str] = MappingProxyType({})


def live_snapshot(
    state: SwitchState,
    distributor: Distributor,
    nodes: tuple[NodeView, ...],
    now: float,
    trunk_states: Mapping[TrunkId, str] = EMPTY,
) -> Snapshot:
    """Everything there is to see, in the order of configuration or arrival."""
    directory = state.directory
    waiting = {place.contact: place for place in distributor.waiting(now)}
    at_phone = {session.phone: session.agent for session in state.sessions.values()}
    queues = {queue.queue: queue for queue in distributor.queues(now)}
    agents = {agent.agent: agent for agent in distributor.agents(now)}
    supervisors = _supervisors(state)
    return Snapshot(
        at=now,
        queues=tuple(
            _queue(queue, directory.agents, queues.get(queue.id), now)
            for queue in directory.queues.values()
        ),
        agents=tuple(
            _agent(agent, agents.get(agent.id), state) for agent in directory.agents.values()
        ),
        calls=tuple(
            _call(
                call,
                waiting[call.id].position if call.id in waiting else 0,
                supervisors.get(call.id, {}),
            )
            for call in state.calls.values()
            if call.live
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
            TrunkView(
                id=trunk.id,
                host=trunk.host,
                calls=channels_on(state, trunk.id),
                state=trunk_states.get(trunk.id, ""),
            )
            for trunk in directory.trunks.values()
        ),
        nodes=nodes,
    )


def _queue(
    queue: Queue, agents: Mapping[AgentId, Agent], live: acd.QueueView | None, now: float
) -> QueueView:
    view = QueueView(
        id=queue.id,
        name=queue.name,
        strategy=queue.strategy,
        members=tuple(members_of(queue, agents)),
    )
    if live is None:
        return view
    return msgspec.structs.replace(
        view,
        waiting=live.waiting,
        waiting_since=now - live.longest_wait if live.waiting else None,
        agents={
            state.value: count
            for state, count in live.members.items()
            if state is not State.LOGGED_OUT
        },
        offered_today=live.stats.entered,
        answered_today=live.stats.answered,
        abandoned_today=live.stats.abandoned,
        short_abandoned_today=live.stats.short_abandoned,
        overflowed_today=live.stats.overflowed,
        service_level=live.service_level.get(ServiceLevel.ABANDONS_NEGATIVE),
        average_wait=live.average_speed_of_answer,
    )


def _agent(agent: Agent, live: acd.AgentView | None, state: SwitchState) -> AgentView:
    view = AgentView(id=agent.id, name=agent.name)
    if live is None:
        return view
    session = state.sessions.get(agent.id)
    return msgspec.structs.replace(
        view,
        state=live.state.value,
        reason=live.pause_reason,
        phone=session.phone if session is not None else "",
        since=live.since or None,
        until=live.until,
        contact=live.contact,
        queue=live.queue,
        queues=live.queues,
    )


def _supervisors(state: SwitchState) -> dict[CallId, dict[PhoneId, str]]:
    """Phones and what each does, by the call supervised."""
    found: dict[CallId, dict[PhoneId, str]] = {}
    for name in state.supervisions:
        supervision = state.calls[name].supervision
        if supervision is not None:
            found.setdefault(supervision.call, {})[supervision.phone] = supervision.mode.value
    return found


def _call(call: Call, position: int, supervisors: dict[PhoneId, str]) -> CallView:
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
        supervisors=supervisors,
        supervised=call.supervision.call if call.supervision is not None else "",
    )
