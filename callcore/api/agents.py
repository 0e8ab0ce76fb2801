"""/api/v1/agents: agents and their sessions."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec

from callcore.api.changes import add, change, configured, remove, settings_now
from callcore.api.endpoint import Call, Done, Endpoint
from callcore.api.queues import ResetInput, SettingsInput
from callcore.call.events import (
    AgentLogin,
    AgentLogout,
    AgentPaused,
    AgentReady,
    AgentStatusChosen,
    AgentWrapUpAsked,
    AgentWrapUpExtended,
)
from callcore.directory import Agent
from callcore.directory_file import hash_pin
from callcore.errors import UnknownEntity
from callcore.monitor.view import AgentView
from callcore.monitor.why import AgentWhy
from callcore.types import Reach

# --- schemas -----------------------------------------------------------------------------------

Text = Annotated[str, msgspec.Meta(max_length=100)]


class AgentInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent to add; the PIN is kept as an argon2 hash only."""

    id: Text
    name: Text = ""
    pin: Text = ""
    phone: Text = ""
    reach: Reach = Reach.RING
    skills: dict[str, int] = {}
    #: Queues the agent joins.
    queues: list[str] = []

    def __repr__(self) -> str:
        return f"AgentInput(id={self.id!r})"


class LoginInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`phone` empty: the agent's default phone."""

    phone: Text = ""
    ready: bool = True


class PauseInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reason` empty: the first of `pause_reasons`, or ``break``."""

    reason: Text = ""


class StatusInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `[statuses]`."""

    status: Text


class WrapUpInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`extend_seconds`: the present wrap-up ends so much later; 0: one after the present call."""

    extend_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0


class AgentSettings(msgspec.Struct, frozen=True):
    """Keys of `[agents.ID]` that are not at their default, without the PIN."""

    settings: dict[str, Any]
    #: Those of them that were changed at run time and differ from callcore.toml.
    changed: list[str]


class AgentList(msgspec.Struct, frozen=True):
    agents: list[AgentView]


# --- handlers ----------------------------------------------------------------------------------


async def list_all(call: Call) -> AgentList:
    return AgentList(list(call.context.switchboard.snapshot().agents))


async def show(call: Call) -> AgentView:
    name = call.path["id"]
    for row in call.context.switchboard.snapshot().agents:
        if row.id == name:
            return row
    raise UnknownEntity("agent", name[:80])


async def why(call: Call) -> AgentWhy:
    return call.context.switchboard.why_agent(call.path["id"])


async def create(call: Call) -> Done:
    await add(call.context, await to_agent(call.body), call.body.queues)
    return Done()


async def to_agent(given: AgentInput) -> Agent:
    pin_hash = await asyncio.to_thread(hash_pin, given.pin) if given.pin else ""
    return Agent(
        id=given.id, name=given.name, pin_hash=pin_hash, phone=given.phone,
        reach=given.reach, skills=given.skills,
    )  # fmt: skip


async def settings_of(call: Call) -> AgentSettings:
    return AgentSettings(*settings_now(call.context.switchboard.settings(), "agents", _agent(call)))


async def set_keys(call: Call) -> Done:
    name = _agent(call)
    settings = dict(call.body.settings)
    if "pin" in settings:
        settings["pin_hash"] = await asyncio.to_thread(hash_pin, str(settings.pop("pin")))
    await change(call.context, lambda file: file.set_agent(name, settings))
    return Done()


async def reset(call: Call) -> Done:
    name = configured(call.context, "agents", _agent(call))
    await change(call.context, lambda file: file.reset_agent(name, call.body.keys))
    return Done()


def _agent(call: Call) -> str:
    name = call.path["id"]
    if name not in call.context.switchboard.settings().directory.agents:
        raise UnknownEntity("agent", name[:80])
    return name


async def delete(call: Call) -> Done:
    await remove(call.context, "agents", call.path["id"])
    return Done()


async def log_in(call: Call) -> Done:
    event = AgentLogin(agent=call.path["id"], phone=call.body.phone, ready=call.body.ready)
    await call.context.switchboard.submit(event)
    return Done()


async def log_out(call: Call) -> Done:
    await call.context.switchboard.submit(AgentLogout(agent=call.path["id"]))
    return Done()


async def pause(call: Call) -> Done:
    board = call.context.switchboard
    reason = call.body.reason or board.settings().directory.usual_pause_reason
    await board.submit(AgentPaused(agent=call.path["id"], reason=reason))
    return Done()


async def ready(call: Call) -> Done:
    await call.context.switchboard.submit(AgentReady(agent=call.path["id"]))
    return Done()


async def choose_status(call: Call) -> Done:
    event = AgentStatusChosen(agent=call.path["id"], status=call.body.status)
    await call.context.switchboard.submit(event)
    return Done()


async def wrap_up(call: Call) -> Done:
    agent, seconds = call.path["id"], call.body.extend_seconds
    event = (
        AgentWrapUpExtended(agent=agent, seconds=seconds)
        if seconds
        else AgentWrapUpAsked(agent=agent)
    )
    await call.context.switchboard.submit(event)
    return Done()


# --- routes ------------------------------------------------------------------------------------

ALL, ONE = "/api/v1/agents", "/api/v1/agents/{id}"
ENDPOINTS = (
    Endpoint("GET", ALL, list_all, "All agents and their states", answer=AgentList),
    Endpoint("POST", ALL, create, "Add an agent", body=AgentInput, status=201),
    Endpoint("GET", ONE, show, "One agent", answer=AgentView),
    Endpoint("GET", f"{ONE}/why", why, "Why an agent is offered nothing now", answer=AgentWhy),
    Endpoint(
        "PATCH",
        ONE,
        set_keys,
        "Change skills, groups, capacity …; `pin` is hashed",
        body=SettingsInput,
    ),
    Endpoint("GET", f"{ONE}/settings", settings_of, "Skills, groups …", answer=AgentSettings),
    Endpoint("DELETE", ONE, delete, "Remove an agent added at run time"),
    Endpoint(
        "POST",
        f"{ONE}/reset",
        reset,
        "Drop what was changed at run time",
        body=ResetInput,
        body_optional=True,
    ),
    Endpoint(
        "POST", f"{ONE}/login", log_in, "Log an agent in", body=LoginInput, body_optional=True
    ),
    Endpoint("POST", f"{ONE}/logout", log_out, "Log an agent out"),
    Endpoint("POST", f"{ONE}/pause", pause, "Pause", body=PauseInput, body_optional=True),
    Endpoint("POST", f"{ONE}/ready", ready, "End a pause or the wrap-up"),
    Endpoint(
        "POST", f"{ONE}/status", choose_status, "Choose a status of the site", body=StatusInput
    ),
    Endpoint(
        "POST",
        f"{ONE}/wrap-up",
        wrap_up,
        "Ask for a wrap-up, or make the present one longer",
        body=WrapUpInput,
        body_optional=True,
    ),
)
