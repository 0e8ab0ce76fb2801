"""Random days on the simulated back end: callers, agents, transfers and faults, by seed.

Run as a program it prints a digest of everything that was asked of the node and of every row, so
that two processes can be compared: ``python -m tests.unit.call.random_day SEED``.
"""

from __future__ import annotations

import hashlib
import random
import sys

import msgspec

from callcore.acd.distributor import Distributor
from callcore.acd.invariants import check
from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.model import Leg, LegState, PlayFor, Role
from callcore.call.record import CallRecord
from callcore.call.state import CallState
from callcore.call.switch import Switch, SwitchSnapshot, restore
from callcore.directory import Agent, Directory, Member, Outbound, Phone, Queue, Route, Trunk
from callcore.directory_queue import (
    Announcements,
    Callback,
    CallbackFirst,
    OverflowOn,
    OverflowRule,
    Staffing,
)
from callcore.dispatch import channel_of
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.ivr.loader import load_trees
from callcore.telephony.simulated import SimulatedBackend
from callcore.telephony.simulated_peers import Caller, Peer
from callcore.types import Entry, LegFailure, Reach, SupervisionMode

from .desk import TREE

STEP = 0.25
AGENTS = 8
#: What is not telephony and needs no answer here.
SHELL = (
    act.StartRecording,
    act.StopRecording,
    act.PauseRecording,
    act.ResumeRecording,
    act.LookUp,
    act.CheckPin,
)
ROWS = (act.WriteEvent, act.WriteAgentState, act.WriteInterval)


def directory() -> Directory:
    names = [f"a{number}" for number in range(AGENTS)]
    queues = {
        "one": Queue(
            id="one",
            members=tuple(Member(agent=name) for name in names[:5]),
            ring_seconds=6,
            wrap_up_seconds=3,
            max_wait_seconds=40,
            rona_limit=3,
            agent_announcement="text:en/{queue}",
            callback=Callback(attempts=2, retry_seconds=5, ring_seconds=5),
            overflow_rules=(OverflowRule(on=OverflowOn.WAIT, at=25, to="queue:all"),),
            announcements=Announcements(first_after_seconds=1, every_seconds=5),
            last_agent_seconds=4,
        ),
        "all": Queue(
            id="all",
            strategy="ring_all",
            members=tuple(Member(agent=name) for name in names[3:]),
            ring_seconds=5,
            max_size=6,
            callback=Callback(first=CallbackFirst.CUSTOMER, retry_seconds=4, ring_seconds=6),
            overflow_rules=(
                OverflowRule(on=OverflowOn.WAIT, at=45, to="queue:sales"),
                OverflowRule(on=OverflowOn.SIZE, at=5, to="number:0777"),
            ),
        ),
        "sales": Queue(
            id="sales",
            members=tuple(Member(agent=name) for name in names),
            overflow_rules=(
                OverflowRule(on=OverflowOn.WAIT, at=70, to="voicemail"),
                OverflowRule(on=OverflowOn.UNSTAFFED, to="tree:hotline/note"),
            ),
            stay_needs=Staffing.READY,
            announcements=Announcements(first_after_seconds=2, every_seconds=7, wait=False),
            last_agent_seconds=10,
        ),
    }
    return Directory(
        statuses={"coaching": ()},
        phones={name: Phone(id=name) for name in (*(f"p{n}" for n in range(AGENTS)), "desk")},
        trunks={"trunk": Trunk(id="trunk", host="127.0.0.9", max_channels=25)},
        agents={name: Agent(id=name, phone=f"p{name[1:]}", reach=_reach(name)) for name in names},
        queues=queues,
        routes=(
            Route(pattern="601", queue="one"),
            Route(pattern="602", queue="all"),
            Route(pattern="700", tree="hotline"),
        ),
        outbound=(Outbound(pattern="0X.", trunk="trunk"),),
    )


def _reach(agent: str) -> Reach:
    return {"a6": Reach.AUTO_ANSWER, "a7": Reach.NAILED_UP}.get(agent, Reach.RING)


class RandomDay:
    """One day; `restarts` swaps the switch for its own snapshot now and then."""

    def __init__(self, seed: int, *, faults: bool = True, restarts: bool = True) -> None:
        self.dice = random.Random(seed)
        self.faults = faults
        self.restarts = restarts
        #: Steps at which a caller heard an announcement; targets of overflows carried out.
        self.announced = 0
        self.overflowed: dict[str, int] = {}
        #: Looks at supervisions of a talk, by mode.
        self.supervised: dict[str, int] = {}
        self.backend = SimulatedBackend(media_seconds=lambda media: 0.8)
        self.switch = Switch(Distributor())
        self.records: dict[str, list[CallRecord]] = {}
        self.recordings: dict[str, str] = {}
        self.digest = hashlib.sha256()
        for number in range(AGENTS):
            self.backend.set_phone(f"p{number}", self._peer())
        self.backend.set_phone("desk", Peer(answer_after=0.4, hang_up_after=15.0))
        self.backend.numbers = {
            "0555": Peer(answer_after=1.0, hang_up_after=6.0),
            "0666": Peer(busy=True),
            "0777": Peer(),
            "0888": Peer(answer_after=4.0),
            "0999": Peer(answer_after=2.0, hang_up_after=0.5),
        }
        self.feed(ev.Started(prefix="d"))
        self.feed(ev.DirectoryChanged(directory=directory()))
        self.feed(ev.TreesChanged(trees=load_trees({"hotline.yaml": TREE})))
        for number in range(AGENTS):
            self.feed(ev.AgentLogin(agent=f"a{number}"))

    # --- the loop --------------------------------------------------------------------------

    def play(self, seconds: float) -> None:
        """Random things for so long, then a quiet evening in which all of it must end."""
        end = self.backend.now + seconds
        while self.backend.now < end:
            self._something()
            self.step()
        if not self.backend.linked:
            self.backend.restore_link()
        for phone in self.backend.phones:
            self.backend.set_phone(phone, Peer(answer_after=1.0, hang_up_after=5.0))
        for _ in range(int(200 / STEP)):
            self.step()
            if not self.backend.channels and not self.switch.state.calls:
                break
        for callback in list(self.switch.state.callbacks):
            self.feed(ev.CallbackCancelAsked(call=callback))
        for channel in list(self.backend.channels):
            self.backend.hang_up(channel)
        for _ in range(int(30 / STEP)):
            self.step()

    def step(self) -> None:
        for event in self.backend.advance(STEP):
            self.feed(event)
        while (due := self.switch.next_timer()) is not None and due <= self.backend.now:
            self._carry_out(self.switch.handle_timer(self.backend.now))
        check(self.switch.distributor)
        self._check_announcements()
        self._check_supervisions()

    def _check_announcements(self) -> None:
        """They are for callers who wait, and who have not got an agent yet."""
        for call in self.switch.state.calls.values():
            told = [p for p in call.playing.values() if p.purpose is PlayFor.QUEUE_ANNOUNCEMENT]
            if told:
                assert call.queued_since is not None, call
                assert not call.agent, call
                assert not call.music, call
                assert len(told) == 1, call
                self.announced += 1

    def feed(self, event: ev.Event) -> None:
        self._carry_out(self.switch.handle(event, self.backend.now))

    def _carry_out(self, actions: list[act.AnyAction]) -> None:
        for action in actions:
            self.digest.update(repr(action).encode())
            if isinstance(action, act.WriteEvent) and action.event.name == "overflowed":
                to = str(action.event.details["to"])
                self.overflowed[to] = self.overflowed.get(to, 0) + 1
            if isinstance(action, act.WriteEvent):
                assert not {"event", "call_id"} & action.event.details.keys(), "taken by the log"
            if isinstance(action, act.WriteRecord):
                self.records.setdefault(action.call, []).append(action.record)
            elif not isinstance(action, SHELL + ROWS):
                self._perform(action)

    def _perform(self, action: act.AnyAction) -> None:
        """As the dispatcher does it."""
        try:
            self.backend.perform(action)
        except BackendUnavailable:
            if isinstance(action, act.Dial):
                failed = ev.LegFailed(channel=action.channel, failure=LegFailure.UNREACHABLE)
                self.feed(failed)
        except ActionRefused as exc:
            if isinstance(action, act.Dial):
                failed = ev.LegFailed(channel=action.channel, failure=LegFailure.UNREACHABLE)
                self.feed(failed)
            else:
                self.feed(
                    ev.ActionFailed(
                        call=action.call,
                        action=type(action).__name__,
                        channel=channel_of(action),
                        reason=str(exc),
                        gone=exc.status == 404,
                    )
                )

    # --- what happens ----------------------------------------------------------------------

    def _something(self) -> None:
        dice = self.dice
        happenings = [
            (0.30, self._call_in),
            (0.05, self._phone_changes),
            (0.04, self._agent_changes),
            (0.05, self._hold),
            (0.05, self._blind_transfer),
            (0.05, self._consult),
            (0.05, self._attended_transfer),
            (0.02, self._operator),
            (0.1, self._supervise),
            (0.05, self._supervisor_presses_a_key),
            (0.03, self._someone_hangs_up),
            (0.01 if self.faults else 0.0, self._fault),
            (0.01 if self.restarts else 0.0, self._restart),
        ]
        for chance, happen in happenings:
            if dice.random() < chance:
                happen()

    def _call_in(self) -> None:
        dice = self.dice
        if dice.random() < 0.2:
            self._call_back()
            return
        count = dice.randrange(4)
        keys = tuple((dice.uniform(0.2, 6), dice.choice("123#*9")) for _ in range(count))
        stays = dice.choice([None, dice.uniform(0.1, 5), dice.uniform(5, 60)])
        caller = Caller(hang_up_after=stays, digits=tuple(sorted(keys)))
        number = dice.choice(["555", "5550001", "5550002", "5550003", "anonymous"])
        self.backend.call_in(dice.choice(["601", "602", "700", "999"]), caller, number=number)

    def _call_back(self) -> None:
        """Asks for a callback, in the middle of whatever happens, and mostly gets to the end."""
        dice = self.dice
        at = dice.uniform(0.1, 8)
        keys = "21#" if dice.random() < 0.7 else "20777#1#"
        digits = tuple((at + 0.3 * number, key) for number, key in enumerate(keys))
        caller = Caller(hang_up_after=at + dice.uniform(0.5, 6), digits=digits)
        number = dice.choice(["0555", "0666", "0777", "0888", "0999", "555", ""])
        self.backend.call_in(dice.choice(["601", "602"]), caller, number=number)

    def _peer(self) -> Peer:
        dice = self.dice
        talk = dice.choice([None, dice.uniform(1, 20)])
        return dice.choice(
            [
                Peer(answer_after=dice.uniform(0.1, 4), hang_up_after=talk),
                Peer(answer_after=dice.uniform(0.1, 4), hang_up_after=talk, call_waiting=True),
                Peer(),
                Peer(busy=True),
                Peer(rejects=True),
                Peer(unreachable=True),
            ]
        )

    def _phone_changes(self) -> None:
        self.backend.set_phone(f"p{self.dice.randrange(AGENTS)}", self._peer())

    def _agent_changes(self) -> None:
        agent = f"a{self.dice.randrange(AGENTS)}"
        phone = f"p{self.dice.randrange(AGENTS)}"
        self.feed(
            self.dice.choice(
                [
                    ev.AgentLogin(agent=agent),
                    ev.AgentLogin(agent=agent, phone=phone),
                    ev.AgentLogout(agent=agent),
                    ev.AgentPaused(agent=agent, reason="tea"),
                    ev.AgentReady(agent=agent),
                    ev.AgentStatusChosen(agent=agent, status="coaching"),
                    ev.AgentWrapUpAsked(agent=agent),
                    ev.AgentWrapUpExtended(agent=agent, seconds=5.0),
                ]
            )
        )
        if agent == "a7":
            self.backend.call_in("*15", endpoint="p7", entry=Entry.PHONE)

    def _agent_channel(self) -> str:
        ours = [name for name in self.backend.channels if name.startswith("ad-")]
        return self.dice.choice(ours) if ours else ""

    def _hold(self) -> None:
        channel = self._agent_channel()
        self.dice.choice([self.backend.hold, self.backend.resume])(channel)

    def _blind_transfer(self) -> None:
        targets = ["601", "602", "700", "0555", "0666", "0777", "a1", "p3", "nobody", "*11"]
        self.backend.transfer(self._agent_channel(), self.dice.choice(targets))

    def _consult(self) -> None:
        channel = self.backend.channels.get(self._agent_channel())
        if channel is not None:
            number = self.dice.choice(["601", "602", "0555", "0777", "a2", "p4", "700"])
            self.backend.call_in(number, endpoint=channel.endpoint, entry=Entry.PHONE)

    def _attended_transfer(self) -> None:
        channel = self.backend.channels.get(self._agent_channel())
        if channel is not None:
            other = [
                each.id
                for each in self.backend.channels.values()
                if each.endpoint == channel.endpoint and each.id != channel.id
            ]
            if other:
                self.backend.transfer(channel.id, other=self.dice.choice(other))

    def _operator(self) -> None:
        calls = [call.id for call in self.switch.state.calls.values() if call.live]
        if calls:
            call = self.dice.choice(calls)
            self.feed(
                self.dice.choice(
                    [
                        ev.CallHangupAsked(call=call),
                        ev.CallTransferAsked(call=call, target="queue:all"),
                        ev.CallTransferAsked(call=call, target="0555"),
                        ev.QueueLeaveAsked(call=call, queue="one"),
                        ev.CallbackCancelAsked(call=call),
                        ev.CallPriorityAsked(call=call, priority=self.dice.randrange(3)),
                        ev.RecordingPauseAsked(call=call),
                        ev.RecordingResumeAsked(call=call),
                    ]
                )
            )

    def _supervise(self) -> None:
        calls = [call.id for call in self.switch.state.calls.values() if call.live]
        if calls:
            phone = self.dice.choice(["desk", f"p{self.dice.randrange(AGENTS)}"])
            mode = self.dice.choice(list(SupervisionMode))
            call = self.dice.choice(calls)
            self.feed(ev.CallSuperviseAsked(call=call, phone=phone, mode=mode))

    def _supervisor_presses_a_key(self) -> None:
        supervisions = self.switch.state.supervisions
        if supervisions:
            call = self.switch.state.calls[self.dice.choice(supervisions)]
            self.backend.press(call.channel, self.dice.choice("4567"))

    def _check_supervisions(self) -> None:
        """They are listed, and each hears and is heard as its mode says."""
        state = self.switch.state
        there = [call.id for call in state.calls.values() if call.live and call.supervision]
        assert there == state.supervisions
        for name in there if self.backend.linked else ():
            call = state.calls[name]
            assert call.supervision is not None
            supervised = state.calls[call.supervision.call]
            assert supervised.live
            up = [leg for leg in supervised.legs.values() if leg.state is LegState.UP]
            ours = (call.legs[call.channel], *up)
            talking = supervised.state is CallState.TALKING and len(up) == 2
            known = all(leg.channel in self.backend.channels for leg in ours)
            if talking and known and ours[0].state is LegState.UP:
                self._check_supervisor(call.channel, call.supervision.mode, up)

    def _check_supervisor(self, channel: str, mode: SupervisionMode, up: list[Leg]) -> None:
        hears = self.backend.heard_by
        self.supervised[mode] = self.supervised.get(mode, 0) + 1
        assert {leg.channel for leg in up} <= set(hears(channel))
        for leg in up:
            whispered = mode is SupervisionMode.WHISPER and leg.role is not Role.CALLER
            heard = whispered or mode is SupervisionMode.BARGE
            assert (channel in hears(leg.channel)) is heard

    def _someone_hangs_up(self) -> None:
        if self.backend.channels:
            self.backend.hang_up(self.dice.choice(sorted(self.backend.channels)))

    def _fault(self) -> None:
        if not self.backend.linked:
            self.backend.restore_link()
        elif self.dice.random() < 0.8:
            self.backend.lose_link()
        else:
            self.backend.restart()

    def _restart(self) -> None:
        """callcore dies and comes back from its snapshot; the node tells what exists."""
        data = msgspec.msgpack.encode(self.switch.snapshot())
        self.switch = restore(msgspec.msgpack.decode(data, type=SwitchSnapshot))
        if self.backend.linked:
            self.backend.lose_link("callcore was killed")
            self.backend.restore_link()


if __name__ == "__main__":
    day = RandomDay(int(sys.argv[1]))
    day.play(120)
    print(day.digest.hexdigest())
