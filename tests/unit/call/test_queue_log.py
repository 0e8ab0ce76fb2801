"""The queue_log: every line as app_queue writes it, and counts that agree with the statistics."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.call.queue_log import QueueLog
from callcore.call.queue_log_line import line
from callcore.call.record import CallEvent
from callcore.directory import Member, Phone, Queue
from callcore.types import LegFailure

from .counted_day import CountedDay
from .desk import Desk, site
from .random_day import directory

NUMBER, TEXT, CHANNEL = r"\d+", r"[^|]*", r"[^|]+"
WAIT = [NUMBER, NUMBER, NUMBER]
#: Parameters by event, as documented for Asterisk 22 (and for Wazo where app_queue has none).
GRAMMAR = {
    "QUEUESTART": [""],
    "ENTERQUEUE": ["", TEXT, NUMBER],
    "CONNECT": [NUMBER, CHANNEL, NUMBER],
    "RINGNOANSWER": [NUMBER],
    "RINGCANCELED": [NUMBER],
    "AGENTDUMP": [""],
    "ABANDON": WAIT,
    "EXITWITHTIMEOUT": WAIT,
    "EXITEMPTY": WAIT,
    "EXITWITHKEY": [TEXT, *WAIT],
    "WITHDRAW": [*WAIT, TEXT],
    "COMPLETEAGENT": WAIT,
    "COMPLETECALLER": WAIT,
    "BLINDTRANSFER": [CHANNEL, "callcore", *WAIT],
    "ATTENDEDTRANSFER": ["BRIDGE", CHANNEL, *WAIT],
    "AGENTLOGIN": [r"PJSIP/[^|]+"],
    "AGENTLOGOFF": [r"PJSIP/[^|]+", NUMBER],
    "PAUSEALL": [TEXT],
    "UNPAUSEALL": [TEXT],
    "PAUSE": [TEXT],
    "UNPAUSE": [TEXT],
    "FULL": [""],
    "CLOSED": [""],
    "JOINEMPTY": [""],
    "DIVERT_HOLDTIME": [""],
}
#: Events of no caller, of no queue, and of no agent.
SESSIONS = {"AGENTLOGIN", "AGENTLOGOFF", "PAUSEALL", "UNPAUSEALL", "PAUSE", "UNPAUSE"}
OF_NO_QUEUE = {"QUEUESTART", "AGENTLOGIN", "AGENTLOGOFF", "PAUSEALL", "UNPAUSEALL"}
OF_NO_AGENT = {
    "QUEUESTART", "ENTERQUEUE", "EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY", "FULL", "CLOSED",
    "JOINEMPTY", "DIVERT_HOLDTIME",
}  # fmt: skip
#: They name an agent who had answered and was hearing the announcement.
MAY_NAME_AGENT = {"ABANDON", "WITHDRAW"}


def check_line(text: str) -> tuple[str, str, str, str]:
    """Call, queue, agent and event of a line that is as it must be."""
    at, call, queue, agent, event, *parameters = text.split("|")
    assert re.fullmatch(NUMBER, at), text
    assert (call == "NONE") == (event in SESSIONS or event == "QUEUESTART"), text
    assert (queue == "NONE") == (event in OF_NO_QUEUE), text
    if event in OF_NO_AGENT:
        assert agent == "NONE", text
    elif event not in MAY_NAME_AGENT:
        assert re.fullmatch(r"Agent/[^|]+", agent), text
    wanted = GRAMMAR[event]
    assert len(parameters) == len(wanted), text
    for value, pattern in zip(parameters, wanted, strict=True):
        assert re.fullmatch(pattern, value), text
    return call, queue, agent, event


def served(agent: str) -> list[str]:
    queues = directory().queues.values()
    return [queue.id for queue in queues if any(m.agent == agent for m in queue.members)]


@pytest.mark.parametrize("seed", range(12))
def test_a_day_of_lines_is_well_formed_and_agrees_with_the_statistics(seed: int) -> None:
    """Each line fits the grammar; the counts of the log are those of the live figures."""
    day = CountedDay(seed)
    day.play(300)
    log = QueueLog(served)
    counted: Counter[tuple[str, str]] = Counter()
    calls: dict[str, list[str]] = {}
    for rows in day.rows:
        for text in log.lines(rows):
            call, queue, agent, event = check_line(text)
            named = "+" if event in MAY_NAME_AGENT and agent != "NONE" else ""
            counted[queue, event + named] += 1
            calls.setdefault(call, []).append(event)
    for queue, stats in day.live().queues.items():
        assert counted[queue, "ENTERQUEUE"] == stats.entered
        turned_away = ("FULL", "JOINEMPTY", "DIVERT_HOLDTIME")
        assert sum(counted[queue, event] for event in turned_away) == stats.refused
        assert counted[queue, "ABANDON"] == stats.abandoned + stats.short_abandoned
        given_up = counted[queue, "EXITWITHTIMEOUT"] + counted[queue, "EXITEMPTY"]
        assert given_up == stats.overflowed
        answered = ("CONNECT", "AGENTDUMP", "ABANDON+", "WITHDRAW+")
        assert sum(counted[queue, event] for event in answered) == stats.answered
        assert counted[queue, "WITHDRAW"] == stats.taken_out + stats.dropped
        assert counted[queue, "RINGNOANSWER"] >= stats.rona
    _every_call_adds_up(calls)


def _every_call_adds_up(calls: dict[str, list[str]]) -> None:
    """Who entered left one way; who was connected is done one way."""
    left = {
        "CONNECT", "ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY", "WITHDRAW",
        "AGENTDUMP",
    }  # fmt: skip
    done = {"COMPLETEAGENT", "COMPLETECALLER", "BLINDTRANSFER", "ATTENDEDTRANSFER"}
    del calls["NONE"]
    for call, events in calls.items():
        entered, connected = events.count("ENTERQUEUE"), events.count("CONNECT")
        assert entered == sum(event in left for event in events), (call, events)
        assert connected == sum(event in done for event in events), (call, events)


# --- one story each ------------------------------------------------------------------------------


class Logged:
    """A desk whose rows go to a log."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.log = QueueLog(lambda agent: ["sales"] if agent in ("ann", "bob") else [])
        self._read = 0

    def lines(self) -> list[str]:
        """Since the last time, without call ids."""
        rows = [row for row in self.desk.all[self._read :] if isinstance(row, act.RowAction)]
        self._read = len(self.desk.all)
        found = self.log.lines(rows)
        for text in found:
            check_line(text)
        return [re.sub(r"^(\d+)\|c[^|]*\|", r"\1|CALL|", text) for text in found]


@pytest.fixture
def logged() -> Logged:
    logged = Logged(Desk())
    logged.desk.login("ann")
    assert logged.lines() == ["1000|NONE|NONE|Agent/ann|AGENTLOGIN|PJSIP/p1"]
    return logged


def test_a_call_that_the_caller_ends(logged: Logged) -> None:
    """Position, seconds waited and rung, channel, talk."""
    desk = logged.desk
    desk.arrive()
    dial = desk.last(act.Dial)
    assert logged.lines() == ["1000|CALL|sales|NONE|ENTERQUEUE||555|1"]
    desk.wait(4)
    desk.answer(dial)
    assert logged.lines() == [f"1004|CALL|sales|Agent/ann|CONNECT|4|{dial.channel}|4"]
    desk.wait(60)
    desk.hang_up("x1")
    assert logged.lines() == ["1064|CALL|sales|Agent/ann|COMPLETECALLER|4|60|1"]


def test_no_answer_then_abandoned_while_ringing(logged: Logged) -> None:
    """The second in line keeps its first position; a phone that still rings is cancelled."""
    desk = logged.desk
    desk.arrive()
    desk.arrive(channel="x2", caller="556")
    logged.lines()
    desk.wait(10)
    assert logged.lines() == ["1010|CALL|sales|Agent/ann|RINGNOANSWER|10000"]
    desk.wait(6)
    desk.hang_up("x1")
    desk.hang_up("x2")
    assert logged.lines() == [
        "1016|CALL|sales|Agent/ann|RINGCANCELED|1000",
        "1016|CALL|sales|NONE|ABANDON|1|1|16",
        "1016|CALL|sales|Agent/ann|RINGCANCELED|0",
        "1016|CALL|sales|NONE|ABANDON|1|2|16",
    ]


def test_transfers_end_the_part_of_the_agent(logged: Logged) -> None:
    """To a queue at once; the talk of the transferring agent is over with it."""
    desk = logged.desk
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    logged.lines()
    desk.wait(5)
    desk.feed(ev.TransferAsked(channel=desk.last(act.Dial).channel, target="600"))
    assert logged.lines()[:2] == [
        "1005|CALL|sales|Agent/ann|BLINDTRANSFER|600|callcore|0|5|1",
        "1005|CALL|sales|NONE|ENTERQUEUE||555|1",
    ]


def test_an_agent_who_hangs_up_and_pauses(logged: Logged) -> None:
    """Chosen while talking, told at once; all queues, then each."""
    desk = logged.desk
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    logged.lines()
    desk.feed(ev.AgentPaused(agent="ann", reason="lunch|\nbreak"))
    assert logged.lines() == [
        "1000|NONE|NONE|Agent/ann|PAUSEALL|lunch__break",
        "1000|NONE|sales|Agent/ann|PAUSE|lunch__break",
    ]
    desk.wait(3)
    desk.hang_up(desk.last(act.Dial).channel)
    assert logged.lines() == ["1003|CALL|sales|Agent/ann|COMPLETEAGENT|0|3|1"]
    desk.wait(20)
    desk.feed(ev.AgentReady(agent="ann"))
    desk.feed(ev.AgentLogout(agent="ann"))
    assert logged.lines() == [
        "1023|NONE|NONE|Agent/ann|UNPAUSEALL|",
        "1023|NONE|sales|Agent/ann|UNPAUSE|",
        "1023|NONE|NONE|Agent/ann|AGENTLOGOFF|PJSIP/p1|23",
    ]


def test_turned_away_timed_out_and_taken_out() -> None:
    """A full queue leaves no ENTERQUEUE; a time-out and an operator leave theirs."""
    small = Queue(id="sales", members=(Member(agent="ann"),), max_size=1, max_wait_seconds=30)
    other = Queue(id="other")
    logged = Logged(Desk(site(queues={"sales": small, "other": other})))
    desk = logged.desk
    desk.arrive()
    desk.arrive(channel="x2")
    assert logged.lines() == [
        "1000|CALL|sales|NONE|ENTERQUEUE||555|1",
        "1000|CALL|sales|NONE|FULL|",
    ]
    desk.wait(30)
    assert logged.lines() == ["1030|CALL|sales|NONE|EXITWITHTIMEOUT|1|1|30"]
    call = desk.arrive(channel="x3")
    desk.wait(2)
    desk.feed(ev.QueueLeaveAsked(call=call.id, queue="other"))
    assert logged.lines() == [
        "1030|CALL|sales|NONE|ENTERQUEUE||555|1",
        "1032|CALL|sales|NONE|WITHDRAW|1|1|2|left",
        "1032|CALL|other|NONE|ENTERQUEUE||555|1",
    ]


def test_an_agent_who_leaves_during_the_announcement() -> None:
    """AGENTDUMP, and the caller is in the queue again."""
    queue = Queue(id="sales", members=(Member(agent="ann"),), agent_announcement="text:en/{queue}")
    logged = Logged(Desk(site(queues={"sales": queue})))
    desk = logged.desk
    desk.login("ann")
    desk.arrive()
    dial = desk.last(act.Dial)
    desk.answer(dial)
    logged.lines()
    desk.feed(ev.LegFailed(channel=dial.channel, failure=LegFailure.FAILED))
    assert [text.split("|")[4] for text in logged.lines()][:2] == ["AGENTDUMP", "ENTERQUEUE"]
    desk.answer(desk.last(act.Dial))
    desk.hang_up("x1")
    assert logged.lines()[-1] == "1000|CALL|sales|Agent/ann|ABANDON|1|1|0"


def test_what_comes_from_outside_breaks_no_line(logged: Logged) -> None:
    """Bars, line ends and other controls of a caller's number become underscores."""
    logged.desk.arrive(caller="1|2\n3\r\u2028\x00" + "9" * 200)
    (text,) = logged.lines()
    assert text == "1000|CALL|sales|NONE|ENTERQUEUE||1_2_3___" + "9" * 72 + "|1"
    assert line(1.5, "", "", "", "QUEUESTART") == "1|NONE|NONE|NONE|QUEUESTART|"


def test_a_restart_goes_on_with_who_is_there(logged: Logged) -> None:
    """A new log that resumes from the state ends what the old one began."""
    desk = logged.desk
    desk.arrive()
    desk.answer(desk.last(act.Dial))
    desk.arrive(channel="x2", caller="556")
    desk.wait(7)
    logged.lines()
    logged.log = QueueLog(lambda agent: ["sales"])
    logged.log.resume(desk.switch.state, {"ann": "ready"})
    desk.hang_up("x2")
    desk.hang_up("x1")
    desk.feed(ev.AgentLogout(agent="ann"))
    assert logged.lines() == [
        "1007|CALL|sales|NONE|ABANDON|1|1|7",
        "1007|CALL|sales|Agent/ann|COMPLETECALLER|0|7|1",
        "1007|NONE|NONE|Agent/ann|AGENTLOGOFF|PJSIP/p1|7",
    ]


def test_the_phone_of_a_session_is_its_channel() -> None:
    """Hot-desking: the login names the phone sat at."""
    phones = {name: Phone(id=name) for name in ("p1", "p2", "p3")}
    logged = Logged(Desk(site(phones=phones)))
    logged.desk.feed(ev.AgentLogin(agent="ann", phone="p3", ready=False))
    assert [text.split("|")[4:] for text in logged.lines()][:2] == [
        ["AGENTLOGIN", "PJSIP/p3"],
        ["PAUSEALL", "login"],
    ]


@pytest.mark.parametrize(
    ("reason", "at_the_door", "later"),
    [
        ("queue_full", ["FULL"], "EXITWITHTIMEOUT"),
        ("closed", ["CLOSED"], "EXITWITHTIMEOUT"),
        ("unstaffed", ["JOINEMPTY"], "EXITWITHTIMEOUT"),
        ("left_unstaffed", ["ENTERQUEUE", "EXITEMPTY"], "EXITEMPTY"),
        ("estimated_wait", ["DIVERT_HOLDTIME"], "EXITWITHTIMEOUT"),
        ("max_wait", ["ENTERQUEUE", "EXITWITHTIMEOUT"], "EXITWITHTIMEOUT"),
        ("no_such_queue", [], "EXITEMPTY"),
    ],
)
def test_reasons_of_overflow(reason: str, at_the_door: list[str], later: str) -> None:
    """Told in the moment of entering, nobody entered; told later, somebody leaves."""

    def note(number: int, at: float, name: str, **details: str) -> act.WriteEvent:
        event = CallEvent(call="c1", sequence=number, at=at, name=name, details=details)
        return act.WriteEvent(call="c1", event=event)

    queued = note(1, 5.0, "queued", queue="sales", caller="555")
    log = QueueLog(lambda agent: ())
    found = log.lines([queued, note(2, 5.0, "overflowed", queue="sales", reason=reason)])
    assert [check_line(text)[3] for text in found] == at_the_door
    log.lines([queued])
    (text,) = log.lines([note(2, 65.0, "overflowed", queue="sales", reason=reason)])
    assert check_line(text)[3] == later
    assert text.endswith("|1|1|60")


def test_a_key_that_leaves_the_queue() -> None:
    """EXITWITHKEY where the note of leaving names one."""
    log = QueueLog(lambda agent: ())
    queued = CallEvent(call="c1", sequence=1, at=5.0, name="queued", details={"queue": "sales"})
    left = CallEvent(call="c1", sequence=2, at=9.0, name="left_queue", details={"key": "2"})
    log.lines([act.WriteEvent(call="c1", event=queued)])
    assert log.lines([act.WriteEvent(call="c1", event=left)]) == [
        "9|c1|sales|NONE|EXITWITHKEY|2|1|1|4"
    ]
