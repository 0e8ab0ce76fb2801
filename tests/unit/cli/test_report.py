"""`callcore report` from a database with a few calls."""

import asyncio
import json
from datetime import datetime

import pytest

from callcore.call.record import CallRecord, Segment, SegmentKind
from callcore.cli.main import main
from callcore.store.store import Store
from callcore.types import Outcome

NOON = datetime(2026, 3, 2, 12, 0).timestamp()


def answered(name, at, wait, talk):
    return CallRecord(
        call=name, arrived_at=at, queue="sales", outcome=Outcome.ANSWERED,
        segments=(
            Segment(kind=SegmentKind.QUEUE, start=at, end=at + wait, queue="sales",
                    result="answered"),
            Segment(kind=SegmentKind.TALK, start=at + wait, end=at + wait + talk, agent="a1"),
        ),
    )  # fmt: skip


def abandoned(name, at, wait):
    queued = Segment(
        kind=SegmentKind.QUEUE, start=at, end=at + wait, queue="sales", result="abandoned"
    )
    return CallRecord(call=name, arrived_at=at, outcome=Outcome.ABANDONED, segments=(queued,))


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    config = tmp_path / "callcore.toml"
    config.write_text("[queues.sales]\n")
    monkeypatch.setenv("CALLCORE_CONFIG", str(config))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["callcore", "report", *arguments])
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = exc.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


async def fill(tmp_path, records):
    (tmp_path / "var").mkdir()
    url = f"sqlite:///{tmp_path}/var/callcore.db"
    store = Store(url, tmp_path / "var" / "outbox")
    await store.open()
    for record in records:
        store.put_record(record)
    await store.close()


def test_figures_of_a_day(report, tmp_path):
    """Service level, ASA, AHT and abandon rate of the calls that entered in the range."""
    records = [
        answered("c1", NOON, wait=10, talk=60),
        answered("c2", NOON + 60, wait=30, talk=120),
        abandoned("c3", NOON + 120, wait=40),
        abandoned("c4", NOON + 130, wait=2),
        answered("late", NOON + 86400, wait=1, talk=1),
    ]
    asyncio.run(fill(tmp_path, records))
    code, out, _ = report("--from", "2026-03-02", "--to", "2026-03-02", "--json")
    assert code == 0
    (row,) = json.loads(out)["queues"]
    assert (row["entered"], row["answered"], row["abandoned"], row["short_abandoned"]) == (
        4, 2, 1, 1,
    )  # fmt: skip
    assert row["service_level"] == pytest.approx(1 / 3)
    assert row["average_speed_of_answer"] == 20.0
    assert row["average_handling_time"] == 90.0
    assert row["abandon_rate"] == pytest.approx(1 / 3)
    _, out, _ = report("--from", "2026-03-02T12:00", "--to", "2026-03-02T12:02", "--interval", "1")
    assert [line.split()[:3] for line in out.splitlines()[2:]] == [
        ["sales", "2026-03-02", "12:00"],
        ["sales", "2026-03-02", "12:01"],
    ]


def test_no_calls_yet(report, tmp_path):
    """Without a database: an empty report, and none is made."""
    assert report("--json")[:2] == (0, '{"queues":[]}\n')
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "arguments", [["--from", "yesterday"], ["--from", "2026-03-02", "--to", "2026-03-01"]]
)
def test_wrong_ranges(report, arguments):
    """Exit status 2 and one line."""
    code, _, err = report(*arguments)
    assert (code, err.count("\n")) == (2, 1)
