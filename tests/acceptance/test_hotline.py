"""A caller dials the hotline and talks to an agent: the main flow, end to end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from callcore.lab import audio

from .floor import hears, hears_speech

CONFIG = """
[phones.p1]
secret = "p1-secret"
[phones.p2]
secret = "p2-secret"
[agents.ann]
phone = "p1"
[agents.bob]
phone = "p2"
[queues.sales]
members = ["ann", "bob"]
wrap_up_seconds = 2
ring_seconds = 4
[[routes]]
pattern = "600"
tree = "hotline"
[[routes]]
pattern = "601"
queue = "sales"
"""

TREE = """
start: welcome
nodes:
  welcome:
    step: menu
    play: [{text: "For sales press one."}]
    keys: {1: sales}
    timeout: 4
    failed: bye
  sales: {step: enqueue, queue: sales}
  bye: {step: hangup}
"""


async def test_a_caller_reaches_an_agent_and_both_are_recorded(open_site, tmp_path: Path) -> None:
    """Keys, queue, ring, talk; each channel of the recording holds its own voice."""
    site = await open_site(CONFIG, trees={"hotline": TREE})
    desk = await site.phone("p1")
    await site.post("agents/ann/login")
    await site.agent_is("ann", "idle")
    caller = await site.caller("5551234")
    call = await caller.dial("600")
    await call.answered
    await hears_speech(call)
    await call.send_digits("1")
    ringing = await desk.incoming()
    await ringing.ring()
    assert ringing.caller.user == "5551234"
    await ringing.answer()
    call.play(audio.tone(440, 1.0), loop=True)
    ringing.play(audio.tone(880, 1.0), loop=True)
    await hears(ringing, 440)
    await hears(call, 880)
    await asyncio.sleep(0.5)  # sound must flow into the recording
    await call.hang_up()
    await ringing.ended
    await site.agent_is("ann", "wrapping_up")
    await site.agent_is("ann", "idle")
    await site.quiet()

    record = await site.ended_call(wrapped_up=True)
    assert record["outcome"] == "answered"
    assert record["agent"] == "ann"
    assert record["hung_up_by"] == "caller"
    assert 0.5 < record["wrap_up_seconds"] < 4
    recording = await site.recording_of(record["call"])
    left, right = audio.read_channels(recording["file"])
    assert audio.tone_intervals(left, 440)
    assert not audio.tone_intervals(left, 880)
    assert audio.tone_intervals(right, 880)
    assert not audio.tone_intervals(right, 440)
