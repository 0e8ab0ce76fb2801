"""The outbox: rows come back as they went in, whatever a crash did to the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from callcore.acd.counts import AgentStats, Handling, QueueStats
from callcore.acd.events import AgentChanged
from callcore.call.record import CallEvent, CallRecord, Segment, SegmentKind
from callcore.store import outbox as module
from callcore.store.encode import clean, from_line, to_json, to_line
from callcore.store.outbox import Outbox
from callcore.store.rows import (
    AgentIntervalRow,
    AgentSecondsRow,
    AgentStateRow,
    Gap,
    QueueIntervalRow,
    RecordingRow,
    SkillIntervalRow,
)

ROWS = [
    CallEvent(call="c1", sequence=1, at=1.5, name="arrived", details={"a": 1, "b": None}),
    CallRecord(call="c1", segments=(Segment(kind=SegmentKind.TALK, start=1.0),)),
    RecordingRow(recording="r1", call="c1", gaps=(Gap(start=1.0, end=2.0),)),
    AgentStateRow(agent="ann", at=2.0, state="idle", before="offered"),
    QueueIntervalRow(
        begin=900, queue="sales", counts=QueueStats(entered=2, handling=Handling(handled=1))
    ),
    SkillIntervalRow(begin=900, skill="french", counts=QueueStats(longest_wait=2.5)),
    AgentIntervalRow(begin=900, agent="ann", counts=AgentStats(rona=1, seconds={"idle": 5.0})),
    AgentSecondsRow(begin=900, agent="ann", state="idle", seconds=5.0),
]


def event(sequence: int) -> CallEvent:
    return CallEvent(call="c1", sequence=sequence, at=1.0, name="x")


def test_every_kind_comes_back_equal() -> None:
    """A line is the row, nothing lost."""
    assert [from_line(to_line(row)) for row in ROWS] == ROWS


def test_files_are_private_and_read_in_order(tmp_path: Path, monkeypatch) -> None:
    """Rows append to the newest file; a full one is followed by the next number."""
    box = Outbox(tmp_path / "outbox")
    box.append([event(1), event(2)])
    box.append([event(3)])
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 10)
    box.append([event(4)])
    first, second = box.files()
    assert [row.sequence for row in box.read(first)] == [1, 2, 3]
    assert [row.sequence for row in box.read(second)] == [4]
    assert first.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_off_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    """The broken line is logged; what was before and is appended after is read."""
    box = Outbox(tmp_path)
    box.append([event(1), event(2)])
    path = box.files()[0]
    path.write_bytes(path.read_bytes()[:-9])
    box.append([event(3)])
    with capture_logs() as logs:
        assert [row.sequence for row in box.read(path)] == [1, 3]
    assert [entry["event"] for entry in logs] == ["outbox_line_unreadable"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("电话", "电话"),
        ("a\ud800b", "a\ufffd\ufffd\ufffdb"),
    ],
)
def test_clean_keeps_what_can_be_kept(text: str, kept: str) -> None:
    """NUL and lone surrogates are replaced, everything else stays."""
    assert clean(text) == kept


def test_json_of_hostile_values_is_storable() -> None:
    """The result is UTF-8 without NUL, also deep inside."""
    text = to_json({"k\ud800": ["\0", ("x\udfff",)]})
    assert "\\u0000" not in text
    assert text.encode("utf-8")


def test_refused_rows_are_kept_readable(tmp_path: Path) -> None:
    """A row no database takes is in refused.txt with the reason, and in no numbered file."""
    box = Outbox(tmp_path)
    with capture_logs():
        box.refuse(event(1 << 70), "out of range")
    assert "out of range" in (tmp_path / "refused.txt").read_text()
    assert box.files() == []


def test_agent_changed_is_not_a_row() -> None:
    """Only rows can be written: anything else is a mistake of ours and fails loudly."""
    with pytest.raises(KeyError):
        to_line(AgentChanged(agent="ann", state="idle", before=""))  # type: ignore[arg-type]
