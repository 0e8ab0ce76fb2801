"""Walks callers through trees: each function takes what happened and returns what to do.

A run-time surprise never raises: it is noted and the tree goes on at the step's `failed`, at the
tree's `on_error`, or the call ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from callcore.ivr.actions import AnyIvrAction
from callcore.ivr.entry import ACCEPTABLE, NOT_YET, masked
from callcore.ivr.fields import KEYS
from callcore.ivr.nodes import Gather
from callcore.ivr.render import clean
from callcore.ivr.state import Facts, RunState, Wait
from callcore.ivr.tree import Trees
from callcore.ivr.walk import Walk


def start(
    trees: Trees, target: str, facts: Facts, now: float
) -> tuple[RunState, list[AnyIvrAction]]:
    """Enter a tree (``tree`` or ``tree/node``)."""
    variables = {name: clean(value) for name, value in facts.variables.items()}
    variables["caller_number"] = clean(facts.caller_number)
    variables["caller_name"] = clean(facts.caller_name)
    variables["dialled"] = clean(facts.dialled)
    variables["language"] = facts.language
    state = RunState(language=facts.language, variables=variables, picked_up=facts.answered)
    return state, enter(state, trees, target, now)


def enter(state: RunState, trees: Trees, target: str, now: float) -> list[AnyIvrAction]:
    """Go on at ``tree`` or ``tree/node``, whatever the run waited for."""
    return Walk(state, trees, now).go(target if "/" in target else target + "/")


def digit(state: RunState, trees: Trees, key: str, now: float) -> list[AnyIvrAction]:
    """The caller pressed a key (or, in a replay, one that `masked_key` hid)."""
    hidden = key in (ACCEPTABLE, NOT_YET) and _secret_gather(state, trees) is not None
    if len(key) != 1 or not (key in KEYS or hidden):
        return []
    return Walk(state, trees, now).resume(lambda walk: walk.key(key))


def playback_ended(state: RunState, trees: Trees, ok: bool, now: float) -> list[AnyIvrAction]:
    """What was being said is over, or could not be said."""
    if state.wait is not Wait.PLAYBACK:
        return []
    return Walk(state, trees, now).resume(lambda walk: walk.said(ok))


def look_up_answered(
    state: RunState, trees: Trees, values: Mapping[str, object], error: str, now: float
) -> list[AnyIvrAction]:
    """The look-up returned values, or failed."""
    if state.wait is not Wait.LOOK_UP:
        return []
    return Walk(state, trees, now).resume(lambda walk: walk.looked_up(values, error))


def message_ended(
    state: RunState, trees: Trees, recording: str, seconds: float, ok: bool, now: float
) -> list[AnyIvrAction]:
    """A message is complete; without a second of it there is none."""
    if state.wait is not Wait.MESSAGE:
        return []
    return Walk(state, trees, now).resume(lambda walk: walk.message(recording, seconds, ok))


def overflowed(
    state: RunState,
    trees: Trees,
    reason: str,
    now: float,
    fallback: str = "",
    *,
    to: str = "",
) -> list[AnyIvrAction]:
    """The queue gave the caller back; the run goes on at `to` (``tree`` or ``tree/node``), else at
    the step's overflow node, else at `fallback`, the queue's own of that form."""
    if state.wait is not Wait.QUEUE:
        return []
    state.variables["overflow_reason"] = clean(reason)
    if to:
        return enter(state, trees, to, now)
    target = fallback if not fallback or "/" in fallback else fallback + "/"
    return Walk(state, trees, now).resume(lambda walk: walk.left_queue(target))


def transfer_failed(state: RunState, trees: Trees, reason: str, now: float) -> list[AnyIvrAction]:
    """Nobody answered the transfer."""
    if state.wait is not Wait.TRANSFER:
        return []
    state.variables["transfer_reason"] = clean(reason)
    return Walk(state, trees, now).resume(lambda walk: walk.failed("transfer failed"))


def timer(state: RunState, trees: Trees, now: float) -> list[AnyIvrAction]:
    """`state.deadline` has come."""
    if state.deadline is None or now < state.deadline:
        return []
    state.deadline = None
    return Walk(state, trees, now).resume(lambda walk: walk.timed_out())


def secret_entry(state: RunState, trees: Trees) -> bool:
    """Keys pressed now belong to a secret entry: no log, record or event list may show them."""
    return _secret_gather(state, trees) is not None


def masked_key(state: RunState, trees: Trees, key: str) -> str:
    """What the journal may hold of a key pressed now: the key, or a letter in a secret entry.

    The letter says only whether the entry would be acceptable so far, which is what a replay
    needs to walk the same way; the digits themselves live in memory alone.
    """
    step = _secret_gather(state, trees)
    if step is None or key not in KEYS or key == step.terminator:
        return key
    return masked(step, state.typed(), key)


def _secret_gather(state: RunState, trees: Trees) -> Gather | None:
    """The secret entry the caller is at, if that is where the next key goes."""
    tree = trees.get(state.tree, state.version)
    step = tree.nodes.get(state.node) if tree is not None else None
    if not isinstance(step, Gather) or not step.secret:
        return None
    return step if state.wait in (Wait.PLAYBACK, Wait.DIGITS) else None
