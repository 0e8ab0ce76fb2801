"""The site of a faulty floor: agents, queues and rules, drawn anew at each reconfiguration."""

from __future__ import annotations

from random import Random

from callcore.acd.strategy import STRATEGIES
from callcore.directory import GROUP, Agent, Member, Queue
from callcore.directory_queue import (
    VOICE,
    Kind,
    OverflowOn,
    OverflowRule,
    Ring,
    Staffing,
    Urgency,
    WrapUp,
)

AGENTS = [f"a{number:02}" for number in range(12)]
#: By queue, the kind it serves.
QUEUES = {"one": VOICE, "two": VOICE, "three": VOICE, "four": "chat", "five": "mail"}
KINDS = {"chat": Kind(capacity=3), "mail": Kind(exclusive=True)}
ROOM = {VOICE: 1, "chat": 3, "mail": 1}
STATUSES = {"training": (), "writing": ("chat", "mail")}
GROUPS = ("early", "late")
RULES = ("", "", "", "", "en >= 1 or group:early", "not zh")
RINGS = (
    Ring(after_seconds=0.0, max_penalty=0),
    Ring(after_seconds=15.0, skills={"en": 1}, max_penalty=1),
    Ring(after_seconds=30.0, skills={"en": 0, "zh": 0}),
)


def draw_agent(draw: Random, name: str) -> Agent:
    return Agent(
        id=name,
        skills={"en": draw.randint(0, 3), "zh": draw.randint(0, 2)},
        languages=draw.choice(((), ("de",))),
        groups=(draw.choice(GROUPS),),
        site=draw.choice(("", "east")),
        cost=draw.random(),
    )


def draw_queue(draw: Random, name: str, queues: list[str]) -> Queue:
    """Its overflow leads to the ones after it alone: never in a circle."""
    further = queues[queues.index(name) + 1 :]
    rules = (
        OverflowRule(on=OverflowOn.WAIT, at=30.0, to=f"queue:{further[0]}"),
        OverflowRule(on=OverflowOn.SIZE, at=6.0, to=f"queue:{further[-1]}"),
        OverflowRule(on=OverflowOn.UNSTAFFED, to=f"queue:{further[0]}"),
    ) if further else ()  # fmt: skip
    strategy = draw.choice(sorted(STRATEGIES))
    rings = draw.choice(((), (), RINGS))
    return Queue(
        id=name,
        members=tuple(
            Member(agent=agent, penalty=draw.randint(0, 2))
            for agent in (*AGENTS, *(GROUP + group for group in GROUPS))
            if draw.random() < 0.6
        ),
        kind=QUEUES[name],
        strategy=strategy,
        wrap_up_seconds=draw.choice((0.0, 5.0, 10.0)),
        max_wait_seconds=draw.choice((0.0, 0.0, 45.0)),
        max_size=draw.choice((0, 0, 8)),
        rona_limit=draw.choice((0, 2)),
        retry_seconds=draw.choice((0.0, 1.0, 5.0)),
        ring_seconds=draw.choice((8.0, 15.0)),
        wrap_up=draw.choice(list(WrapUp)),
        urgency=draw.choice(list(Urgency)),
        weight=draw.choice((1.0, 1.0, 2.0)),
        criteria=draw.choice(({}, {"skill_fit": 2.0, "last_agent": 1.0})),
        rings=rings,
        requires=draw.choice(RULES),
        match_language=draw.random() < 0.3,
        last_agent_seconds=draw.choice((0.0, 8.0)),
        join_needs=draw.choice(list(Staffing)),
        stay_needs=draw.choice((Staffing.NOBODY, *Staffing)),
        overflow_rules=tuple(rule for rule in rules if draw.random() < 0.5),
    )
