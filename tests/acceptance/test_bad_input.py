"""What callers and strangers send is data and nothing else: names, numbers, broken SIP."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.errors import LabError
from callcore.lab.site import PATIENCE
from callcore.telephony import managed
from callcore.telephony.layout import AsteriskPaths

from .floor import Floor, hears, open_floor, phone_config, rung, talk, until

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]

CONFIG = (
    phone_config("p1")
    + """
[agents.ann]
phone = "p1"
[queues.sales]
members = ["ann"]
ring_seconds = 30
[[routes]]
pattern = "601"
queue = "sales"
[[routes]]
pattern = "602"
tree = "reads"
[[outbound]]
pattern = "0X."
trunk = "tel"
"""
)

#: A tree that uses what the caller sent wherever a tree can.
TREES = {
    "reads": """
start: look
variables: {tier: ""}
nodes:
  look:
    step: lookup
    url: http://127.0.{number}.9:8098/x
    query: {name: "{caller_name}", number: "{caller_number}"}
    timeout: 0.3
    into: {tier: tier}
    fallback: {tier: "none"}
    next: note
  note: {step: set, values: {note: "{caller_name} on {dialled}"}, next: say}
  say: {step: prompt, play: [{text: "You are {caller_name}."}], barge_in: true, next: queue}
  queue: {step: enqueue, queue: sales, variables: {who: "{caller_name}"}}
"""
}

NAMES = {
    "shell": "${SHELL(touch CANARY)}",
    "expression": "$[1+1] ${CHANNEL} ${GLOBAL(x)}",
    "backtick": "`touch CANARY` $(touch CANARY) | touch CANARY; touch CANARY &",
    "quotes": "O\"Neil 'x' \\ \\\" end",
    "sql": "'; DROP TABLE calls; --",
    "long": "N" * 5000,
    "control": "a\x01\x02\x07\x08b\x7fc\td",
    "escape": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "nul": "before\x00after",
    "markup": "[red]bold[/red] [link=file:///etc/passwd]x[/link] [/]",
    "json": '{"event":"ended"}\\n{"time":1}',
    "direction": "abc\u202etxt.exe\u2066\u200b",
    "chinese": "王小明",
    "format": "%s%n%d {0} {caller_number} {__class__}",
}

NUMBERS = {
    "shell": "%24%7BSHELL(touch%20CANARY)%7D",
    "long": "9" * 2000,
    "quote": "%22'%3B%20DROP%20TABLE%20calls%3B--",
    "path": "..%2F..%2Fetc%2Fpasswd",
    "nul": "60%001",
    "control": "60%0d%0aX-Evil:%20yes",
    "percent": "%25s%25n",
    "star": "*",
    "named": "queue:sales",
    "pattern": "_X.",
    "comma": "601,1",
    "unicode": "%E2%80%AE601",
    "s": "s",
    "h": "h",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    async with open_floor(tmp_path_factory.mktemp("bad"), CONFIG, ("p1",), trees=TREES) as floor:
        yield floor


@pytest_asyncio.fixture(loop_scope="module")
async def floor(shared: Floor) -> AsyncIterator[Floor]:
    """Afterwards everything still works, and nothing sent was carried out."""
    canary = shared.site.directory / "canary"
    yield shared
    await shared.clear()
    assert not canary.exists()
    logged_as_json(shared)
    await next_call_is_fine(shared)


def with_canary(floor: Floor, text: str) -> str:
    return text.replace("CANARY", str(floor.site.directory / "canary"))


def logged_as_json(floor: Floor) -> list[dict[str, Any]]:
    """Every line of the log is one JSON object."""
    lines = floor.site.log_file.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines if line]


async def next_call_is_fine(floor: Floor) -> None:
    await floor.login("ann")
    caller, desk = await talk(floor, "601", "p1")
    desk.play(audio.tone(700, 1.0), loop=True)
    await hears(caller, 700)
    await caller.hang_up()
    await desk.ended
    await floor.clear()


def harmless(text: str) -> bool:
    return all(c.isprintable() for c in text)


# --- names and numbers of callers ----------------------------------------------------------------


def raw_name(name: str) -> str:
    """As a quoted string on the wire, with nothing left out."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def test_names_are_data_everywhere(floor: Floor) -> None:
    """All at once in a queue: API, monitor, records, events, phone and log show them as text."""
    calls: dict[str, Call] = {}
    answered: dict[str, Call] = {}
    refused: list[str] = []
    for kind, name in NAMES.items():
        calls[kind] = await floor.dial("601", raw_display=raw_name(with_canary(floor, name)))
        try:
            await calls[kind].answered.within(3 * PATIENCE)
            answered[kind] = calls[kind]
        except LabError:  # refused, or not understood
            refused.append(kind)
    assert set(refused) <= {"nul", "long"}
    rows = {row["caller"]: row for row in (await floor.site.get("calls"))["calls"]}
    for kind, call in answered.items():
        shown = rows[call.phone.user]["caller_name"]
        assert harmless(shown), kind
        assert len(shown) <= 1000, kind
    for kind in ("shell", "expression", "backtick", "quotes", "sql", "markup", "chinese", "format"):
        shown = rows[calls[kind].phone.user]["caller_name"]
        sent = with_canary(floor, NAMES[kind])
        assert sent.startswith(shown), kind
        assert len(shown) >= min(len(sent), 60), kind  # Asterisk keeps 79 bytes
    text = await floor.run("monitor", "--once")
    assert all(harmless(line) for line in text.splitlines())
    assert all(call.phone.user in text for call in answered.values())
    assert len(json.loads(await floor.run("monitor", "--once", "--json"))["calls"]) == len(answered)
    listed = json.loads(await floor.run("call", "list", "--json"))["calls"]
    assert len(listed) == len(answered)
    assert all(harmless(line) for line in (await floor.run("call", "list")).splitlines())
    await floor.login("ann", to="offered")
    desk = await floor.phones["p1"].incoming()  # the first in the queue
    first = answered["shell"]
    assert desk.caller.user == first.phone.user
    assert desk.caller.display == rows[first.phone.user]["caller_name"]
    await desk.answer()
    await floor.is_in(first, state="talking")
    for kind, call in answered.items():
        await call.hang_up()
        record = await floor.record(call)
        assert record["caller_name"] == rows[call.phone.user]["caller_name"], kind
        details = await floor.site.get(f"calls/{record['call']}")
        assert details["events"][0]["name"] == "arrived"
    shown = await floor.run("call", "show", record["call"])
    assert all(harmless(line) for line in shown.splitlines())


@pytest.mark.parametrize("kind", ["shell", "backtick", "quotes", "control", "format", "direction"])
async def test_names_pass_through_a_tree_as_text(floor: Floor, kind: str) -> None:
    """In a look-up's query, a variable, a spoken text and the queue's variables."""
    await floor.login("ann")
    name = with_canary(floor, NAMES[kind])
    caller = await floor.call("602", raw_display=raw_name(name))
    await floor.is_in(caller, state="ivr")
    await caller.send_digits("1")
    desk = await rung(floor, "p1", caller)
    await desk.answer()
    await floor.is_in(caller, state="talking")
    await caller.hang_up()
    record = await floor.record(caller)
    assert record["variables"]["who"] == record["caller_name"]
    assert record["variables"]["note"] == f"{record['caller_name']} on 602"
    assert harmless(record["variables"]["note"])


@pytest.mark.parametrize(
    "user",
    ["%24%7BSHELL(touch%20CANARY)%7D", "+49%20(0)30'%3B--", "1" * 1000, "anonymous", "a%00b",
     "x%0d%0aVia:%20evil", "%25n%25s", "%E7%8E%8B"],
)  # fmt: skip
async def test_numbers_of_callers_are_data(floor: Floor, user: str) -> None:
    """Waiting in the queue under whatever number they send."""
    began = time.time()
    caller = await floor.call("601", from_user=with_canary(floor, user).replace("/", "%2F"))
    rows: list[dict[str, Any]] = []

    async def waits() -> bool:
        rows[:] = (await floor.site.get("calls"))["calls"]
        return [row["state"] for row in rows] == ["queued"]

    await floor.site.until(waits, f"the caller waits, and nobody else; there are {rows}")
    assert harmless(rows[0]["caller"])
    await floor.login("ann", to="offered")
    desk = await rung(floor, "p1")
    assert harmless(desk.caller.user)
    await desk.answer()
    await caller.hang_up()
    await desk.ended
    await floor.site.quiet()
    record = await floor.ended_since(began - 0.05)
    assert harmless(record["caller_number"])
    assert record["outcome"] == "answered"


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("side", ["trunk", "phone"])
async def test_absurd_numbers_dialled_are_refused(shared: Floor, kind: str, side: str) -> None:
    """Nothing is expanded, nothing matches by accident, the dialler is told."""
    number = with_canary(shared, NUMBERS[kind]).replace("/", "%2F")
    if side == "trunk":
        call = await shared.dial(number)
    else:
        call = await shared.phones["p1"].dial(number)
    ending = await call.ended
    assert (ending.by, ending.status >= 400) == ("remote", True), ending
    await shared.clear()
    assert not (shared.site.directory / "canary").exists()


async def test_after_absurd_numbers_all_is_well(floor: Floor) -> None:
    """The records are text, the log is whole and the next call fine (checked by the fixture)."""
    began = time.time()
    out = await floor.phones["p1"].dial("99999")
    await out.ended
    await floor.ended_since(began - 0.05, dialled="99999")  # behind the rows of the absurd ones
    rows = (await floor.site.get("calls/ended?limit=500"))["calls"]
    assert rows
    assert all(harmless(row["dialled"]) for row in rows)
    assert any(line.get("event") == "arrived" for line in logged_as_json(floor))


# --- malformed SIP -------------------------------------------------------------------------------


def malformed(floor: Floor) -> list[bytes]:
    """Messages a parser can trip over, each broken in its own way.

    Asterisk is tolerant and takes some for calls: they dial what nobody has, and are refused.
    """
    here, there = floor.site.caller_address, floor.site.address

    def invite(
        line: str = "", *, number: int, body: str = "", drop: str = "", **changes: str
    ) -> bytes:
        headers = {
            "Via": f"SIP/2.0/UDP {here}:5999;branch=z9hG4bK-bad-{number}",
            "Max-Forwards": "70",
            "From": f"<sip:5551@{here}>;tag=t{number}",
            "To": f"<sip:666@{there}>",
            "Call-ID": f"bad-{number}@{here}",
            "CSeq": "1 INVITE",
            "Contact": f"<sip:5551@{here}:5999>",
            "Content-Type": "application/sdp",
            "Content-Length": str(len(body)),
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        headers.pop(drop, None)
        text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        first = line or f"INVITE sip:666@{there} SIP/2.0"
        return f"{first}\r\n{text}\r\n{body}".encode("utf-8", "surrogateescape")

    sdp = f"v=0\r\no=- 1 1 IN IP4 {here}\r\ns=-\r\nc=IN IP4 {here}\r\nt=0 0\r\n"
    good = invite(number=0)
    return [
        b"", b"\0", b"\r\n\r\n", b"\xff" * 300, b"INVITE", b"GET / HTTP/1.1\r\n\r\n",
        good[: len(good) // 2],
        good.replace(b"\r\n", b"\n"),
        invite(f"INVITE sip:666@{there} SIP/7.0", number=1),
        invite("INVITE nobodyKnowsThisScheme:x SIP/2.0", number=2),
        invite(f"INVITE <sip:666@{there}> SIP/2.0", number=3),
        invite(f"INVITE  sip:666@{there};a=%00  SIP/2.0", number=4),
        invite(number=5, Content_Length="-999"),
        invite(number=6, Content_Length="99999999"),
        invite(number=7, Content_Length="abc"),
        invite(number=8, CSeq="99999999999999999999 INVITE"),
        invite(number=9, CSeq="1 BYE"),
        *[invite(number=10 + n, drop=name) for n, name in enumerate(
            ("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards"))],
        invite(number=20, From='"unterminated <sip:x@y>;tag=1'),
        invite(number=21, From="<sip:a@b>;tag=1, <sip:c@d>;tag=2"),
        invite(number=22, To=f"<sip:666@{there}>;tag=nobody"),
        invite(number=23, Max_Forwards="0"),
        invite(number=24, Max_Forwards="-1"),
        invite(number=25, Via="SIP/2.0/UDP ;;;,,,"),
        invite(number=26, Via=f"SIP/2.0/UDP {here}:99999999;branch="),
        invite(number=27, Require="nothing-we-know"),
        invite(number=28, X_Long="x" * 30000),
        invite(number=29, **{f"X_{n}": "y" for n in range(800)}),
        invite(number=30, body="not sdp at all"),
        invite(number=31, body=sdp + "m=audio 99999999 RTP/AVP 0\r\n"),
        invite(number=32, body=sdp + "m=audio 4000 RTP/AVP\r\n"),
        invite(number=33, body=sdp + "m=audio 4000 RTP/AVP 0 " + "1 " * 500 + "\r\n"),
        invite(number=34, body=sdp + "m=audio -1 RTP/AVP 0\r\na=rtpmap:0\r\na=rtpmap\r\n"),
        invite(number=35, body=sdp.replace(here, "999.1.1.1") + "m=audio 4000 RTP/AVP 0\r\n"),
        invite(f"BYE sip:666@{there} SIP/2.0", number=40, CSeq="1 BYE"),
        invite(f"ACK sip:666@{there} SIP/2.0", number=41, CSeq="1 ACK"),
        invite(f"CANCEL sip:666@{there} SIP/2.0", number=42, CSeq="1 CANCEL"),
        invite(f"REFER sip:666@{there} SIP/2.0", number=43, CSeq="1 REFER", Refer_To="<sip:x"),
        invite(f"NEWMETHOD sip:666@{there} SIP/2.0", number=44, CSeq="1 NEWMETHOD"),
        invite(f"REGISTER sip:{there} SIP/2.0", number=45, CSeq="1 REGISTER",
               Expires="99999999999999", Authorization="Digest username=p1, nonce="),
        invite("SIP/2.0 200 OK", number=46),
        invite("SIP/2.0 99999 What", number=47),
    ]  # fmt: skip


async def test_malformed_sip_changes_nothing(floor: Floor) -> None:
    """Thrown from the trunk's and the phones' addresses while two talk: they go on talking."""
    asterisk = (await managed.status(AsteriskPaths.under(floor.site.var))).pid
    served = floor.site.pid
    await floor.login("ann")
    caller, desk = await talk(floor, "601", "p1")
    desk.play(audio.tone(700, 1.0), loop=True)
    await hears(caller, 700)
    for data in malformed(floor):
        await caller.phone.send_raw(data)
        await floor.phones["p1"].send_raw(data)
    answer = await floor.phones["p1"].options()
    assert answer.status == 200
    before = len(caller.heard().samples)
    await until(lambda: len(caller.heard().samples) >= before + 4000)
    assert audio.tone_level(caller.heard().samples[before:], 700) > 3000
    assert not caller.ended.happened
    await caller.hang_up()
    await desk.ended
    record = await floor.record(caller)
    assert record["outcome"] == "answered"
    assert floor.site.pid == served
    assert (await managed.status(AsteriskPaths.under(floor.site.var))).pid == asterisk
