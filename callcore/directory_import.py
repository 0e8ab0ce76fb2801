"""Agents and phones from CSV: every wrong row is told with its line, and none is applied then."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from callcore.directory import Agent, Directory, Phone, Srtp
from callcore.directory_additions import DirectoryFile
from callcore.directory_check import ID
from callcore.directory_file import check_pin, hash_pin, with_secret
from callcore.errors import ConfigError
from callcore.toml_source import describe, suggestion
from callcore.types import Reach

AGENT_COLUMNS = ("id", "name", "pin", "phone", "reach", "skills", "queues")
PHONE_COLUMNS = ("id", "secret", "host", "transport", "srtp", "codecs", "dtmf", "nat")
MAX_ROWS = 100_000
TRUE, FALSE = ("1", "yes", "true", "on"), ("", "0", "no", "false", "off")

Row = dict[str, str]
T = TypeVar("T")


class AgentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One agent of the file; `queues`: (queue, penalty)."""

    line: int
    agent: Agent
    pin: str
    queues: tuple[tuple[str, int], ...]


class RowsRefused(ConfigError):
    """Some rows are wrong; `errors` has one for each."""

    def __init__(self, errors: list[ConfigError]) -> None:
        self.errors = errors
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(first.message + more, file=first.file, line=first.line)


def read_agents(file: str, content: bytes, directory: Directory) -> list[AgentRow]:
    """The agents of a CSV file, checked against the phones and queues there are."""

    def parse(line: int, row: Row) -> AgentRow:
        if row["pin"]:
            check_pin(row["pin"])
        if row["phone"] and row["phone"] not in directory.phones:
            raise ConfigError(f"phone {row['phone'][:80]!r}: expected the id of a known phone")
        agent = Agent(
            id=row["id"], name=row["name"], phone=row["phone"],
            reach=_choice(Reach, "reach", row["reach"] or "ring"),
            skills=dict(_pairs("skills", row["skills"], 1)),
        )  # fmt: skip
        queues = tuple(_pairs("queues", row["queues"], 0))
        for queue, _ in queues:
            if queue not in directory.queues:
                raise ConfigError(f"queues: {queue[:80]!r}: expected the id of a known queue")
        return AgentRow(line=line, agent=agent, pin=row["pin"], queues=queues)

    return _read(file, content, AGENT_COLUMNS, parse)


def read_phones(file: str, content: bytes) -> list[tuple[int, Phone]]:
    """The phones of a CSV file; one that registers and has no secret gets a random one."""

    def parse(line: int, row: Row) -> tuple[int, Phone]:
        types = {f.name: f.type for f in msgspec.structs.fields(Phone)}
        given: dict[str, Any] = {name: row[name] for name in ("id", "secret", "host")}
        for name in ("transport", "dtmf"):
            if row[name]:
                given[name] = _choice(types[name], name, row[name].lower())
        if row["codecs"]:
            given["codecs"] = tuple(row["codecs"].split())
        given |= {"srtp": _srtp(row["srtp"]), "nat": _flag("nat", row["nat"])}
        return line, with_secret(Phone(**given))[0]

    return _read(file, content, PHONE_COLUMNS, parse)


def put_agents(directory_file: DirectoryFile, rows: list[AgentRow]) -> None:
    """Add the agents, or replace those added before; an empty PIN keeps the old one."""
    before = directory_file.additions.agents
    for row in rows:
        old = before.get(row.agent.id)
        pin_hash = hash_pin(row.pin) if row.pin else old.pin_hash if old else ""
        directory_file.put(msgspec.structs.replace(row.agent, pin_hash=pin_hash))
        for queue, penalty in row.queues:
            directory_file.put_member(queue, row.agent.id, penalty)


def _read(
    file: str, content: bytes, columns: tuple[str, ...], parse: Callable[[int, Row], T]
) -> list[T]:
    rows: list[T] = []
    errors: list[ConfigError] = []
    seen: dict[str, int] = {}
    for line, row in _rows(file, content, columns):
        try:
            if isinstance(row, ConfigError):
                raise row
            _check_id(row["id"], line, seen)
            rows.append(parse(line, row))
        except ConfigError as exc:
            errors.append(ConfigError(exc.message, file=file, line=line))
    if errors:
        raise RowsRefused(errors)
    return rows


def _check_id(name: str, line: int, seen: dict[str, int]) -> None:
    if not ID.fullmatch(name):
        raise ConfigError(f"id {name[:80]!r}: expected 1 to 40 of a-z 0-9 _ -")
    if name in seen:
        raise ConfigError(f"id {name!r} is in line {seen[name]} already")
    seen[name] = line


def _rows(
    file: str, content: bytes, columns: tuple[str, ...]
) -> Iterator[tuple[int, Row | ConfigError]]:
    """(line, row) of each row; the first line names the columns."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise ConfigError("is not UTF-8 text", file=file, line=line) from exc
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    while True:
        try:
            cells = [" ".join(cell.split()) for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as exc:
            raise ConfigError(f"not valid CSV: {exc}", file=file, line=reader.line_num) from exc
        if not header:
            header = _header(file, cells, columns)
        elif any(cells):
            yield line, _row(header, cells, columns)
        line = reader.line_num + 1
        if line > MAX_ROWS:
            raise ConfigError(f"more than {MAX_ROWS} lines", file=file, line=line)
    if not header:
        raise ConfigError(f"empty: expected a line with {','.join(columns)}", file=file)


def _header(file: str, cells: list[str], columns: tuple[str, ...]) -> list[str]:
    header = [cell.lower() for cell in cells]
    for name in header:
        if name not in columns:
            message = f"unknown column {name[:80]!r}{suggestion(name, columns)}"
            raise ConfigError(message, file=file, line=1)
    if "id" not in header or len(dict.fromkeys(header)) != len(header):
        raise ConfigError("expected a column id, and each column once", file=file, line=1)
    return header


def _row(header: list[str], cells: list[str], columns: tuple[str, ...]) -> Row | ConfigError:
    if len(cells) != len(header):
        return ConfigError(f"has {len(cells)} cells: expected {len(header)} as in line 1")
    return {**dict.fromkeys(columns, ""), **dict(zip(header, cells, strict=True))}


def _choice(kind: Any, column: str, value: str) -> Any:
    try:
        return kind(value)
    except ValueError as exc:
        raise ConfigError(f"{column} {value[:80]!r}: expected {describe(kind)}") from exc


def _flag(column: str, value: str) -> bool:
    if value.lower() not in TRUE + FALSE:
        raise ConfigError(f"{column} {value[:80]!r}: expected yes or no")
    return value.lower() in TRUE


def _srtp(value: str) -> Srtp | bool:
    word = value.lower()
    if word in tuple(Srtp):
        return Srtp(word)
    if word in TRUE + FALSE:
        return word in TRUE
    raise ConfigError(f"srtp {value[:80]!r}: expected {describe(Srtp)}, yes or no")


def _pairs(column: str, value: str, default: int) -> Iterator[tuple[str, int]]:
    """``en:5 de`` → (en, 5), (de, default)."""
    for word in value.split():
        name, colon, number = word.partition(":")
        if colon and not (number.isascii() and number.isdigit() and len(number) < 6):
            raise ConfigError(f"{column} {word[:80]!r}: expected name or name:number")
        yield name, int(number) if colon else default
