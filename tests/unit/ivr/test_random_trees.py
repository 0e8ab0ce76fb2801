"""Whatever tree the loader accepts and whatever happens: nothing raises, nothing hangs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcore.ivr import runner
from callcore.ivr.actions import Ask, End, EnterQueue, Hush, PickUp, Say, TakeMessage, TransferTo
from callcore.ivr.loader import check_trees
from callcore.ivr.state import Facts, RunState, Wait
from callcore.ivr.tree import Trees

NODES = st.sampled_from(["a", "b", "c", "d", "e"])
VARIABLES = st.sampled_from(["one", "two", "language", "never"])
WORDS = st.sampled_from(["x", "{one}", "{two} {caller_number}", "{never}", "5", "2026-01-01", "zh"])
PART = st.one_of(
    st.sampled_from(["welcome", "beep"]),
    st.builds(lambda words: {"text": words}, WORDS),
    st.builds(
        lambda kind, words: {"say": {kind: words}},
        st.sampled_from(["number", "digits", "date", "time"]),
        WORDS,
    ),
)
PLAY = st.lists(PART, max_size=2)
KEYS = st.dictionaries(st.sampled_from(["1", "12", "2", "*", "#1"]), NODES, min_size=1)
ASKING = {
    "play": PLAY,
    "barge_in": st.booleans(),
    "type_ahead": st.booleans(),
    "retries": st.integers(0, 2),
    "failed": NODES,
    "timed_out": NODES,
}
CONDITION = st.one_of(
    st.just({"caller": "1X!"}),
    st.builds(lambda name: {"variable": name, "above": 1}, VARIABLES),
    st.just({"open": "office"}),
)


def node(step: str, needed: dict[str, Any], others: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"step": st.just(step), **needed}, optional=others)


NODE = st.one_of(
    node("prompt", {"play": st.lists(PART, min_size=1, max_size=2), "next": NODES},
         {"barge_in": st.booleans(), "language": st.sampled_from(["zh", "de"])}),
    node("menu", {"keys": KEYS}, ASKING),
    node("gather", {"into": st.sampled_from(["one", "two"]), "next": NODES},
         {**ASKING, "min": st.integers(0, 3), "max": st.integers(1, 4), "luhn": st.booleans(),
          "terminator": st.sampled_from(["#", "*"]), "pattern": st.just("[1-9]*")}),
    node("branch", {"cases": st.lists(st.fixed_dictionaries({"when": CONDITION, "goto": NODES}),
                                      min_size=1, max_size=2), "otherwise": NODES}, {}),
    node("lookup", {"url": st.just("http://127.0.0.1/"), "next": NODES, "failed": NODES,
                    "into": st.dictionaries(VARIABLES, st.just("f"), max_size=2)},
         {"query": st.just({"n": "{one}"})}),
    node("set", {"values": st.dictionaries(VARIABLES, WORDS, max_size=2), "next": NODES}, {}),
    node("goto", {"next": NODES}, {}),
    node("enqueue", {"queue": st.just("sales")}, {"overflow": NODES}),
    node("transfer", {"agent": st.just("anna")}, {"failed": NODES}),
    node("record", {"next": NODES}, {"play": PLAY, "failed": NODES}),
    node("hangup", {}, {"play": PLAY}),
)  # fmt: skip

TREE = st.fixed_dictionaries(
    {
        "start": NODES,
        "nodes": st.fixed_dictionaries(dict.fromkeys("abcde", NODE)),
        "variables": st.just({"one": "1", "two": ""}),
        "hours": st.just({"office": {"zone": "UTC", "weekly": {"mon-sun": "08:00-20:00"}}}),
    },
    optional={"on_error": NODES, "language": st.just("en")},
)
EVENT = st.one_of(
    st.sampled_from("0123456789*#"),
    st.sampled_from(["said", "badly", "timer", "timer", "answer", "error", "overflow", "failed"]),
    st.sampled_from(["message", "silence", "gone"]),
)


def happen(state: RunState, trees: Trees, event: str, now: float) -> list[Any]:
    match event:
        case "said" | "badly":
            return runner.playback_ended(state, trees, event == "said", now)
        case "timer":
            return runner.timer(state, trees, now if state.deadline is None else state.deadline)
        case "answer":
            return runner.look_up_answered(state, trees, {"f": "\x1b7", "g": [1]}, "", now)
        case "error":
            return runner.look_up_answered(state, trees, {}, "boom", now)
        case "overflow":
            return runner.overflowed(state, trees, "full", now, "nowhere/x")
        case "failed":
            return runner.transfer_failed(state, trees, "busy", now)
        case "message" | "silence":
            return runner.message_ended(state, trees, "r", float(event == "message"), True, now)
        case "gone":
            trees.replace({})
            return []
    return runner.digit(state, trees, event, now)


def check(state: RunState, actions: list[Any], heard: bool) -> None:
    """The run waits for what it just asked for, or has ended; sound comes after the answer."""
    asked = {Say: Wait.PLAYBACK, Ask: Wait.LOOK_UP, TakeMessage: Wait.MESSAGE,
             EnterQueue: Wait.QUEUE, TransferTo: Wait.TRANSFER, End: Wait.ENDED}  # fmt: skip
    big = [action for action in actions if type(action) in asked]
    assert len([a for a in big if not isinstance(a, Say)]) <= 1
    if big:
        expected = asked[type(big[-1])]
        assert state.wait in (expected, Wait.DIGITS)
    needs_clock = (Wait.PLAYBACK, Wait.DIGITS, Wait.LOOK_UP, Wait.MESSAGE)
    assert (state.deadline is not None) == (state.wait in needs_clock)
    kinds = [type(action) for action in actions]
    assert kinds.count(PickUp) <= (0 if heard else 1)
    # A second sound starts only after the first was hushed.
    assert kinds.count(Say) <= 1 + kinds.count(Hush)
    assert len(actions) < 80


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(TREE, st.lists(EVENT, max_size=25))
def test_any_tree_any_events(tree: dict[str, Any], events: list[str]) -> None:
    """After every event the run waits for something that will come, or it has ended."""
    checked = check_trees({"random.yaml": json.dumps(tree)})
    if checked.errors:
        return
    trees = Trees()
    trees.replace(checked.trees)
    state, actions = runner.start(trees, "random", Facts(caller_number="12"), 1000.0)
    check(state, actions, heard=False)
    for count, event in enumerate(events):
        heard, ended = state.picked_up, state.ended
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=RunState)
        actions = happen(state, trees, event, 1000.0 + count)
        check(state, actions, heard)
        assert not (ended and actions)
