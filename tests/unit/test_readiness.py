"""What /readyz says: what is wrong, that callcore goes on trying, and where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcore.config import Settings, load_settings
from callcore.monitor.view import NodeView
from callcore.readiness import NOT_YET, why_not_ready
from callcore.telephony.asterisk_link import TAKEN_OVER

EXISTING = """
[asterisk]
mode = "existing"
ari_url = "http://192.0.2.7:8088"
ari_password = "x"
ami_password = "x"
"""
UP, DOWN = NodeView(id="asterisk", up=True), NodeView(id="asterisk", reason="TypeError: [Errno 9]")


def settings(folder: Path, text: str = "") -> Settings:
    file = folder / "callcore.toml"
    file.write_text(text)
    return load_settings(file, {})


def test_nothing_is_wrong(tmp_path: Path) -> None:
    """Then there is nothing to say."""
    assert why_not_ready(UP, settings(tmp_path), "") == ""


@pytest.mark.parametrize("text", ["", EXISTING])
@pytest.mark.parametrize(
    ("node", "not_provisioned", "says"),
    [
        (DOWN, "", "Asterisk does not answer"),
        (UP, "AMI at 127.0.0.1:5038: no login in time", "no login in time. callcore tries again"),
    ],
)
def test_what_may_last_says_where_to_look(
    tmp_path: Path, text: str, node: NodeView, not_provisioned: str, says: str
) -> None:
    """A managed Asterisk has its log here; of another one `callcore check` knows more."""
    sentence = why_not_ready(node, settings(tmp_path, text), not_provisioned)
    where = "`callcore check`" if text else f"{tmp_path}/var/asterisk/log/messages.log"
    assert says in sentence
    assert where in sentence
    assert "Errno" not in sentence, "what the socket said is in the log"


def test_what_passes_says_so(tmp_path: Path) -> None:
    """Just after the start."""
    assert "takes a second" in why_not_ready(UP, settings(tmp_path), NOT_YET)


def test_another_controller_is_stopped_by_a_person(tmp_path: Path) -> None:
    """This one does not act any more, so waiting is no use."""
    node = NodeView(id="asterisk", reason=TAKEN_OVER)
    sentence = why_not_ready(node, settings(tmp_path), "")
    assert "Stop the other one" in sentence
    assert "trying" not in sentence
