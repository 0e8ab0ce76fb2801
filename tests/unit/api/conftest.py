"""A small switch in memory behind the real HTTP server, on an address of its own."""

import socket

import aiohttp
import msgspec
import pytest

from callcore.api.metrics import Metrics
from callcore.api.server import ApiServer
from callcore.call.events import (
    AgentLogin,
    AgentLogout,
    AgentPaused,
    CallHangupAsked,
    CallTransferAsked,
)
from callcore.config import load_settings
from callcore.errors import BackendUnavailable, Refused, UnknownEntity
from callcore.monitor.view import AgentView, CallView, NodeView, PhoneView, QueueView, Snapshot

ADDRESS = "127.0.0.77"
TOML = """\
[phones.p1]
[agents.a1]
phone = "p1"
[agents.a2]
[queues.sales]
members = ["a1"]
"""


class MemorySwitch:
    """Does what a switch does to agents and calls, without telephony."""

    def __init__(self, file):
        self._file = file
        self._settings = load_settings(file, {})
        self._version = 0
        self.why_not_ready = ""
        self.sessions = {}
        self.calls = {
            "c1": CallView(id="c1", state="queued", queue="sales", position=1, caller="+491"),
            "c2": CallView(id="c2", state="talking", agent="a1", recording="r1"),
        }
        self.events = []

    def snapshot(self):
        directory = self._settings.directory
        return Snapshot(
            at=1000.0,
            queues=tuple(
                QueueView(id=q.id, members=tuple(m.agent for m in q.members), waiting=1)
                for q in directory.queues.values()
            ),
            agents=tuple(
                AgentView(id=name, state=self.sessions.get(name, "logged_out"))
                for name in directory.agents
            ),
            calls=tuple(self.calls.values()),
            phones=tuple(PhoneView(id=name) for name in directory.phones),
            nodes=(NodeView(id="asterisk", up=True),),
        )

    def version(self):
        return self._version

    def changed(self):
        self._version += 1

    def settings(self):
        return self._settings

    def ready(self):
        return self.why_not_ready

    async def reload(self):
        self._settings = load_settings(self._file, {})
        self._version += 1

    async def submit(self, event):
        if self.why_not_ready:
            raise BackendUnavailable("asterisk: not connected")
        if isinstance(event, AgentLogin | AgentLogout | AgentPaused):
            self._agent(event)
        elif isinstance(event, CallHangupAsked | CallTransferAsked):
            if event.call not in self.calls:
                raise UnknownEntity("call", event.call)
            del self.calls[event.call]
        self.events.append(event)
        self._version += 1

    def _agent(self, event):
        if event.agent not in self._settings.directory.agents:
            raise UnknownEntity("agent", event.agent)
        if isinstance(event, AgentLogin):
            self.sessions[event.agent] = "idle"
        elif event.agent not in self.sessions:
            raise Refused(f"agent {event.agent} is not logged in")
        elif isinstance(event, AgentPaused):
            self.sessions[event.agent] = "paused"
        else:
            del self.sessions[event.agent]


class MemoryArchive:
    """Records and recordings in lists; files in a directory."""

    def __init__(self, directory):
        self.directory = directory
        self.records = []
        self.rows = []

    async def calls(self, limit, before):
        newest = sorted(self.records, key=lambda r: -r.arrived_at)
        return [r for r in newest if before is None or r.arrived_at < before][:limit]

    async def call(self, name):
        return next(((r, []) for r in self.records if r.call == name), None)

    async def recordings(self, limit, before):
        return self.rows[:limit]

    async def recording(self, name):
        return next((r for r in self.rows if r.recording == name), None)

    def recording_file(self, row):
        file = self.directory / row.path
        return file if row.path and file.is_file() else None


class Client:
    """Requests with the token; answers as (status, value)."""

    def __init__(self, session, url):
        self.session = session
        self.url = url

    async def __call__(self, method, path, body=None, **more):
        data = msgspec.json.encode(body) if body is not None else None
        async with self.session.request(method, self.url + path, data=data, **more) as answer:
            text = await answer.read()
            if answer.content_type != "application/json":
                return answer.status, text
            return answer.status, msgspec.json.decode(text)


def free_port():
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return probe.getsockname()[1]


@pytest.fixture
def switch(tmp_path):
    file = tmp_path / "callcore.toml"
    file.write_text(f'{TOML}[api]\nbind = "{ADDRESS}"\nport = {free_port()}\n')
    return MemorySwitch(file)


@pytest.fixture
def archive(tmp_path):
    return MemoryArchive(tmp_path)


@pytest.fixture
async def server(switch, archive):
    server = ApiServer(switch.settings(), switch, archive, Metrics())
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def api(switch, server):
    settings = switch.settings()
    token = settings.token_file.read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Client(session, f"http://{ADDRESS}:{settings.api.port}")
