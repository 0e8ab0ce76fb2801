"""The commands, in process, with and without a callcore that answers."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys

import pytest

from callcore.acd.why import Reason
from callcore.api.memory import MemoryArchive, MemorySwitch
from callcore.api.metrics import Metrics
from callcore.api.server import ApiServer
from callcore.cli import call
from callcore.cli.main import main
from callcore.monitor.callbacks import CallbackView
from callcore.monitor.view import CallView
from callcore.monitor.why import ContactWhy, MemberWhy, view
from callcore.store.rows import RecordingRow

TOML = """\
[phones.p1]
[agents.a1]
name = "Anna"
phone = "p1"
[queues.sales]
members = ["a1"]
[api]
"""


class Result:
    """What a command printed and how it ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def config(tmp_path, monkeypatch, block):
    file = tmp_path / "callcore.toml"
    file.write_text(f'{TOML}bind = "{block.host(1)}"\n')
    monkeypatch.setenv("CALLCORE_CONFIG", str(file))
    monkeypatch.setenv("COLUMNS", "200")
    return file


def run(*arguments, stdin=""):
    """One command as the shell would run it."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before, before_in = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["callcore", *arguments], io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as exc:
        code = exc.code or 0
    finally:
        sys.argv, sys.stdin = before, before_in
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture
async def switch(config, tmp_path):
    """A running callcore with one waiting caller and one recording."""
    switch = MemorySwitch(config)
    switch.calls["c1"] = CallView(
        id="c1", state="queued", queue="sales", position=1, caller="[bold]x", queued_at=940.0
    )
    archive = MemoryArchive(tmp_path)
    (tmp_path / "r1.flac").write_bytes(b"fLaC")
    archive.rows = [RecordingRow(recording="r1", call="c0", path="r1.flac", started_at=1.0)]
    server = ApiServer(switch.settings(), switch, archive, Metrics())
    await server.start()
    yield switch
    await server.close()


async def arun(*arguments):
    return await asyncio.to_thread(run, *arguments)


def test_nobody_answers(config, block):
    """Without a running callcore: exit status 3 and one line that says what to do."""
    for command in (["monitor", "--once"], ["call", "list"], ["agent", "login", "a1"]):
        result = run(*command)
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith("callcore: no API token in ")
    (config.parent / "var").mkdir()
    token = config.parent / "var" / "api-token"
    token.write_text("x" * 20)
    token.chmod(0o600)
    result = run("monitor", "--once")
    assert (result.code, f"no callcore answers on {block.host(1)}:" in result.err) == (3, True)
    assert result.err.count("\n") == 1


def test_wrong_settings_are_one_line(config):
    """A mistake in callcore.toml: exit status 2, file and line."""
    config.write_text("[api]\nprot = 1\n")
    result = run("agent", "list")
    assert result.code == 2
    assert result.err == (f'callcore: {config}:2: unknown key api.prot; did you mean "port"?\n')
    assert run("agent", "list", "--config", "/nonexistent").code == 2


async def test_monitor_shows_queues_agents_calls(switch):
    """Text for people, the snapshot as JSON for programs; outside text is no markup."""
    text = await arun("monitor", "--once")
    assert text.code == 0
    for part in ("Queues", "sales", "Anna", "logged out", "c1", "[bold]x", "1:00"):
        assert part in text.out
    values = (await arun("monitor", "--once", "--json")).json
    assert [row["id"] for row in values["calls"]] == ["c1"]
    assert (await arun("monitor")).code == 2


async def test_agents_are_commanded(switch):
    """Login, pause, ready, logout; a refusal is exit status 1 with the server's sentence."""
    assert (await arun("agent", "login", "a1", "--phone", "p1")).out == "agent a1: logged in\n"
    assert (await arun("agent", "pause", "a1", "--reason", "lunch")).code == 0
    assert (await arun("agent", "list", "--json")).json["agents"][0]["state"] == "paused"
    assert (await arun("agent", "ready", "a1", "--json")).json == {"ok": True}
    assert (await arun("agent", "logout", "a1")).code == 0
    result = await arun("agent", "logout", "a1")
    assert (result.code, result.err) == (1, "callcore: agent a1 is not logged in\n")
    result = await arun("agent", "login", "nobody")
    assert (result.code, result.err) == (1, "callcore: no agent named 'nobody'\n")
    assert [type(e).__name__ for e in switch.events] == [
        "AgentLogin", "AgentPaused", "AgentReady", "AgentLogout",
    ]  # fmt: skip


def test_an_ended_call_is_shown_for_people():
    """Segments are lines with a length; times are a clock's; nothing has sixteen digits."""
    segment = {"kind": "talk", "start": 10.0, "end": 12.25, "agent": "a1", "target": "p1"}
    assert call._segment(segment)[1:] == ("2.2", "talk", "a1 p1", "")
    assert call._segment({"kind": "queue", "start": 1.0, "queue": "sales"})[1] == "goes on"
    assert call._fact("wait_seconds", 0.2596588134765625) == ("wait_seconds", "0.26")


async def test_calls_queues_recordings(switch, tmp_path):
    """Lists, one of each, and the commands to a call."""
    assert "c1" in (await arun("queue", "show", "sales")).out
    assert (await arun("queue", "show", "none")).err == "callcore: no queue named 'none'\n"
    assert (await arun("queue", "list", "--json")).json["queues"][0]["waiting"] == 1
    assert "queued" in (await arun("call", "show", "c1")).out
    assert (await arun("recording", "pause", "c1")).code == 0
    listened = await arun("call", "listen", "c1", "--phone", "p1")
    assert listened.out == "call c1: phone p1 listens\n"
    assert (await arun("call", "barge", "c1", "--phone", "p1", "--json")).json == {"call": "c1-p1"}
    assert (await arun("call", "whisper", "c1")).code == 2
    assert (await arun("call", "transfer", "c1", "queue:sales")).out == (
        "call c1: goes to queue:sales\n"
    )
    assert (await arun("call", "hangup", "c1")).code == 1
    assert "Ended calls" in (await arun("call", "list", "--ended")).out
    assert "r1.flac" in (await arun("recording", "list")).out
    target = tmp_path / "out.flac"
    assert (await arun("recording", "get", "r1", "-o", str(target), "--json")).json["bytes"] == 4
    assert target.read_bytes() == b"fLaC"
    assert (await arun("recording", "get", "r9")).err == "callcore: no recording named 'r9'\n"


async def test_why_in_sentences(switch):
    """A table of members with the rules as sentences; one line where nobody has the id."""
    switch.explanations["c1"] = ContactWhy(
        contact="c1", state="waiting", queue="sales", waits_for=view(Reason("all_busy")),
        urgency=1.5, position=2, waited=75.0,
        members=(MemberWhy(agent="a1", name="Anna", reasons=(view(Reason("paused", "lunch")),)),),
    )  # fmt: skip
    text = (await arun("queue", "why", "c1")).out
    assert text.startswith("Contact c1 waits in sales: everybody who could take it is occupied\n")
    assert "position 2, waited 1:15, estimated wait unknown, priority 0, urgency 1.50" in text
    assert "is paused: lunch" in text
    assert (await arun("queue", "why", "c1", "--json")).json["members"][0]["agent"] == "a1"
    assert "Agent a1: is logged out" in (await arun("agent", "why", "a1")).out
    for command, kind in (("queue", "contact"), ("agent", "agent")):
        result = await arun(command, "why", "none")
        assert (result.code, result.err) == (1, f"callcore: no {kind} named 'none'\n")


async def test_supervisors_command_callers_and_agents(switch):
    """Priority, another queue, a status of the site, a longer wrap-up."""
    await arun("agent", "login", "a1")
    assert (await arun("queue", "priority", "c1", "3")).out == "call c1: has priority 3\n"
    assert (await arun("queue", "move", "c1", "sales")).code == 0
    assert (await arun("agent", "status", "a1", "coaching")).out == "agent a1: coaching\n"
    assert (await arun("agent", "wrap-up", "a1", "--extend", "30")).code == 0
    assert (await arun("agent", "wrap-up", "a1", "--ask", "--json")).json == {"ok": True}
    assert (await arun("agent", "wrap-up", "a1")).code == 2
    assert (await arun("queue", "priority", "none", "3")).code == 1
    assert [type(e).__name__ for e in switch.events[1:]] == [
        "CallPriorityAsked", "QueueLeaveAsked", "AgentStatusChosen", "AgentWrapUpExtended",
        "AgentWrapUpAsked",
    ]  # fmt: skip


async def test_callbacks_are_listed_and_taken_back(switch):
    """Who hung up with the promise of a call."""
    switch.pending["b1"] = CallbackView(
        id="b1", asked_by="c0", queue="sales", number="0301234", state="waiting", since=940.0,
        first="agent", attempts=0,
    )  # fmt: skip
    shown = (await arun("queue", "callbacks", "sales")).out
    assert "0301234  waiting  1:00" in shown
    listed = (await arun("queue", "callbacks", "--json")).json["callbacks"]
    assert [each["id"] for each in listed] == ["b1"]
    assert (await arun("queue", "cancel-callback", "b1")).out == "callback b1: cancelled\n"
    assert (await arun("queue", "cancel-callback", "b1")).err == (
        "callcore: no callback named 'b1'\n"
    )


async def test_what_is_added_is_in_force_at_once(switch):
    """A running callcore takes over phones, agents, trunks and members without restart."""
    result = await arun("phone", "add", "p2", "--nat", "--json")
    assert (result.json["applied"], len(result.json["secret"])) == (True, 30)
    await arun("agent", "add", "a2", "--name", "Bo", "--phone", "p2", "--queue", "sales")
    await arun("trunk", "add", "t1", "192.0.2.1")
    directory = switch.settings().directory
    assert directory.phones["p2"].nat
    assert [m.agent for m in directory.queues["sales"].members] == ["a1", "a2"]
    assert "192.0.2.1" in (await arun("trunk", "list")).out
    assert (await arun("queue", "remove-member", "sales", "a2")).code == 0
    assert (await arun("queue", "add-member", "sales", "a2", "--penalty", "3")).code == 0
    assert (await arun("agent", "remove", "a2")).out == "agent a2 removed\n"
    assert (await arun("phone", "remove", "p2")).code == 0
    assert list(switch.settings().directory.phones) == ["p1"]


async def test_settings_change_while_running(switch):
    """Queues and agents get other settings; `queue show` tells which, and `reset` drops them."""
    words = ["strategy=ring_all", "weight=2", "hours.zone=UTC"]
    result = await arun("queue", "set", "sales", *words)
    assert result.out == "queue sales: strategy=ring_all, weight=2, hours.zone=UTC\n"
    await arun("queue", "set", "sales", "hours.country=DE")
    queue = switch.settings().directory.queues["sales"]
    assert (queue.strategy, queue.hours.zone, queue.hours.country) == ("ring_all", "UTC", "DE")
    shown = await arun("queue", "show", "sales")
    assert [line.split() for line in shown.out.splitlines() if line.startswith("strategy")] == [
        ["strategy", "ring_all", "the", "default"]
    ]
    result = await arun("queue", "set", "sales", "weight=0", "--json")
    assert (result.code, "queues.sales.weight = 0.0: expected more than 0" in result.err) == (
        2, True,
    )  # fmt: skip
    assert (await arun("queue", "set", "sales", "weight")).code == 2
    assert (await arun("queue", "set", "none", "weight=1")).err == (
        "callcore: no queue named 'none'\n"
    )
    await arun("queue", "reset", "sales", "hours")
    assert switch.settings().directory.queues["sales"].hours is None
    assert (await arun("queue", "reset", "sales")).code == 0
    assert (await arun("queue", "reset", "none")).code == 1
    settings = switch.settings()
    assert settings.directory == settings.configured
    changes = ["--skill", "english=5", "--skill", "zh=2", "--group", "night", "--cost", "3.5"]
    assert (await arun("agent", "set", "a1", *changes)).code == 0
    assert (await arun("agent", "set", "a1", "--skill", "zh=0", "--group", "")).code == 0
    agent = switch.settings().directory.agents["a1"]
    assert (agent.skills, agent.groups, agent.cost) == ({"english": 5}, (), 3.5)
    shown = (await arun("agent", "show", "a1")).out
    assert 'skills  {"english":5}  the default' in shown
    assert (await arun("agent", "show", "a1", "--json")).json["changed"] == ["skills", "cost"]
    assert (await arun("agent", "show", "none")).code == 1
    assert (await arun("agent", "set", "a1")).code == 2
    assert (await arun("agent", "set", "a1", "--capacity", "fax=1")).code == 2
    assert (await arun("agent", "set", "none", "--cost", "1")).code == 1
    assert (await arun("agent", "reset", "a1")).code == 0
    assert switch.settings().directory.agents["a1"].skills == {}


async def test_a_queue_is_added_and_removed(switch):
    """With settings and members; one of callcore.toml is removed there."""
    assert (await arun("queue", "add", "late", "weight=2", 'members=["a1"]')).code == 0
    assert switch.settings().directory.queues["late"].members[0].agent == "a1"
    assert (await arun("queue", "add-member", "sales", "a1", "--position", "4")).code == 0
    assert switch.settings().directory.queues["sales"].members[0].position == 4
    assert (await arun("queue", "remove-member", "sales", "a1")).code == 0
    assert switch.settings().directory.queues["sales"].members == ()
    assert (await arun("queue", "add", "late")).err.startswith(
        "callcore: there is a queue 'late' already, in "
    )
    assert (await arun("queue", "reset", "late")).code == 1
    assert (await arun("queue", "remove", "late")).out == "queue late removed\n"
    assert "remove it there" in (await arun("queue", "remove", "sales")).err


def test_what_changes_a_queue_that_is_gone_can_be_dropped(config):
    """The other commands refuse to work then, and name this one."""
    assert run("queue", "set", "sales", "weight=2").code == 0
    config.write_text(config.read_text().replace("[queues.sales]", "[queues.other]"))
    result = run("agent", "list")
    assert (result.code, "callcore queue reset sales" in result.err) == (2, True)
    assert run("queue", "reset", "sales").code == 0
    assert run("agent", "list").code == 0


def test_added_while_nothing_runs(config):
    """The directory is changed all the same, and the command says when it counts."""
    result = run("phone", "add", "p2", "--secret", "--codec", "alaw", stdin="given\n")
    assert "in force at its next start" in result.out
    assert "given" not in result.out
    assert run("phone", "add", "p2").err.startswith("callcore: there is a phone 'p2' already, in ")
    listed = run("phone", "list", "--secrets", "--json").json["phones"]
    assert [(p["id"], p["secret"]) for p in listed] == [("p1", ""), ("p2", "given")]
    assert run("agent", "list").code == 0
    assert run("agent", "add", "a9", "--phone", "p9").code == 2
    assert run("agent", "remove", "a1").err.endswith("callcore.toml:2: remove it there\n")
    assert run("trunk", "add", "t", "bad host").code == 2
    assert run("agent", "add", "a9", "--skill", "x").code == 2


def test_a_pin_can_come_through_a_pipe(config):
    """`agent pin-hash` and `--pin` never show the PIN in the process list."""
    assert run("agent", "pin-hash", stdin="2468\n").out.startswith("$argon2id$")
    assert run("agent", "add", "a7", "--pin", stdin="2468\n").code == 0
    result = run("agent", "add", "a8", "--pin", stdin="12\n")
    assert (result.code, result.err) == (2, "callcore: PIN: expected 4 to 12 digits\n")


def test_import_is_all_or_nothing(config, tmp_path):
    """Every wrong row is told with its line; a good file is imported whole."""
    file = tmp_path / "agents.csv"
    file.write_text("id,name,phone,queues\na2,Bo,p1,sales:2\na2,Bo,,\na3,,p9,\n")
    result = run("agent", "import", str(file))
    assert result.code == 2
    assert result.err == (
        f"callcore: {file}:3: id 'a2' is in line 2 already\n"
        f"callcore: {file}:4: phone 'p9': expected the id of a known phone\n"
        "callcore: 2 wrong rows: nothing was imported\n"
    )
    assert not (tmp_path / "var" / "directory.json").exists()
    file.write_text("id;name;pin;queues\na2;Bo;2468;sales:2\na3;Chen;;\n")
    assert run("agent", "import", str(file), "--json").json == {"agents": 2, "applied": False}
    phones = tmp_path / "phones.csv"
    phones.write_text("id,srtp,codecs\np5,yes,alaw ulaw\n")
    assert run("phone", "import", str(phones)).code == 0
    names = [row["id"] for row in run("agent", "list", "--json").json["agents"]]
    assert names == ["a1", "a2", "a3"]
    assert run("agent", "import", "/nonexistent").err == (
        "callcore: /nonexistent: No such file or directory\n"
    )


def test_help_starts_fast():
    """`callcore --help` in a fresh process loads nothing heavy (then it takes 0.2 s)."""
    command = [sys.executable, "-X", "importtime", "-m", "callcore.cli.main", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert "Call centre beside Asterisk" in done.stdout
    for heavy in ("aiohttp", "sqlalchemy", "numpy", "cryptography", "asyncio"):
        assert f" {heavy}\n" not in done.stderr
