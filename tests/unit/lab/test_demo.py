"""The demo's own judgement: what it accepts, and that it does not accept anything else."""

from __future__ import annotations

import asyncio
import json

import pytest

from callcore.lab import audio
from callcore.lab.demo_cast import ANNA, BO, CHEN, EVERYBODY, LEE, PARK
from callcore.lab.demo_checks import STORY, event_list, heard_only, segments, silent_gap, times
from callcore.lab.demo_timeline import Timeline
from callcore.lab.demo_words import in_words
from callcore.lab.errors import LabTimeout

LEES = STORY[0]


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return tmp_path_factory.mktemp("speech")


def test_everybody_sounds_like_nobody_else(speech):
    """Each voice is found in its own speech and in no other one."""
    for person in EVERYBODY.values():
        verdict = heard_only("", person.rounds(speech), [person], speech)
        assert verdict.fault == "", person.name


def test_a_voice_in_the_wrong_place_is_named(speech):
    """Swapped channels, a third person and silence are all found out."""
    lee, anna = LEE.rounds(speech), ANNA.rounds(speech)
    assert "Ms Lee is not heard" in heard_only("", anna, [LEE], speech).fault
    both = audio.join(lee, anna)
    assert "Anna is heard" in heard_only("", both, [LEE], speech).fault
    assert "Bo is not heard" in heard_only("", audio.silence(5), [BO], speech).fault
    assert heard_only("", audio.join(CHEN.rounds(speech), anna), [CHEN, ANNA], speech).fault == ""


def test_a_pause_has_to_be_silent_on_both_sides():
    """Sound inside the listed gap, or no gap, is a fault."""
    row = {"gaps": [{"start": 1.0, "end": 3.0, "reason": "paused"}]}
    quiet = audio.join(audio.tone(500, 1), audio.silence(2), audio.tone(500, 1))
    assert silent_gap(row, [quiet, quiet]) == ""
    assert "sound in the pause" in silent_gap(row, [quiet, audio.tone(500, 4)])
    assert "0 pauses" in silent_gap({"gaps": []}, [quiet, quiet])


def test_event_lists_may_hold_more_but_not_less():
    """The story's lines have to be there in order, numbered without a gap."""
    names = [*LEES.events[:5], "ringing", *LEES.events[5:]]
    events = [{"name": name, "sequence": n} for n, name in enumerate(names, 1)]
    assert event_list(LEES, events) == ""
    assert "not numbered" in event_list(LEES, events[1:])
    without = [{"name": n, "sequence": i} for i, n in enumerate(names[:-1], 1)]
    assert "wrap_up_ended not there" in event_list(LEES, without)


def test_times_have_to_be_there_and_in_order():
    """A missing time, and one before its cause, are named."""
    row = {column: float(n) for n, column in enumerate(LEES.times)}
    assert times(LEES, row) == ""
    assert "answered_at missing" in times(LEES, row | {"answered_at": None})
    assert "not in order" in times(LEES, row | {"answered_at": 0.5})


def test_wrap_up_has_to_be_closed():
    """An open segment, and a talk with somebody else, are named."""
    talk = {"kind": "talk", "agent": ANNA.number, "end": 2.0}
    wrap = {"kind": "wrap_up", "agent": ANNA.number, "end": 3.0}
    assert segments(LEES, {"segments": [talk, wrap]}) == ""
    assert "not closed: wrap_up" in segments(LEES, {"segments": [talk, wrap | {"end": None}]})
    assert "talk with" in segments(LEES, {"segments": [talk | {"agent": "1002"}, wrap]})


async def test_the_time_line_waits_and_tells(tmp_path):
    """Lines appended to the log are told in words, half lines wait for their end."""
    log, told = tmp_path / "log", []
    log.write_text("")
    timeline = Timeline(log, told.append)
    following = asyncio.create_task(timeline.follow())
    arrived = {
        "time": "2026-01-01T00:00:00.000Z", "level": "info", "event": "arrived", "call_id": "c1",
        "endpoint": "tel", "caller": PARK.number, "dialled": "100",
    }  # fmt: skip
    digit = arrived | {"event": "digit", "digit": "7", "time": "2026-01-01T00:00:01.500Z"}
    text = json.dumps(arrived) + "\n" + json.dumps(digit)
    with log.open("a") as file:
        file.write(text)
        file.flush()
        await timeline.seen("arrived", PARK.name)
        assert timeline.find("digit") is None
        file.write("\n")
    line = await timeline.seen("digit", PARK.name, digit="7")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert line["digit"] == "7"
    assert told[1] == "   1.5 s  Mr Park    presses 7"
    with pytest.raises(LabTimeout, match="digit Ms Lee"):
        await timeline.seen("digit", LEE.name, seconds=0.01)


def test_words_name_people():
    """Agents are told by name; what the call's own lines tell is not told twice."""
    state = {"event": "agent_state", "agent": "1001", "state": "wrapping_up", "before": "talking"}
    assert in_words(state, "Ms Lee") == ("Anna", "wraps up")
    assert in_words(state | {"state": "talking", "before": "offered"}, "Ms Lee") == ("Anna", "")
    assert in_words({"event": "ringing"}, "Ms Lee") == ("Ms Lee", "")
