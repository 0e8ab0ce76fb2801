"""A small switch in memory behind the real HTTP server, on an address of its own."""

import aiohttp
import msgspec
import pytest

from callcore.api.memory import MemoryArchive, MemorySwitch
from callcore.api.metrics import Metrics
from callcore.api.server import ApiServer
from callcore.monitor.view import CallView

TOML = """\
[phones.p1]
[agents.a1]
phone = "p1"
[agents.a2]
[queues.sales]
members = ["a1"]
"""


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


@pytest.fixture
def switch(tmp_path, block):
    file = tmp_path / "callcore.toml"
    file.write_text(f'{TOML}[api]\nbind = "{block.host(1)}"\n')
    switch = MemorySwitch(file)
    switch.calls = {
        "c1": CallView(id="c1", state="queued", queue="sales", position=1, caller="+491"),
        "c2": CallView(id="c2", state="talking", agent="a1", recording="r1"),
    }
    return switch


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
        yield Client(session, f"http://{settings.api.bind}:{settings.api.port}")
