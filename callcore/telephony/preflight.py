"""What must hold before a managed Asterisk starts: a usable directory, a user, free ports."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

from callcore.errors import SetupError
from callcore.telephony.layout import AsteriskPaths, AsteriskProgram, ManagedSettings
from callcore.telephony.modules import missing_modules

#: The system user that set-up makes; Asterisk started by root runs as it.
RUN_AS = "callcore"
#: Longest path of a Unix socket (sun_path, one byte for the end).
SOCKET_PATH_MAX = 107


def check_program(program: AsteriskProgram) -> None:
    """Distributions split Asterisk's modules into packages: say which are not there."""
    missing = missing_modules(program.module_dir)
    if missing:
        raise SetupError(
            f"{program.binary} lacks the modules {', '.join(missing)} in {program.module_dir}:"
            " install all module packages of that Asterisk, then run make setup again"
        )


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


def run_user(
    paths: AsteriskPaths, program: AsteriskProgram
) -> tuple[pwd.struct_passwd | None, str | None]:
    """The user Asterisk drops to when root starts it, or None and perhaps a warning why not."""
    if os.geteuid() != 0:
        return None, None
    try:
        user = pwd.getpwnam(RUN_AS)
    except KeyError:
        return None, f"there is no user {RUN_AS} (make setup makes it): Asterisk runs as root"
    paths.var.mkdir(parents=True, exist_ok=True)
    for path in (paths.var, paths.prompts, program.binary):
        closed = first_closed(path, user)
        if closed is not None:
            return None, f"user {RUN_AS} cannot reach {closed}: Asterisk runs as root"
    return user, None


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


def hand_over(paths: AsteriskPaths, user: pwd.struct_passwd | None) -> None:
    """Give Asterisk's directories to the user it runs as."""
    if os.geteuid() != 0:
        return
    uid, gid = (user.pw_uid, user.pw_gid) if user else (0, 0)
    for path in (paths.base, *paths.base.rglob("*")):
        status = path.lstat()
        if (status.st_uid, status.st_gid) != (uid, gid):
            os.chown(path, uid, gid, follow_symlinks=False)


def check_ports(settings: ManagedSettings) -> None:
    """Say which port is taken before Asterisk half-starts without it."""
    sip, control = settings.sip, settings.control_address
    wanted = [
        ("ARI", "asterisk.managed_ari_port", control, settings.ari_port, socket.SOCK_STREAM),
        ("AMI", "asterisk.managed_ami_port", control, settings.ami_port, socket.SOCK_STREAM),
        ("SIP", "sip.udp_port", sip.bind, sip.udp_port, socket.SOCK_DGRAM),
        ("SIP", "sip.tcp_port", sip.bind, sip.tcp_port, socket.SOCK_STREAM),
        ("SIP TLS", "sip.tls_port", sip.bind, sip.tls_port, socket.SOCK_STREAM),
    ]
    for purpose, setting, address, port, kind in wanted:
        if port:
            check_port(purpose, setting, address, port, kind)


def check_port(
    purpose: str, setting: str, address: str, port: int, kind: int, file: str = "callcore.toml"
) -> None:
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
                f" Stop what uses it (ss -lpn 'sport = :{port}') or set {setting} in {file}"
            ) from exc
