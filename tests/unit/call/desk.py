"""A switch with a small site, driven by hand: events in, actions looked at."""

from __future__ import annotations

from typing import Any, TypeVar

from callcore.acd.distributor import Distributor
from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.model import Call
from callcore.call.record import CallRecord
from callcore.call.switch import Switch
from callcore.directory import (
    Agent,
    Directory,
    Member,
    Outbound,
    Phone,
    Queue,
    Route,
    Trunk,
)
from callcore.ivr.loader import load_trees
from callcore.types import Entry, LegFailure, Reach

A = TypeVar("A", bound=act.Action)

TREE = """
start: welcome
nodes:
  welcome:
    step: menu
    play: [{text: "For sales press 1."}]
    keys: {1: to-sales, 2: to-number, 3: note}
    timeout: 5
    retries: 1
    failed: bye
  to-sales: {step: enqueue, queue: sales, overflow: sorry}
  to-number: {step: transfer, number: "0555", failed: sorry}
  note: {step: record, mailbox: general, next: bye}
  sorry: {step: prompt, play: [{text: "Nobody is there."}], next: bye}
  bye: {step: hangup}
"""

QUEUE = Queue(
    id="sales",
    name="Sales",
    members=(Member(agent="ann"), Member(agent="bob")),
    ring_seconds=10,
    wrap_up_seconds=5,
    max_wait_seconds=60,
)


def site(**changes: Any) -> Directory:
    """Three agents at three phones, one queue, a trunk, and numbers to all of them."""
    parts: dict[str, Any] = {
        "phones": {name: Phone(id=name) for name in ("p1", "p2", "p3")},
        "trunks": {"tel": Trunk(id="tel", host="127.0.0.9", max_channels=3)},
        "agents": {
            "ann": Agent(id="ann", phone="p1"),
            "bob": Agent(id="bob", phone="p2"),
            "cid": Agent(id="cid", phone="p3", reach=Reach.NAILED_UP),
        },
        "queues": {"sales": QUEUE},
        "routes": (Route(pattern="600", queue="sales"), Route(pattern="700", tree="hotline")),
        "outbound": (Outbound(pattern="0X.", trunk="tel"),),
    }
    return Directory(**{**parts, **changes})


class Desk:
    """Plays the outside world; `out` holds the actions of the last event, `all` of all events."""

    def __init__(self, directory: Directory | None = None, tree: str = TREE) -> None:
        self.switch = Switch(Distributor())
        self.now = 1000.0
        self.out: list[act.AnyAction] = []
        self.all: list[act.AnyAction] = []
        directory = directory or site()
        self.feed(ev.Started(prefix="t"))
        self.feed(ev.DirectoryChanged(directory=directory))
        self.feed(ev.TreesChanged(trees=load_trees({"hotline.yaml": tree})))
        for phone in directory.phones:
            self.feed(ev.PhoneReachability(phone=phone, reachable=True))

    # --- events ----------------------------------------------------------------------------

    def feed(self, event: ev.Event) -> list[act.AnyAction]:
        self.out = self.switch.handle(event, self.now)
        self.all += self.out
        return self.out

    def wait(self, seconds: float) -> list[act.AnyAction]:
        """Time passes; timers fire when they are due."""
        end = self.now + seconds
        gathered: list[act.AnyAction] = []
        while (due := self.switch.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            gathered += self.switch.handle_timer(self.now)
        self.now = end
        self.out = gathered
        self.all += gathered
        return gathered

    def login(self, *agents: str) -> None:
        for agent in agents:
            self.feed(ev.AgentLogin(agent=agent))

    def arrive(self, dialled: str = "600", channel: str = "x1", caller: str = "555") -> Call:
        self.feed(
            ev.CallArrived(
                channel=channel,
                node="n",
                entry=Entry.TRUNK,
                endpoint="tel",
                caller_number=caller,
                dialled=dialled,
            )
        )
        return self.call_on(channel)

    def dial_from(self, phone: str, dialled: str, channel: str = "y1") -> Call:
        self.feed(
            ev.CallArrived(
                channel=channel, node="n", entry=Entry.PHONE, endpoint=phone, dialled=dialled
            )
        )
        return self.call_on(channel)

    def call_on(self, channel: str) -> Call:
        call = self.switch.cx.call_of(channel)
        assert call is not None, f"no call on {channel}"
        return call

    def answer(self, dial: act.Dial) -> list[act.AnyAction]:
        return self.feed(ev.LegAnswered(channel=dial.channel))

    def fail(self, dial: act.Dial, failure: LegFailure) -> list[act.AnyAction]:
        return self.feed(ev.LegFailed(channel=dial.channel, failure=failure))

    def hang_up(self, channel: str) -> list[act.AnyAction]:
        return self.feed(ev.HungUp(channel=channel))

    def played(self, channel: str = "x1") -> list[act.AnyAction]:
        """The last sound on this channel ends."""
        play = [p for p in self.every(act.Play) if p.channel == channel][-1]
        return self.feed(ev.PlaybackEnded(channel=channel, playback=play.playback))

    def key(self, digits: str, channel: str = "x1") -> list[act.AnyAction]:
        gathered: list[act.AnyAction] = []
        for digit in digits:
            gathered += self.feed(ev.DigitPressed(channel=channel, digit=digit))
        self.out = gathered
        return gathered

    def confirm_hangups(self) -> None:
        """Asterisk confirms every hang-up asked for so far."""
        for hangup in self.every(act.Hangup):
            self.feed(ev.HungUp(channel=hangup.channel, by_peer=False))

    # --- actions ---------------------------------------------------------------------------

    def every(self, kind: type[A]) -> list[A]:
        return [action for action in self.all if isinstance(action, kind)]

    def last(self, kind: type[A]) -> A:
        found = self.every(kind)
        assert found, f"no {kind.__name__} so far"
        return found[-1]

    def now_out(self, kind: type[A]) -> list[A]:
        """Actions of this kind in answer to the last event."""
        return [action for action in self.out if isinstance(action, kind)]

    def only(self, kind: type[A]) -> A:
        found = self.now_out(kind)
        assert len(found) == 1, f"{len(found)} × {kind.__name__} in {self.out}"
        return found[0]

    def record(self, call: Call) -> CallRecord:
        """The last row written for the call."""
        rows = [w.record for w in self.every(act.WriteRecord) if w.record.call == call.id]
        assert rows, f"no record of {call.id}"
        return rows[-1]

    def agent_state(self, agent: str) -> str:
        return self.switch.distributor.floor.seats[agent].agent.observed().value
