"""Log lines: JSON for machines, console lines for people; call_id bound by context, secrets masked.

One line costs a few microseconds: loggers are cached, lines below the level are dropped before
anything is built, and the date part of the time stamp is made once a second.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import msgspec
import structlog

Event = MutableMapping[str, Any]

SECRET = re.compile(r"secret|password|passwd|pin$|pin_|token$|authorization|digits$")
LONGEST_TEXT = 1000
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LEVEL_NAMES = {"warn": "warning", "exception": "error", "fatal": "critical"}
NOISY = ("aiohttp.access", "aiosqlite", "alembic", "asyncio", "panoramisk", "sqlalchemy.engine")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TimeStamp:
    """UTC with milliseconds, under the key `time`."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, logger: object, method: str, event: Event) -> Event:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        event["time"] = f"{self._text}.{int((now - second) * 1000):03d}Z"
        return event


def add_level(logger: object, method: str, event: Event) -> Event:
    event["level"] = _LEVEL_NAMES.get(method, method)
    return event


class Masker:
    """Hides values whose key names a secret, and cuts long texts; the verdict on a key is kept."""

    def __init__(self) -> None:
        self._secret: dict[str, bool] = {}

    def __call__(self, logger: object, method: str, event: Event) -> Event:
        for key, value in event.items():
            secret = self._secret.get(key)
            if secret is None:
                secret = SECRET.search(key.lower()) is not None
                if len(self._secret) < 10_000:
                    self._secret[key] = secret
            if secret and value not in ("", None):
                event[key] = "***"
            elif isinstance(value, str) and len(value) > LONGEST_TEXT and key != "exception":
                event[key] = f"{value[:LONGEST_TEXT]}… ({len(value)} characters)"
        return event


def as_json(logger: object, method: str, event: Event) -> bytes:
    """`time`, `level`, `event` and `call_id` first; what JSON cannot say is given as text."""
    first = {key: event.pop(key) for key in ("time", "level", "event", "call_id") if key in event}
    return msgspec.json.encode({**first, **event}, enc_hook=repr)


def as_console(logger: object, method: str, event: Event) -> bytes:
    """One line for a person: time of day, level, event, then key=value."""
    clock = str(event.pop("time"))[11:23]
    level, name = event.pop("level"), event.pop("event")
    call = event.pop("call_id", "")
    exception = event.pop("exception", "")
    values = " ".join(f"{key}={_plain(value)}" for key, value in event.items())
    head = f"{clock} {level:<7} {_visible(str(name))}" + (f" [{call}]" if call else "")
    line = f"{head} {values}".rstrip()
    return (f"{line}\n{exception}" if exception else line).encode("utf-8", "replace")


def _plain(value: object) -> str:
    text = str(value)
    if isinstance(value, float):
        return f"{value:.3f}"
    return repr(text) if not text or " " in text or _CONTROL.search(text) else text


def _visible(text: str) -> str:
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", text)


class ForeignHandler(logging.Handler):
    """Brings the lines of libraries (aiohttp, asyncio, SQLAlchemy) into the same stream."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        info = {"exc_info": record.exc_info} if record.exc_info else {}
        text = record.getMessage()
        log.log(record.levelno, "library", logger=record.name, message=text, **info)


def set_up_logging(form: str = "auto", level: str = "info", stream: BinaryIO | None = None) -> None:
    """Configure structlog and the standard library's logging; called once, by the program."""
    target = stream or sys.stderr.buffer
    console = form == "console" or (form == "auto" and target.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_level,
            TimeStamp(),
            Masker(),
            structlog.processors.format_exc_info,
            as_console if console else as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(target),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [ForeignHandler()]
    root.setLevel(max(LEVELS[level], logging.INFO))
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
