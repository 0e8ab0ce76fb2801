"""callcore/log.py: lines have the call id, hide secrets, and stay one line."""

import io
import logging

import msgspec
import pytest
import structlog

from callcore.log import set_up_logging


@pytest.fixture
def lines():
    """Configure logging into memory, and put everything back."""
    stream = io.BytesIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def read(form="json", lowest="info"):
        set_up_logging(form, lowest, stream)
        return lambda: stream.getvalue().decode().splitlines()

    yield read
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = before
    root.setLevel(level)


def test_json_lines_carry_the_call(lines):
    """Time, level, event and the bound call come first, then the values."""
    told = lines()
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(call_id="c7"):
        log.info("agent_answered", wait=14.2)
    log.debug("too low")
    (line,) = told()
    values = msgspec.json.decode(line)
    assert list(values) == ["time", "level", "event", "call_id", "wait"]
    assert values["call_id"] == "c7"
    assert len(values["time"]) == len("2026-01-01T00:00:00.000Z")


def test_secrets_are_masked(lines):
    """Whatever a key calls a secret is not printed."""
    told = lines()
    structlog.get_logger().info(
        "x", secret="s3c", ari_password="s3c", pin="s3c", api_token="s3c", spinning="seen"
    )
    assert "s3c" not in told()[0]
    assert "seen" in told()[0]


def test_outside_text_cannot_forge_a_line(lines):
    """Line breaks and escapes in a caller's name are shown, not obeyed."""
    told = lines("console")
    structlog.get_logger().info("call\narrived", caller="a\nb\x1b[31m", long="y" * 5000)
    (line,) = told()
    assert "\x1b" not in line
    assert "(5000 characters)" in line


def test_exceptions_and_odd_values_are_told(lines):
    """A traceback is part of the JSON line; a value JSON cannot say is its repr."""
    told = lines()
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("failed", value={1, 2}.__class__)
    values = msgspec.json.decode(told()[0])
    assert values["level"] == "error"
    assert "ValueError: broken" in values["exception"]


def test_lines_of_libraries_arrive_in_the_same_form(lines):
    """A warning of the standard library's logging becomes one of ours."""
    told = lines()
    logging.getLogger("aiohttp.server").warning("odd %s", "thing")
    values = msgspec.json.decode(told()[0])
    assert values["event"] == "library"
    assert (values["logger"], values["message"]) == ("aiohttp.server", "odd thing")
