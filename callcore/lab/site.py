"""A callcore of one's own: a site in a directory, served by a real process on a real Asterisk.

The acceptance tests, the demo and the benchmarks each run theirs, on a loopback address of their
own, so that several can run at once. Callers come from a trunk at one address, phones sit at
another (an address known as a trunk would swallow the registrations of phones).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from callcore.lab.errors import ApiRefused, LabTimeout
from callcore.lab.phone import Phone

READY_SECONDS = 40.0
#: Every wait of tests is scaled by it: slow machines set it above 1.
PATIENCE = float(os.environ.get("CALLCORE_TEST_PATIENCE", "1"))

BASE = """
[telephony]
backend = "{backend}"
[asterisk]
managed_address = "{address}"
managed_ari_port = {ari_port}
managed_ami_port = {ami_port}
fallback_after_seconds = {fallback_after}
[sip]
bind = "{address}"
udp_port = {udp_port}
tcp_port = {tcp_port}
tls_port = {tls_port}
rtp_start = 20000
rtp_end = 24000
[api]
bind = "{address}"
port = {api_port}
token_file = "{token_file}"
[log]
format = "json"
[trunks.tel]
host = "{callers}"
codecs = ["ulaw", "alaw"]
"""


@dataclass
class LabSite:
    """One site: `number` picks its addresses 127.0.<number>.1 (server), .2 (phones), .3 (callers).

    `config` is added to callcore.toml after the addresses and one trunk named ``tel``.
    """

    directory: Path
    number: int
    config: str = ""
    trees: dict[str, str] = field(default_factory=dict)
    udp_port: int = 5060
    tcp_port: int = 5060
    tls_port: int = 0
    ari_port: int = 8088
    ami_port: int = 5038
    api_port: int = 8080
    fallback_after: int = 30
    #: ``asterisk`` or ``pjsip``: phones of the latter are known by their addresses.
    backend: str = "asterisk"
    #: A program and its arguments that runs `callcore serve`, such as ``unshare``.
    wrapper: tuple[str, ...] = ()
    _process: asyncio.subprocess.Process | None = None
    _session: aiohttp.ClientSession | None = None
    _phones: list[Phone] = field(default_factory=list)

    # --- life ------------------------------------------------------------------------------

    async def __aenter__(self) -> LabSite:
        self.write()
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End everything of this site, whatever fails: phones, callcore, Asterisk."""
        async with AsyncExitStack() as stack:
            if self._session is not None:
                stack.push_async_callback(self._session.close)
            stack.push_async_callback(self.stop_asterisk)
            stack.push_async_callback(self.stop)
            for phone in self._phones:
                stack.push_async_callback(phone.close)
        await asyncio.sleep(0)  # aiohttp's connections end in the next round of the loop

    @property
    def address(self) -> str:
        return f"127.0.{self.number}.1"

    @property
    def phone_address(self) -> str:
        return f"127.0.{self.number}.2"

    @property
    def caller_address(self) -> str:
        return f"127.0.{self.number}.3"

    @property
    def sip(self) -> tuple[str, int]:
        return self.address, self.udp_port

    @property
    def var(self) -> Path:
        return self.directory / "var"

    @property
    def log_file(self) -> Path:
        return self.directory / "serve.log"

    def write(self, config: str | None = None) -> None:
        """Write callcore.toml and the trees; a running server picks them up."""
        if config is not None:
            self.config = config
        ivr = self.directory / "ivr"
        ivr.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        for name, text in self.trees.items():
            (ivr / f"{name}.yaml").write_text(text)
        token = self.directory / "token"
        if not token.exists():
            token.write_text(os.urandom(24).hex())
            token.chmod(0o600)
        base = BASE.format(
            backend=self.backend,
            address=self.address,
            callers=self.caller_address,
            udp_port=self.udp_port,
            ari_port=self.ari_port,
            ami_port=self.ami_port,
            api_port=self.api_port,
            tcp_port=self.tcp_port,
            tls_port=self.tls_port,
            fallback_after=self.fallback_after,
            token_file=token,
        )
        (self.directory / "callcore.toml").write_text(base + self.config)

    async def start(self) -> None:
        """`callcore serve` until it is ready for calls."""
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.wrapper,
                sys.executable,
                "-m",
                "callcore.cli.main",
                "serve",
                cwd=self.directory,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )
        await self.until(self._is_ready, "callcore is ready", READY_SECONDS)

    async def _is_ready(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise LabTimeout(f"callcore ended:\n{self.log_tail()}")
        try:
            async with self.session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL: callcore is gone between two instructions."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(20 * PATIENCE):
                return await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise LabTimeout(f"callcore did not end:\n{self.log_tail()}") from None

    async def stop_asterisk(self) -> None:
        from callcore.telephony import managed
        from callcore.telephony.layout import AsteriskPaths

        await managed.stop(AsteriskPaths.under(self.var))

    async def asterisk(self, command: str) -> str:
        """What Asterisk's console prints."""
        from callcore.telephony import managed
        from callcore.telephony.layout import AsteriskPaths, find_program

        return await managed.run_command(find_program(), AsteriskPaths.under(self.var), command)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log_tail(self, lines: int = 25) -> str:
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    # --- the API ---------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.api_port}"

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            token = (self.directory / "token").read_text().strip()
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {token}"},
                timeout=aiohttp.ClientTimeout(total=10),
            )
        return self._session

    async def get(self, path: str) -> Any:
        """GET below /api/v1."""
        async with self.session.get(f"{self.url}/api/v1/{path}") as answer:
            answer.raise_for_status()
            return await answer.json()

    async def post(self, path: str, **body: Any) -> Any:
        """POST below /api/v1; raises `ApiRefused` with an error's sentence."""
        async with self.session.post(f"{self.url}/api/v1/{path}", json=body) as answer:
            reply = await answer.json()
            if answer.status >= 400:
                raise ApiRefused(str(reply), answer.status)
            return reply

    async def until(
        self, holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 10.0
    ) -> None:
        """Ask until it holds, for a bounded time."""
        try:
            async with asyncio.timeout(seconds * PATIENCE):
                while not await holds():  # noqa: ASYNC110 - asked over HTTP, there is no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise LabTimeout(f"not within {seconds} s: {what}\n{self.log_tail()}") from None

    async def agent_is(self, agent: str, state: str, seconds: float = 10.0) -> None:
        """Wait until the agent is in this state."""

        async def holds() -> bool:
            agents = (await self.get("agents"))["agents"]
            return any(row["id"] == agent and row["state"] == state for row in agents)

        await self.until(holds, f"agent {agent} is {state}", seconds)

    async def quiet(self, seconds: float = 10.0) -> None:
        """Wait until no call is live and Asterisk (if there) has no channel and no bridge."""

        async def holds() -> bool:
            if (await self.get("calls"))["calls"]:
                return False
            if self.backend != "asterisk":
                return True
            channels = await self.asterisk("core show channels count")
            bridges = await self.asterisk("bridge show all")
            return "0 active channels" in channels and len(bridges.strip().splitlines()) <= 1

        await self.until(holds, "no call, channel or bridge is left", seconds)

    async def ended_call(self, wrapped_up: bool = False, **like: Any) -> dict[str, Any]:
        """Wait for the row of the one ended call whose columns are like these."""
        found: list[dict[str, Any]] = []

        async def holds() -> bool:
            rows = (await self.get("calls/ended"))["calls"]
            found[:] = [row for row in rows if all(row[k] == v for k, v in like.items())]
            complete = [row for row in found if row["wrap_up_ended_at"] or not wrapped_up]
            return len(found) == len(complete) == 1

        await self.until(holds, f"one ended call like {like}; there are {found}")
        return found[0]

    async def events_of(self, call: str) -> list[str]:
        """Names of the event list behind a call record."""
        return [event["name"] for event in (await self.get(f"calls/{call}"))["events"]]

    async def recording_of(self, call: str) -> dict[str, Any]:
        """Wait for the one finalised recording of a call; its ``file`` is the path on disk."""
        found: list[dict[str, Any]] = []

        async def holds() -> bool:
            rows = (await self.get("recordings"))["recordings"]
            found[:] = [row for row in rows if row["call"] == call]
            return len(found) == 1

        await self.until(holds, f"one recording of {call} is finalised; there are {found}")
        return found[0] | {"file": self.var / "recordings" / found[0]["path"]}

    # --- phones ----------------------------------------------------------------------------

    async def phone(self, name: str, secret: str = "", **options: Any) -> Phone:
        """A desk phone of the site, registered where the node keeps registrations."""
        phone = Phone(
            name, secret or f"{name}-secret", server=self.sip, host=self.phone_address, **options
        )
        self._phones.append(phone)
        await phone.__aenter__()
        if self.backend == "asterisk":
            await phone.register(keep=True)
        return phone

    async def caller(self, number: str = "5551234", **options: Any) -> Phone:
        """Someone who calls in on the trunk."""
        phone = Phone(number, server=self.sip, host=self.caller_address, **options)
        self._phones.append(phone)
        await phone.__aenter__()
        return phone
