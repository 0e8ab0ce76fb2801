"""What a check found, as values: where, how bad, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One result. `area`: settings, trees, graph, machine, asterisk, ari, ami, dialplan, canary."""

    area: str
    level: Level
    message: str
    file: str = ""
    line: int = 0
    #: What to do.
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        hint = f" -> {self.hint}" if self.hint else ""
        return f"{self.level.value:<7} {self.area:<8} {place}{self.message}{hint}"


def ok(area: str, message: str) -> Finding:
    return Finding(area=area, level=Level.OK, message=message)


def warning(area: str, message: str, hint: str = "") -> Finding:
    return Finding(area=area, level=Level.WARNING, message=message, hint=hint)


def error(area: str, message: str, hint: str = "") -> Finding:
    return Finding(area=area, level=Level.ERROR, message=message, hint=hint)
