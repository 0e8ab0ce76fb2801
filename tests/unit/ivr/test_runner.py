"""The runner, driven by tables: what happens to a caller, and what the tree asks for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callcore.ivr import runner
from callcore.ivr.actions import (
    AnyIvrAction,
    Ask,
    End,
    EnterQueue,
    Hush,
    Note,
    PickUp,
    Say,
    TakeMessage,
    TransferTo,
)
from callcore.ivr.loader import load_trees
from callcore.ivr.state import Facts, RunState
from callcore.ivr.tree import Trees

GOOD = Path(__file__).parents[2] / "data" / "ivr" / "good"
#: Friday 20 November 2026, 12:00 in Berlin; Saturday; 1 January 2027, a holiday.
FRIDAY, SATURDAY, NEW_YEAR = 1795172400.0, 1795258800.0, 1798801200.0


def shelf() -> Trees:
    trees = Trees()
    trees.replace(load_trees({p.name: p.read_text() for p in sorted(GOOD.glob("*.yaml"))}))
    return trees


def shown(action: AnyIvrAction) -> str:
    """An action in a few words."""
    match action:
        case PickUp():
            return "pick up"
        case Say():
            return "say " + " ".join(m.removeprefix("prompt:") for m in action.media)
        case Hush():
            return "hush"
        case Ask():
            return f"ask {action.query}"
        case TakeMessage():
            return f"record {action.mailbox} {action.max_seconds:g}"
        case EnterQueue():
            return f"queue {action.queue} {action.priority} {action.skills}"
        case TransferTo():
            return f"transfer {action.target} {action.ring_seconds:g}"
        case End():
            return f"end {action.reason}"
        case Note():
            return f"note {action.text}"


def happen(state: RunState, trees: Trees, event: str, now: float) -> list[AnyIvrAction]:
    """Feed one event of a table."""
    word, _, rest = event.partition(" ")
    match word:
        case "key":
            return runner.digit(state, trees, rest, now)
        case "said":
            return runner.playback_ended(state, trees, rest != "badly", now)
        case "timer":
            assert state.deadline is not None
            return runner.timer(state, trees, state.deadline)
        case "answer":
            values = dict(pair.split("=") for pair in rest.split())
            return runner.look_up_answered(state, trees, values, "", now)
        case "error":
            return runner.look_up_answered(state, trees, {}, rest, now)
        case "overflow":
            reason, _, fallback = rest.partition(" ")
            return runner.overflowed(state, trees, reason, now, fallback)
        case "transfer-failed":
            return runner.transfer_failed(state, trees, rest, now)
        case "message":
            seconds = float(rest)
            return runner.message_ended(state, trees, "rec-1", seconds, seconds >= 0, now)
    raise AssertionError(event)


MENU = "say en/main-menu"
FIXED = "say en/closed"
SALES = "queue sales 3 {'english': 2}"
PIN = "say en/login-pin"
CARD = "say en/please-wait"
MESSAGE = "say en/leave-message"
BERLIN = Facts(caller_number="+4930555", dialled="5000", answered=True)
OTHER = Facts(caller_number="+33155", dialled="5000", answered=True)
ASK = "ask {'number': '+33155'}"
NO_OVERFLOW = "note menu/sales: the queue gave up and no overflow is set"

Row = tuple[str, str, float, Facts, list[str], list[tuple[str, list[str]]]]
HERE = Facts(answered=True)
TABLE: list[Row] = [
    (
        "the channel is picked up once, before the first sound",
        "menu", 0, Facts(), ["pick up", MENU],
        [("key 4", ["hush", FIXED])],
    ),
    (
        "barge-in stops the prompt and counts the key; two-digit keys wait for the second",
        "menu", 0, HERE, [MENU],
        [("key 2", ["hush"]), ("key 1", [FIXED])],
    ),
    (
        "a key that could be longer is taken after the inter-digit time",
        "menu", 0, HERE, [MENU],
        [("said", []), ("key 2", []), ("timer", ["say en/enter-customer-number"])],
    ),
    (
        "a wrong key is told and asked again; the last one leaves by failed",
        "menu", 0, HERE, [MENU],
        [
            ("key 9", ["hush", "say en/invalid en/main-menu"]),
            ("key 8", ["hush", "note menu/main: wrong keys", "say en/goodbye"]),
            ("said", ["end busy"]),
        ],
    ),
    (
        "silence is told, then leaves by timed_out",
        "menu", 0, HERE, [MENU],
        [
            ("said", []),
            ("timer", ["say en/no-input en/main-menu"]),
            ("said", []),
            ("timer", ["end normal"]),
        ],
    ),
    (
        "a prompt that cannot be played does not stop the menu",
        "menu", 0, HERE, [MENU],
        [("said badly", ["note menu/main: not everything could be played"]), ("key 1", [SALES])],
    ),
    (
        "without barge-in keys wait for the end of the prompt",
        "menu", 0, HERE, [MENU],
        [("key 4", ["hush", FIXED]), ("key 1", []), ("said", [SALES])],
    ),
    (
        "keys typed ahead answer the next menu without its prompt, over a prompt in between",
        "menu", 0, HERE, [MENU],
        [
            ("key 2", ["hush"]),
            ("timer", ["say en/enter-customer-number"]),
            ("key 4", ["hush"]),
            ("key 7", []),
            ("key #", ["say en/your-number-is en/digit-4 en/digit-7"]),
            ("key 1", []),
            ("said", [FIXED]),
            ("said", [SALES]),
        ],
    ),
    (
        "a menu without type-ahead forgets what was pressed before",
        "menu", 0, HERE, [MENU],
        [("key 5", ["hush", FIXED]), ("said", []), ("key 1", [SALES])],
    ),
    (
        "a key cuts a prompt with barge-in short and is kept for the menu",
        "menu", 0, HERE, [MENU],
        [
            ("key 3", ["hush", FIXED]),
            ("key 1", ["hush", FIXED]),
            ("said", [SALES]),
        ],
    ),
    (
        "the terminator after a full entry does not reach the next menu",
        "menu", 0, HERE, [MENU],
        [
            ("key 2", ["hush"]),
            ("timer", ["say en/enter-customer-number"]),
            ("key 1", ["hush"]), ("key 2", []), ("key 3", []),
            ("key 4", ["say en/your-number-is en/digit-1 en/digit-2 en/digit-3 en/digit-4"]),
            ("key #", []),
            ("said", [FIXED]),
            ("said", []),
            ("key #", ["say en/goodbye"]),
        ],
    ),
    (
        "a queue that gives up, with no overflow anywhere, ends the call with a note",
        "menu", 0, HERE, [MENU],
        [("key 1", ["hush", SALES]), ("overflow max_wait", [NO_OVERFLOW, "end normal"])],
    ),
    (
        "a queue's own overflow node is used where the tree has none",
        "menu", 0, HERE, [MENU],
        [("key 1", ["hush", SALES]), ("overflow max_wait office/message", [MESSAGE])],
    ),
    (
        "answers nobody waits for, and keys that are none, are ignored",
        "menu", 0, HERE, [MENU],
        [
            ("answer a=b", []), ("message 3", []), ("overflow full", []),
            ("transfer-failed busy", []), ("key x", []), ("key 12", []), ("key ", []),
        ],
    ),
    (
        "a wrong check digit is asked again; a valid card goes on",
        "gather", 0, HERE, [CARD],
        [
            ("key 1", ["hush"]), ("key 2", []), ("key 3", []), ("key 4", []),
            ("key #", ["say en/invalid en/please-wait"]),
            ("said", []),
            ("key 1", []), ("key 2", []), ("key 3", []), ("key 0", []),
            ("timer", [PIN]),
        ],
    ),
    (
        "too few digits count as a try",
        "gather", 0, HERE, [CARD],
        [
            ("key 1", ["hush"]),
            ("timer", ["say en/invalid en/please-wait"]),
            ("said", []),
            ("timer", ["end normal"]),
        ],
    ),
    (
        "without a way out of its own a gather fails to on_error",
        "gather/pin", 0, HERE, [PIN],
        [
            ("key 0", ["hush"]), ("key 1", []), ("key 2", []),
            ("key 3", ["note gather/pin: wrong keys", "say en/trouble"]),
        ],
    ),
    (
        "a missing variable is a surprise that goes to the step's failed",
        "gather/check", 0, Facts(variables={"pin": "1"}), [
            "note gather/check: variable card has no value",
            "pick up",
        ],
        [("key 5", []), ("key *", ["end normal"])],
    ),
    (
        "a look-up answers variables; control characters do not survive",
        "gather/check", 0, Facts(variables={"card": "1", "pin": "2"}, answered=True),
        ["ask {'card': '1', 'pin': '2'}"],
        [("answer name=A\x1b[2J\x00b", ["say text:en/Hello A [2J b"])],
    ),
    (
        "an answer without the field goes to failed",
        "gather/check", 0, Facts(variables={"card": "1", "pin": "2"}, answered=True),
        ["ask {'card': '1', 'pin': '2'}"],
        [("answer nme=Anna", ["note gather/check: look-up failed: no usable name in the answer"])],
    ),
    (
        "a holiday goes to another tree in Chinese, and back",
        "office", NEW_YEAR, BERLIN, ["say zh/welcome"],
        [("said", ["say zh/leave-message"]), ("said", ["record office 60"])],
    ),
    (
        "a caller from here is put through to an agent, then to a number, then given up",
        "office", FRIDAY, BERLIN, ["transfer agent:anna 10"],
        [
            ("transfer-failed no_answer",
             ["note office/vip: transfer failed", "transfer number:+4930123456 30"]),
            ("transfer-failed busy", ["note office/number: transfer failed", "say en/trouble"]),
            ("said", ["end normal"]),
        ],
    ),
    (
        "a look-up decides the queue; overflow goes to voicemail",
        "office", FRIDAY, OTHER, [ASK],
        [
            ("answer level=gold balance=12", ["queue sales 10 {}"]),
            ("overflow queue_full", [MESSAGE]),
            ("said", ["record office 60"]),
            ("message 3.5", ["say text:zh/再见"]),
            ("said", ["end normal"]),
        ],
    ),
    (
        "a failed look-up goes on with the fallback values where no failed is set",
        "office", FRIDAY, OTHER, [ASK],
        [("error time-out", ["note office/ask: look-up failed: time-out", "queue sales 0 {}"])],
    ),
    (
        "a look-up that never answers is given up by the clock",
        "office", FRIDAY, OTHER, [ASK],
        [("timer", ["note office/ask: look-up failed: no answer", "queue sales 0 {}"])],
    ),
    (
        "parts are said in order: number, beep, file",
        "office", FRIDAY, OTHER, [ASK],
        [("answer balance=-31", ["say en/minus en/num-30 en/num-1 beep file:own/debt.wav"])],
    ),
    (
        "garbage from a look-up cannot be said: on_error",
        "office/balance", FRIDAY, Facts(variables={"balance": "lots"}, answered=True),
        ["note office/balance: cannot say number {balance}: expected a number", "say en/trouble"],
        [],
    ),
    (
        "an empty message goes to failed",
        "office", SATURDAY, OTHER, [MESSAGE],
        [
            ("said", ["record office 60"]),
            ("message 0", ["note office/message: no message was left", "end normal"]),
        ],
    ),
    (
        "a message that never ends is given up by the clock",
        "office", SATURDAY, OTHER, [MESSAGE],
        [
            ("key 1", []),
            ("said", ["record office 60"]),
            ("timer", ["note office/message: no message was left", "end normal"]),
        ],
    ),
    (
        "a playback that never ends is given up by the clock",
        "office", SATURDAY, OTHER, [MESSAGE],
        [("timer", ["hush", "note office/message: not everything could be played",
                    "record office 60"])],
    ),
    (
        "an unknown tree ends the call with a note",
        "nowhere", 0, HERE, ["note /: there is no tree nowhere", "end normal"],
        [("key 1", []), ("said", [])],
    ),
    (
        "an unknown node ends the call with a note",
        "menu/nowhere", 0, HERE, ["note /: there is no node menu/nowhere", "end normal"],
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_table(row: Row) -> None:
    """Each row's sentence holds, and so it does when the state is saved after every event."""
    _, tree, now, facts, first, events = row
    trees = shelf()
    state, actions = runner.start(trees, tree, facts, now)
    assert [shown(a) for a in actions] == first
    for second, (event, expected) in enumerate(events, 1):
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RunState)
        trees = msgspec.msgpack.decode(msgspec.msgpack.encode(trees), type=Trees)
        actions = happen(state, trees, event, now + second / 10)
        assert [shown(a) for a in actions] == expected, event


def test_a_timer_too_early_does_nothing() -> None:
    """The dispatcher may call before the deadline."""
    trees = shelf()
    state, _ = runner.start(trees, "menu", HERE, 0.0)
    runner.playback_ended(state, trees, True, 1.0)
    assert state.deadline == 6.0
    assert runner.timer(state, trees, 5.9) == []
    assert state.deadline == 6.0


def test_secret_digits_are_seen_nowhere() -> None:
    """They reach the look-up, and no field, representation, variable or encoded state."""
    trees = shelf()
    state, _ = runner.start(trees, "gather/pin", Facts(variables={"card": "1230"}), 0.0)
    seen = []
    for key in "4971":
        assert runner.secret_entry(state, trees)
        actions = runner.digit(state, trees, key, 1.0)
        seen.append(repr(state) + repr(actions) + msgspec.json.encode(state).decode())
    assert not runner.secret_entry(state, trees)
    (ask,) = actions
    assert isinstance(ask, Ask)
    assert (ask.query["pin"], ask.secret) == ("4971", True)
    assert state.public_variables()["pin"] == "****"
    assert "497" not in "".join(seen)


KEYS_OF_A_PIN = ["1234", "0234", "12#", "0#", "12 3456", "4971#", "9999 1", "#1234"]


@pytest.mark.parametrize("keys", KEYS_OF_A_PIN)
def test_a_replay_of_masked_keys_walks_the_same_way(keys: str) -> None:
    """What the journal holds leads to the same state as the true keys, digits aside; a blank in
    the keys stands for the end of the inter-digit time."""
    trees = shelf()
    live, _ = runner.start(trees, "gather/pin", Facts(variables={"card": "1230"}), 0.0)
    replayed, _ = runner.start(trees, "gather/pin", Facts(variables={"card": "1230"}), 0.0)
    for count, key in enumerate(keys):
        now = 1.0 + count
        if key == " ":
            runner.timer(live, trees, now + 100)
            runner.timer(replayed, trees, now + 100)
            continue
        hidden = runner.masked_key(live, trees, key)
        secret = runner.secret_entry(live, trees)
        assert (hidden == key) == (key == "#" or not secret)
        runner.digit(live, trees, key, now)
        runner.digit(replayed, trees, hidden, now)
        assert msgspec.json.encode(replayed) == msgspec.json.encode(live)


def test_lost_digits() -> None:
    """After a restart secret digits are gone: an entry is asked again or failed, a look-up gets
    the mask; nothing old is taken for new."""
    trees = shelf()
    state, _ = runner.start(trees, "gather/pin", Facts(variables={"card": "1230"}), 0.0)
    for key in "497":
        runner.digit(state, trees, key, 1.0)
    lost = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RunState)
    actions = runner.digit(lost, trees, "1", 2.0)
    assert [shown(a) for a in actions] == ["note gather/pin: wrong keys", "say en/trouble"]
    runner.digit(state, trees, "1", 2.0)
    lost = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RunState)
    actions = runner.enter(lost, trees, "gather/check", 3.0)
    assert [shown(a) for a in actions] == ["ask {'card': '1230', 'pin': '****'}"]


def test_a_running_call_keeps_its_version() -> None:
    """A changed tree is for new calls; a version no longer kept ends its calls cleanly."""
    trees = shelf()
    state, _ = runner.start(trees, "menu", HERE, 0.0)
    changed = (GOOD / "menu.yaml").read_text().replace("queue: sales", "queue: support")
    trees.replace(load_trees({"menu.yaml": changed}))
    trees.prune([(state.tree, state.version)])
    new, _ = runner.start(trees, "menu", HERE, 0.0)
    assert "queue support" in shown(runner.digit(new, trees, "1", 1.0)[1])
    other = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RunState)
    assert "queue sales" in shown(runner.digit(state, trees, "1", 1.0)[1])
    trees.prune([])
    assert [shown(a) for a in runner.digit(other, trees, "1", 1.0)][-1] == "end normal"


def test_callers_data_is_cut_and_stripped() -> None:
    """A bogus caller id of 5 kB with control characters is data of limited size."""
    bogus = "${SHELL(x)}\"'\r\n\x00{dialled}" + "9" * 5000
    trees = shelf()
    state, actions = runner.start(trees, "office", Facts(caller_number=bogus), FRIDAY)
    assert isinstance(actions[0], Ask)
    sent = actions[0].query["number"]
    assert sent.startswith("${SHELL(x)}\"'")
    assert "{dialled}" in sent
    assert len(sent) <= 200
    assert sent.isprintable()
    assert state.variables["caller_number"] == sent


def test_a_loop_that_only_shows_at_run_time_ends() -> None:
    """Empty texts make a loop of prompts silent: the run notes it and ends, it does not hang."""
    text = """
start: a
variables: {nothing: ""}
nodes:
  a: {step: prompt, play: {text: "{nothing}"}, next: b}
  b: {step: prompt, play: {text: "{nothing}"}, next: a}
"""
    trees = Trees()
    trees.replace(load_trees({"silent.yaml": text}))
    state, actions = runner.start(trees, "silent", HERE, 0.0)
    assert state.ended
    assert [shown(a) for a in actions] == [
        "note silent/a: 50 steps without waiting for the caller",
        "end normal",
    ]


def test_language_of_a_look_up_must_be_one() -> None:
    """A look-up may set the caller's language, garbage is replaced by the fallback."""
    text = """
start: ask
nodes:
  ask: {step: lookup, url: "http://127.0.0.1/", into: {language: lang}, fallback: {language: zh},
        next: hello}
  hello: {step: prompt, play: welcome, next: ask}
"""
    trees = Trees()
    trees.replace(load_trees({"x.yaml": text}))
    for answer, expected in (("fr", "say fr/welcome"), ("../../x", "say zh/welcome")):
        state, _ = runner.start(trees, "x", HERE, 0.0)
        actions = runner.look_up_answered(state, trees, {"lang": answer}, "", 1.0)
        assert [shown(a) for a in actions] == [expected]


HOTLINE = [
    (
        "English, support, customer number, no look-up service: the support queue; overflow to "
        "voicemail",
        [
            ("key 1", ["hush", "say en/main-menu"]),
            ("key 2", ["hush", "say en/enter-customer-number"]),
            ("key 4", ["hush"]),
            ("key 7", []),
            ("key 1", []),
            ("key 1", []),
            ("key #", ["say en/your-number-is en/digit-4 en/digit-7 en/digit-1 en/digit-1"]),
            ("said", ["ask {'number': '4711', 'caller': '0151'}"]),
            (
                "error refused",
                ["note hotline/customer_lookup: look-up failed: refused", "queue support 0 {}"],
            ),
            ("overflow max_wait", ["say en/agents-busy"]),
            ("said", ["say en/leave-message"]),
            ("said", ["record hotline 120"]),
            ("message 4", ["say en/message-saved en/goodbye"]),
            ("said", ["end normal"]),
        ],
    ),
    (
        "Chinese, a wrong key, then sales",
        [
            ("key 2", ["hush", "say zh/main-menu"]),
            ("key 7", ["hush", "say zh/invalid zh/main-menu"]),
            ("key 1", ["hush", "queue sales 0 {}"]),
        ],
    ),
]


@pytest.mark.parametrize("row", HOTLINE, ids=[row[0] for row in HOTLINE])
def test_shipped_hotline(row: tuple[str, list[tuple[str, list[str]]]]) -> None:
    """The example tree does what its comments say."""
    trees = Trees()
    text = (GOOD.parents[3] / "ivr" / "hotline.yaml").read_text()
    trees.replace(load_trees({"hotline.yaml": text}))
    state, actions = runner.start(trees, "hotline", Facts(caller_number="0151"), FRIDAY)
    assert [shown(a) for a in actions] == [
        "pick up",
        "say en/welcome en/choose-language zh/choose-language",
    ]
    for event, expected in row[1]:
        assert [shown(a) for a in happen(state, trees, event, FRIDAY)] == expected, event


NEEDS = """
start: set
nodes:
  set: {step: set, values: {who: "{caller_name}", worth: "{dialled}", where: north}, next: in}
  in:
    step: enqueue
    queue: sales
    rule: english >= 3 and not group:trainees
    agent: "{who}"
    agent_seconds: 12
    value: "{worth}"
    site: "{where}"
"""


@pytest.mark.parametrize(
    ("name", "dialled", "agent", "value", "notes"),
    [
        ("anna", "0.75", "anna", 0.75, []),
        ("", "", "", 0.0, []),
        ("Anna B.", "7", "", 0.0, ["{who} holds no agent", "{worth} holds no value"]),
        ("{who}", "{worth}", "", 0.0, ["{who} holds no agent", "{worth} holds no value"]),
        ("anna", "nan", "anna", 0.0, ["{worth} holds no value"]),
    ],
)
def test_what_a_caller_needs_comes_from_variables(
    name: str, dialled: str, agent: str, value: float, notes: list[str]
) -> None:
    """A look-up may name the agent and the value; what is neither is noted and waited without."""
    trees = Trees()
    trees.replace(load_trees({"needs.yaml": NEEDS}))
    facts = Facts(caller_name=name, dialled=dialled, language="zh", answered=True)
    _, actions = runner.start(trees, "needs", facts, 0)
    assert [shown(a) for a in actions[:-1]] == [f"note needs/in: {note}" for note in notes]
    assert actions[-1] == EnterQueue(
        queue="sales",
        rule="english >= 3 and not group:trainees",
        language="zh",
        agent=agent,
        agent_seconds=12,
        value=value,
        site="north",
    )


def test_a_rule_of_the_queue_beats_the_overflow_node() -> None:
    """The run goes on where the rule leads, with its variables; the built-in voicemail as well."""
    for to, said in (("menu/main", "en/main-menu"), ("voicemail:sales", "en/leave-message")):
        trees = shelf()
        state, _ = runner.start(trees, "menu/sales", HERE, 0)
        actions = runner.overflowed(state, trees, "max_wait", 0, "menu", to=to)
        assert [shown(action) for action in actions] == [f"say {said}"]
        assert state.variables["overflow_reason"] == "max_wait"
