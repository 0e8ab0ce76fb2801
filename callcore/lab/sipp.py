"""Runs SIPp: registers many phones, answers as many phones, calls as many callers."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from callcore.lab import g711
from callcore.lab.errors import LabTimeout, ToolError
from callcore.lab.g711 import Samples

Address = tuple[str, int]

EXIT_CODES = {
    0: "all calls went as written",
    1: "at least one call failed",
    97: "ended on command",
    99: "ended without calls",
    253: "RTP validation failed",
    254: "connection error",
    255: "fatal error",
}


@dataclass(frozen=True)
class SippResult:
    """What SIPp says about its run."""

    exit_status: int
    successful: int
    failed: int
    counters: dict[str, str]
    """Every cumulative column of SIPp's statistics, without the "(C)"."""
    errors: str
    """The beginning of SIPp's error log."""

    @property
    def ok(self) -> bool:
        return self.failed == 0 and self.exit_status in (0, 97, 99)

    @property
    def meaning(self) -> str:
        return EXIT_CODES.get(self.exit_status, f"exit status {self.exit_status}")


class Sipp:
    """One SIPp process in a directory of its own; ``async with`` stops it at the end."""

    def __init__(
        self,
        scenario: str,
        directory: Path,
        *,
        local: Address,
        remote: Address,
        values: Mapping[str, object],
        options: Sequence[str] = (),
        log_messages: bool = False,
    ) -> None:
        self.directory = directory
        self._scenario, self._values = scenario, dict(values)
        self._local, self._remote = local, remote
        self._options = [*options]
        if log_messages:
            self._options += ["-trace_msg", "-message_file", str(self.messages)]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Sipp:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def messages(self) -> Path:
        """All SIP messages, if ``log_messages`` was set."""
        return self.directory / "messages.log"

    async def start(self) -> None:
        program = shutil.which("sipp")
        if program is None:
            raise ToolError("SIPp is not installed (Debian: sip-tester): run make setup")
        self.directory.mkdir(parents=True, exist_ok=True)
        scenario = self.directory / f"{self._scenario}.xml"
        scenario.write_text(render_scenario(self._scenario, self._values))
        command = [program, "{}:{}".format(*self._remote), "-sf", str(scenario), "-nostdin"]
        command += ["-i", self._local[0], "-p", str(self._local[1]), "-mi", self._local[0]]
        command += ["-trace_stat", "-stf", str(self.directory / "stat.csv"), "-fd", "1"]
        command += ["-trace_err", "-error_file", str(self.directory / "errors.log")]
        with (self.directory / "screen.log").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *self._options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                cwd=self.directory,
                start_new_session=True,
                env={**os.environ, "TERM": "dumb"},
            )

    @property
    def pid(self) -> int:
        """For measuring its processor time."""
        return self._running().pid

    async def wait(self, timeout: float) -> SippResult:
        """Until it ends by itself."""
        try:
            await asyncio.wait_for(self._running().wait(), timeout)
        except TimeoutError:
            await self.stop(grace=0)
            raise LabTimeout(
                f"SIPp {self._scenario} did not end within {timeout:g} s: {self.result().errors}"
            ) from None
        return self.result()

    async def stop(self, grace: float = 3) -> SippResult:
        """Let running calls end for a while (SIGUSR1), then end the process."""
        process = self._running()
        for number, seconds in ((signal.SIGUSR1, grace), (signal.SIGTERM, 2), (signal.SIGKILL, 5)):
            if process.returncode is not None:
                break
            if seconds <= 0:
                continue
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), seconds)
            except TimeoutError:
                continue
        return self.result()

    def result(self) -> SippResult:
        """The statistics written last."""
        counters = parse_statistics(self._text("stat.csv"))
        status = self._running().returncode
        return SippResult(
            exit_status=-1 if status is None else status,
            successful=int(counters.get("SuccessfulCall") or 0),
            failed=int(counters.get("FailedCall") or 0),
            counters=counters,
            errors=self._errors(status)[:2000],
        )

    def _errors(self, status: int | None) -> str:
        """The error log without planned time-outs; before the first call only the screen speaks."""
        entries = re.split(r"(?=\d{4}-\d\d-\d\d\t)", self._text("errors.log"))
        unplanned = [entry for entry in entries[1:] if "jumping to label" not in entry]
        if unplanned or status in (None, 0, 97, 99):
            return "\n".join(unplanned)
        return self._text("screen.log")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ToolError("SIPp was not started")
        return self._process

    def _text(self, name: str) -> str:
        path = self.directory / name
        return path.read_text(errors="replace") if path.exists() else ""


def render_scenario(name: str, values: Mapping[str, object]) -> str:
    """A scenario of this package with its ``$values`` filled in."""
    source = resources.files("callcore.lab").joinpath("scenarios", f"{name}.xml")
    return string.Template(source.read_text("utf-8")).substitute(values)


def parse_statistics(text: str) -> dict[str, str]:
    """The cumulative columns of the last line of SIPp's statistics file."""
    lines = [line for line in text.splitlines() if line.count(";") > 5]
    if len(lines) < 2:
        return {}
    pairs = zip(lines[0].split(";"), lines[-1].split(";"), strict=False)
    return {name.removesuffix("(C)"): value for name, value in pairs if name.endswith("(C)")}


def write_ulaw(path: Path, samples: Samples) -> Path:
    """The raw file ``rtp_stream`` plays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(g711.encode(samples, "PCMU"))
    return path


def _speech(speech: Path | None) -> dict[str, object]:
    """With speech each call needs a port of its own; without, all share one that nobody reads."""
    if speech is None:
        return {"speech": "", "audio_port": "[media_port]"}
    action = f'<nop><action><exec rtp_stream="{speech},-1,0"/></action></nop>'
    return {"speech": action, "audio_port": "[rtpstream_audio_port]"}


def _write_users(path: Path, phones: Sequence[tuple[str, str]]) -> Path:
    """An injection file; SIPp fills the digest in only where the whole keyword is a field."""
    lines = [f"{u};[authentication username={u} password={secret}]" for u, secret in phones]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    return path


async def register_phones(
    phones: Sequence[tuple[str, str]],
    directory: Path,
    *,
    local: Address,
    remote: Address,
    contact: Address | None = None,
    expires: int = 3600,
    rate: int = 200,
) -> SippResult:
    """REGISTER (user, password) pairs, all with the contact ``local`` or another address.

    A contact where nobody answers yet is found unreachable when Asterisk qualifies it.
    """
    users = _write_users(directory / "users.csv", phones)
    sipp = Sipp(
        "register",
        directory,
        local=local,
        remote=remote,
        values={"expires": expires, "contact": "{}:{}".format(*(contact or local))},
        options=["-inf", str(users), "-m", str(len(phones)), "-r", str(rate), "-l", "50"],
    )
    async with sipp:
        return await sipp.wait(20 + len(phones) / rate)


def answering_phones(
    directory: Path,
    *,
    local: Address,
    remote: Address,
    answer_ms: int = 500,
    talk_ms: int = 60_000,
    speech: Path | None = None,
    log_messages: bool = False,
) -> Sipp:
    """Phones at ``local`` that answer every call and hang up after ``talk_ms``."""
    return Sipp(
        "phones",
        directory,
        local=local,
        remote=remote,
        values={"answer_ms": max(1, answer_ms), "talk_ms": max(1, talk_ms), **_speech(speech)},
        options=["-aa", "-mp", str(local[1] + 1000)],
        log_messages=log_messages,
    )


def _keys(keys: str, how: str, after_ms: int, caller: str) -> str:
    """The part of the caller's scenario that presses keys."""
    if not keys:
        return ""
    waiting = f'<pause milliseconds="{after_ms}"/>'
    if how == "rfc4733":
        press = f'<nop><action><exec play_dtmf="{keys}"/></action></nop>'
        return f'{waiting}{press}<pause milliseconds="{500 * len(keys) + 300}"/>'
    source = resources.files("callcore.lab").joinpath("scenarios", "info.xml")
    template = string.Template(source.read_text("utf-8"))
    steps = [
        template.substitute(digit=digit, cseq=2 + index, caller=caller)
        for index, digit in enumerate(keys)
    ]
    return waiting + "".join(steps)


def callers(
    directory: Path,
    number: str,
    *,
    local: Address,
    remote: Address,
    calls: int,
    rate: float = 1.0,
    talk_ms: int = 10_000,
    patience_ms: int = 60_000,
    speech: Path | None = None,
    keys: str = "",
    keys_how: str = "rfc4733",
    keys_after_ms: int = 500,
    caller: str = "9",
    log_messages: bool = False,
) -> Sipp:
    """Callers of a number, ``rate`` a second; the From user is ``caller`` and the call's number.

    Keys as ``rfc4733`` need the right to open raw sockets and come from another port than speech,
    which Asterisk takes for a stranger and drops: with speech use ``info`` (or a lab ``Phone``).
    """
    if keys and keys_how == "rfc4733" and speech is not None:
        raise ToolError('SIPp cannot send RFC 4733 keys beside speech: use keys_how="info"')
    values = {
        "number": number,
        "caller": caller,
        "patience_ms": patience_ms,
        "talk_ms": max(1, talk_ms),
        "keys": _keys(keys, keys_how, keys_after_ms, caller),
        **_speech(speech),
    }
    period = ["-r", str(rate)] if rate == int(rate) else ["-r", str(round(rate * 10)), "-rp", "10s"]
    return Sipp(
        "caller",
        directory,
        local=local,
        remote=remote,
        values=values,
        options=["-m", str(calls), *period, "-l", str(calls), "-mp", str(local[1] + 1000)],
        log_messages=log_messages,
    )
