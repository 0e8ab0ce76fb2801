"""The REST resources against a switch in memory: what is answered, and each way to be refused."""

import stat

import pytest

from callcore.acd.why import Reason
from callcore.api.endpoint import MAX_BODY
from callcore.call.events import (
    AgentLogin,
    AgentStatusChosen,
    AgentWrapUpAsked,
    AgentWrapUpExtended,
    CallPriorityAsked,
    CallTransferAsked,
    RecordingPauseAsked,
)
from callcore.call.record import CallEvent, CallRecord
from callcore.monitor.why import ContactWhy, view
from callcore.store.rows import RecordingRow
from callcore.types import Outcome


async def test_lists_show_the_snapshot(api):
    """Queues, agents, calls, phones and trunks are rows of the snapshot."""
    for name, ids in (
        ("queues", ["sales"]),
        ("agents", ["a1", "a2"]),
        ("calls", ["c1", "c2"]),
        ("phones", ["p1"]),
        ("trunks", []),
    ):
        status, answer = await api("GET", f"/api/v1/{name}")
        assert (status, [row["id"] for row in answer[name]]) == (200, ids)


async def test_a_queue_shows_its_callers_and_members(api):
    """Waiting callers and members come with the queue; an unknown one is 404."""
    status, answer = await api("GET", "/api/v1/queues/sales")
    assert status == 200
    assert [row["id"] for row in answer["waiting"]] == ["c1"]
    assert [row["id"] for row in answer["members"]] == ["a1"]
    assert await api("GET", "/api/v1/queues/none") == (404, {"error": "no queue named 'none'"})


async def test_an_agent_logs_in_pauses_and_out(api, switch):
    """Commands become events in their order."""
    login = await api("POST", "/api/v1/agents/a1/login", {"phone": "p1"})
    assert login == (200, {"ok": True})
    assert switch.events == [AgentLogin(agent="a1", phone="p1")]
    await api("POST", "/api/v1/agents/a1/pause", {"reason": "lunch"})
    assert (await api("GET", "/api/v1/agents/a1"))[1]["state"] == "paused"
    assert (await api("POST", "/api/v1/agents/a1/logout"))[0] == 200
    refused = await api("POST", "/api/v1/agents/a1/logout")
    assert refused == (409, {"error": "agent a1 is not logged in"})


async def test_an_empty_body_means_defaults(api, switch):
    """Login and pause work without a body."""
    assert (await api("POST", "/api/v1/agents/a1/login"))[0] == 200
    assert (await api("POST", "/api/v1/agents/a1/pause"))[0] == 200
    assert switch.events[1].reason == "break"


async def test_calls_are_commanded(api, switch):
    """Transfer, recording pause and hang-up reach the switch; unknown calls are 404."""
    assert (await api("POST", "/api/v1/calls/c2/recording/pause"))[0] == 200
    transfer = await api("POST", "/api/v1/calls/c1/transfer", {"target": "queue:sales"})
    assert transfer[0] == 200
    assert switch.events == [
        RecordingPauseAsked(call="c2"),
        CallTransferAsked(call="c1", target="queue:sales"),
    ]
    assert await api("POST", "/api/v1/calls/c1/hangup") == (404, {"error": "no call named 'c1'"})


async def test_a_call_is_supervised(api, switch):
    """The answer names the supervisor's own call; unknown modes, calls and phones are refused."""
    path = "/api/v1/calls/c1/supervise"
    assert await api("POST", path, {"phone": "p1", "mode": "whisper"}) == (200, {"call": "c1-p1"})
    assert await api("POST", path, {"phone": "p1"}) == (200, {"call": "c1-p1"})
    assert [(event.phone, event.mode) for event in switch.events] == [
        ("p1", "whisper"),
        ("p1", "listen"),
    ]
    assert (await api("POST", path, {"phone": "p1", "mode": "shout"}))[0] == 400
    assert (await api("POST", path, {"phone": "p9"}))[0] == 409
    gone = await api("POST", "/api/v1/calls/c9/supervise", {"phone": "p1"})
    assert gone == (404, {"error": "no call named 'c9'"})


async def test_why_a_contact_waits_or_got_its_agent(api, switch, archive):
    """The rules now while it waits; the offers of the event list afterwards; else 404."""
    reasons = "idle_agent longest_idle"
    offered = {"agent": "a1", "queue": "sales", "reasons": reasons}
    archive.event_lists = {
        name: [
            CallEvent(call=name, sequence=1, at=5.0, name="offered", details=offered),
            CallEvent(
                call=name, sequence=2, at=6.0, name="agent_answered", details={"agent": "a1"}
            ),
        ]
        for name in ("c2", "e1")
    }
    archive.records = [CallRecord(call="e1", queue="sales", outcome=Outcome.ANSWERED)]
    switch.explanations["c1"] = ContactWhy(
        contact="c1", state="waiting", waits_for=view(Reason("all_busy")), position=1
    )
    status, answer = await api("GET", "/api/v1/calls/c1/why")
    assert (status, answer["position"]) == (200, 1)
    assert answer["waits_for"]["text"] == "everybody who could take it is occupied"
    for name, state in (("c2", "talking"), ("e1", "ended")):
        _, answer = await api("GET", f"/api/v1/calls/{name}/why")
        [offer] = answer["offers"]
        assert (answer["state"], offer["agent"], offer["result"]) == (state, "a1", "answered")
        assert offer["reasons"][1]["text"] == "has been idle longest of them"
    assert await api("GET", "/api/v1/calls/none/why") == (
        404, {"error": "no contact named 'none'"},
    )  # fmt: skip


async def test_why_an_agent_gets_nothing(api):
    """One agent's reasons; an unknown one is 404."""
    status, answer = await api("GET", "/api/v1/agents/a1/why")
    assert (status, answer["reasons"][0]["text"]) == (200, "is logged out")
    assert (await api("GET", "/api/v1/agents/none/why"))[0] == 404


async def test_supervisors_command_priority_status_and_wrap_up(api, switch):
    """Each becomes its event; what does not fit the schema changes nothing."""
    await api("POST", "/api/v1/agents/a1/login")
    assert (await api("POST", "/api/v1/calls/c1/priority", {"priority": 3}))[0] == 200
    assert (await api("POST", "/api/v1/agents/a1/status", {"status": "coaching"}))[0] == 200
    assert (await api("POST", "/api/v1/agents/a1/wrap-up"))[0] == 200
    assert (await api("POST", "/api/v1/agents/a1/wrap-up", {"extend_seconds": 30}))[0] == 200
    assert switch.events[1:] == [
        CallPriorityAsked(call="c1", priority=3),
        AgentStatusChosen(agent="a1", status="coaching"),
        AgentWrapUpAsked(agent="a1"),
        AgentWrapUpExtended(agent="a1", seconds=30.0),
    ]
    assert (await api("POST", "/api/v1/calls/none/priority", {"priority": 3}))[0] == 404
    assert (await api("POST", "/api/v1/calls/c1/priority", {"priority": "x"}))[0] == 400
    assert (await api("POST", "/api/v1/agents/a1/wrap-up", {"extend_seconds": -1}))[0] == 400
    assert (await api("POST", "/api/v1/agents/a2/status", {"status": "coaching"}))[0] == 409


async def test_an_ended_call_comes_from_the_archive(api, archive):
    """A call is live or a record; the list of ended ones has pages."""
    archive.records = [
        CallRecord(call=f"e{i}", arrived_at=float(i), outcome=Outcome.ANSWERED) for i in range(5)
    ]
    assert (await api("GET", "/api/v1/calls/c1"))[1]["live"]["state"] == "queued"
    assert (await api("GET", "/api/v1/calls/e3"))[1]["record"]["call"] == "e3"
    _, answer = await api("GET", "/api/v1/calls/ended?limit=2&before=4")
    assert [row["call"] for row in answer["calls"]] == ["e3", "e2"]
    assert (await api("GET", "/api/v1/calls/nope"))[0] == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "before=x"])
async def test_a_wrong_page_is_refused(api, query):
    """Limits of a list are checked."""
    status, answer = await api("GET", f"/api/v1/calls/ended?{query}")
    assert status == 400
    assert answer["error"].startswith("query: ")


async def test_a_phone_is_added_with_a_secret_shown_once(api, switch):
    """The random secret is in the answer, then only in the private file."""
    status, answer = await api("POST", "/api/v1/phones", {"id": "p9", "nat": True})
    assert status == 201
    assert len(answer["secret"]) == 30
    assert switch.settings().directory.phones["p9"].secret == answer["secret"]
    assert stat.S_IMODE(switch.settings().directory_file.stat().st_mode) == 0o600
    status, answer = await api("GET", "/api/v1/phones")
    assert "secret" not in str(answer)
    assert (await api("POST", "/api/v1/phones", {"id": "p9"}))[0] == 409
    assert (await api("DELETE", "/api/v1/phones/p9"))[0] == 200
    assert (await api("DELETE", "/api/v1/phones/p9"))[0] == 404


async def test_an_agent_is_added_with_queue_and_pin(api, switch):
    """The PIN is hashed, the agent a member; an unknown queue undoes the whole."""
    body = {"id": "a9", "name": "Zoë", "pin": "2468", "phone": "p1", "queues": ["sales"]}
    assert (await api("POST", "/api/v1/agents", body))[0] == 201
    directory = switch.settings().directory
    assert directory.agents["a9"].pin_hash.startswith("$argon2id$")
    assert directory.queues["sales"].members[-1].agent == "a9"
    status, answer = await api("POST", "/api/v1/agents", {"id": "a8", "queues": ["none"]})
    assert (status, "known queue" in answer["error"]) == (422, True)
    assert "a8" not in switch.settings().directory.agents
    assert (await api("DELETE", "/api/v1/agents/a9"))[0] == 200
    assert len(switch.settings().directory.queues["sales"].members) == 1


async def test_members_are_added_and_removed(api, switch):
    """Any member can get another place or go; the agent has to be known."""
    path = "/api/v1/queues/sales/members/"
    assert (await api("PUT", f"{path}a2", {"penalty": 5}))[0] == 200
    assert switch.settings().directory.queues["sales"].members[-1].penalty == 5
    assert (await api("DELETE", f"{path}a2"))[0] == 200
    assert (await api("DELETE", f"{path}a2"))[0] == 404
    assert (await api("DELETE", f"{path}a1"))[0] == 200
    assert switch.settings().directory.queues["sales"].members == ()
    assert (await api("PUT", f"{path}a1", {"position": 3}))[0] == 200
    assert switch.settings().directory.queues["sales"].members[0].position == 3
    assert (await api("PUT", f"{path}nobody"))[0] == 404
    assert (await api("PUT", f"{path}@nobody"))[0] == 422
    assert (await api("PUT", "/api/v1/queues/none/members/a1"))[0] == 404


async def test_settings_change_while_running(api, switch):
    """A queue's and an agent's keys, seen at once, wrong ones refused, reset to the file."""
    url = "/api/v1/queues/sales"
    body = {"settings": {"strategy": "ring_all", "rings": [{"after_seconds": 9}]}}
    assert (await api("PATCH", url, body))[0] == 200
    assert switch.settings().directory.queues["sales"].rings[0].after_seconds == 9.0
    shown = (await api("GET", url))[1]
    assert shown["settings"]["strategy"] == "ring_all"
    assert shown["changed"] == ["strategy", "rings"]
    status, answer = await api("PATCH", url, {"settings": {"ring_seconds": -1}})
    assert (status, "queues.sales.ring_seconds = -1.0: expected 0 or" in answer["error"]) == (
        422, True,
    )  # fmt: skip
    assert (await api("PATCH", url, {"settings": {"overflow": "nowhere"}}))[0] == 422
    assert (await api("POST", f"{url}/reset", {"keys": ["rings"]}))[0] == 200
    assert (await api("GET", url))[1]["changed"] == ["strategy"]
    assert (await api("POST", f"{url}/reset"))[0] == 200
    assert (await api("GET", url))[1]["changed"] == []
    assert (await api("PATCH", "/api/v1/queues/none", {"settings": {}}))[0] == 404
    url = "/api/v1/agents/a1"
    body = {"settings": {"skills": {"english": 5}, "groups": ["night"], "pin": "2468"}}
    assert (await api("PATCH", url, body))[0] == 200
    agent = switch.settings().directory.agents["a1"]
    assert (agent.skills, agent.groups, agent.phone) == ({"english": 5}, ("night",), "p1")
    assert agent.pin_hash.startswith("$argon2id$")
    assert await api("GET", f"{url}/settings") == (
        200,
        {
            "settings": {"phone": "p1", "skills": {"english": 5}, "groups": ["night"]},
            "changed": ["skills", "groups"],
        },
    )
    assert (await api("GET", "/api/v1/agents/none/settings"))[0] == 404
    assert (await api("PATCH", url, {"settings": {"capacity": {"fax": 1}}}))[0] == 422
    assert (await api("POST", f"{url}/reset"))[0] == 200
    assert switch.settings().directory.agents["a1"].skills == {}
    assert (await api("PATCH", "/api/v1/agents/none", {"settings": {}}))[0] == 404


async def test_a_queue_is_added_and_removed(api, switch):
    """Like one of callcore.toml; that one can be removed there alone."""
    body = {"id": "late", "settings": {"members": ["a1"], "weight": 2}}
    assert (await api("POST", "/api/v1/queues", body))[0] == 201
    assert switch.settings().directory.queues["late"].weight == 2.0
    assert (await api("POST", "/api/v1/queues", body))[0] == 409
    assert (await api("POST", "/api/v1/queues/late/reset"))[0] == 409
    assert (await api("PATCH", "/api/v1/queues/late", {"settings": {"weight": 3}}))[0] == 200
    assert (await api("POST", "/api/v1/queues", {"id": "BAD ID"}))[0] == 422
    assert (await api("DELETE", "/api/v1/queues/late"))[0] == 200
    assert (await api("DELETE", "/api/v1/queues/late"))[0] == 404
    assert (await api("DELETE", "/api/v1/queues/sales"))[0] == 409


async def test_what_the_file_says_is_removed_in_the_file(api):
    """Removing an agent of callcore.toml names the place."""
    status, answer = await api("DELETE", "/api/v1/agents/a1")
    assert status == 409
    assert "callcore.toml:2: remove it there" in answer["error"]


async def test_a_trunk_that_cannot_work_is_refused(api):
    """The checks of callcore.toml hold for what comes through the API."""
    status, answer = await api("POST", "/api/v1/trunks", {"id": "t", "host": "h", "register": True})
    assert (status, "expected user and secret" in answer["error"]) == (422, True)
    status, answer = await api("POST", "/api/v1/trunks", {"id": "t", "host": "h\nevil=1"})
    assert status == 422
    status, answer = await api("POST", "/api/v1/trunks", {"id": "t", "host": "h", "user": "u"})
    assert (status, len(answer["secret"])) == (201, 30)


async def test_recordings_and_their_audio(api, archive, tmp_path):
    """Facts, ranges of the file, and one sentence when there is no file."""
    (tmp_path / "r1.flac").write_bytes(b"fLaC0123")
    archive.rows = [
        RecordingRow(recording='r1"\n', call="c", path="r1.flac"),
        RecordingRow(recording="r2", call="c", failure="disk full"),
    ]
    assert len((await api("GET", "/api/v1/recordings"))[1]["recordings"]) == 2
    assert (await api("GET", "/api/v1/recordings/r2"))[1]["failure"] == "disk full"
    url = api.url + "/api/v1/recordings/r1%22%0A/audio"
    async with api.session.get(url, headers={"Range": "bytes=4-"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"0123")
        assert answer.headers["Content-Type"] == "audio/flac"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="r1__.flac"'
    status, problem = await api("GET", "/api/v1/recordings/r2/audio")
    assert (status, problem["error"]) == (404, "no audio of recording named 'r2 (disk full)'")


BAD_BODIES = [
    (b"", "body: "),
    (b"{", "body: "),
    (b"[]", "body: Expected `object`"),
    (b'{"target": 5}', "$.target"),
    (b'{"target": ""}', "$.target"),
    (b'{"target": "x", "tragte": 1}', "unknown field"),
    (b'{"target": "\xff"}', "body: "),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
async def test_bad_bodies_are_refused(api, switch, body, message):
    """A body that does not fit is 400 with one sentence, and nothing happens."""
    url = api.url + "/api/v1/calls/c1/transfer"
    async with api.session.post(url, data=body) as answer:
        assert answer.status == 400
        assert message in (await answer.json())["error"]
    assert switch.events == []


async def test_a_huge_body_is_refused(api):
    """More than the limit is 413, in the form of all errors."""
    url = api.url + "/api/v1/calls/c1/transfer"
    async with api.session.post(url, data=b"x" * (MAX_BODY + 1)) as answer:
        assert answer.status == 413
        assert (await answer.json())["error"].startswith("body: more than")


async def test_outside_text_is_data(api, switch):
    """Odd ids and targets arrive unchanged and break nothing."""
    target = "${SHELL(x)}\"';\x00\u2028"
    await api("POST", "/api/v1/calls/c1/transfer", {"target": target})
    assert switch.events[0].target == target
    assert (await api("GET", "/api/v1/agents/%2e%2e%2f%00${x}"))[0] == 404


async def test_unknown_paths_and_methods_are_json(api):
    """404 and 405 have the same body as all errors."""
    assert (await api("GET", "/api/v1/nothing"))[0] == 404
    status, answer = await api("PATCH", "/api/v1/calls")
    assert (status, list(answer)) == (405, ["error"])


async def test_telephony_away_is_503(api, switch):
    """Commands say that telephony is away; readyz too; healthz does not care."""
    switch.why_not_ready = "asterisk: not connected"
    assert (await api("POST", "/api/v1/agents/a1/login"))[0] == 503
    status, answer = await api("GET", "/readyz")
    assert (status, answer["reason"]) == (503, "asterisk: not connected")
    assert (await api("GET", "/healthz"))[0] == 200
