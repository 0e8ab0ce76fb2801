"""`make demo` plays to its end and finds nothing wrong."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from callcore.lab.demo import NUMBER, PORTS

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(480)]

ADDRESS = f"127.0.{NUMBER}.1"
PROJECT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "callcore.lab.demo"]


def play(patience: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(DEMO, cwd=PROJECT, capture_output=True, text=True, timeout=patience)


def test_every_check_of_the_demo_holds() -> None:
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


def test_a_taken_port_is_one_clear_line() -> None:
    """Nothing starts; the line names the port and what to do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((ADDRESS, PORTS["SIP"]))
        done = play(240)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("demo: ")
    assert f"port {PORTS['SIP']}/udp on {ADDRESS}" in last
