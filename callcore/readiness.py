"""Why calls cannot be served now, in sentences that say what to do about it."""

from __future__ import annotations

from callcore.config import Settings
from callcore.monitor.view import NodeView
from callcore.telephony.asterisk_link import TAKEN_OVER
from callcore.telephony.layout import AsteriskPaths

#: What provisioning says before its first try.
NOT_YET = "it was not asked to yet"


def why_not_ready(node: NodeView, settings: Settings, not_provisioned: str) -> str:
    """Empty: calls are served. `not_provisioned` is why phones and trunks are not in force."""
    if not node.up:
        return _no_link(node, settings)
    if not not_provisioned:
        return ""
    if settings.telephony.backend == "pjsip":
        return f"Phones and trunks are not in force: {not_provisioned.rstrip('.')}."
    told = f"Asterisk runs, but does not know our phones and trunks: {not_provisioned.rstrip('.')}."
    if not_provisioned == NOT_YET:
        return f"{told} That takes a second."
    return f"{told} callcore tries again all the time. {_look(settings)}"


def _no_link(node: NodeView, settings: Settings) -> str:
    if node.reason == TAKEN_OVER:
        return (
            f"Another program connected to Asterisk as application {settings.asterisk.app!r}, and"
            " this callcore has stopped acting. Stop the other one and restart this, or give each"
            " an asterisk.app of its own."
        )
    if settings.telephony.backend == "pjsip":
        return "The SIP stack inside callcore is starting."
    if settings.asterisk.mode == "managed":
        lost = "Asterisk does not answer; callcore connects to it, and starts it if it died."
    else:
        lost = f"Asterisk does not answer at {settings.asterisk.ari_url}; callcore goes on trying."
    return f"{lost} {_look(settings)}"


def _look(settings: Settings) -> str:
    """Where to look when it does not end by itself."""
    if settings.asterisk.mode == "existing":
        return "If it lasts: `callcore check` says what that Asterisk lacks."
    log = AsteriskPaths.under(settings.paths.var).messages
    return f"If it lasts: `callcore asterisk status`, and its log {log}."
