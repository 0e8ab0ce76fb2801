"""The running switch as operators see and command it: what the API and the CLI work against."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from callcore.acd.agent import LiveAgent, State
from callcore.acd.counts import Counts
from callcore.call import direct, events, sessions, supervision
from callcore.call.actions import AnyAction
from callcore.call.events import Event
from callcore.call.model import Call
from callcore.call.state import CallState
from callcore.config import Settings
from callcore.dispatch import Dispatcher
from callcore.errors import ConfigError, Refused, UnknownEntity
from callcore.monitor.callbacks import CallbackView, callback_views
from callcore.monitor.live import live_snapshot
from callcore.monitor.view import NodeView, Snapshot
from callcore.monitor.why import AgentWhy, ContactWhy, agent_why, contact_why
from callcore.store.intervals import Present
from callcore.types import AgentId, CallId, TrunkId


class LiveSwitchboard:
    """Reads the machines directly; writes only by posting events to the dispatcher."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        node: str,
        settings: Callable[[], Settings],
        reload: Callable[[], Awaitable[None]],
        not_ready: Callable[[NodeView], str],
        trunk_states: Callable[[], Mapping[TrunkId, str]],
    ) -> None:
        self._dispatcher = dispatcher
        self._settings = settings
        self._reload = reload
        self._not_ready = not_ready
        self._trunk_states = trunk_states
        self._trunks_shown = trunk_states()
        self._version = 0
        self._node = NodeView(id=node, up=False, reason="not connected yet")
        dispatcher.watchers.append(self._something_happened)

    def _something_happened(self, event: Event | None, actions: list[AnyAction]) -> None:
        self._version += 1
        if isinstance(event, events.BackendUp):
            self._node = NodeView(id=event.node, up=True, since=self._dispatcher.clock())
        elif isinstance(event, events.BackendDown):
            self._node = NodeView(
                id=event.node, up=False, since=self._dispatcher.clock(), reason=event.reason
            )

    def snapshot(self) -> Snapshot:
        switch = self._dispatcher.switch
        return live_snapshot(
            switch.state,
            switch.distributor,
            (self._node,),
            self._dispatcher.clock(),
            self._trunk_states(),
        )

    def callbacks(self) -> tuple[CallbackView, ...]:
        return callback_views(self._dispatcher.switch.state)

    def why_contact(self, contact: CallId) -> ContactWhy | None:
        switch = self._dispatcher.switch
        agents = switch.state.directory.agents
        return contact_why(switch.distributor, contact, agents, self._dispatcher.clock())

    def why_agent(self, agent: AgentId) -> AgentWhy:
        switch = self._dispatcher.switch
        return agent_why(switch.distributor, agent, switch.state.directory.agents)

    def interval(self) -> Present:
        since, counts = self._dispatcher.switch.distributor.interval(self._dispatcher.clock())
        return Present(begin=since, counts=counts)

    def today(self) -> Counts:
        return self._dispatcher.switch.distributor.today(self._dispatcher.clock())

    def version(self) -> int:
        if self._trunk_states() is not self._trunks_shown:
            self._trunks_shown = self._trunk_states()
            self._version += 1
        return self._version

    def settings(self) -> Settings:
        return self._settings()

    async def reload(self) -> None:
        await self._reload()

    def ready(self) -> str:
        return self._not_ready(self._node)

    async def submit(self, event: Event) -> None:
        self._refuse_what_cannot_be(event)
        self._dispatcher.post(event)

    # --- what cannot be --------------------------------------------------------------------

    def _refuse_what_cannot_be(self, event: Event) -> None:
        state = self._dispatcher.switch.state
        match event:
            case events.AgentLogin(agent=agent, phone=phone):
                self._agent_exists(agent)
                reason = sessions.refusal(self._dispatcher.switch.cx, agent, phone)
                if reason:
                    raise Refused(reason)
            case events.AgentPaused(agent=agent, reason=reason):
                self._logged_in(agent)
                _one_of("reason", reason, state.directory.pause_reasons or (reason,))
            case events.AgentStatusChosen(agent=agent, status=status):
                self._logged_in(agent)
                _one_of("status", status, state.directory.statuses)
            case events.AgentWrapUpAsked(agent=agent):
                if not self._logged_in(agent).working((State.TALKING, State.ON_HOLD)):
                    raise Refused(f"agent {agent!r} talks to nobody")
            case events.AgentWrapUpExtended(agent=agent):
                works = self._logged_in(agent).working((State.WRAPPING_UP,))
                if all(work.deadline is None for work in works):
                    raise Refused(f"agent {agent!r} is in no wrap-up that ends by itself")
            case events.AgentLogout(agent=agent) | events.AgentReady(agent=agent):
                self._logged_in(agent)
            case events.CallbackCancelAsked(call=call):
                if call not in state.callbacks:
                    raise UnknownEntity("callback", call)
            case events.CallHangupAsked(call=call):
                self._live_call(call)
            case events.CallTransferAsked(call=call, target=target):
                self._live_call(call)
                self._refuse(direct.refusal(self._dispatcher.switch.cx, target))
            case events.CallSuperviseAsked(call=call, phone=phone):
                supervised = self._live_call(call)
                cx = self._dispatcher.switch.cx
                self._refuse(supervision.refusal(cx, supervised, phone))
            case events.RecordingPauseAsked(call=call) | events.RecordingResumeAsked(call=call):
                if not self._live_call(call).recording:
                    raise Refused(f"call {call!r} is not being recorded")
            case events.QueueLeaveAsked(call=call, queue=queue):
                if queue not in state.directory.queues:
                    raise UnknownEntity("queue", queue)
                self._waiting_call(call)
            case events.CallPriorityAsked(call=call):
                self._waiting_call(call)
            case _:
                return

    def _refuse(self, reason: str) -> None:
        """Nothing, where the rules see no reason."""
        if reason:
            raise Refused(reason)

    def _agent_exists(self, agent: str) -> None:
        if agent not in self._dispatcher.switch.state.directory.agents:
            raise UnknownEntity("agent", agent)

    def _logged_in(self, agent: str) -> LiveAgent:
        self._agent_exists(agent)
        if agent not in self._dispatcher.switch.state.sessions:
            raise Refused(f"agent {agent!r} is not logged in")
        return self._dispatcher.switch.distributor.floor.seats[agent].agent

    def _waiting_call(self, name: str) -> None:
        if self._live_call(name).state not in (CallState.QUEUED, CallState.RINGING):
            raise Refused(f"call {name!r} does not wait in a queue")

    def _live_call(self, name: str) -> Call:
        call = self._dispatcher.switch.state.calls.get(name)
        if call is None or not call.live:
            raise UnknownEntity("call", name)
        return call


def _one_of(key: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ConfigError(f"{key} = {value[:80]!r}: expected one of {', '.join(known) or 'none'}")
