"""When a managed Asterisk counts as dead (the start itself is tested with a real one)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from callcore.config import SipSettings
from callcore.telephony.layout import AsteriskPaths, ManagedSettings
from callcore.telephony.supervisor import Supervisor


def supervisor(var: Path) -> tuple[Supervisor, Path]:
    paths = AsteriskPaths.under(var)
    paths.pid_file.parent.mkdir(parents=True)
    return Supervisor(paths, ManagedSettings(sip=SipSettings())), paths.pid_file


def test_one_that_was_stopped_is_not_dead(tmp_path: Path) -> None:
    """It takes its pid file with it."""
    watching, _ = supervisor(tmp_path)
    assert not watching.died()


def test_one_that_left_its_pid_behind_is_dead(tmp_path: Path) -> None:
    """Nothing runs under that number, or something else does."""
    watching, pid_file = supervisor(tmp_path)
    gone = subprocess.Popen(["true"])
    gone.wait()
    for pid in (gone.pid, os.getpid()):
        pid_file.write_text(str(pid))
        assert watching.died()
