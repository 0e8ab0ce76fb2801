"""The loop around the rules, on the simulated back end: order, refusals, faults, the timer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from callcore.acd.distributor import Distributor
from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.switch import Switch
from callcore.dispatch import Clock, Dispatcher
from callcore.errors import ActionRefused
from callcore.journal import Journal, read
from callcore.telephony.simulated import SimulatedBackend
from callcore.telephony.simulated_peers import Peer
from callcore.types import Entry, Outcome

from .call.desk import site


class Notebook:
    """Services that only remember."""

    def __init__(self) -> None:
        self.rows: list[act.AnyAction] = []
        self.recorded: list[act.AnyAction] = []
        self.cannot_record = ""
        self.safe = True

    def write(self, action: act.AnyAction) -> None:
        self.rows.append(action)

    async def rows_are_safe(self) -> bool:
        return self.safe

    async def record(self, action: act.AnyAction) -> None:
        if self.cannot_record:
            raise ActionRefused(self.cannot_record)
        self.recorded.append(action)

    def message_begins(self, action: act.RecordVoicemail) -> None:
        self.recorded.append(action)

    def message_ended(self, event: ev.VoicemailEnded) -> None:
        self.rows.append(event)  # type: ignore[arg-type]

    async def answer(self, action: act.LookUp | act.CheckPin) -> ev.Event:
        assert isinstance(action, act.CheckPin)
        return ev.PinChecked(call=action.call, agent=action.agent, ok=True)

    def records(self) -> list[act.WriteRecord]:
        return [row for row in self.rows if isinstance(row, act.WriteRecord)]


class Running:
    """A dispatcher at work; `until` lets the loop turn until something holds."""

    def __init__(self, directory: Path) -> None:
        self.backend = SimulatedBackend()
        self.services = Notebook()
        self.journal_directory = directory
        self.journal = Journal(directory)
        self.dispatcher = Dispatcher(
            Switch(Distributor()), self.journal, self.backend, self.services, Clock()
        )

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                self.backend.advance(0.0)
                await asyncio.sleep(0.001)

    def performed(self, kind: type[act.Action]) -> list[act.Action]:
        return [action for action in self.backend.performed if isinstance(action, kind)]


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Running]:
    run = Running(directory)
    task = asyncio.create_task(run.dispatcher.run())
    await asyncio.sleep(0)
    run.dispatcher.post(ev.Started(prefix="t"))
    run.dispatcher.post(ev.DirectoryChanged(directory=site()))
    try:
        yield run
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        run.journal.close()


def arrive(run: Running, dialled: str = "600") -> str:
    return run.backend.call_in(dialled, endpoint="tel")


async def test_actions_of_a_call_leave_in_order(tmp_path: Path) -> None:
    """Answer, then music; the bridge before those who join it."""
    async with running(tmp_path) as run:
        run.backend.set_phone("p1", Peer(answer_after=0.0))
        run.dispatcher.post(ev.AgentLogin(agent="ann"))
        await run.until(lambda: run.dispatcher.switch.state.reachable.get("p1"))
        arrive(run)
        run.backend.advance(0.1)
        await run.until(lambda: run.performed(act.Dial))
        run.backend.advance(0.1)
        await run.until(lambda: run.performed(act.Join))
        kinds = [type(action).__name__ for action in run.backend.performed]
        assert kinds.index("Answer") < kinds.index("StartMusic") < kinds.index("CreateBridge")
        assert kinds.index("CreateBridge") < kinds.index("Join")
        # Recording has a lane of its own.
        await run.until(lambda: run.services.recorded)


async def test_a_refused_dial_is_a_failed_leg(tmp_path: Path) -> None:
    """The distributor hears of it and the caller waits on."""
    async with running(tmp_path) as run:
        run.backend.set_phone("p1", Peer(unreachable=True))
        run.dispatcher.post(ev.AgentLogin(agent="ann"))
        run.dispatcher.post(ev.PhoneReachability(phone="p1", reachable=True))
        arrive(run)
        await run.until(
            lambda: any(
                isinstance(row, act.WriteEvent) and row.event.name == "offer_failed"
                for row in run.services.rows
            )
        )
        [call] = run.dispatcher.switch.state.calls.values()
        assert call.queued_since is not None


async def test_a_recording_that_cannot_start_does_not_harm_the_call(tmp_path: Path) -> None:
    """The talk goes on; the record says why there is no recording."""
    async with running(tmp_path) as run:
        run.services.cannot_record = "disk full"
        run.backend.set_phone("p1", Peer(answer_after=0.0))
        run.dispatcher.post(ev.AgentLogin(agent="ann"))
        await run.until(lambda: run.dispatcher.switch.state.reachable.get("p1"))
        channel = arrive(run)
        run.backend.advance(0.1)
        await run.until(lambda: run.performed(act.Dial))
        run.backend.advance(0.1)
        await run.until(lambda: run.performed(act.Join))
        [call] = run.dispatcher.switch.state.calls.values()
        await run.until(lambda: call.no_recording_reason == "failed: disk full")
        run.backend.hang_up(channel)
        await run.until(run.services.records)
        record = run.services.records()[0].record
        assert (record.outcome, record.recording) == (Outcome.ANSWERED, "")
        assert record.no_recording_reason == "failed: disk full"


async def test_a_rule_that_breaks_ends_its_call_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one broad handler: logged with the call, that caller is let go, the rest goes on."""
    async with running(tmp_path) as run:
        first, second = arrive(run), arrive(run)
        await run.until(lambda: len(run.dispatcher.switch.state.calls) == 2)

        def break_down(*_: object) -> None:
            raise RuntimeError("a mistake of ours")

        monkeypatch.setattr("callcore.call.legs.digit", break_down)
        with structlog.testing.capture_logs() as lines:
            run.backend.press(first, "1")
            await run.until(run.services.records)
        assert any(line["event"] == "rule_failed" and line["call_id"] for line in lines)
        assert run.services.records()[0].record.outcome is Outcome.FAILED
        left = run.dispatcher.switch.state.calls.values()
        assert [call.channel for call in left if call.live] == [second]


async def test_one_timer_serves_the_deadlines(tmp_path: Path) -> None:
    """A ring time-out happens without any event from outside."""
    import msgspec

    from .call.desk import QUEUE

    async with running(tmp_path) as run:
        queue = msgspec.structs.replace(QUEUE, ring_seconds=0.05, max_wait_seconds=0.2)
        run.dispatcher.post(ev.DirectoryChanged(directory=site(queues={"sales": queue})))
        run.backend.set_phone("p1", Peer())
        run.dispatcher.post(ev.AgentLogin(agent="ann"))
        await run.until(lambda: run.dispatcher.switch.state.reachable.get("p1"))
        arrive(run)
        await run.until(lambda: run.performed(act.Hangup))
        await run.until(lambda: run.performed(act.Play))


async def test_every_input_is_in_the_journal_before_its_actions_leave(tmp_path: Path) -> None:
    """Arrival and timers are read back in order; nothing is in there twice."""
    async with running(tmp_path) as run:
        arrive(run)
        await run.until(lambda: run.performed(act.StartMusic))
        entries = list(read(run.journal_directory))
        assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
        arrivals = [e.event for e in entries if isinstance(e.event, ev.CallArrived)]
        assert [event.entry for event in arrivals] == [Entry.TRUNK]


def test_the_clock_never_runs_backwards() -> None:
    """After a start with a wall clock that was set back, time goes on from the journal's end."""
    import time

    ahead = time.time() + 1000
    clock = Clock(not_before=ahead)
    first, second = clock(), clock()
    assert ahead <= first <= second


async def test_a_snapshot_waits_for_the_rows_of_what_it_covers(tmp_path: Path) -> None:
    """Only what is replayed is written again: no snapshot may hide a row that was never written."""
    async with running(tmp_path) as run:
        run.services.safe = False
        await run.dispatcher.take_snapshot()
        assert _snapshots(tmp_path) == 0
        run.services.safe = True
        await run.dispatcher.take_snapshot()
        assert _snapshots(tmp_path) == 1


def _snapshots(directory: Path) -> int:
    return len(list(directory.glob("*.snap")))


async def test_what_the_distributor_refuses_is_logged_once_with_its_ids(tmp_path: Path) -> None:
    """An agent nobody knows is worth a warning; a repeated wish is not."""
    async with running(tmp_path) as run:
        with structlog.testing.capture_logs() as lines:
            run.dispatcher.post(ev.AgentPaused(agent="zoe", reason="lunch"))
            run.dispatcher.post(ev.AgentReady(agent="ann"))
    refused = [line for line in lines if line["event"] == "event_refused"]
    warned = [(each["code"], each["agent"]) for each in refused if each["log_level"] == "warning"]
    assert warned == [("unknown_agent", "zoe")]
    assert len(refused) == 2
