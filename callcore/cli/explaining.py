"""`queue why`, `agent why` and settings for people: tables, each rule a sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import typer

from callcore.cli.call import when
from callcore.cli.common import print_table

MEMBERS = ("agent", "name", "may take it", "why: the agent …")
OFFERS = ("at", "agent", "queue", "chosen because: the agent …", "result")
SETTINGS = ("key", "value", "in callcore.toml")
QUEUES = ("queue", "waiting", "first", "may take it", "why: the agent …")


def contact(answer: dict[str, Any]) -> None:
    """What `GET calls/ID/why` answered."""
    typer.echo(_headline(answer))
    if answer["state"] == "waiting":
        typer.echo(_place(answer))
        print_table(f"Members of {answer['queue']}", MEMBERS, list(map(_member, answer["members"])))
    if answer["offers"]:
        print_table("Offers", OFFERS, list(map(_offer, answer["offers"])))


def agent(answer: dict[str, Any]) -> None:
    """What `GET agents/ID/why` answered."""
    name = f" ({answer['name']})" if answer["name"] else ""
    typer.echo(f"Agent {answer['agent']}{name}: {_sentences(answer['reasons'])}")
    rows = [
        (
            row["queue"], str(row["waiting"]), row["contact"] or "-",
            _yes(row["eligible"]) if row["contact"] else "-",
            _sentences(row["reasons"]) if row["contact"] else "nobody waits for a further agent",
        )
        for row in answer["queues"]
    ]  # fmt: skip
    print_table("Queues served", QUEUES, rows)


def settings_rows(
    settings: dict[str, Any], changed: list[str], base: dict[str, Any] | None
) -> list[tuple[str, str, str]]:
    """Key, value now, and what callcore.toml says where that is something else."""
    rows = []
    for key in dict.fromkeys([*settings, *changed]):
        other = ""
        if key in changed:
            other = _toml((base or {}).get(key, "the default"))
        rows.append((key, _toml(settings.get(key, "the default")), other))
    return rows


def _toml(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _headline(answer: dict[str, Any]) -> str:
    contact, queue = answer["contact"], answer["queue"]
    if answer["state"] == "waiting":
        return f"Contact {contact} waits in {queue}: {answer['waits_for']['text']}"
    chosen = [row["agent"] for row in answer["offers"] if row["result"] == "answered"]
    how = f"answered by {chosen[-1]}" if chosen else "answered by no agent"
    place = f" (queue {queue})" if queue else ""
    return f"Contact {contact}{place}: {answer['state']}, {how}"


def _place(answer: dict[str, Any]) -> str:
    estimate = answer["estimated_wait"]
    further = "unknown" if estimate is None else _clock(estimate)
    return (
        f"position {answer['position']}, waited {_clock(answer['waited'])}, "
        f"estimated wait {further}, priority {answer['priority']}, "
        f"urgency {answer['urgency']:.2f}"
    )


def _member(row: dict[str, Any]) -> tuple[str, ...]:
    return row["agent"], row["name"], _yes(row["eligible"]), _sentences(row["reasons"])


def _offer(row: dict[str, Any]) -> tuple[str, ...]:
    result = row["result"].replace("_", " ") or "rings"
    return when(row["at"])[11:], row["agent"], row["queue"], _sentences(row["reasons"]), result


def _sentences(reasons: list[dict[str, Any]]) -> str:
    return "; ".join(reason["text"] for reason in reasons)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
