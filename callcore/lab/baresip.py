"""Drives a real baresip process: a phone with the codecs and SRTP of an independent SIP stack."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from callcore.lab.audio import resample
from callcore.lab.errors import LabTimeout, ToolError
from callcore.lab.g711 import Samples

_MODULE_DIRECTORIES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules")
_CODEC_MODULES = {"opus": "opus", "g722": "g722", "pcmu": "g711", "pcma": "g711"}


@dataclass(frozen=True)
class BaresipAccount:
    """Whom the phone registers as, and how it speaks."""

    user: str
    password: str
    server: tuple[str, int]
    transport: str = "udp"
    answer: str = "manual"
    """"manual" or "auto"."""
    codecs: tuple[str, ...] = ("pcmu",)
    """Names of baresip: opus/48000/2, g722, pcmu, pcma; first is preferred."""
    srtp: bool = False
    """Encrypted sound (RTP/SAVP) or none."""
    srtp_optional: bool = False
    """Encrypted sound where the other side has keys too (RTP/AVP with a=crypto), else plain."""
    register_seconds: int = 120

    def line(self) -> str:
        """The line in baresip's accounts file."""
        host, port = self.server
        parts = [f"<sip:{self.user}@{host}:{port};transport={self.transport.lower()}>"]
        parts += [f"auth_user={self.user}", f"auth_pass={self.password}"]
        parts += [f"answermode={self.answer}", f"regint={self.register_seconds}"]
        parts += ["audio_codecs=" + ",".join(self.codecs)]
        if self.srtp:
            parts.append("mediaenc=srtp-mand")
        elif self.srtp_optional:
            parts.append("mediaenc=srtp")
        return ";".join(parts)


@dataclass(frozen=True)
class BaresipEvent:
    """One event of the control socket."""

    type: str
    fields: dict[str, Any]


@dataclass
class Netstrings:
    """Cuts the control stream: ``<length>:<json>,``."""

    buffer: bytes = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        self.buffer += data
        found: list[dict[str, Any]] = []
        while True:
            size, colon, rest = self.buffer.partition(b":")
            if not colon or len(rest) < int(size) + 1:
                return found
            found.append(json.loads(rest[: int(size)].decode("utf-8", "replace"), strict=False))
            self.buffer = rest[int(size) + 1 :]


class Baresip:
    """One headless baresip; use as ``async with Baresip(...) as phone``.

    It takes three ports: ``sip_port`` (UDP, TCP), the next one (TLS), and ``control_port``.
    """

    def __init__(
        self,
        account: BaresipAccount,
        directory: Path,
        *,
        host: str,
        sip_port: int,
        control_port: int,
        speech: Path | None = None,
        patience: float = 10.0,
    ) -> None:
        self.account = account
        self.directory = directory
        self.events: list[BaresipEvent] = []
        self.patience = patience
        self._host, self._sip_port, self._control_port = host, sip_port, control_port
        self._speech = speech
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tokens = itertools.count(1)
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Baresip:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- life ---

    async def start(self, registered: bool = True) -> None:
        """Start, connect the control socket and wait for the registration."""
        program = shutil.which("baresip")
        if program is None:
            raise ToolError("baresip is not installed (Debian: baresip-core): run make setup")
        self._write_configuration()
        with (self.directory / "baresip.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                program,
                "-f",
                str(self.directory),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.directory,
            )
        try:
            await self._connect()
            if "Address already in use" in self.log():
                raise ToolError(f"baresip found a port in use:\n{self.log()[-1500:]}")
            if registered and self.account.register_seconds:
                await self._registered()
        except BaseException:
            await self.stop()
            raise

    async def _registered(self) -> None:
        """Asked, not awaited: the event may have come before the control socket was connected."""
        deadline = asyncio.get_running_loop().time() + self.patience
        while "OK" not in (answer := await self.command("reginfo")):
            if asyncio.get_running_loop().time() > deadline:
                raise LabTimeout(f"baresip is not registered: {answer}\n{self.log()[-1500:]}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End the process by its id, gently first."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _connect(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(self._host, self._control_port)
            except OSError as exc:
                ended = self._process is not None and self._process.returncode is not None
                if ended or asyncio.get_running_loop().time() > deadline:
                    raise ToolError(f"baresip did not start:\n{self.log()[-1500:]}") from exc
                await asyncio.sleep(0.05)
                continue
            self._reader = asyncio.create_task(self._read(reader))
            return

    async def _read(self, reader: asyncio.StreamReader) -> None:
        netstrings = Netstrings()
        while data := await reader.read(65536):
            for message in netstrings.feed(data):
                await self._received(message)

    async def _received(self, message: dict[str, Any]) -> None:
        if message.get("response"):
            future = self._answers.pop(str(message.get("token")), None)
            if future is not None and not future.done():
                future.set_result(message)
        elif message.get("event"):
            async with self._arrived:
                self.events.append(BaresipEvent(str(message.get("type")), message))
                self._arrived.notify_all()

    def log(self) -> str:
        """What baresip printed."""
        path = self.directory / "baresip.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- commands ---

    async def command(self, name: str, parameters: str = "") -> str:
        """One long command of baresip ("dial", "accept", "hold" …); returns what it prints."""
        if self._writer is None:
            raise ToolError("baresip is not running")
        token = str(next(self._tokens))
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[token] = future
        request = json.dumps({"command": name, "params": parameters, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(request), request))
        try:
            answer = await asyncio.wait_for(future, self.patience)
        except TimeoutError:
            raise LabTimeout(f"baresip did not answer {name!r}\n{self.log()[-1500:]}") from None
        if not answer.get("ok"):
            raise ToolError(f"baresip refused {name!r}: {answer.get('data')}")
        return str(answer.get("data", ""))

    async def dial(self, number: str) -> None:
        """Call a number at the server (or a sip: URI)."""
        host, port = self.account.server
        uri = number if number.startswith("sip:") else f"sip:{number}@{host}:{port}"
        await self.command("dial", uri)

    async def answer(self) -> None:
        await self.command("accept")

    async def hang_up(self) -> None:
        await self.command("hangup")

    async def hold(self) -> None:
        await self.command("hold")

    async def resume(self) -> None:
        before = self.log().count("call: resume ")
        try:
            await self.command("resume")
        except ToolError:
            # baresip 1.1 resumes, then calls it an error that no other call was there to hold.
            if self.log().count("call: resume ") == before:
                raise

    async def transfer(self, number: str) -> None:
        """Blind transfer; the outcome is the event TRANSFER_FAILED or CALL_CLOSED."""
        host, port = self.account.server
        uri = number if number.startswith("sip:") else f"sip:{number}@{host}:{port}"
        await self.command("transfer", uri)

    async def send_digits(self, digits: str, gap: float = 0.15) -> None:
        """Press keys one after the other (RFC 4733)."""
        for digit in digits:
            await self.command("sndcode", digit)
            await asyncio.sleep(gap)

    # --- events ---

    async def wait_for(
        self,
        kind: str,
        timeout: float | None = None,
        matching: Callable[[BaresipEvent], bool] = lambda event: True,
        since: int = 0,
    ) -> BaresipEvent:
        """The first event of a type, from number ``since`` on."""
        wait = self.patience if timeout is None else timeout

        def find() -> BaresipEvent | None:
            return next((e for e in self.events[since:] if e.type == kind and matching(e)), None)

        async with self._arrived:
            try:
                await asyncio.wait_for(self._arrived.wait_for(lambda: find() is not None), wait)
            except TimeoutError:
                seen = [event.type for event in self.events[since:]]
                raise LabTimeout(
                    f"baresip: no {kind} within {wait:g} s, seen {seen}\n{self.log()[-1500:]}"
                ) from None
        event = find()
        if event is None:
            raise LabTimeout(f"baresip: {kind} vanished")
        return event

    # --- audio ---

    def recordings(self) -> list[Path]:
        """Files of what was heard, one per call in order; complete once the call has ended.

        baresip names them by the second: calls that begin in the same second share one file.
        """
        return sorted((self.directory / "heard").glob("*-dec.wav"))

    def heard(self, index: int = -1) -> Samples:
        """What was heard in a call, as mono at 8 kHz."""
        samples, rate = soundfile.read(self.recordings()[index], dtype="int16", always_2d=True)
        return resample(samples.mean(axis=1).astype(np.int16), rate)

    # --- configuration ---

    def _write_configuration(self) -> None:
        (self.directory / "heard").mkdir(parents=True, exist_ok=True)
        (self.directory / "accounts").write_text(self.account.line() + "\n")
        (self.directory / "contacts").write_text("")
        modules = sorted({_CODEC_MODULES[name.partition("/")[0]] for name in self.account.codecs})
        modules += ["aufile", "sndfile", "aubridge", "uuid", "account", "menu", "ctrl_tcp"]
        if self.account.srtp or self.account.srtp_optional:
            modules.append("srtp")
        if Path(_module_directory(), "auresamp.so").exists():  # built in until baresip 1.0
            modules.append("auresamp")
        speech = self._speech or self._silence()
        lines = [
            "poll_method epoll",
            f"sip_listen {self._host}:{self._sip_port}",
            f"module_path {_module_directory()}",
            *[f"module{_module_kind(name)} {name}.so" for name in modules],
            f"ctrl_tcp_listen {self._host}:{self._control_port}",
            f"audio_source aufile,{speech}",
            # Its file source does not convert: with a fixed rate the stack resamples for the codec.
            "ausrc_srate 8000",
            "ausrc_channels 1",
            "audio_player aubridge,sink",
            "audio_alert aubridge,alert",
            "ringback_disabled yes",
            "statmode_default off",
            f"snd_path {self.directory / 'heard'}",
            f"net_interface {self._host}",
            "rtp_timeout 0",
            "",
        ]
        (self.directory / "config").write_text("\n".join(lines))

    def _silence(self) -> Path:
        path = self.directory / "silence.wav"
        soundfile.write(path, np.zeros(8000 * 60, dtype=np.int16), 8000, subtype="PCM_16")
        return path


def _module_kind(name: str) -> str:
    """baresip loads account early and drops it, and starts applications after the stack."""
    return {"account": "_tmp", "menu": "_app", "ctrl_tcp": "_app"}.get(name, "")


def _module_directory() -> str:
    for directory in _MODULE_DIRECTORIES:
        if Path(directory).is_dir():
            return directory
    raise ToolError(f"baresip's modules are in none of {_MODULE_DIRECTORIES}")
