"""Parts as media references; callers' data stays data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.ivr.nodes import FilePart, PromptPart, Saying, SayPart, TextPart
from callcore.ivr.render import MAX_VALUE, MAX_WORDS, Surprise, clean, fill, media_of


def test_parts() -> None:
    """Each kind of part becomes its reference, in the caller's language or its own."""
    parts = (
        PromptPart(prompt="welcome"),
        PromptPart(prompt="welcome", language="zh"),
        PromptPart(prompt="beep"),
        FilePart(file="own/a.wav"),
        TextPart(text="Hello {name}"),
        TextPart(text="{empty} "),
        SayPart(say=Saying(digits="{number}")),
        SayPart(say=Saying(number="{number}"), language="de"),
    )
    assert media_of(parts, "en", {"name": "Anna", "number": "42", "empty": ""}) == (
        "prompt:en/welcome",
        "prompt:zh/welcome",
        "beep",
        "file:own/a.wav",
        "text:en/Hello Anna",
        "prompt:en/digit-4",
        "prompt:en/digit-2",
        "text:de/42",
    )


def test_surprises() -> None:
    """A missing variable and an unsayable value are surprises that do not show the value."""
    with pytest.raises(Surprise, match="variable name has no value"):
        media_of((TextPart(text="{name}"),), "en", {})
    with pytest.raises(Surprise, match=r"^cannot say date \{when\}: expected a date") as caught:
        media_of((SayPart(say=Saying(date="{when}")),), "en", {"when": "4711"})
    assert "4711" not in str(caught.value)


def test_values_are_not_filled_again() -> None:
    """Braces in a value are text."""
    assert fill("{a}-{b}-{a}", {"a": "{b}", "b": "{a}"}) == "{b}-{a}-{b}"


def test_words_have_a_limit() -> None:
    """However long the variables, what is spoken is cut."""
    (media,) = media_of((TextPart(text="{a}" * 20),), "en", {"a": "x" * 200})
    assert len(media) == len("text:en/") + MAX_WORDS


@given(st.text() | st.integers() | st.floats())
def test_clean(value: str | float) -> None:
    """A value from outside is printable and short; clean is clean."""
    text = clean(value)
    assert text.isprintable()
    assert len(text) <= MAX_VALUE
    assert clean(text) == text
