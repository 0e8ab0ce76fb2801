"""One event's worth of walking through a tree: nodes entered until the run waits or ends.

Methods that decide return where to go on, or None when the run waits for something or has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

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
from callcore.ivr.conditions import holds
from callcore.ivr.entry import Entry, entry_accepted, masked, menu_entry
from callcore.ivr.fields import CHECKS, Kind, is_variable, variables_in
from callcore.ivr.nodes import (
    AnyStep,
    Branch,
    Enqueue,
    Gather,
    Goto,
    Hangup,
    LookUp,
    Menu,
    Parts,
    Prompt,
    Record,
    Set,
    Transfer,
)
from callcore.ivr.render import MAX_VALUE, Surprise, clean, fill, media_of
from callcore.ivr.state import RunState, Wait
from callcore.ivr.tree import Tree, Trees

#: Nodes entered without the caller hearing or doing anything, and surprises, before a run ends.
MAX_STEPS = 50
MAX_SURPRISES = 10
MAX_AHEAD = 40
#: Answers the shell owes us; these deadlines only catch those that never come.
PLAYBACK_LIMIT = 900.0
LOOK_UP_GRACE = 2.0
MESSAGE_GRACE = 30.0

Actions = list[AnyIvrAction]


class Walk:
    """What one event sets in motion for one caller; `actions` gathers what is asked for."""

    def __init__(self, state: RunState, trees: Trees, now: float) -> None:
        self.state = state
        self.trees = trees
        self.now = now
        self.actions: Actions = []

    # --- walking -------------------------------------------------------------------------------

    def go(self, target: str | None) -> Actions:
        while target is not None:
            target = self._guarded(partial(self._enter, target))
        return self.actions

    def resume(self, decide: Callable[[Walk], str | None]) -> Actions:
        return self.go(self._guarded(lambda: decide(self)))

    def _guarded(self, decide: Callable[[], str | None]) -> str | None:
        try:
            return decide()
        except Surprise as surprise:
            self.state.surprises += 1
            self.state.steps = 0
            if self.state.surprises > MAX_SURPRISES:
                return self._end(f"{surprise}; too many surprises")
            return self.failed(str(surprise))

    def _enter(self, target: str) -> str | None:
        tree, node = self._find(target)
        state = self.state
        if not state.tree and tree.language:
            self._speak(tree.language)
        if tree.id != state.tree:
            state.variables = {**tree.variables, **state.variables}
        state.tree, state.version, state.node = tree.id, tree.version, node
        state.tries, state.deadline = 0, None
        state.clear_entry()
        state.steps += 1
        if state.steps > MAX_STEPS:
            raise Surprise(f"{MAX_STEPS} steps without waiting for the caller")
        step = tree.nodes[node]
        return _ENTER[type(step)](self, step)

    def _find(self, target: str) -> tuple[Tree, str]:
        """Tree and node of a reference; within a tree the caller's version counts."""
        name, slash, node = target.partition("/")
        tree = self.trees.latest(name) if slash else self._tree()
        if slash and name == self.state.tree:
            tree = self._tree() or tree
        node = node if slash else name
        for _ in range(MAX_STEPS):
            if tree is None:
                raise Surprise(f"there is no tree {name}")
            if node or "/" not in tree.start:
                break
            name, _, node = tree.start.partition("/")
            tree = self.trees.latest(name)
        if tree is None or (node or tree.start) not in tree.nodes:
            raise Surprise(f"there is no node {target}")
        return tree, node or tree.start

    def _tree(self) -> Tree | None:
        return self.trees.get(self.state.tree, self.state.version)

    def _step(self) -> AnyStep:
        tree = self._tree()
        step = tree.nodes.get(self.state.node) if tree is not None else None
        if step is None:
            raise Surprise(f"tree {self.state.tree} {self.state.version} is gone")
        return step

    def failed(self, reason: str) -> str | None:
        """The step's `failed`, the tree's `on_error`, or the end of the call."""
        tree = self._tree()
        step = tree.nodes.get(self.state.node) if tree is not None else None
        target: str = getattr(step, "failed", "")
        if not target and tree is not None and tree.on_error != self.state.node:
            target = tree.on_error
        if not target:
            return self._end(reason)
        self._note(reason)
        return target

    def _note(self, reason: str) -> None:
        self.actions.append(Note(text=f"{self.state.tree}/{self.state.node}: {reason}"))

    def _end(self, note: str = "", reason: str = "normal") -> str | None:
        if note:
            self._note(note)
        self.state.wait, self.state.deadline = Wait.ENDED, None
        self.actions.append(End(reason=reason))
        return None

    def _wait(self, wait: Wait, seconds: float | None) -> str | None:
        self.state.wait = wait
        self.state.deadline = None if seconds is None else self.now + seconds
        return None

    def _heard(self) -> None:
        """The caller heard or did something: no endless loop."""
        self.state.steps = 0

    # --- sound ---------------------------------------------------------------------------------

    def _pick_up(self) -> None:
        if not self.state.picked_up:
            self.state.picked_up = True
            self.actions.append(PickUp())

    def _say(self, step: AnyStep, parts: Parts) -> bool:
        """Start saying something; false: there is nothing to say."""
        media = media_of(parts, step.language or self.state.language, self.state.known())
        if not media:
            return False
        self._pick_up()
        self.actions.append(Say(media=media))
        self._wait(Wait.PLAYBACK, PLAYBACK_LIMIT)
        return True

    def said(self, ok: bool) -> str | None:
        if ok:
            self._heard()
        else:
            self._note("not everything could be played")
        return self._after_sound(self._step())

    def _after_sound(self, step: AnyStep) -> str | None:
        if isinstance(step, Menu | Gather):
            return self._listen(step)
        if isinstance(step, Record):
            return self._take_message(step)
        if isinstance(step, Hangup):
            return self._end(reason=step.reason.value)
        if isinstance(step, Prompt):
            return step.next
        raise Surprise("sound ended where none was")

    def _speak(self, language: str) -> None:
        if CHECKS[Kind.LANGUAGE](language) or not language:
            raise Surprise("no such language")
        self.state.language = self.state.variables["language"] = language

    # --- digits --------------------------------------------------------------------------------

    def key(self, key: str) -> str | None:
        state = self.state
        dropped = key == state.dropped_key and self.now < state.dropped_until
        state.dropped_key = ""
        if dropped:
            return None
        self._heard()
        if state.wait is Wait.DIGITS:
            step = self._step()
            return self._collect(step, key) if isinstance(step, Menu | Gather) else None
        if state.wait is Wait.PLAYBACK:
            return self._key_during_sound(self._step(), key)
        if state.wait is Wait.LOOK_UP:
            self._type_ahead(key)
        return None

    def _key_during_sound(self, step: AnyStep, key: str) -> str | None:
        barge_in = isinstance(step, Prompt | Menu | Gather) and step.barge_in
        if barge_in or not _secret(step):
            self._type_ahead(key)
        if not barge_in:
            return None
        self.actions.append(Hush())
        return self._after_sound(step)

    def _type_ahead(self, key: str) -> None:
        if len(self.state.ahead) < MAX_AHEAD:
            self.state.ahead += key

    def _listen(self, step: Menu | Gather) -> str | None:
        """Take what was typed ahead, then wait for keys."""
        self._pick_up()
        self._wait(Wait.DIGITS, step.timeout)
        while self.state.ahead and self.state.wait is Wait.DIGITS:
            key, self.state.ahead = self.state.ahead[0], self.state.ahead[1:]
            target = self._collect(step, key)
            if target is not None:
                return target
        return None

    def _collect(self, step: Menu | Gather, key: str) -> str | None:
        state = self.state
        if isinstance(step, Gather):
            return self._collect_gather(step, key)
        state.digits += key
        entry = menu_entry(step, state.digits)
        if entry is Entry.COMPLETE:
            return step.keys[state.digits]
        if entry is Entry.WRONG:
            return self._again(step, step.invalid_play, late=False)
        return self._wait(Wait.DIGITS, step.digit_timeout)

    def _collect_gather(self, step: Gather, key: str) -> str | None:
        state = self.state
        if step.terminator and key == step.terminator:
            return self._store(step)
        if step.secret:
            state.type_secret(key, masked(step, state.typed(), key))
        else:
            state.digits += key
        if len(state.digits) >= step.max:
            self._drop_terminator(step)
            return self._store(step)
        return self._wait(Wait.DIGITS, step.digit_timeout)

    def _drop_terminator(self, step: Gather) -> None:
        """Many press it after a full entry too; it must not reach the next menu."""
        state = self.state
        if step.terminator and state.ahead.startswith(step.terminator):
            state.ahead = state.ahead[1:]
        elif step.terminator and not state.ahead:
            state.dropped_key = step.terminator
            state.dropped_until = self.now + step.digit_timeout

    def _store(self, step: Gather) -> str | None:
        state = self.state
        if not entry_accepted(step, state.digits):
            return self._again(step, step.invalid_play, late=False)
        if step.secret:
            state.keep_secret(step.into)
        else:
            state.keep(step.into, state.digits)
        state.clear_entry()
        return step.next

    def _again(self, step: Menu | Gather, apology: Parts, late: bool) -> str | None:
        """Another try, or the way out when all are used up."""
        state = self.state
        state.tries += 1
        state.ahead = ""
        state.clear_entry()
        if state.tries > step.retries:
            reason = "no key pressed" if late else "wrong keys"
            return step.timed_out if late and step.timed_out else self.failed(reason)
        return self._ask_again(step, apology)

    def _ask_again(self, step: Menu | Gather, apology: Parts) -> str | None:
        if self._say(step, apology + step.play):
            return None
        return self._listen(step)

    # --- answers -------------------------------------------------------------------------------

    def timed_out(self) -> str | None:
        state = self.state
        step = self._step()
        if state.wait is Wait.PLAYBACK:
            self.actions.append(Hush())
            return self.said(ok=False)
        if state.wait is Wait.LOOK_UP:
            return self.looked_up({}, "no answer")
        if state.wait is Wait.MESSAGE:
            return self.message("", 0.0, ok=False)
        if state.wait is Wait.DIGITS and isinstance(step, Menu | Gather):
            return self._no_more_digits(step)
        return None

    def _no_more_digits(self, step: Menu | Gather) -> str | None:
        digits = self.state.digits
        if not digits:
            return self._again(step, step.timeout_play, late=True)
        if isinstance(step, Gather):
            return self._store(step)
        if digits in step.keys:
            return step.keys[digits]
        return self._again(step, step.invalid_play, late=False)

    def looked_up(self, values: Mapping[str, object], error: str) -> str | None:
        step = self._step()
        if not isinstance(step, LookUp):
            raise Surprise("a look-up was answered where none was asked")
        variables = self.state.variables
        lacking = ""
        for name, field in step.into.items():
            value = None if error else _usable(name, values.get(field))
            value = step.fallback.get(name) if value is None else value
            if value is None:
                lacking = lacking or f"no usable {clean(field)} in the answer"
            else:
                self._assign_value(name, value)
        problem = clean(error or lacking)
        variables["lookup_error"] = problem
        if not problem:
            return step.next
        if step.failed or lacking:
            return self.failed(f"look-up failed: {problem}")
        self._note(f"look-up failed: {problem}")
        return step.next

    def message(self, recording: str, seconds: float, ok: bool) -> str | None:
        step = self._step()
        if not isinstance(step, Record):
            raise Surprise("a message ended where none was taken")
        self._heard()
        if not ok or seconds <= 0:
            return self.failed("no message was left")
        self.state.variables["recording"] = clean(recording)
        return step.next

    def left_queue(self, fallback: str) -> str | None:
        step = self._step()
        if isinstance(step, Enqueue) and step.overflow:
            return step.overflow
        return fallback or self.failed("the queue gave up and no overflow is set")

    # --- entering a node -------------------------------------------------------------------------

    def _prompt(self, step: Prompt) -> str | None:
        return None if self._say(step, step.play) else step.next

    def _ask(self, step: Menu | Gather) -> str | None:
        """Say the choices, unless they were answered ahead."""
        if not step.type_ahead or _secret(step):
            self.state.ahead = ""
        if self.state.ahead and step.barge_in:
            return self._listen(step)
        return self._ask_again(step, ())

    def _branch(self, step: Branch) -> str | None:
        tree, known = self._tree(), self.state.known()
        for case in step.cases:
            if tree is not None and holds(case.when, tree, known, self.now):
                return case.goto
        return step.otherwise

    def _set(self, step: Set) -> str | None:
        self._assign(step.values)
        return step.next

    def _assign(self, templates: Mapping[str, str]) -> None:
        before = dict(self.state.known())
        for name, template in templates.items():
            self._assign_value(name, clean(fill(template, before)))

    def _assign_value(self, name: str, value: str) -> None:
        if name == "language":
            self._speak(value)
        self.state.keep(name, value)

    def _look_up(self, step: LookUp) -> str | None:
        known = self.state.known()
        query = {name: fill(text, known) for name, text in step.query.items()}
        used = [name for text in step.query.values() for name in variables_in(text)]
        secret = any(name in self.state.secrets for name in used)
        self.actions.append(Ask(url=step.url, query=query, timeout=step.timeout, secret=secret))
        return self._wait(Wait.LOOK_UP, step.timeout + LOOK_UP_GRACE)

    def _goto(self, step: Goto) -> str | None:
        return step.next

    def _enqueue(self, step: Enqueue) -> str | None:
        self._assign(step.variables)
        self.state.ahead = ""
        known = self.state.known()
        self.actions.append(
            EnterQueue(
                queue=step.queue,
                priority=step.priority,
                skills=step.skills,
                rule=step.rule,
                language=step.language or self.state.language,
                agent=self._filled(step.agent, Kind.AGENT),
                agent_seconds=step.agent_seconds,
                value=float(self._filled(step.value, Kind.VALUE) or 0),
                site=clean(fill(step.site, known)),
            )
        )
        return self._wait(Wait.QUEUE, None)

    def _filled(self, template: str, kind: Kind) -> str:
        """What a variable holds, if it is of this kind; the caller waits without it if not."""
        if not is_variable(template):
            return template
        text = clean(self.state.known().get(template[1:-1], ""))
        if text and (is_variable(text) or CHECKS[kind](text)):
            self._note(f"{template} holds no {kind.name.lower()}")
            return ""
        return text

    def _transfer(self, step: Transfer) -> str | None:
        self.state.ahead = ""
        target = f"number:{step.number}" if step.number else f"agent:{step.agent}"
        self.actions.append(TransferTo(target=target, ring_seconds=step.ring_seconds))
        return self._wait(Wait.TRANSFER, None)

    def _record(self, step: Record) -> str | None:
        return None if self._say(step, step.play) else self._take_message(step)

    def _take_message(self, step: Record) -> str | None:
        self._pick_up()
        self.state.ahead = ""
        self.actions.append(
            TakeMessage(
                mailbox=step.mailbox,
                max_seconds=step.max_seconds,
                silence_seconds=step.silence_seconds,
                end_key=step.end_key,
                beep=step.beep,
            )
        )
        return self._wait(Wait.MESSAGE, step.max_seconds + MESSAGE_GRACE)

    def _hangup(self, step: Hangup) -> str | None:
        if self._say(step, step.play):
            return None
        return self._end(reason=step.reason.value)


def _secret(step: AnyStep) -> bool:
    return isinstance(step, Gather) and step.secret


def _usable(name: str, value: object) -> str | None:
    """A look-up's value as a variable; garbage is refused, not cut to size."""
    if not isinstance(value, str | int | float) or len(str(value)) > MAX_VALUE:
        return None
    text = clean(value)
    if name == "language" and (not text or CHECKS[Kind.LANGUAGE](text)):
        return None
    return text


_ENTER: dict[type, Callable[[Walk, Any], str | None]] = {
    Prompt: Walk._prompt,
    Menu: Walk._ask,
    Gather: Walk._ask,
    Branch: Walk._branch,
    LookUp: Walk._look_up,
    Set: Walk._set,
    Goto: Walk._goto,
    Enqueue: Walk._enqueue,
    Transfer: Walk._transfer,
    Record: Walk._record,
    Hangup: Walk._hangup,
}
