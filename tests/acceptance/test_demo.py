"""`make demo` plays to its end and finds nothing wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from callcore.lab.demo import PORTS
from tests.addresses import Block

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(480)]

PROJECT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "callcore.lab.demo"]


Play = Callable[[float], subprocess.CompletedProcess[str]]


@pytest.fixture
def play(tmp_path: Path, block: Block) -> Play:
    """Plays the demo in a place of its own, for so many seconds at most."""
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)  # Asterisk runs as a user of its own
    place = {
        "CALLCORE_DEMO_DIRECTORY": str(tmp_path / "demo"),
        "CALLCORE_DEMO_NUMBER": str(block.number),
    }

    def demo(patience: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            DEMO, cwd=PROJECT, env=os.environ | place, capture_output=True, text=True,
            timeout=patience,
        )  # fmt: skip

    return demo


def test_every_check_of_the_demo_holds(play: Play) -> None:
    """Exit status 0, and the figures of the story in the last line."""
    done = play(450)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "calls": 5,
        "answered": 3,
        "abandoned": 1,
        "recordings": 4,
        "checks_failed": 0,
    }
    assert "FAILED" not in done.stdout
    for line in ("gives up waiting in sales", "is paused: rona", "presses 7", "Agents"):
        assert line in done.stdout


def test_a_taken_port_is_one_clear_line(play: Play, block: Block) -> None:
    """Nothing starts; the line names the port and what to do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((block.host(1), PORTS["SIP"]))
        done = play(240)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("demo: ")
    assert f"port {PORTS['SIP']}/udp on {block.host(1)}" in last
