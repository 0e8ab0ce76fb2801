"""The demo judges itself: voices in the recordings, records, event lists, leftovers, the log."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from callcore.lab import audio
from callcore.lab.demo_cast import (
    ANNA,
    BO,
    CHEN,
    DANA,
    EVERYBODY,
    LEE,
    NOVAK,
    OLSEN,
    PARK,
    QUINN,
    Person,
)
from callcore.lab.demo_timeline import Timeline
from callcore.lab.errors import LabTimeout
from callcore.lab.g711 import Samples
from callcore.lab.site import LabSite

Row = dict[str, Any]

#: Likeness from which on somebody is heard, and below which they are not (measured: over 0.9 for
#: the right voice, under 0.35 for every other one).
PRESENT, ABSENT = 0.7, 0.5
#: A sentence is looked for in pieces: a packet lost on a busy machine shifts what follows it.
PIECE_SECONDS = 1.0


@dataclass(frozen=True)
class Verdict:
    """One check; `fault` is empty when it held."""

    what: str
    fault: str = ""


@dataclass(frozen=True)
class Expected:
    """How a caller's call went in the story."""

    caller: Person
    outcome: str
    hung_up_by: str
    queue: str
    #: Who talked, in order; empty: nobody.
    agents: tuple[Person, ...] = ()
    offers: int = 0
    transfers: int = 0
    #: Columns with a time, in the order in which they have to be.
    times: tuple[str, ...] = ("arrived_at", "ivr_at", "queued_at", "ended_at")
    #: Some of the lines of the event list, in order.
    events: tuple[str, ...] = ()


OFFERED = ("arrived_at", "ivr_at", "queued_at", "first_offered_at", "answered_at", "ended_at")
TALKED = (*OFFERED, "wrap_up_ended_at")

STORY = (
    Expected(
        LEE, "answered", "caller", "sales", (ANNA,), 2, 0, TALKED,
        ("arrived", "ivr_entered", "digit", "digit", "queued", "offered", "offer_withdrawn",
         "offered", "agent_answered", "connected", "recording_started", "held", "unheld", "ended",
         "wrap_up_ended"),
    ),
    Expected(
        PARK, "answered", "agent", "support", (CHEN,), 1, 0, TALKED,
        ("arrived", "ivr_entered", "digit", "digit", "digit", "look_up", "queued", "offered",
         "connected", "recording_paused", "recording_resumed", "ended", "wrap_up_ended"),
    ),
    Expected(
        NOVAK, "answered", "caller", "support", (BO, CHEN), 2, 1, TALKED,
        ("arrived", "queued", "offered", "connected", "transfer_asked", "queued", "offered",
         "connected", "ended"),
    ),
    Expected(
        OLSEN, "abandoned", "caller", "sales",
        events=("arrived", "ivr_entered", "digit", "digit", "queued", "abandoned", "ended"),
    ),
    Expected(
        QUINN, "voicemail", "callcore", "support",
        events=("arrived", "queued", "overflowed", "voicemail_started", "voicemail_ended", "ended"),
    ),
)  # fmt: skip


async def check(site: LabSite, timeline: Timeline, agents: Sequence[Row]) -> AsyncIterator[Verdict]:
    """Every check, one after the other; `agents` is how the agents were when the story ended."""
    rows = await complete_rows(site)
    recordings = (await site.get("recordings"))["recordings"]
    for expected in STORY:
        row = rows.get(expected.caller.number, [])
        yield one_row(expected, row)
        if row:
            yield Verdict(f"{expected.caller.name}: times in order", times(expected, row[0]))
            events = (await site.get(f"calls/{row[0]['call']}"))["events"]
            yield Verdict(f"{expected.caller.name}: event list", event_list(expected, events))
            yield Verdict(f"{expected.caller.name}: segments", segments(expected, row[0]))
            for verdict in voices(site, expected, row[0], recordings):
                yield verdict
    yield Verdict("Anna's login at her phone has a record", login(rows))
    yield Verdict("wrap-up over, Dana paused for not answering", states(agents))
    yield Verdict("queue counters add up", await counters(site))
    yield Verdict("nothing is left of the calls", await leftovers(site))
    yield Verdict("no error in the log", errors(timeline))


async def complete_rows(site: LabSite) -> dict[str, list[Row]]:
    """Rows and recordings are written behind the calls: give them a moment."""

    async def holds() -> bool:
        rows = [row for of in (await ended_calls(site)).values() for row in of]
        finished = {one["call"] for one in (await site.get("recordings"))["recordings"]}
        recorded = {row["call"] for row in rows if row["recording"]}
        return len(rows) > len(STORY) and recorded <= finished

    with suppress(LabTimeout):  # what is missing is then found by the checks
        await site.until(holds, "all rows are written")
    return await ended_calls(site)


async def ended_calls(site: LabSite) -> dict[str, list[Row]]:
    """Rows by who called."""
    by_caller: dict[str, list[Row]] = {}
    for row in (await site.get("calls/ended"))["calls"]:
        who = row["caller_number"] if row["direction"] == "inbound" else row["endpoint"]
        by_caller.setdefault(who, []).append(row)
    return by_caller


async def summary(site: LabSite, verdicts: Sequence[Verdict]) -> dict[str, int]:
    """The figures of the last line, from the records."""
    rows = [row for of in (await ended_calls(site)).values() for row in of]
    rows = [row for row in rows if row["direction"] == "inbound"]
    recordings = (await site.get("recordings"))["recordings"]
    return {
        "calls": len(rows),
        "answered": sum(row["outcome"] == "answered" for row in rows),
        "abandoned": sum(row["outcome"] == "abandoned" for row in rows),
        "recordings": sum(bool(row["path"]) for row in recordings),
        "checks_failed": sum(bool(verdict.fault) for verdict in verdicts),
    }


# --- records ------------------------------------------------------------------------------------


def one_row(expected: Expected, rows: Sequence[Row]) -> Verdict:
    first = expected.agents[0].number if expected.agents else ""
    wanted = {
        "outcome": expected.outcome,
        "hung_up_by": expected.hung_up_by,
        "queue": expected.queue,
        "agent": first,
        "offers": expected.offers,
        "transfers": expected.transfers,
        "dialled": "100",
        "tree": "hotline",
        "estimated": False,
    }
    what = f"{expected.caller.name}: one record, {expected.outcome}"
    if len(rows) != 1:
        return Verdict(what, f"{len(rows)} records")
    wrong = [f"{k} is {rows[0][k]!r}, not {v!r}" for k, v in wanted.items() if rows[0][k] != v]
    talked = rows[0]["talk_seconds"] > 1 if expected.agents else rows[0]["talk_seconds"] == 0
    if not talked:
        wrong.append(f"talk_seconds is {rows[0]['talk_seconds']}")
    if bool(rows[0]["recording"]) == bool(rows[0]["no_recording_reason"]):
        wrong.append("neither a recording nor a reason why there is none")
    return Verdict(what, "; ".join(wrong))


def times(expected: Expected, row: Row) -> str:
    values = [row[column] for column in expected.times]
    missing = [c for c, value in zip(expected.times, values, strict=True) if value is None]
    if missing:
        return f"{', '.join(missing)} missing"
    if values != sorted(values):
        return "not in order: " + ", ".join(f"{c} {row[c]:.3f}" for c in expected.times)
    return ""


def event_list(expected: Expected, events: Sequence[Row]) -> str:
    names = [event["name"] for event in events]
    if [event["sequence"] for event in events] != list(range(1, len(events) + 1)):
        return f"not numbered 1 to {len(events)}"
    rest = iter(names)
    lacking = [name for name in expected.events if name not in rest]
    return f"{', '.join(lacking)} not there in order: {' '.join(names)}" if lacking else ""


def segments(expected: Expected, row: Row) -> str:
    """Everything closed; each talk is with the right agent and has its wrap-up."""
    still_open = [s["kind"] for s in row["segments"] if s.get("end") is None]
    if still_open:
        return f"not closed: {', '.join(still_open)}"
    agents = [agent.number for agent in expected.agents]
    for kind in ("talk", "wrap_up"):
        found = [s["agent"] for s in row["segments"] if s["kind"] == kind]
        if found != agents:
            return f"{kind} with {found}, not with {agents}"
    return ""


def login(rows: dict[str, list[Row]]) -> str:
    found = [row["outcome"] for row in rows.get(ANNA.phone, [])]
    return "" if found == ["service"] else f"outcomes of calls from {ANNA.phone}: {found}"


def states(agents: Sequence[Row]) -> str:
    rows = {row["id"]: row for row in agents}
    wanted = {ANNA: ("idle", ""), BO: ("idle", ""), CHEN: ("idle", ""), DANA: ("paused", "rona")}
    found = {agent: (rows[agent.number]["state"], rows[agent.number]["reason"]) for agent in wanted}
    return "; ".join(
        f"{agent.name} is {' '.join(found[agent])}"
        for agent, (state, reason) in wanted.items()
        if found[agent][0] != state or (reason and found[agent][1] != reason)
    )


async def counters(site: LabSite) -> str:
    wanted = {
        "sales": {"offered_today": 3, "answered_today": 2, "abandoned_today": 1},
        "support": {"offered_today": 3, "answered_today": 2, "overflowed_today": 1},
    }
    rows = {row["id"]: row for row in (await site.get("queues"))["queues"]}
    return "; ".join(
        f"{queue}: {name} is {rows[queue][name]}, not {value}"
        for queue, values in wanted.items()
        for name, value in values.items()
        if rows[queue][name] != value
    )


# --- recordings ---------------------------------------------------------------------------------


def voices(
    site: LabSite, expected: Expected, row: Row, recordings: Sequence[Row]
) -> Iterable[Verdict]:
    """The caller left, the agents right, nobody else anywhere; the pause is silent."""
    caller, folder = expected.caller, site.directory / "speech"
    found = [one for one in recordings if one["call"] == row["call"]]
    if expected.outcome == "abandoned":
        yield Verdict(f"{caller.name}: no recording", f"{len(found)} recordings" if found else "")
        return
    if len(found) != 1 or not found[0]["path"]:
        yield Verdict(f"{caller.name}: one recording", f"{[one['failure'] for one in found]}")
        return
    file = site.var / "recordings" / found[0]["path"]
    channels = audio.read_channels(file)
    yield Verdict(f"{caller.name}: recording complete", whole(found[0], file, channels))
    wanted = [(caller,), expected.agents] if expected.agents else [(caller,)]
    for side, speakers, heard in zip(("left", "right"), wanted, channels, strict=False):
        yield heard_only(f"{caller.name}: {side} channel", heard, speakers, folder)
    if caller is PARK:
        yield Verdict(f"{caller.name}: silence while paused", silent_gap(found[0], channels))


def whole(row: Row, file: Path, channels: Sequence[Samples]) -> str:
    wanted = 1 if row["kind"] == "voicemail" else 2
    if len(channels) != wanted:
        return f"{len(channels)} channels, not {wanted}"
    if hashlib.sha256(file.read_bytes()).hexdigest() != row["sha256"]:
        return "the file is not the one its record describes (sha256)"
    if row["estimated"]:
        return "its end is an estimate"
    seconds = len(channels[0]) / audio.RATE
    if abs(seconds - row["seconds"]) > 0.05:
        return f"{seconds:.2f} s of sound, {row['seconds']:.2f} s in the record"
    return ""


def heard_only(what: str, samples: Samples, speakers: Sequence[Person], folder: Path) -> Verdict:
    """Who should be heard is, and nobody else."""
    scores = {one: likeness(samples, one.speech(folder)) for one in EVERYBODY.values()}
    wrong = [f"{p.name} is not heard ({scores[p]:.2f})" for p in speakers if scores[p] < PRESENT]
    others = {one: score for one, score in scores.items() if one not in speakers}
    wrong += [f"{p.name} is heard ({score:.2f})" for p, score in others.items() if score > ABSENT]
    names = " and ".join(f"{person.name} ({scores[person]:.2f})" for person in speakers)
    found = f"{names}, nobody else ({max(others.values()):.2f})"
    return Verdict(what if wrong else f"{what}: {found}", "; ".join(wrong))


def likeness(samples: Samples, speech: Samples) -> float:
    """How well the best piece of a sentence is found in a recording, 0 to 1."""
    length = round(PIECE_SECONDS * audio.RATE)
    pieces = [speech[at : at + length] for at in range(0, len(speech) - length + 1, length)]
    loud = [piece for piece in pieces if audio.level(piece) > audio.level(speech) / 2]
    return max(audio.find_speech(samples, piece)[1] for piece in loud)


def silent_gap(row: Row, channels: Sequence[Samples]) -> str:
    gaps = [gap for gap in row["gaps"] if gap["reason"] == "paused"]
    if len(gaps) != 1:
        return f"{len(gaps)} pauses listed, not 1"
    start, end = gaps[0]["start"], gaps[0]["end"]
    if not 1.5 < end - start < 4:
        return f"the pause lasts {end - start:.1f} s, not about 2"
    for channel in channels:
        inside = channel[round(start * audio.RATE) : round(end * audio.RATE)]
        if np.any(inside):
            return f"sound in the pause (level {audio.level(inside):.0f})"
    return ""


# --- what is left -------------------------------------------------------------------------------


async def leftovers(site: LabSite) -> str:
    """No channel, no bridge, no recording in progress, no call in memory."""
    left = await asterisk_leftovers(site) if site.backend == "asterisk" else []
    if (await site.get("calls"))["calls"]:
        left.append("calls in callcore")
    spools = (site.var / "asterisk" / "spool", site.var / "pjsip" / "voicemail")
    for folder in (site.var / "recordings" / ".pending", *spools):
        left += [
            str(f) for f in sorted(folder.rglob("*")) if f.suffix in (".raw", ".wav", ".marks")
        ]
    return ", ".join(left)


async def asterisk_leftovers(site: LabSite) -> list[str]:
    left = []
    if "0 active channels" not in await site.asterisk("core show channels count"):
        left.append("channels")
    if len((await site.asterisk("bridge show all")).strip().splitlines()) > 1:
        left.append("bridges")
    return left


def errors(timeline: Timeline) -> str:
    bad = [line for line in timeline.lines if line["level"] in ("error", "critical")]
    return "; ".join(f"{line['event']} {line.get('reason', '')}".strip() for line in bad)
