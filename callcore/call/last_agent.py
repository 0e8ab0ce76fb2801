"""Who spoke last with a caller: remembered by number, so that the next call can find that agent."""

from __future__ import annotations

import re

from callcore.call.model import SwitchState
from callcore.types import AgentId

#: Numbers remembered; beyond it the one spoken to longest ago is forgotten.
MOST = 20_000
#: What tells one caller from another; anonymous callers come as a word, or as nothing.
_NUMBER = re.compile(r"\+?[0-9]{3,}")


def remember(state: SwitchState, number: str, agent: AgentId) -> None:
    """This agent speaks with the caller of this number now."""
    if not agent or not _NUMBER.fullmatch(number):
        return
    known = state.last_agents
    known.pop(number, None)
    known[number] = agent
    if len(known) > MOST:
        del known[next(iter(known))]


def last_agent(state: SwitchState, number: str) -> AgentId:
    """Who spoke last with this number; empty: nobody that is remembered."""
    return state.last_agents.get(number, "")
