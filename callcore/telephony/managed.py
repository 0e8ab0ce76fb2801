"""Starts, adopts and stops the Asterisk that callcore manages, in a session of its own."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import msgspec

from callcore.errors import SetupError
from callcore.telephony.render import (
    AsteriskPaths,
    AsteriskProgram,
    AsteriskSettings,
    Secrets,
    find_program,
    write_configuration,
)

#: The system user that set-up makes; Asterisk started by root runs as it.
RUN_AS = "callcore"
#: Longest path of a Unix socket (sun_path, one byte for the end).
SOCKET_PATH_MAX = 107
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
    settings: AsteriskSettings
    program: AsteriskProgram
    passwords: Secrets
    pid: int
    #: It was running already, and was taken over.
    adopted: bool = False

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
    paths: AsteriskPaths, settings: AsteriskSettings, *, timeout: float = 30.0
) -> ManagedAsterisk:
    """Start Asterisk, or adopt the one that already runs from the same directory."""
    program = find_program()
    check_paths(paths)
    user = run_user(paths, program)
    passwords = await asyncio.to_thread(write_configuration, program, paths, settings)
    hand_over(paths, user)
    running = find_pid(paths)
    adopted = running is not None
    if running is None:
        check_ports(settings)
        running = await launch(program, paths, user)
    asterisk = ManagedAsterisk(
        paths=paths, settings=settings, program=program, passwords=passwords,
        pid=running, adopted=adopted,
    )  # fmt: skip
    await wait_until_ready(asterisk, timeout)
    return asterisk


def check_paths(paths: AsteriskPaths) -> None:
    length = len(os.fsencode(paths.control_socket))
    if length > SOCKET_PATH_MAX:
        raise SetupError(
            f"{paths.control_socket} is too long for a socket ({length} > {SOCKET_PATH_MAX} bytes):"
            " use a directory with a shorter name"
        )
    if any(character in str(paths.base) for character in " ;\n\t"):
        raise SetupError(f"{paths.base}: Asterisk cannot work in a path with blanks or semicolons")
    base = paths.base
    if base.exists() and os.geteuid() not in (0, base.stat().st_uid):
        owner = base.stat().st_uid
        raise SetupError(
            f"{base} belongs to {user_name(owner)}: run as that user, or remove it (as root)"
        )


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def run_user(paths: AsteriskPaths, program: AsteriskProgram) -> pwd.struct_passwd | None:
    """The user Asterisk drops to when root starts it; None: the invoking user."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(RUN_AS)
    except KeyError:
        warn(f"there is no user {RUN_AS} (make setup makes it): Asterisk runs as root")
        return None
    paths.var.mkdir(parents=True, exist_ok=True)
    for path in (paths.var, paths.prompts, program.binary):
        closed = first_closed(path, entry)
        if closed is not None:
            warn(f"user {RUN_AS} cannot reach {closed}: Asterisk runs as root")
            return None
    return entry


def first_closed(path: Path, user: pwd.struct_passwd) -> Path | None:
    """The first directory on the way to `path` that `user` may not pass."""
    for part in (*reversed(path.parents), path):
        if not part.exists():
            return None
        status = part.stat()
        shift = 6 if status.st_uid == user.pw_uid else 3 if status.st_gid == user.pw_gid else 0
        if not status.st_mode >> shift & 0o1:
            return part
    return None


def warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def hand_over(paths: AsteriskPaths, user: pwd.struct_passwd | None) -> None:
    """Give Asterisk's directories to the user it runs as."""
    if os.geteuid() != 0:
        return
    uid, gid = (user.pw_uid, user.pw_gid) if user else (0, 0)
    for path in (paths.base, *paths.base.rglob("*")):
        status = path.lstat()
        if (status.st_uid, status.st_gid) != (uid, gid):
            os.chown(path, uid, gid, follow_symlinks=False)


def check_ports(settings: AsteriskSettings) -> None:
    """Say which port is taken before Asterisk half-starts without it."""
    sip, control = settings.sip, settings.control_address
    wanted = [
        ("ARI", "asterisk.ari_port", control, settings.ari_port, socket.SOCK_STREAM),
        ("AMI", "asterisk.ami_port", control, settings.ami_port, socket.SOCK_STREAM),
        ("SIP", "asterisk.sip.udp_port", sip.bind, sip.udp_port, socket.SOCK_DGRAM),
        ("SIP", "asterisk.sip.tcp_port", sip.bind, sip.tcp_port, socket.SOCK_STREAM),
        ("SIP TLS", "asterisk.sip.tls_port", sip.bind, sip.tls_port, socket.SOCK_STREAM),
    ]
    for purpose, setting, address, port, kind in wanted:
        if port:
            check_port(purpose, setting, address, port, kind)


def check_port(purpose: str, setting: str, address: str, port: int, kind: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # Asterisk sets it too: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as exc:
            protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
            raise SetupError(
                f"port {port}/{protocol} on {address} ({purpose}) cannot be used: {exc.strerror}."
                f" Stop what uses it (ss -lpn 'sport = :{port}') or set {setting} in callcore.toml"
            ) from exc


async def launch(
    program: AsteriskProgram, paths: AsteriskPaths, user: pwd.struct_passwd | None
) -> int:
    """Run Asterisk detached from us; returns its pid."""
    paths.pid_file.unlink(missing_ok=True)
    console = paths.log / "console.log"
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
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", LAUNCH, "launch", str(console), *command,
        cwd=paths.base, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(paths.base), "TERM": "dumb"},
    )  # fmt: skip
    output, _ = await shell.communicate()
    if shell.returncode or not output.strip():
        raise SetupError(f"Asterisk could not be launched: {last_lines(paths)}")
    if user is not None and console.exists():
        os.chown(console, user.pw_uid, user.pw_gid)
    return int(output)


async def wait_until_ready(asterisk: ManagedAsterisk, timeout: float) -> None:
    """Return when ARI answers and every module is loaded."""
    deadline = time.monotonic() + timeout
    auth = aiohttp.BasicAuth(asterisk.ari_user, asterisk.ari_password)
    limit = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(auth=auth, timeout=limit) as session:
        while True:
            if not is_ours(asterisk.pid, asterisk.paths):
                raise SetupError(f"Asterisk ended while starting: {last_lines(asterisk.paths)}")
            answer = await ask_ari(session, f"{asterisk.ari_url}/asterisk/info?only=status")
            if answer == 200:
                break
            if answer in (401, 403):
                raise SetupError(
                    f"{asterisk.ari_url} refuses our password: it belongs to another Asterisk;"
                    " stop that one or set asterisk.ari_port in callcore.toml"
                )
            if time.monotonic() > deadline:
                raise SetupError(
                    f"Asterisk (pid {asterisk.pid}) does not answer on {asterisk.ari_url} after"
                    f" {timeout:.0f} s: {last_lines(asterisk.paths)}"
                )
            await asyncio.sleep(0.05)
    await asterisk.run_command("core waitfullybooted", max(1.0, deadline - time.monotonic()))


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
    for path in (paths.messages, paths.log / "console.log"):
        if path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            lines += [line for line in text.splitlines() if line.strip()][-count:]
    return " | ".join(lines) or f"nothing in {paths.log}"


def is_ours(pid: int, paths: AsteriskPaths) -> bool:
    """Process `pid` lives and is the Asterisk (or its launcher) of this directory."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX" and os.fsencode(paths.config) in command


def find_pid(paths: AsteriskPaths) -> int | None:
    """The pid of the Asterisk running from this directory."""
    for pid in recorded_pids(paths):
        if is_ours(pid, paths):
            return pid
    return None


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
        user=user_name(Path(f"/proc/{pid}").stat().st_uid),
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
    text = output.decode(errors="replace")
    if process.returncode:
        raise SetupError(f"Asterisk console: {text.strip()}")
    return text


async def stop(paths: AsteriskPaths, timeout: float = 10.0) -> bool:
    """End Asterisk, by its console if it listens, else by signal; false when none was running."""
    pid = find_pid(paths)
    if pid is None:
        return False
    try:
        await run_command(find_program(), paths, "core stop now", timeout=min(timeout, 5.0))
    except SetupError:
        send_signal(pid, signal.SIGTERM)
    if not await wait_until_gone(pid, paths, timeout):
        warn(f"Asterisk (pid {pid}) did not stop within {timeout:.0f} s: killed")
        send_signal(pid, signal.SIGKILL)
        await wait_until_gone(pid, paths, 5.0)
    return True


def send_signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself meanwhile, which is what was wanted


async def wait_until_gone(pid: int, paths: AsteriskPaths, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while is_ours(pid, paths):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
