"""Starts, adopts and stops the Asterisk that callcore manages, in a session of its own."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pwd
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import msgspec

from callcore.config import SipSettings
from callcore.errors import SetupError
from callcore.telephony.layout import (
    AsteriskPaths,
    AsteriskProgram,
    ManagedSettings,
    find_program,
)
from callcore.telephony.preflight import (
    check_paths,
    check_ports,
    check_program,
    hand_over,
    run_user,
    user_name,
)
from callcore.telephony.render import Secrets, write_configuration

__all__ = [
    "AsteriskPaths",
    "ManagedAsterisk",
    "ManagedSettings",
    "SipSettings",
    "Status",
    "find_program",
    "run_command",
    "start",
    "status",
    "stop",
]

#: No core dumps, many open files, a session without terminal; the shell ends, Asterisk stays.
LAUNCH = """
ulimit -S -c 0
ulimit -n 65536 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"
umask 077
log=$1; shift
setsid "$@" </dev/null >>"$log" 2>&1 &
echo $!
"""


class ManagedAsterisk(msgspec.Struct, frozen=True, kw_only=True):
    """A running managed Asterisk and how to reach it."""

    paths: AsteriskPaths
    settings: ManagedSettings
    program: AsteriskProgram
    passwords: Secrets
    pid: int
    #: It was running already, and was taken over.
    adopted: bool = False
    #: What the operator should know, a line each.
    warnings: tuple[str, ...] = ()

    @property
    def ari_url(self) -> str:
        return f"http://{self.settings.control_address}:{self.settings.ari_port}/ari"

    @property
    def ari_user(self) -> str:
        return self.passwords.ari_user

    @property
    def ari_password(self) -> str:
        return self.passwords.ari_password

    @property
    def ami_host(self) -> str:
        return self.settings.control_address

    @property
    def ami_port(self) -> int:
        return self.settings.ami_port

    @property
    def ami_user(self) -> str:
        return self.passwords.ami_user

    @property
    def ami_password(self) -> str:
        return self.passwords.ami_password

    async def run_command(self, command: str, timeout: float = 10.0) -> str:
        """What the Asterisk console prints for `command`."""
        return await run_command(self.program, self.paths, command, timeout)

    async def stop(self, timeout: float = 10.0) -> bool:
        return await stop(self.paths, timeout)


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `callcore asterisk status` tells."""

    running: bool
    pid: int | None = None
    #: The control socket accepts connections: Asterisk is past its start.
    responding: bool = False
    user: str | None = None
    config: str = ""


async def start(
    paths: AsteriskPaths, settings: ManagedSettings, *, timeout: float = 30.0
) -> ManagedAsterisk:
    """Start Asterisk, or adopt the one that already runs from the same directory."""
    program = find_program()
    check_program(program)
    check_paths(paths)
    user, warning = run_user(paths, program)
    warnings = [warning] if warning else []
    paths.base.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with start_lock(paths.base / "start.lock", timeout):
        running = await surviving(program, paths)
        written = await asyncio.to_thread(write_configuration, program, paths, settings)
        hand_over(paths, user)
        if running is None:
            check_ports(settings)
            pid = await launch(program, paths, user)
        else:
            pid = running
            warnings += changed_while_running(pid, written.changed)
        asterisk = ManagedAsterisk(
            paths=paths, settings=settings, program=program, passwords=written.passwords,
            pid=pid, adopted=running is not None, warnings=tuple(warnings),
        )  # fmt: skip
        if asterisk.adopted:
            await wait_until_ready(asterisk, min(timeout, 5.0))
        else:
            await ready_or_stopped(asterisk, timeout)
    return asterisk


async def ready_or_stopped(asterisk: ManagedAsterisk, timeout: float) -> None:
    """A start that fails leaves no half-started Asterisk behind."""
    ready = False
    try:
        await wait_until_ready(asterisk, timeout)
        ready = True
    finally:
        if not ready:
            await stop(asterisk.paths, 5.0)


@contextlib.asynccontextmanager
async def start_lock(path: Path, timeout: float) -> AsyncIterator[None]:
    """Two starts at once: the second waits, then adopts."""
    deadline = time.monotonic() + timeout
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise SetupError(f"another start of Asterisk holds {path}") from exc
                await asyncio.sleep(0.05)
        yield


def changed_while_running(pid: int, changed: tuple[str, ...]) -> list[str]:
    if not changed:
        return []
    return [
        f"Asterisk (pid {pid}) runs with its former configuration; new: {', '.join(changed)}."
        " It takes effect after callcore asterisk stop and start"
    ]


async def launch(
    program: AsteriskProgram, paths: AsteriskPaths, user: pwd.struct_passwd | None
) -> int:
    """Run Asterisk detached from us; returns its pid."""
    paths.pid_file.unlink(missing_ok=True)
    console = paths.console
    command = program.command("-f", "-C", str(paths.config))
    if user is not None:
        drop = [
            "setpriv",
            "--reuid",
            str(user.pw_uid),
            "--regid",
            str(user.pw_gid),
            "--init-groups",
        ]
        command = [*drop, "--", *command]
    # Not asyncio's subprocess: under uvloop the child inherits a copy of the pipe's end, and
    # Asterisk would hold it open for ever.
    shell = await asyncio.to_thread(
        subprocess.run,
        ["/bin/sh", "-c", LAUNCH, "launch", str(console), *command],
        cwd=paths.base, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(paths.base), "TERM": "dumb"},
    )  # fmt: skip
    output = shell.stdout
    if shell.returncode or not output.strip():
        raise SetupError(f"Asterisk could not be launched: {last_lines(paths)}")
    if user is not None and console.exists():
        os.chown(console, user.pw_uid, user.pw_gid)
    return int(output)


async def wait_until_ready(asterisk: ManagedAsterisk, timeout: float) -> None:
    """Return when ARI answers and every module is loaded."""
    deadline = time.monotonic() + timeout
    login = {"Authorization": aiohttp.encode_basic_auth(asterisk.ari_user, asterisk.ari_password)}
    limit = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(headers=login, timeout=limit) as session:
        while True:
            if not is_alive(asterisk.pid):
                raise SetupError(f"Asterisk ended while starting: {last_lines(asterisk.paths)}")
            answer = await ask_ari(session, f"{asterisk.ari_url}/asterisk/info?only=status")
            if answer == 200:
                break
            if answer in (401, 403):
                raise SetupError(
                    f"{asterisk.ari_url} refuses our password: it belongs to another Asterisk;"
                    " stop that one or set asterisk.managed_ari_port in callcore.toml"
                )
            if time.monotonic() > deadline:
                raise SetupError(
                    f"Asterisk (pid {asterisk.pid}) does not answer on {asterisk.ari_url} after"
                    f" {timeout:.0f} s{hint(asterisk)}: {last_lines(asterisk.paths)}"
                )
            await asyncio.sleep(0.05)
    await asterisk.run_command("core waitfullybooted", max(1.0, deadline - time.monotonic()))


def hint(asterisk: ManagedAsterisk) -> str:
    changed_port = " (if its port was changed in callcore.toml: callcore asterisk stop, then start)"
    return changed_port if asterisk.adopted else ""


async def ask_ari(session: aiohttp.ClientSession, url: str) -> int:
    """The HTTP status, or 0 when nobody answers."""
    try:
        async with session.get(url) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return 0


def last_lines(paths: AsteriskPaths, count: int = 3) -> str:
    """The end of Asterisk's logs, for the person who must find out."""
    lines: list[str] = []
    for path in (paths.messages, paths.console):
        if path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            lines += [line for line in text.splitlines() if line.strip()][-count:]
    return " | ".join(lines) or f"nothing in {paths.log}"


def is_alive(pid: int) -> bool:
    """Process `pid` still holds its files: one just killed is a zombie with other threads."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX" or threads > 1


def command_of(pid: int) -> list[bytes]:
    """Its command line; empty for a moment when it starts or ends."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_ours(pid: int, paths: AsteriskPaths) -> bool:
    """Process `pid` is the Asterisk (or its launcher) of this directory, and no console of it."""
    return is_alive(pid) and {b"-f", os.fsencode(paths.config)} <= set(command_of(pid))


def find_pid(paths: AsteriskPaths) -> int | None:
    """The pid of the Asterisk running from this directory."""
    for pid in recorded_pids(paths):
        if is_ours(pid, paths):
            return pid
    return None


def owner_of(pid: int) -> str:
    return user_name(Path(f"/proc/{pid}").stat().st_uid)


async def surviving(program: AsteriskProgram, paths: AsteriskPaths) -> int | None:
    """The pid of the running Asterisk; one that is just dying is waited for instead."""
    if paths.pid_file.exists():
        for recorded in recorded_pids(paths):
            # Without a command line and still alive: its ports are not free yet.
            if is_alive(recorded) and command_of(recorded) == [b""]:
                await wait_until_gone(recorded, 5.0)
    pid = find_pid(paths)
    if pid is None:
        return None
    try:
        await run_command(program, paths, "core show uptime", 5.0)
    except SetupError:
        return None if await wait_until_gone(pid, 2.0) else pid
    return pid


def recorded_pids(paths: AsteriskPaths) -> Iterable[int]:
    try:
        yield int(paths.pid_file.read_text())
    except (FileNotFoundError, ValueError):
        # Killed or started a moment ago: look for it among the processes.
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                yield int(entry.name)


async def status(paths: AsteriskPaths) -> Status:
    """Whether Asterisk runs from this directory and answers."""
    pid = find_pid(paths)
    if pid is None:
        return Status(running=False, config=str(paths.config))
    return Status(
        running=True,
        pid=pid,
        responding=await socket_answers(paths.control_socket),
        user=owner_of(pid),
        config=str(paths.config),
    )


async def socket_answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), 2)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def run_command(
    program: AsteriskProgram, paths: AsteriskPaths, command: str, timeout: float = 10.0
) -> str:
    """Run one command on the Asterisk console over the control socket."""
    process = await asyncio.create_subprocess_exec(
        *program.command("-C", str(paths.config), "-rx", command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError as exc:
        process.kill()
        await process.wait()
        raise SetupError(f"Asterisk did not answer {command!r} within {timeout:.0f} s") from exc
    text = without_console_notice(output.decode(errors="replace"))
    if process.returncode:
        raise SetupError(f"Asterisk console: {text.strip()}")
    return text


def without_console_notice(output: str) -> str:
    """Where no network card has a name it knows (Wi-Fi only, a container), it says so each time."""
    lines = output.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("No ethernet interface found"))


async def stop(paths: AsteriskPaths, timeout: float = 10.0) -> bool:
    """End Asterisk, by its console if it listens, else by signal; false when none was running."""
    pid = find_pid(paths)
    if pid is None:
        return False
    try:
        await run_command(find_program(), paths, "core stop now", timeout=min(timeout, 5.0))
    except SetupError:
        send_signal(pid, signal.SIGTERM)
    if not await wait_until_gone(pid, timeout):
        send_signal(pid, signal.SIGKILL)
        await wait_until_gone(pid, 5.0)
    return True


def send_signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself meanwhile, which is what was wanted


async def wait_until_gone(pid: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
