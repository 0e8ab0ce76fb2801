"""The lines of a queue_log about agents: logins and pauses, with how long they were there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from callcore.call.actions import WriteAgentState
from callcore.call.queue_log_line import NOBODY, line, member
from callcore.types import AgentId, PhoneId, QueueId


class _Session(msgspec.Struct, kw_only=True):
    phone: PhoneId
    since: float
    status: str
    reason: str = ""

    @property
    def channel(self) -> str:
        return f"PJSIP/{self.phone}"


class AgentLines:
    """Remembers who is logged in; `queues_of` names the queues an agent serves."""

    def __init__(self, queues_of: Callable[[AgentId], Iterable[QueueId]]) -> None:
        self._queues_of = queues_of
        self._sessions: dict[AgentId, _Session] = {}

    def resume(self, agent: AgentId, phone: PhoneId, since: float, status: str) -> None:
        """A session that is there already and has its line."""
        self._sessions[agent] = _Session(phone=phone, since=since, status=status)

    def lines(self, row: WriteAgentState) -> list[str]:
        """What a change of the status chosen leaves in the log."""
        session = self._sessions.get(row.agent)
        if row.status == "logged_out":
            return [] if session is None else [self._logged_off(row, session)]
        if session is None:
            session = _Session(phone=row.phone, since=row.at, status="ready")
            self._sessions[row.agent] = session
            login = self._line(row, "AGENTLOGIN", session.channel)
            return [login, *self._status(row, session)]
        return self._status(row, session)

    def _logged_off(self, row: WriteAgentState, session: _Session) -> str:
        del self._sessions[row.agent]
        return self._line(row, "AGENTLOGOFF", session.channel, int(row.at - session.since))

    def _status(self, row: WriteAgentState, session: _Session) -> list[str]:
        """A pause, its end, or another reason for it."""
        paused = row.status == "paused"
        again = paused and row.state == row.before == "paused" and row.reason != session.reason
        if row.status == session.status and not again:
            return []
        session.status, session.reason = row.status, row.reason if paused else ""
        name = "PAUSE" if paused else "UNPAUSE"
        each = [
            line(row.at, NOBODY, queue, member(row.agent), name, session.reason)
            for queue in self._queues_of(row.agent)
        ]
        return [self._line(row, f"{name}ALL", session.reason), *each]

    def _line(self, row: WriteAgentState, name: str, *parameters: object) -> str:
        return line(row.at, NOBODY, NOBODY, member(row.agent), name, *parameters)
