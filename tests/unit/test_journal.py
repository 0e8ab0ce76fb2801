"""The journal: what goes in comes out again, and a replay reaches the same state."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.switch import Switch, SwitchSnapshot
from callcore.dispatch import handle
from callcore.journal import Journal, Recovered, read, recover

from .call.desk import Desk

ROWS = act.RowAction

SECRETS = """
start: ask
nodes:
  ask:
    step: gather
    play: [{text: "Your card number."}]
    into: card
    secret: true
    min: 4
    max: 8
    terminator: "#"
    retries: 0
    next: thanks
    failed: sorry
  thanks: {step: prompt, play: [{text: "Thank you."}], next: bye}
  sorry: {step: prompt, play: [{text: "No."}], next: bye}
  bye: {step: hangup}
"""


class JournalledDesk(Desk):
    """A desk whose inputs are written down as the dispatcher does it."""

    def __init__(self, directory: Path, **options: str) -> None:
        self.directory = directory
        self.journal = Journal(directory)
        super().__init__(**options)

    def feed(self, event: ev.Event) -> list[act.AnyAction]:
        self.journal.append(self.switch.masked(event), self.now)
        self.out = handle(self.switch, event, self.now)
        self.all += self.out
        return self.out

    def wait(self, seconds: float) -> list[act.AnyAction]:
        end = self.now + seconds
        while (due := self.switch.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.journal.append(None, self.now)
            self.all += handle(self.switch, None, self.now)
        self.now = end
        return self.all

    def snapshot(self) -> None:
        encoded = self.journal.snapshot(self.switch, self.now)
        self.journal.store_snapshot(self.journal.sequence, encoded)

    def recovered(self) -> Recovered:
        """What a start finds after a kill: nothing was closed."""
        return recover(self.directory, handle)


def state_of(switch: Switch) -> SwitchSnapshot:
    """A copy: what a snapshot of it would give back."""
    encoded = msgspec.msgpack.encode(switch.snapshot())
    return msgspec.msgpack.decode(encoded, type=SwitchSnapshot)


def a_busy_hour(desk: Desk) -> None:
    """Callers at every stage: in the tree, queued, ringing, talking, held, wrapped up, gone."""
    desk.login("ann", "bob")
    for n in range(6):
        desk.arrive(dialled="600" if n % 2 else "700", channel=f"x{n}", caller=f"55{n}")
        desk.wait(1.5)
    for dial in desk.every(act.Dial):
        desk.answer(dial)
    desk.key("1", "x0")
    desk.feed(ev.HoldStarted(channel=desk.every(act.Dial)[0].channel))
    desk.wait(4)
    desk.feed(ev.TransferAsked(channel=desk.every(act.Dial)[0].channel, target="0555"))
    desk.hang_up("x3")
    desk.feed(ev.AgentPaused(agent="bob", reason="lunch"))
    desk.confirm_hangups()
    desk.wait(2)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[JournalledDesk]:
    desk = JournalledDesk(tmp_path / "journal")
    yield desk
    desk.journal.close()


def test_a_replay_reaches_the_same_state(desk: JournalledDesk) -> None:
    """Without snapshot: all of it from the inputs, the rows once more, and nothing else."""
    a_busy_hour(desk)
    found = desk.recovered()
    assert state_of(found.switch) == state_of(desk.switch)
    assert found.rows == [action for action in desk.all if isinstance(action, ROWS)]
    assert found.sequence == desk.journal.sequence
    assert found.switch.next_timer() == desk.switch.next_timer()


def test_a_snapshot_and_the_inputs_behind_it(desk: JournalledDesk) -> None:
    """The snapshot stands for everything before it."""
    a_busy_hour(desk)
    desk.snapshot()
    before = desk.journal.sequence
    desk.arrive(channel="late")
    desk.wait(1)
    found = desk.recovered()
    assert found.replayed == desk.journal.sequence - before
    assert state_of(found.switch) == state_of(desk.switch)
    following = [desk.switch.handle(ev.HungUp(channel="late"), desk.now)]
    assert [found.switch.handle(ev.HungUp(channel="late"), desk.now)] == following


def test_a_kill_loses_no_interval(desk: JournalledDesk) -> None:
    """What was closed since the snapshot comes again with the replay, the open one goes on."""
    desk.wait(700)
    a_busy_hour(desk)
    desk.snapshot()
    told = len(desk.every(act.WriteInterval))
    desk.wait(1000)
    found = desk.recovered()
    closed = [row for row in found.rows if isinstance(row, act.WriteInterval)]
    assert closed == desk.every(act.WriteInterval)[told:]
    assert [row.begin for row in closed] == [900.0, 1800.0]
    now = desk.now
    assert found.switch.distributor.interval(now) == desk.switch.distributor.interval(now)


def test_a_life_goes_on_from_the_life_before(desk: JournalledDesk) -> None:
    """Three lives, each killed: one sequence, one state."""
    a_busy_hour(desk)
    for life in range(3):
        found = desk.recovered()
        desk.switch = found.switch
        desk.journal = Journal(desk.directory, found.sequence)
        desk.feed(ev.Started(prefix=f"life{life}"))
        desk.arrive(channel=f"z{life}")
    assert state_of(desk.recovered().switch) == state_of(desk.switch)
    sequences = [entry.sequence for entry in read(desk.directory)]
    assert sequences == list(range(1, desk.journal.sequence + 1))


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_last_record_is_left_out(desk: JournalledDesk, cut: int) -> None:
    """As a power cut leaves it; the next life writes on where the whole records end."""
    desk.login("ann")
    whole = state_of(desk.switch)
    desk.login("bob")
    (segment,) = desk.directory.glob("*.log")
    os.truncate(segment, segment.stat().st_size - cut)
    found = desk.recovered()
    assert state_of(found.switch) == whole
    journal = Journal(desk.directory, found.sequence)
    journal.append(ev.AgentLogin(agent="bob"), desk.now)
    assert state_of(desk.recovered().switch) == state_of(desk.switch)
    journal.close()


def test_a_segment_torn_in_its_first_record_is_written_anew(tmp_path: Path) -> None:
    """Its name is that of the next record: what follows must not stand behind rubbish."""
    (tmp_path / f"{1:020d}.log").write_bytes(b"\x10\x00\x00\x00torn")
    journal = Journal(tmp_path)
    journal.append(ev.AgentLogin(agent="ann"), 1.0)
    assert [entry.event for entry in read(tmp_path)] == [ev.AgentLogin(agent="ann")]
    journal.close()


def test_an_unreadable_snapshot_falls_back_to_the_one_before(desk: JournalledDesk) -> None:
    """The segments behind the older one are kept for that."""
    desk.login("ann")
    desk.snapshot()
    desk.login("bob")
    desk.snapshot()
    desk.arrive()
    newest = max(desk.directory.glob("*.snap"))
    newest.write_bytes(newest.read_bytes()[:50])
    assert state_of(desk.recovered().switch) == state_of(desk.switch)


def test_old_segments_and_snapshots_are_deleted(desk: JournalledDesk) -> None:
    """Two snapshots stay, and the inputs since the older of them."""
    for n in range(5):
        desk.arrive(channel=f"x{n}")
        desk.snapshot()
    assert len(list(desk.directory.glob("*.snap"))) == 2
    assert len(list(desk.directory.glob("*.log"))) == 2
    assert state_of(desk.recovered().switch) == state_of(desk.switch)


def test_sync_closes_what_a_snapshot_finished(desk: JournalledDesk) -> None:
    """No descriptor stays behind."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(4):
        desk.login("ann")
        desk.snapshot()
        desk.journal.sync()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_secret_digits_stay_out_and_the_replay_walks_the_same_way(tmp_path: Path) -> None:
    """Neither a PIN nor a secret entry is in any file; the state is the same without them."""
    desk = JournalledDesk(tmp_path / "journal", tree=SECRETS)
    desk.arrive(dialled="700", channel="x1")
    desk.key("4711", "x1")
    desk.dial_from("p3", "*11", channel="y1")
    desk.key("2#98", "y1")
    desk.snapshot()
    desk.key("76#", "y1")
    desk.key("0815#", "x1")
    desk.played("x1")
    assert desk.last(act.CheckPin).pin == "9876"
    assert state_of(desk.recovered().switch) == state_of(desk.switch)
    for path in desk.directory.iterdir():
        data = path.read_bytes()
        assert b"4711" not in data
        assert b"9876" not in data
    digits = [e.event.digit for e in read(desk.directory) if isinstance(e.event, ev.DigitPressed)]
    assert "".join(digits) == "nnny" + "2#xx" + "xx#" + "yyyy#"
    desk.journal.close()


def test_a_rule_that_failed_fails_the_same_way_again(
    desk: JournalledDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our mistake ended one call, not the switch; a start afterwards works, too."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    desk.login("ann")
    desk.arrive(channel="x1")
    monkeypatch.setitem(sys.modules["callcore.call.switch"]._RULES, ev.HoldStarted, broken)
    desk.answer(desk.last(act.Dial))
    desk.feed(ev.HoldStarted(channel=desk.last(act.Dial).channel))
    assert desk.agent_state("ann") == "wrapping_up"
    desk.arrive(channel="x2")
    assert state_of(desk.recovered().switch) == state_of(desk.switch)


def test_a_call_that_cannot_even_be_ended_stops_nobody(
    desk: JournalledDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two mistakes of ours in a row: a start that replays them must not die of them."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    desk.login("ann")
    desk.arrive(channel="x1")
    monkeypatch.setitem(sys.modules["callcore.call.switch"]._RULES, ev.HoldStarted, broken)
    with monkeypatch.context() as patched:
        patched.setattr("callcore.call.ending.end_call", broken)
        desk.feed(ev.HoldStarted(channel="x1"))
        assert state_of(desk.recovered().switch) == state_of(desk.switch)
    desk.answer(desk.last(act.Dial))
    assert desk.agent_state("ann") == "talking"


def test_a_full_disk_costs_records_not_the_journal(desk: JournalledDesk) -> None:
    """What was written before and what is written after can be read."""
    desk.login("ann")
    (segment,) = desk.directory.glob("*.log")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (segment.stat().st_size + 20, limits[1]))
    try:
        desk.journal.append(ev.AgentLogin(agent="lost"), desk.now)
        desk.journal.append(ev.AgentLogin(agent="lost"), desk.now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    desk.journal.append(ev.AgentLogin(agent="bob"), desk.now)
    logins = [e.event.agent for e in read(desk.directory) if isinstance(e.event, ev.AgentLogin)]
    assert logins == ["ann", "bob"]


def test_a_replay_is_the_same_under_two_hash_seeds(desk: JournalledDesk) -> None:
    """Nothing iterates over sets: the actions do not depend on hashing."""
    a_busy_hour(desk)
    desk.snapshot()
    desk.arrive(channel="late")
    program = (
        "import sys, pathlib, hashlib, msgspec\n"
        "from callcore import dispatch, journal\n"
        "out = []\n"
        "def handle(*a):\n"
        "    out.extend(dispatch.handle(*a)); return out[-1:]\n"
        "found = journal.recover(pathlib.Path(sys.argv[1]), handle)\n"
        "whole = msgspec.msgpack.encode([out, found.switch.snapshot()])\n"
        "print(len(out), hashlib.sha256(whole).hexdigest())\n"
    )
    for snapshot in desk.directory.glob("*.snap"):
        snapshot.unlink()
    told = {
        subprocess.run(
            [sys.executable, "-c", program, str(desk.directory)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.splitlines()[-1]
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert int(told.pop().split()[0]) > 50
