"""What an Asterisk that is already there lacks, found by asking it: ARI, modules, AMI, dialplan.

Nothing is left behind: the trial objects have names of their own and are removed.
"""

from __future__ import annotations

import os
from typing import Any

import aiohttp
import msgspec

from callcore.config import Settings
from callcore.errors import ActionRefused, BackendUnavailable
from callcore.findings import Finding, error, ok, warning
from callcore.telephony.ami import Ami, AmiSettings
from callcore.telephony.ari import AriSettings, new_session
from callcore.telephony.canary import canary
from callcore.telephony.known_faults import known_faults

TIMEOUT = aiohttp.ClientTimeout(total=5)
OLDEST = 20
PASTE = "asterisk-conf/existing"
#: What breaks without each module.
MODULES = {
    "res_pjsip": "SIP",
    "chan_pjsip": "SIP",
    "res_pjsip_refer": "transfers from phones",
    "res_pjsip_rfc3326": "no missed call on phones that lost a ring-all",
    "res_stasis": "ARI",
    "app_stasis": "the hand-over from the dialplan",
    "res_ari_applications": "ARI",
    "res_ari_asterisk": "ARI",
    "res_ari_bridges": "ARI",
    "res_ari_channels": "ARI",
    "res_ari_endpoints": "ARI",
    "res_ari_events": "ARI",
    "res_stasis_playback": "prompts",
    "res_stasis_recording": "voicemail",
    "res_stasis_snoop": "supervisors who listen",
    "app_mixmonitor": "recording",
    "app_queue": "the fallback queue",
    "res_musiconhold": "music on hold",
    "res_sorcery_astdb": "phones and trunks added by callcore",
    "res_ari_playbacks": "prompts",
    "res_ari_recordings": "voicemail",
    "res_manager_devicestate": "agents who are on calls of their own",
    "bridge_softmix": "conferences, and recordings that follow the clock",
    "chan_rtp": "`callcore check`",
    "format_wav": "prompts",
    "format_sln": "recording",
}
#: AMI action → the right (`write =` in manager.conf) that allows it.
RIGHTS = {
    "CoreStatus": "reporting",
    "MixMonitor": "system",
    "MixMonitorMute": "call",
    "StopMixMonitor": "call",
    "Redirect": "call",
    "ShowDialPlan": "reporting",
    "DeviceStateList": "reporting",
    "PJSIPShowContacts": "system",
}
PUSH_HINT = f"the lines of {PASTE}/sorcery.conf and a restart, or asterisk.push = false"
CONTEXTS = ("callcore-trunk", "callcore-phone", "callcore-resume")


async def survey(settings: Settings) -> list[Finding]:
    """Everything that is missing, each with what to do; ends early where nobody answers."""
    asterisk = settings.asterisk
    ari = AriSettings(url=asterisk.ari_url, user=asterisk.ari_user, password=asterisk.ari_password)
    base = asterisk.ari_url.rstrip("/").removesuffix("/ari") + "/ari"
    async with new_session(ari) as session:
        found, answers = await _ari(session, base, asterisk.ari_user)
        if answers:
            found += await _modules(session, base)
            found += await _rights(session, base, settings)
        ami = Ami(
            AmiSettings(
                host=asterisk.ami_host,
                port=asterisk.ami_port,
                user=asterisk.ami_user,
                password=asterisk.ami_password,
            )
        )
        try:
            logged_in = await _log_in(ami, found)
            if logged_in:
                found += await _ami_rights(ami)
                found += await _dialplan(ami, asterisk.app)
            if answers and logged_in:
                found += await canary(settings, session, base, ami)
        finally:
            await ami.close()
    return found


async def _ari(session: aiohttp.ClientSession, base: str, user: str) -> tuple[list[Finding], bool]:
    status, info = await ask(session, "GET", f"{base}/asterisk/info")
    if status == 0:
        return [error("ari", f"{base}: {info}", f"http.conf and ari.conf of {PASTE}")], False
    if status in (401, 403):
        hint = "asterisk.ari_user and ari_password in callcore.toml, or ari.conf there"
        return [error("ari", f"{base} refuses user {user!r}", hint)], False
    if status != 200:
        hint = "enabled = yes in ari.conf; asterisk.ari_url without a path"
        return [error("ari", f"{base} answers {status}: no ARI there", hint)], False
    version = str(info.get("system", {}).get("version", "?"))
    major = version.split(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        return [error("ari", f"Asterisk {version}", f"version {OLDEST} or later is needed")], True
    return [ok("ari", f"Asterisk {version} answers on {base}"), *known_faults(version)], True


async def _modules(session: aiohttp.ClientSession, base: str) -> list[Finding]:
    status, modules = await ask(session, "GET", f"{base}/asterisk/modules")
    if status != 200 or not isinstance(modules, list):
        return [warning("asterisk", f"its modules cannot be listed ({status})")]
    running = {
        m.get("name", "").removesuffix(".so") for m in modules if m.get("status") == "Running"
    }
    missing = [name for name in MODULES if name not in running]
    if not missing:
        return [ok("asterisk", f"all {len(MODULES)} modules needed are running")]
    return [
        error("asterisk", f"module {name} does not run: {MODULES[name]}", f"load = {name}.so")
        for name in missing
    ]


async def _rights(session: aiohttp.ClientSession, base: str, settings: Settings) -> list[Finding]:
    """The user may write, and endpoints can be pushed (sorcery.conf)."""
    trial = f"{base}/asterisk/variable?variable=CALLCORE_CHECK&value=1"
    status, _ = await ask(session, "POST", trial)
    if status == 403:
        return [error("ari", "the ARI user may only read", "read_only = no in ari.conf")]
    if not settings.asterisk.push:
        return [ok("ari", "the user may write; phones and trunks are configured in Asterisk")]
    path = f"{base}/asterisk/config/dynamic/res_pjsip/aor/callcore-check"
    body = {"fields": [{"attribute": "max_contacts", "value": "1"}]}
    status, answer = await ask(session, "PUT", path, body)
    if status != 200:
        reason = answer.get("message", "") if isinstance(answer, dict) else ""
        message = f"phones and trunks cannot be pushed ({status} {reason})"
        # Who configures them in Asterisk itself needs nothing pushed.
        needed = settings.directory.phones or settings.directory.trunks
        return [(error if needed else warning)("ari", message, PUSH_HINT)]
    await ask(session, "DELETE", path)
    return [ok("ari", "the user may write, and phones and trunks can be pushed")]


async def _log_in(ami: Ami, found: list[Finding]) -> bool:
    try:
        await ami.connect()
    except BackendUnavailable as exc:
        found.append(error("ami", str(exc), f"manager.conf of {PASTE}"))
        return False
    return True


async def _ami_rights(ami: Ami) -> list[Finding]:
    try:
        allowed = dict.fromkeys((await ami.action("ListCommands"))[0])
    except (ActionRefused, BackendUnavailable) as exc:
        return [error("ami", str(exc))]
    missing = [name for name in RIGHTS if name not in allowed]
    if not missing:
        return [ok("ami", "logged in, with all rights needed")]
    lacking = ",".join(dict.fromkeys(RIGHTS[name] for name in missing))
    message = f"the AMI user may not {', '.join(missing)}"
    return [error("ami", message, f"add {lacking} to `write =` of the user in manager.conf")]


async def _dialplan(ami: Ami, app: str) -> list[Finding]:
    found = []
    for context in CONTEXTS:
        try:
            lines = await ami.action("ShowDialPlan", Context=context)
        except ActionRefused:
            hint = f"the lines of {PASTE}/extensions.conf, then `dialplan reload`"
            found.append(error("dialplan", f"there is no context {context}", hint))
            continue
        except BackendUnavailable as exc:
            return [error("ami", str(exc))]
        if not any(_hands_over(line, app) for line in lines):
            hint = f"Stasis({app},…) in it, or asterisk.app in callcore.toml"
            found.append(error("dialplan", f"context {context} does not reach {app!r}", hint))
    return found or [ok("dialplan", f"calls are handed over to {app!r}")]


def _hands_over(line: dict[str, str], app: str) -> bool:
    data = line.get("AppData", "")
    return line.get("Application") == "Stasis" and data.split(",")[0] == app


async def ask(
    session: aiohttp.ClientSession, method: str, url: str, body: object = None
) -> tuple[int, Any]:
    """Status and decoded body; status 0 and the reason when nobody answers."""
    try:
        async with session.request(method, url, json=body, timeout=TIMEOUT) as response:
            text = await response.read()
            status = response.status
    except TimeoutError:
        return 0, "no answer within 5 s"
    except aiohttp.ClientConnectorError as exc:
        number = exc.os_error.errno or 0
        return 0, os.strerror(number).lower() if number > 0 else "the host name is unknown"
    except (aiohttp.ClientError, ValueError) as exc:
        return 0, f"what listens there does not speak HTTP ({type(exc).__name__})"
    try:
        return status, msgspec.json.decode(text) if text else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return status, {}
