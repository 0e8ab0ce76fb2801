"""Token, metrics, OpenAPI document and the server's start."""

import stat

import aiohttp
import pytest

from callcore.api.metrics import Metrics
from callcore.api.server import ENDPOINTS, ApiServer
from callcore.api_token import load_or_make_token
from callcore.call.record import CallRecord
from callcore.errors import ConfigError, SetupError
from callcore.types import Outcome


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic x", "Bearer é"])
async def test_without_the_token_nothing_is_answered(api, header):
    """Every path but the two health checks wants the token."""
    headers = {} if header is None else {"Authorization": header}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in ("/api/v1/calls", "/metrics", "/api/v1/events", "/api/openapi.json", "/x"):
            async with session.get(api.url + path) as answer:
                assert answer.status == 401
                assert "API token" in (await answer.json())["error"]
        for path in ("/healthz", "/readyz"):
            async with session.get(api.url + path) as answer:
                assert answer.status == 200


def test_the_token_is_made_once_and_private(tmp_path):
    """First run makes it with mode 0600; later runs read it; an open file is refused."""
    file = tmp_path / "var" / "api-token"
    token = load_or_make_token(file)
    assert len(token) >= 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_or_make_token(file) == token
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read the API token"):
        load_or_make_token(file)
    file.chmod(0o600)
    file.write_text("short\n")
    with pytest.raises(ConfigError, match="16 characters"):
        load_or_make_token(file)


async def test_an_occupied_port_is_one_clear_error(switch, archive, server):
    """The second server says which address is taken and what to do."""
    second = ApiServer(switch.settings(), switch, archive, Metrics())
    with pytest.raises(SetupError, match=r"cannot listen on 127\.[\d.]+:\d+ .*set api\.port"):
        await second.start()
    await second.close()


async def test_metrics_count_and_show(switch, archive):
    """Counters come from records, gauges from the snapshot."""
    metrics = Metrics()
    ApiServer(switch.settings(), switch, archive, metrics)
    record = CallRecord(
        call="c", outcome=Outcome.ANSWERED, queue="sales", answered_at=9.0, wait_seconds=3.0
    )
    metrics.call_ended(record)
    metrics.action_failed("Play")
    metrics.events.inc()
    text = metrics.text().decode()
    for line in (
        'callcore_calls_total{direction="inbound",outcome="answered"} 1.0',
        'callcore_queue_wait_seconds_bucket{le="5.0",queue="sales"} 1.0',
        'callcore_actions_failed_total{action="Play"} 1.0',
        "callcore_events_total 1.0",
        'callcore_calls_live{state="talking"} 1.0',
        'callcore_queue_waiting{queue="sales"} 1.0',
        'callcore_agents{state="logged_out"} 2.0',
        'callcore_node_up{node="memory"} 1.0',
    ):
        assert line in text.splitlines()
    names = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names)), "Prometheus refuses a page that says something twice"


async def test_metrics_are_served(api):
    """Prometheus gets its text format."""
    status, text = await api("GET", "/metrics")
    assert status == 200
    assert b"# TYPE callcore_queue_waiting gauge" in text


async def test_openapi_names_every_endpoint(api):
    """Each route is in the document, and every reference in it resolves."""
    status, document = await api("GET", "/api/openapi.json")
    assert status == 200
    for endpoint in ENDPOINTS:
        assert endpoint.method.lower() in document["paths"][endpoint.path]
    operations = [op for path in document["paths"].values() for op in path.values()]
    names = [op["operationId"] for op in operations]
    assert len(names) == len(dict.fromkeys(names))
    schemas = document["components"]["schemas"]
    found = list(references(document))
    assert found
    assert all(ref.removeprefix("#/components/schemas/") in schemas for ref in found)


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
