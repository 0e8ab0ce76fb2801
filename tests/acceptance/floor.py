"""One site for all tests of a module: phones that stay registered, callers that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from callcore.lab import audio
from callcore.lab.call import Call
from callcore.lab.errors import ApiRefused, LabError, LabTimeout
from callcore.lab.g711 import Samples
from callcore.lab.phone import Phone
from callcore.lab.site import PATIENCE, LabSite
from tests.addresses import claim_block

_callers = itertools.count(7000001)

#: `pjsip` plays the same tests on the SIP stack inside callcore: phones have addresses and do not
#: register.
BACKEND = os.environ.get("CALLCORE_TEST_BACKEND", "asterisk")
PHONE_PORT = 5080


class Floor:
    """A site with its desk phones; every test leaves it empty (``cleared``)."""

    def __init__(self, site: LabSite) -> None:
        self.site = site
        self.phones: dict[str, Phone] = {}
        self._callers: list[Phone] = []
        self._extra: list[Phone] = []

    async def open_phones(self, *names: str) -> None:
        for place, name in enumerate(names):
            port = 0 if BACKEND == "asterisk" else PHONE_PORT + place
            self.phones[name] = await self.site.phone(name, port=port)

    async def login(self, *agents: str, to: str = "idle", **body: Any) -> None:
        """Log in, one after the other; `to` is "offered" where a caller waits."""
        for agent in agents:
            await self.site.post(f"agents/{agent}/login", **body)
            await self.site.agent_is(agent, to)

    async def dial(self, number: str, host: str = "", **options: Any) -> Call:
        """A new caller with a number of their own dials; `call.phone.user` is the number."""
        dialling = {
            name: options.pop(name)
            for name in ("display", "raw_display", "from_user", "headers")
            if name in options
        }
        user = options.pop("user", str(next(_callers)))
        options.setdefault("host", host or self.site.caller_address)
        phone = Phone(user, server=self.site.sip, **options)
        self._callers.append(phone)
        await phone.open()
        return await phone.dial(number, **dialling)

    async def call(self, number: str, **options: Any) -> Call:
        """Like `dial`, and wait until it is answered."""
        call = await self.dial(number, **options)
        await call.answered
        return call

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """What a `callcore` command prints; it has to succeed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "callcore.cli.main", *arguments,
            cwd=self.site.directory,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        async with asyncio.timeout(30 * PATIENCE):
            printed, complaints = await process.communicate(stdin.encode())
        assert process.returncode == 0, complaints.decode()
        return printed.decode()

    async def far_side(self, port: int = 5060, host: str = "") -> Phone:
        """Who answers what callcore dials on the trunk."""
        phone = Phone("far", server=self.site.sip, host=host or self.site.caller_address, port=port)
        self._extra.append(phone)
        await phone.open()
        return phone

    async def record(self, call: Call, wrapped_up: bool = False) -> dict[str, Any]:
        """The row of this caller's ended call."""
        return await self.site.ended_call(wrapped_up, caller_number=call.phone.user)

    async def ended_since(self, at: float, **like: Any) -> dict[str, Any]:
        """The row of the one call like this that arrived at or after this time and ended."""
        found: list[dict[str, Any]] = []

        async def holds() -> bool:
            rows = (await self.site.get("calls/ended"))["calls"]
            found[:] = [
                row
                for row in rows
                if row["arrived_at"] >= at and all(row[k] == v for k, v in like.items())
            ]
            return len(found) == 1

        await self.site.until(holds, f"one ended call like {like}; there are {found}")
        return found[0]

    async def live(self, call: Call) -> dict[str, Any]:
        """This caller as the API shows it now."""
        rows = (await self.site.get("calls"))["calls"]
        found = [row for row in rows if row["caller"] == call.phone.user]
        assert len(found) == 1, rows
        return dict(found[0])

    async def is_in(self, call: Call, seconds: float = 10.0, **like: Any) -> dict[str, Any]:
        """Wait until the live call's row is like this."""
        row: dict[str, Any] = {}

        async def holds() -> bool:
            rows = (await self.site.get("calls"))["calls"]
            for found in rows:
                if found["caller"] == call.phone.user:
                    row.update(found)
                    return all(found[key] == value for key, value in like.items())
            return False

        await self.site.until(holds, f"call of {call.phone.user} is {like}; it is {row}", seconds)
        return row

    async def close_callers(self) -> None:
        """All who dialled, and phones beyond the floor's own, hang up and are gone."""
        for phone in (*self._callers, *self._extra):
            await phone.close()
        self._callers, self._extra = [], []

    async def clear(self) -> None:
        """Hang up everything, log everybody out; when all is quiet, forget what arrived: a phone
        may ring until its agent is logged out."""
        await self.close_callers()
        for phone in self.phones.values():
            for call in phone.calls:
                if not call.ended.happened:
                    with contextlib.suppress(LabError, TimeoutError):
                        await call.hang_up()
        for row in (await self.site.get("agents"))["agents"]:
            if row["state"] != "logged_out":
                with unless_over():
                    await self.site.post(f"agents/{row['id']}/logout")
        await self.site.quiet()
        await self.nobody_rings()
        for phone in self.phones.values():
            phone.calls.clear()
            with contextlib.suppress(LabTimeout):
                while True:
                    await phone.incoming(0.001)

    async def nobody_rings(self) -> None:
        """Wait until every call at the floor's phones has ended: Asterisk may be done with one
        before its CANCEL or BYE is here."""
        calls = [call for phone in self.phones.values() for call in phone.calls]
        for call in calls:
            await call.ended


@contextlib.asynccontextmanager
async def open_floor(
    directory: Path,
    config: str,
    phones: tuple[str, ...],
    *,
    trees: Mapping[str, str] | None = None,
    sounds: Mapping[str, Samples] | None = None,
    **options: Any,
) -> AsyncIterator[Floor]:
    """Start a site; ``{number}`` in config and trees becomes the site's number.

    `options` are those of `LabSite`.
    """
    # pytest's directories are closed to others; Asterisk runs as a user of its own.
    for parent in (directory, directory.parent, directory.parent.parent):
        parent.chmod(0o755)
    here = directory / "site"
    for name, samples in (sounds or {}).items():
        path = here / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        audio.write(path, samples)
    with claim_block() as block:
        number = str(block.number)
        numbered = {name: text.replace("{number}", number) for name, text in (trees or {}).items()}
        config = config.replace("{number}", number)
        if BACKEND != "asterisk":
            options["backend"] = BACKEND
            config = at_addresses(config, phones, block.host(2))
        async with LabSite(here, block.number, config, trees=numbered, **options) as site:
            floor = Floor(site)
            await floor.open_phones(*phones)
            try:
                yield floor
            finally:
                await floor.close_callers()


@contextlib.contextmanager
def unless_over() -> Iterator[None]:
    """What was in a list may be over before it is told anything: no failure."""
    try:
        yield
    except ApiRefused as exc:
        if exc.status not in (404, 409):
            raise


def at_addresses(config: str, phones: tuple[str, ...], host: str) -> str:
    """The same with phones that do not register."""
    for place, name in enumerate(phones):
        where = f'host = "{host}:{PHONE_PORT + place}"'
        config = config.replace(f'secret = "{name}-secret"', where)
    return config


def phone_config(*names: str, **more: str) -> str:
    """Sections of phones; ``more`` adds lines to one of them."""
    return "".join(
        f'[phones.{name}]\nsecret = "{name}-secret"\n{more.get(name, "")}\n' for name in names
    )


async def rung(floor: Floor, phone: str, caller: Call | None = None) -> Call:
    """The phone's next call, ringing."""
    ringing = await floor.phones[phone].incoming()
    await ringing.ring()
    if caller is not None:
        assert ringing.caller.user == caller.phone.user
    return ringing


async def talk(floor: Floor, number: str, phone: str) -> tuple[Call, Call]:
    """A caller and the agent at this phone, talking."""
    caller = await floor.call(number)
    desk = await rung(floor, phone, caller)
    await desk.answer()
    await floor.is_in(caller, state="talking")
    return caller, desk


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what nothing reports, such as sound."""
    async with asyncio.timeout(seconds * PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def hears(call: Call, hz: float, seconds: float = 8.0) -> None:
    """Wait until a tone is in the last quarter of a second of what this side received."""
    try:
        await until(lambda: audio.tone_level(call.heard().samples[-2000:], hz) > 1500, seconds)
    except TimeoutError:
        raise LabTimeout(f"{hz:g} Hz not heard within {seconds} s", call.transcript()) from None


async def hears_speech(
    call: Call, seconds: float = 8.0, above: float = 300.0, since: int = 0
) -> None:
    """Wait until something loud is in the last third of a second of what this side received, from
    the sample `since` on."""
    try:
        await until(lambda: audio.level(call.heard().samples[since:][-2700:]) >= above, seconds)
    except TimeoutError:
        raise LabTimeout(f"nothing heard within {seconds} s", call.transcript()) from None


def ever_heard(call: Call, hz: float) -> bool:
    """Whether a tone was heard at any time for 100 ms."""
    samples = call.heard().samples
    return bool(audio.tone_intervals(samples, hz, threshold=1500, shortest=0.1))


def silent(samples: Samples) -> bool:
    return not len(samples) or float(np.abs(samples.astype(np.int32)).max()) < 100
