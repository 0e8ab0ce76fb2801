"""`callcore asterisk status` and `stop` work while callcore.toml has an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from callcore.cli.asterisk import app
from callcore.errors import ConfigError

BROKEN = {
    "no TOML": ("[queues.sales", "var"),
    "a wrong value": ('[api]\nport = "x"\n[paths]\nvar = "elsewhere"', "elsewhere"),
    "an unknown phone": ('[agents.ann]\nphone = "nobody"\n[paths]\nvar = "elsewhere"', "elsewhere"),
    "a wrong directory": ("[paths]\nvar = 3", "var"),
}


@pytest.mark.parametrize("command", ["status", "stop"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_told_and_the_disk_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, command: str
) -> None:
    """The Asterisk that runs was started from what the file said before."""
    text, var = BROKEN[fault]
    (tmp_path / "callcore.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [command])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("warning: callcore.toml:")
    assert result.stderr.strip().endswith(f"looking at the Asterisk of {tmp_path / var}")
    assert "not running" in result.stdout
    assert result.exit_code == (3 if command == "status" else 0)


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Nobody knows which Asterisk was meant."""
    result = CliRunner().invoke(app, ["stop", "--config", str(tmp_path / "missing.toml")])
    assert isinstance(result.exception, ConfigError)
