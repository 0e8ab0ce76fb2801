"""`callcore report` from a database with a few intervals and calls."""

import asyncio
import json
from datetime import datetime

import pytest

from callcore.acd.counts import Counts, QueueStats
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
            Segment(kind=SegmentKind.TALK, start=at + wait, end=at + wait + talk, agent="a1",
                    queue="sales"),
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
    config.write_text("[queues.sales]\n[api]\nport = 9\n")
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


async def fill(tmp_path, counts=(), records=()):
    (tmp_path / "var").mkdir()
    url = f"sqlite:///{tmp_path}/var/callcore.db"
    store = Store(url, tmp_path / "var" / "outbox")
    await store.open()
    for begin, counted in counts:
        store.put_interval(begin, counted)
    for record in records:
        store.put_record(record)
    await store.close()


def quarter():
    """Four entered, two answered (one in time), one abandoned, one at once; an agent's work."""
    counts = Counts()
    sales = counts.queues["sales"] = QueueStats(
        entered=4, answered=2, answered_within=1, abandoned=1, short_abandoned=1,
        answered_wait_seconds=40.0, longest_wait=40.0,
    )  # fmt: skip
    for talk in (60.0, 120.0):
        sales.handling.add(talk, 0.0, 0.0)
    counts.skills["french"] = QueueStats(entered=1)
    agent = counts.agent("a1")
    agent.answered = 2
    agent.handling.add(180.0, 0.0, 0.0)
    agent.spend("talking", 180.0)
    agent.spend("idle", 720.0)
    return counts


DAY = ("--from", "2026-03-02", "--to", "2026-03-02")


def test_figures_of_a_day(report, tmp_path):
    """Service level, ASA, AHT and abandon rate of the intervals in the range, in one row."""
    day = [(NOON, quarter()), (NOON + 900, quarter()), (NOON + 86400, quarter())]
    asyncio.run(fill(tmp_path, day))
    code, out, _ = report("queues", *DAY, "--json")
    assert code == 0
    (row,) = json.loads(out)["queues"]
    assert (row["entered"], row["answered"], row["abandoned"], row["short_abandoned"]) == (
        8, 4, 2, 2,
    )  # fmt: skip
    assert row["service_level"] == pytest.approx(1 / 3)
    assert row["service_levels"]["abandons_ignored"] == pytest.approx(1 / 3)
    assert row["average_speed_of_answer"] == 20.0
    assert row["average_handling_time"] == 90.0
    assert row["abandon_rate"] == pytest.approx(1 / 3)
    _, out, _ = report("queues", *DAY, "--every", "15")
    assert [line.split()[:4] for line in out.splitlines()[2:]] == [
        ["sales", "2026-03-02", "12:00", "4"],
        ["sales", "2026-03-02", "12:15", "4"],
    ]


def test_intervals_agents_and_skills(report, tmp_path):
    """Each in its columns, in the stretches asked for."""
    asyncio.run(fill(tmp_path, [(NOON, quarter()), (NOON + 900, quarter())]))
    _, out, _ = report("intervals", *DAY, "--every", "60")
    assert [line.split()[:3] for line in out.splitlines()[2:]] == [["2026-03-02", "12:00", "8"]]
    _, out, _ = report("agents", *DAY, "--agent", "a1", "--json")
    (row,) = json.loads(out)["agents"]
    assert (row["occupancy"], row["logged_in_seconds"], row["handled"]) == (0.2, 1800.0, 2)
    _, out, _ = report("agents", *DAY)
    assert out.splitlines()[2].split()[-7:] == [
        "20.0%", "0:30:00", "0:24:00", "0:06:00", "0:00:00", "0:00:00", "0:00:00",
    ]  # fmt: skip
    _, out, _ = report("skills", *DAY, "--json")
    (row,) = json.loads(out)["skills"]
    assert (row["skill"], row["entered"]) == ("french", 2)
    _, out, _ = report("queues", *DAY, "--queue", "nobody", "--json")
    assert json.loads(out) == {"queues": []}


def test_counters_and_records_that_agree(report, tmp_path):
    """Exit status 0 and no row; a call that was not counted is shown, with status 1."""
    records = [
        answered("c1", NOON, wait=10, talk=60),
        answered("c2", NOON + 60, wait=30, talk=120),
        abandoned("c3", NOON + 120, wait=40),
        abandoned("c4", NOON + 130, wait=2),
    ]
    asyncio.run(fill(tmp_path, [(NOON, quarter())], records))
    assert report("check", *DAY, "--json")[:2] == (0, '{"differences":[]}\n')

    async def one_more():
        url = f"sqlite:///{tmp_path}/var/callcore.db"
        store = Store(url, tmp_path / "var" / "outbox")
        await store.open()
        store.put_record(abandoned("c5", NOON + 890, wait=20))
        await store.close()

    asyncio.run(one_more())
    code, out, _ = report("check", *DAY, "--json")
    assert code == 1
    assert [
        (row["begin"] - NOON, row["counter"], row["counted"], row["in_records"])
        for row in json.loads(out)["differences"]
    ] == [(0, "entered", 4, 5), (900, "abandoned", 0, 1)]
    assert report("check", *DAY)[1].splitlines()[-1].split()[-3:] == ["abandoned", "0", "1"]


def test_no_calls_yet(report, tmp_path):
    """Without a database: an empty report, and none is made."""
    assert report("queues", "--json")[:2] == (0, '{"queues":[]}\n')
    assert report()[0] == 0, "today's queues"
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    "arguments", [["--from", "yesterday"], ["--from", "2026-03-02", "--to", "2026-03-01"]]
)
def test_wrong_ranges(report, arguments):
    """Exit status 2 and one line."""
    code, _, err = report("queues", *arguments)
    assert (code, err.count("\n")) == (2, 1)
