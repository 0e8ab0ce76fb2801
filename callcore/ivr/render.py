"""What a caller hears: parts of a step as media references, with variables filled in.

Callers' data (numbers and names as signalled, typed digits, answers of look-ups) is data: it is
cut to length, stripped of control characters, and goes into words, query values and variables
only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callcore.ivr.fields import variables_in
from callcore.ivr.nodes import AnyPart, FilePart, PromptPart, TextPart
from callcore.ivr.say import Unsayable, say, speaks

MAX_VALUE = 200
MAX_WORDS = 500


class Surprise(Exception):
    """Something a checked tree can still meet at run time; the text says what."""


def clean(value: object) -> str:
    """A value from outside as a variable: printable, on one line, of limited length."""
    text = value if isinstance(value, str) else str(value)
    return "".join(c if c.isprintable() else " " for c in text[:MAX_VALUE]).strip()


def fill(template: str, variables: Mapping[str, str]) -> str:
    """The template with its variables; a missing one is a surprise."""
    text = template
    if missing := [n for n in variables_in(template) if n not in variables]:
        raise Surprise(f"variable {missing[0]} has no value")
    pieces: list[str] = []
    for name in variables_in(template):
        before, _, text = text.partition("{" + name + "}")
        pieces += [before, variables[name]]
    return "".join([*pieces, text])


def media_of(
    parts: Iterable[AnyPart], language: str, variables: Mapping[str, str]
) -> tuple[str, ...]:
    """Media references of the parts, in order."""
    media: list[str] = []
    for part in parts:
        media += _media(part, part.language or language, variables)
    return tuple(media)


def _media(part: AnyPart, language: str, variables: Mapping[str, str]) -> list[str]:
    if isinstance(part, PromptPart):
        return ["beep" if part.prompt == "beep" else f"prompt:{language}/{part.prompt}"]
    if isinstance(part, FilePart):
        return [f"file:{part.file}"]
    if isinstance(part, TextPart):
        words = fill(part.text, variables)[:MAX_WORDS].strip()
        return [f"text:{language}/{words}"] if words else []
    kind, template = part.say.given()[0]
    value = fill(template, variables)
    try:
        names = say(kind, value, language) if speaks(language) else []
    except Unsayable as exc:
        raise Surprise(f"cannot say {kind} {{{template.strip('{}')}}}: {exc}") from exc
    return [f"prompt:{language}/{name}" for name in names] or [f"text:{language}/{value}"]
