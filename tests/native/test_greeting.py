"""A greeting from its audio to its facts: a stream under detection, VAD and detectors together."""

from __future__ import annotations

import numpy as np
import pytest

from callcore.media.events import Tone
from callcore.media.greeting import Greeting, GreetingFacts, Spectrum
from callcore.media.raw_events import media_event
from callcore.media.settings import Codec, StreamSettings
from callcore.media.vad import load_vad
from callcore.native import _audio
from tests.native.tones import Samples, Signal, noise, samples, silence, tone
from tests.native.voices import say

RATE = 8000


def listen(*parts: Signal) -> list[tuple[float, GreetingFacts]]:
    """The facts after each frame of 20 ms, as the dialer would ask for them."""
    load_vad()
    settings = StreamSettings(codec=Codec.L16, frames=False, greeting=True)
    stream = _audio.Stream(RATE, **settings.for_native())
    greeting, course = Greeting(), []
    audio: Samples = samples(*parts)
    for at in range(0, len(audio) - 159, 160):
        for raw in stream.push(audio[at : at + 160], at * 125_000 + 1):
            event = media_event(raw, RATE)
            assert event is not None
            greeting.hear(event)
        now = (at + 160) / RATE
        report = stream.report()
        facts = greeting.facts(now, report["noise_floor"], Spectrum.of(report["spectrum"]))
        course.append((now, facts))
    return course


def first(course: list[tuple[float, GreetingFacts]], words: int) -> float:
    """When so many words were known."""
    return next(now for now, facts in course if len(facts.words) >= words)


@pytest.mark.parametrize("line_noise", [-70.0, -50.0])
def test_a_person_says_hello_and_waits(line_noise: float) -> None:
    """Onset and length to 60 ms, known while it is said; then only silence grows."""
    hello = say("Hello?").astype(float)
    parts = [silence(1.2), hello, silence(2)]
    length = sum(len(part) for part in parts)
    rng = np.random.default_rng(4)
    course = listen(np.concatenate(parts) + noise(length / RATE, line_noise, rng)[:length])
    _, last = course[-1]
    assert len(last.words) == 1
    assert last.onset == pytest.approx(1.2, abs=0.06)
    assert last.greeting == pytest.approx(0.46, abs=0.08)
    assert last.silence > 1.9
    assert last.tones == ()
    assert first(course, 1) < 1.2 + 0.2
    assert last.noise_floor is not None
    assert last.noise_floor < -45
    assert last.signal_to_noise is not None
    assert last.signal_to_noise > 15


def test_a_voicemail_box_speaks_long_and_beeps() -> None:
    """Many words, a beep in time for the message, which is not counted as a word."""
    text = "You have reached the voice mail of Peter Smith. Please leave a message after the tone."
    spoken = say(text).astype(float)
    course = listen(silence(0.8), spoken, silence(0.2), tone(1000, 0.4, -15), silence(0.6))
    _, last = course[-1]
    begins = 0.8 + len(spoken) / RATE + 0.2
    assert len(last.words) >= 6
    assert last.onset == pytest.approx(0.8, abs=0.06)
    assert last.greeting > 4
    assert last.beep is not None
    assert last.beep.position == pytest.approx(begins, abs=0.01)
    assert last.beep.seconds == pytest.approx(0.4, abs=0.01)
    assert last.words[-1].end < begins
    told = next(now for now, facts in course if facts.beep is not None)
    assert told < begins + 0.4 + 0.25
    assert last.spectrum is not None
    assert last.spectrum.flux > 0.2


def test_a_fax_answers() -> None:
    """Its tone is known after half a second, and is no greeting."""
    course = listen(silence(0.5), tone(2100, 3), silence(0.5))
    _, last = course[-1]
    assert [one.tone for one in last.tones] == [Tone.CED]
    told = next(now for now, facts in course if facts.tones)
    assert told < 0.5 + 0.7
    assert last.words == ()
    assert last.spectrum is not None
    assert last.spectrum.flatness < 0.01
