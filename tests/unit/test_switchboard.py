"""What operators may ask of the running switch, and what is refused with a reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.errors import ConfigError, Refused, UnknownEntity
from callcore.switchboard import LiveSwitchboard
from callcore.telephony.simulated_peers import Peer

from .call.desk import site
from .test_dispatch import Running, arrive, running


def switchboard(run: Running) -> LiveSwitchboard:
    async def reload() -> None:
        return None

    return LiveSwitchboard(
        run.dispatcher,
        "simulated",
        settings=lambda: pytest.fail("not asked for"),
        reload=reload,
        not_ready=lambda node: "" if node.up else node.reason or "away",
        trunk_states=dict,
    )


async def connected(run: Running) -> LiveSwitchboard:
    """One that has seen the link come up."""
    board = switchboard(run)
    run.backend.lose_link()
    run.backend.restore_link()
    await run.until(lambda: not board.ready())
    return board


async def test_what_is_asked_of_nobody_is_unknown(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        board = switchboard(run)
        for event in (
            ev.AgentLogin(agent="zoe"),
            ev.AgentPaused(agent="zoe", reason="tea"),
            ev.CallHangupAsked(call="c1"),
            ev.CallTransferAsked(call="c1", target="600"),
            ev.CallSuperviseAsked(call="c1", phone="p1"),
        ):
            with pytest.raises(UnknownEntity):
                await board.submit(event)


async def test_what_does_not_fit_the_state_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        board = switchboard(run)
        arrive(run)
        await run.until(lambda: run.dispatcher.switch.state.calls)
        [call] = run.dispatcher.switch.state.calls
        for event, reason in (
            (ev.AgentLogin(agent="ann", phone="nowhere"), "no phone named 'nowhere'"),
            (ev.AgentLogout(agent="ann"), "agent 'ann' is not logged in"),
            (ev.CallTransferAsked(call=call, target="0"), "nobody has the number '0'"),
            (ev.CallTransferAsked(call=call, target="*11"), "is a feature code"),
            (ev.CallTransferAsked(call=call, target="agent:ann"), "'agent:ann' is unreachable now"),
            (ev.RecordingPauseAsked(call=call), "is not being recorded"),
            (ev.CallSuperviseAsked(call=call, phone="p9"), "no phone named 'p9'"),
        ):
            with pytest.raises(Refused, match=reason):
                await board.submit(event)
        with pytest.raises(UnknownEntity):
            await board.submit(ev.QueueLeaveAsked(call=call, queue="nowhere"))


async def test_what_an_operator_names_must_be_known(tmp_path: Path) -> None:
    """Pause reasons and statuses are those of the site; the error lists them."""
    async with running(tmp_path) as run:
        board = switchboard(run)
        known = site(pause_reasons=("lunch", "training"), statuses={"coaching": ()})
        run.dispatcher.post(ev.DirectoryChanged(directory=known))
        await board.submit(ev.AgentLogin(agent="ann"))
        for event, message in (
            (ev.AgentPaused(agent="ann", reason="x"), "reason = 'x': expected one of lunch, train"),
            (ev.AgentStatusChosen(agent="ann", status="x"), "'x': expected one of coaching"),
        ):
            with pytest.raises(ConfigError, match=message):
                await board.submit(event)
        for event in (
            ev.AgentWrapUpAsked(agent="ann"),
            ev.AgentWrapUpExtended(agent="ann", seconds=5),
            ev.AgentStatusChosen(agent="bob", status="coaching"),
        ):
            with pytest.raises(Refused):
                await board.submit(event)
        with pytest.raises(UnknownEntity):
            await board.submit(ev.CallPriorityAsked(call="c1", priority=1))
        await board.submit(ev.AgentStatusChosen(agent="ann", status="coaching"))
        [ann, *_] = run.dispatcher.switch.distributor.agents(0.0)
        assert (ann.agent, ann.status, ann.pause_reason) == ("ann", "paused", "coaching")


async def test_why_a_caller_waits_and_an_agent_gets_nothing(tmp_path: Path) -> None:
    """What is waited for, the place, each member with all the rules, and who is unknown."""
    async with running(tmp_path) as run:
        board = switchboard(run)
        arrive(run)
        await run.until(lambda: run.dispatcher.switch.state.calls)
        [call] = run.dispatcher.switch.state.calls
        found = board.why_contact(call)
        assert found is not None
        assert found.waits_for is not None
        assert (found.state, found.queue, found.position) == ("waiting", "sales", 1)
        assert found.waits_for.text == "no member is logged in"
        assert [(m.agent, m.eligible, m.reasons[0].text) for m in found.members] == [
            ("ann", False, "is logged out"),
            ("bob", False, "is logged out"),
        ]
        ann = board.why_agent("ann")
        assert ann.reasons[0].code == "logged_out"
        assert [(q.queue, q.contact) for q in ann.queues] == [("sales", call)]
        assert board.why_contact("nobody") is None
        with pytest.raises(UnknownEntity):
            board.why_agent("zoe")


async def test_the_snapshot_shows_the_call_from_queue_to_talk(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        board = await connected(run)
        arrive(run)
        await run.until(lambda: run.dispatcher.switch.state.calls)
        before = board.version()
        [row] = board.snapshot().calls
        assert (row.state, row.queue, row.position) == ("queued", "sales", 1)
        run.backend.set_phone("p1", Peer(answer_after=0.0))
        await board.submit(ev.AgentLogin(agent="ann"))
        await run.until(lambda: run.performed(act.Dial))
        run.backend.advance(0.1)
        await run.until(lambda: run.performed(act.Join))
        snapshot = board.snapshot()
        assert (snapshot.calls[0].state, snapshot.calls[0].agent) == ("talking", "ann")
        queue = next(queue for queue in snapshot.queues if queue.id == "sales")
        assert (queue.waiting, queue.offered_today, queue.answered_today) == (0, 1, 1)
        assert queue.agents == {"talking": 1}
        assert board.version() > before


async def test_a_lost_link_is_not_ready_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        board = await connected(run)
        run.backend.lose_link("cable cut")
        await asyncio.sleep(0)
        await run.until(lambda: "cable cut" in board.ready())
        assert [node.up for node in board.snapshot().nodes] == [False]
