"""A managed Asterisk for real: start, adopt, kill, stop, and what its dialplan does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import msgspec
import numpy as np
import pytest

from callcore.errors import SetupError
from callcore.lab.phone import Phone
from callcore.telephony import managed
from callcore.telephony.log_keeper import KEPT, LogKeeper
from callcore.telephony.managed import AsteriskPaths, ManagedSettings, SipSettings
from callcore.telephony.render import write_private
from tests.addresses import Block

pytestmark = pytest.mark.acceptance

SIP_PORT, CALLER_PORT = 5060, 5064
#: Trunk known by the caller's address, as provisioning would render it.
TRUNK = """
[trunk-probe]
type = endpoint
context = callcore-trunk
transport = udp
disallow = all
allow = ulaw
[trunk-probe]
type = identify
endpoint = trunk-probe
match = {caller}
"""
FALLBACK = "[callcore-fallback]\nstrategy = rrmemory\njoinempty = yes\n"


def settings_at(host: str, **changes) -> ManagedSettings:
    sip = SipSettings(bind=host, rtp_start=31200, rtp_end=31300)
    return ManagedSettings(**({"sip": sip, "control_address": host} | changes))


@pytest.fixture
def settings(block: Block) -> ManagedSettings:
    return settings_at(block.host(1))


@pytest.fixture
def caller(block: Block) -> str:
    """The address of the trunk's other end."""
    return block.host(2)


@pytest.fixture
def paths(tmp_path: Path) -> AsteriskPaths:
    return AsteriskPaths.under(tmp_path / "var")


@pytest.fixture
async def asterisk(paths, block):
    running = await managed.start(paths, settings_at(block.host(1), fallback_after_seconds=2))
    yield running
    await managed.stop(paths)


@contextlib.asynccontextmanager
async def ari(asterisk):
    login = {"Authorization": aiohttp.encode_basic_auth(asterisk.ari_user, asterisk.ari_password)}
    async with aiohttp.ClientSession(headers=login) as session:
        yield session


@contextlib.asynccontextmanager
async def application(session, asterisk, name="callcore"):
    """A connected Stasis application; yields a function that waits for one kind of event."""
    async with session.ws_connect(f"{asterisk.ari_url}/events?app={name}") as events:

        async def wait_for(kind: str, entered: str | None = None) -> dict:
            async with asyncio.timeout(10):
                while True:
                    event = json.loads((await events.receive()).data)
                    entry = event.get("args", [None])[:1]
                    if event["type"] == kind and entered in (None, *entry):
                        return event

        yield wait_for


async def call_in(session, asterisk, number="5551", context="callcore-trunk", app="probe"):
    """A caller made of a Local channel: its second half walks the dialplan."""
    parameters = {"endpoint": f"Local/{number}@{context}", "app": app, "timeout": "30"}
    async with session.post(f"{asterisk.ari_url}/channels", params=parameters) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def variable(session, asterisk, channel: str, name: str) -> str | None:
    url = f"{asterisk.ari_url}/channels/{channel}/variable"
    async with session.get(url, params={"variable": name}) as response:
        return (await response.json()).get("value") if response.status == 200 else None


async def ami(asterisk, **fields) -> str:
    """One AMI action; returns the answer."""
    reader, writer = await asyncio.open_connection(asterisk.ami_host, asterisk.ami_port)
    login = {"Action": "Login", "Username": asterisk.ami_user, "Secret": asterisk.ami_password}
    answer = ""
    for action in (login, fields):
        lines = "".join(f"{name}: {value}\r\n" for name, value in action.items())
        writer.write(f"{lines}\r\n".encode())
        answer = ""
        async with asyncio.timeout(5):
            while "Response: " not in answer:
                answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def until(condition, seconds: float = 10.0):
    """The first true value of an awaitable condition."""
    async with asyncio.timeout(seconds):
        while True:  # the console tells no events
            if value := await condition():
                return value
            await asyncio.sleep(0.05)


async def test_start_answers_and_stop_ends(paths, settings):
    """Asterisk starts detached, ARI and AMI answer, all is private, and stop leaves nothing."""
    asterisk = await managed.start(paths, settings)
    try:
        assert asterisk.adopted is False
        assert os.getsid(asterisk.pid) == asterisk.pid
        now = await managed.status(paths)
        assert (now.running, now.responding, now.pid) == (True, True, asterisk.pid)
        async with (
            ari(asterisk) as session,
            session.get(f"{asterisk.ari_url}/asterisk/info") as info,
        ):
            assert info.status == 200
        assert "Success" in await ami(asterisk, Action="Ping")
        assert "Permission denied" in await ami(
            asterisk, Action="Command", Command="core show help"
        )
        secret = (paths.secrets, paths.etc / "ari.conf", paths.etc / "manager.conf")
        assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    finally:
        assert await managed.stop(paths) is True
    assert (await managed.status(paths)).running is False
    assert await managed.stop(paths) is False


async def test_nothing_in_the_log(asterisk):
    """The rendered configuration loads without an error or warning."""
    log = asterisk.paths.messages.read_text()
    assert [line for line in log.splitlines() if "ERROR" in line or "WARNING" in line] == []


async def test_a_large_log_is_rotated(asterisk):
    """Asterisk goes on in a new file; no more than a few old ones are kept."""
    log = asterisk.paths.messages
    for number in range(KEPT + 2):
        with log.open("a") as file:
            file.write(f"line {number}\n")
        await LogKeeper(asterisk.paths, largest=0).look()
    assert "line" not in log.read_text()
    assert f"line {KEPT + 1}\n" in log.with_name("messages.log.0").read_text()
    old = {path.name for path in log.parent.glob("messages.log.*")}
    assert old == {f"messages.log.{number}" for number in range(KEPT)}


async def test_second_start_adopts(asterisk):
    """A start beside a running one takes it over, with the same pid and passwords."""
    again = await managed.start(asterisk.paths, asterisk.settings)
    assert (again.pid, again.adopted) == (asterisk.pid, True)
    assert again.ari_password == asterisk.ari_password


async def test_two_starts_at_once_make_one(paths, settings):
    """Of two starts at the same moment one starts, the other adopts."""
    try:
        both = await asyncio.gather(*(managed.start(paths, settings) for _ in range(2)))
        assert both[0].pid == both[1].pid
        assert sorted(one.adopted for one in both) == [False, True]
    finally:
        await managed.stop(paths)


async def test_starts_after_a_kill(asterisk):
    """After kill -9 the left-over pid file and socket are no obstacle."""
    os.kill(asterisk.pid, signal.SIGKILL)
    again = await managed.start(asterisk.paths, asterisk.settings)
    assert again.pid != asterisk.pid
    assert (await managed.status(asterisk.paths)).responding


async def test_outlives_its_starter(paths, block, tmp_path):
    """Asterisk goes on when the process that started it is gone."""
    config = tmp_path / "callcore.toml"
    config.write_text(
        f'[paths]\nvar = "{paths.var}"\n[asterisk]\nmanaged_address = "{block.host(1)}"\n'
        f'[sip]\nbind = "{block.host(1)}"\n'
    )  # fmt: skip

    def callcore(command: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "callcore.cli.main", "asterisk", command]
        line += ["--config", str(config), "--json"]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    try:
        started = await asyncio.to_thread(callcore, "start")
        assert started.returncode == 0, started.stderr
        told = await asyncio.to_thread(callcore, "status")
        assert (told.returncode, json.loads(told.stdout)["responding"]) == (0, True)
        assert json.loads(told.stdout)["pid"] == json.loads(started.stdout)["pid"]
    finally:
        stopped = await asyncio.to_thread(callcore, "stop")
    assert json.loads(stopped.stdout) == {"stopped": True}
    assert (await asyncio.to_thread(callcore, "status")).returncode == 3


async def test_occupied_port_is_one_line(paths, settings):
    """A taken SIP port ends the start with its number and the setting, and no Asterisk is left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        host = settings.sip.bind
        taken.bind((host, SIP_PORT))
        with pytest.raises(SetupError, match=rf"port {SIP_PORT}/udp on {host}.*sip\.udp_port"):
            await managed.start(paths, settings)
    assert (await managed.status(paths)).running is False


async def test_failed_start_says_so(paths, settings, monkeypatch):
    """When Asterisk ends instead of starting, the error says so at once."""
    program = msgspec.structs.replace(managed.find_program(), binary=Path("/bin/false"), loader="")
    monkeypatch.setattr(managed, "find_program", lambda: program)
    with pytest.raises(SetupError, match="Asterisk ended while starting"):
        await managed.start(paths, settings)


async def test_caller_reaches_the_application(asterisk):
    """A caller enters callcore with the entry as only argument and the number in the snapshot."""
    async with ari(asterisk) as session, application(session, asterisk) as wait_for:
        await call_in(session, asterisk, app="callcore", context="callcore-phone")
        event = await wait_for("StasisStart", entered="phone")
        assert event["channel"]["dialplan"]["exten"] == "5551"


def event_time(event: dict) -> float:
    from datetime import datetime

    return datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


async def test_caller_is_held_while_the_application_is_away(asterisk):
    """Without callcore the caller is answered and waits; when it comes the caller arrives."""
    async with ari(asterisk) as session, application(session, asterisk, "probe") as probe:
        await call_in(session, asterisk)
        answered = await probe("StasisStart")
        assert answered["channel"]["state"] == "Up"
        async with application(session, asterisk) as wait_for:
            event = await wait_for("StasisStart", entered="trunk")
            assert event["channel"]["dialplan"]["exten"] == "5551"
            arrived = await variable(session, asterisk, event["channel"]["id"], "CALLCORE_ARRIVED")
            assert event_time(event) - float(arrived) < 3


async def test_caller_comes_back_from_the_fallback(asterisk):
    """Away for long, the caller is in the fallback queue; a redirect brings the caller back."""
    write_private(asterisk.paths.etc / "queues_callcore.conf", FALLBACK)
    await asterisk.run_command("module reload app_queue.so")
    async with ari(asterisk) as session, application(session, asterisk, "probe") as probe:
        await call_in(session, asterisk)
        await probe("StasisStart")

        async def queued() -> str | None:
            shown = await asterisk.run_command("queue show callcore-fallback")
            return shown if "1. Local/" in shown else None

        shown = await until(queued)
        name = shown.split("1. ")[1].split()[0]
        async with application(session, asterisk) as wait_for:
            told = await ami(
                asterisk, Action="Redirect", Channel=name, Context="callcore-resume",
                Exten="s", Priority="1",
            )  # fmt: skip
            assert "Success" in told
            event = await wait_for("StasisStart", entered="resume")
            assert event["channel"]["name"] == name
            held = await variable(session, asterisk, event["channel"]["id"], "CALLCORE_ARRIVED")
            assert event_time(event) - float(held) >= 2


@pytest.mark.parametrize(
    "name",
    ["${SHELL(touch @)}", '\\"quoted\\"', "a,b)&System(touch @)", "x" * 3000, "${CHANNEL(name)}"],
    ids=["shell", "quotes", "application", "long", "channel"],
)
async def test_bogus_caller_id_is_data(asterisk, caller, name):
    """Whatever stands in the From header arrives as text, and runs nothing."""
    mark = asterisk.paths.base / "mark"  # Asterisk's working directory
    name = name.replace("@", mark.name)
    write_private(asterisk.paths.etc / "pjsip_callcore.conf", TRUNK.format(caller=caller))
    await asterisk.run_command("module reload res_pjsip.so")
    await asterisk.run_command("module reload res_pjsip_endpoint_identifier_ip.so")
    async with ari(asterisk) as session, application(session, asterisk) as wait_for:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            server = (asterisk.settings.sip.bind, SIP_PORT)
            phone.bind((caller, CALLER_PORT))
            phone.sendto(invite(name, caller, server[0]), server)
            event = await wait_for("StasisStart", entered="trunk")
            # Asterisk keeps the first 80 bytes or so.
            told = event["channel"]["caller"]["name"]
            assert len(told) >= 10
            assert name.startswith(told)
            assert event["channel"]["dialplan"]["exten"] == "5551"
            await session.delete(f"{asterisk.ari_url}/channels/{event['channel']['id']}")
    assert not mark.exists()


def invite(name: str, caller: str, server: str) -> bytes:
    body = (
        f"v=0\r\no=- 1 1 IN IP4 {caller}\r\ns=-\r\nc=IN IP4 {caller}\r\nt=0 0\r\n"
        "m=audio 31900 RTP/AVP 0\r\n"
    )
    head = (
        f"INVITE sip:5551@{server}:{SIP_PORT} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {caller}:{CALLER_PORT};branch=z9hG4bK{abs(hash(name))}\r\n"
        f'From: "{name}" <sip:100@{caller}>;tag=1\r\nTo: <sip:5551@{server}>\r\n'
        f"Call-ID: {abs(hash(name))}@{caller}\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
        f"Contact: <sip:100@{caller}:{CALLER_PORT}>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def test_held_caller_hears_music_without_gaps(asterisk, caller):
    """While callcore is away the caller hears music all the time, over every retry."""
    write_private(asterisk.paths.etc / "pjsip_callcore.conf", TRUNK.format(caller=caller))
    await asterisk.run_command("module reload res_pjsip.so")
    await asterisk.run_command("module reload res_pjsip_endpoint_identifier_ip.so")
    async with Phone("100", server=(asterisk.settings.sip.bind, SIP_PORT), host=caller) as phone:
        call = await phone.dial("5551")
        await call.answered
        await until(heard_seconds(call, 4.0))
        heard = call.heard()
        await call.hang_up()
    frames = heard.samples[4000 : len(heard.samples) // 400 * 400].reshape(-1, 400)
    loudness = np.sqrt(np.mean(frames.astype(float) ** 2, axis=1))
    quiet = [number for number, value in enumerate(loudness) if value < 200]
    assert quiet == []
    assert heard.gaps(at_least=0.1) == []


def heard_seconds(call, seconds: float):
    async def enough() -> bool:
        return call.heard().seconds >= seconds

    return enough


async def test_tls_with_a_certificate_of_its_own(paths, block):
    """With a TLS port and no certificate, a phone that trusts the made one connects."""
    host, port = block.host(1), 5061
    sip = SipSettings(bind=host, udp_port=0, tcp_port=0, tls_port=port)
    await managed.start(paths, settings_at(host, sip=sip))
    try:
        trust = ssl.create_default_context(cafile=str(paths.keys / "callcore.crt"))
        _, writer = await asyncio.open_connection(host, port, ssl=trust)
        assert writer.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
        # Not closed politely: Asterisk answers a close_notify with its session tickets.
        writer.transport.abort()
    finally:
        await managed.stop(paths)


async def test_two_instances_beside_each_other(asterisk, block, tmp_path):
    """Another directory and address make another Asterisk; stopping it leaves the first alone."""
    other = AsteriskPaths.under(tmp_path / "other")
    second = await managed.start(other, settings_at(block.host(3)))
    assert second.pid != asterisk.pid
    assert second.ari_password != asterisk.ari_password
    assert await managed.stop(other) is True
    assert (await managed.status(asterisk.paths)).responding
