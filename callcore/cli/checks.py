"""What `callcore check` looks at: the files, then the machine, then Asterisk."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from pathlib import Path

from callcore.config import Settings, is_loopback
from callcore.directory_check import check_trees
from callcore.directory_warnings import warnings_of
from callcore.errors import CallcoreError, ConfigError, SetupError
from callcore.findings import Finding, Level, error, ok, warning
from callcore.site import check_site

#: Free space below which recordings are in danger, bytes.
LOW_SPACE = 2 * 1024**3


def of_error(area: str, exc: ConfigError, level: Level = Level.ERROR) -> Finding:
    return Finding(area=area, level=level, message=exc.message, file=exc.file, line=exc.line)


def site(settings: Settings) -> list[Finding]:
    """Settings (valid when we got here) and the trees."""
    directory = settings.directory
    counts = (f"{len(directory.queues)} queues, {len(directory.agents)} agents, "
              f"{len(directory.phones)} phones, {len(directory.trunks)} trunks")  # fmt: skip
    found = [ok("settings", f"{settings.file}: {counts}")]
    if not Path(settings.file).exists():
        found = [warning("settings", f"{settings.file} does not exist", "defaults are used")]
    try:
        checked = check_site(settings)
    except ConfigError as exc:
        return [*found, of_error("trees", exc)]
    found += [of_error("trees", exc) for exc in checked.errors]
    found += [of_error("trees", exc, Level.WARNING) for exc in checked.warnings]
    if not checked.errors:
        try:
            check_trees(directory, checked.trees, settings.places)
        except ConfigError as exc:
            found.append(of_error("settings", exc))
        surprises = warnings_of(directory, checked.trees, settings.places, settings.paths.ivr)
        found += [of_error("settings", exc, Level.WARNING) for exc in surprises]
        found.append(ok("trees", f"{settings.paths.ivr}: {', '.join(checked.trees) or 'none'}"))
    return found


def machine(settings: Settings) -> list[Finding]:
    """This machine, and the Asterisk the settings name."""
    found = [*_host_name(), *_directories(settings), *_prompts(settings), *_sip_password(settings)]
    if settings.telephony.backend == "pjsip":
        return [*found, *_embedded(settings)]
    if settings.asterisk.mode == "managed":
        return [*found, *_managed(settings)]
    from callcore.telephony.survey import survey

    return [*found, *asyncio.run(survey(settings))]


def _host_name() -> list[Finding]:
    """Asterisk looks its own name up for each SDP answer."""
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        hint = f"echo '127.0.1.1 {name}' | sudo tee -a /etc/hosts"
        return [warning("machine", f"the host name {name} does not resolve: slow answers", hint)]
    return [ok("machine", f"the host name {name} resolves")]


def _directories(settings: Settings) -> list[Finding]:
    var = settings.paths.var
    existing = next(p for p in (var, *var.parents) if p.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return [error("machine", f"cannot write in {existing}", "set paths.var, or its owner")]
    free = shutil.disk_usage(existing).free
    text = f"{var}: {free / 1024**3:.1f} GB free"
    if free < LOW_SPACE:
        return [warning("machine", text, "recordings need about 20 MB an hour and call")]
    return [ok("machine", text)]


def _prompts(settings: Settings) -> list[Finding]:
    prompts = settings.paths.prompts
    if not prompts.is_dir():
        return [error("machine", f"no prompts in {prompts}", "make setup")]
    return [ok("machine", f"prompts in {prompts}")]


def _sip_password(settings: Settings) -> list[Finding]:
    """What lets strangers in, when phones are reachable from outside."""
    if settings.asterisk.mode == "managed" and is_loopback(settings.sip.bind):
        return []
    weak = [p.id for p in settings.directory.phones.values() if p.secret and len(p.secret) < 10]
    if not weak:
        return []
    names = ", ".join(weak[:5]) + (", …" if len(weak) > 5 else "")
    return [warning("settings", f"short SIP passwords: {names}", "remove `secret`: one is made")]


def _embedded(settings: Settings) -> list[Finding]:
    """The pjsua2 that is installed, and what it cannot do for these phones."""
    from callcore.telephony.pjsip.library import check_limit, facts
    from callcore.telephony.pjsip.settings import check_ports

    try:
        pjsua2 = facts()
        check_limit(pjsua2.calls)
    except SetupError as exc:
        return [error("pjsip", str(exc))]
    codecs = ", ".join(pjsua2.codecs)
    found = [ok("pjsip", f"pjsua2 {pjsua2.version}: {pjsua2.calls} calls at once, {codecs}")]
    homeless = [phone.id for phone in settings.directory.phones.values() if not phone.host]
    if homeless:
        names = ", ".join(homeless[:5]) + (", …" if len(homeless) > 5 else "")
        hint = "set `host`: the SIP stack inside callcore keeps no registrations"
        found.append(error("settings", f"phones without an address: {names}", hint))
    try:
        check_ports(settings.sip)
    except SetupError as exc:
        # A callcore that serves from here has them.
        found.append(warning("pjsip", str(exc), "fine if it is callcore itself that runs"))
    return found


def _managed(settings: Settings) -> list[Finding]:
    from callcore.telephony import managed
    from callcore.telephony.known_faults import known_faults
    from callcore.telephony.layout import AsteriskPaths, ManagedSettings, find_program
    from callcore.telephony.preflight import check_paths, check_ports, check_program

    try:
        program = find_program()
        wanted = ManagedSettings.of(settings)
        paths = AsteriskPaths.under(settings.paths.var)
        check_program(program)
        check_paths(paths)
    except SetupError as exc:
        return [error("asterisk", str(exc))]
    except CallcoreError as exc:
        return [error("settings", str(exc))]
    found = [ok("asterisk", f"{program.version or 'Asterisk'} in {program.binary}")]
    found += known_faults(program.version)
    status = asyncio.run(managed.status(paths))
    if status.running:
        state = "answers" if status.responding else "does not answer"
        finding = ok if status.responding else error
        return [*found, finding("asterisk", f"runs, pid {status.pid}, and {state}")]
    try:
        check_ports(wanted)
    except SetupError as exc:
        return [*found, error("asterisk", str(exc))]
    return [*found, ok("asterisk", "does not run yet; its ports are free")]
