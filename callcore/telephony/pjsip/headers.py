"""Reads what callcore needs of a SIP request: who calls, what was dialled. Pure; bounded."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from callcore.telephony.asterisk_events import printable

_COMPACT = {"f": "from", "t": "to", "i": "call-id", "r": "refer-to", "b": "referred-by"}
_DISPLAY = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<([^>]*)>')
_QUOTED_PAIR = re.compile(r"\\(.)")
_URI = re.compile(r"(?:sips?|tel):(?:([^@;?>]*)@)?([^;?>]*)", re.IGNORECASE)


class Address(NamedTuple):
    """A name-addr or addr-spec (RFC 3261, 25.1)."""

    display: str = ""
    user: str = ""
    host: str = ""
    uri: str = ""


class Request(NamedTuple):
    """First line and headers of a request; of several of one name all, in order."""

    uri: str
    headers: dict[str, list[str]]

    def first(self, name: str) -> str:
        found = self.headers.get(name)
        return found[0] if found else ""


def parse(message: str) -> Request:
    """What stands before the body."""
    head = message.partition("\r\n\r\n")[0]
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    words = lines[0].split(" ")
    headers: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers.setdefault(_COMPACT.get(key, key), []).append(value.strip())
    return Request(words[1] if len(words) > 1 else "", headers)


def address(value: str) -> Address:
    """Display name and URI of From, To, P-Asserted-Identity … or a bare URI."""
    found = _DISPLAY.match(value)
    display, uri = "", value.strip()
    if found is not None:
        display = _QUOTED_PAIR.sub(r"\1", found[1]) if found[1] is not None else found[2]
        uri = found[3]
    parts = _URI.match(uri)
    if parts is None:
        return Address(printable(display.strip()), "", "", uri)
    user, host = parts[1] or "", parts[2]
    if uri[:4].lower() == "tel:" and not user:
        user, host = host, ""
    user = unquote(user.partition(";")[0].partition(":")[0])
    return Address(printable(display.strip()), printable(user), host, uri)


def caller(request: Request) -> Address:
    """Who calls: the asserted identity (RFC 3325) where there is one, else From."""
    asserted = request.first("p-asserted-identity")
    who = address(asserted) if asserted else Address()
    named = address(request.first("from"))
    return who._replace(display=who.display or named.display) if who.user else named


class Referral(NamedTuple):
    """Where a REFER points: a number, or the dialog to be replaced (RFC 3891)."""

    target: str
    replaces: str = ""


def referral(refer_to: str) -> Referral:
    """Refer-To, with the Call-ID of its Replaces where it has one."""
    who = address(refer_to)
    query = who.uri.partition("?")[2]
    for item in query.split("&"):
        name, _, value = item.partition("=")
        if name.lower() == "replaces":
            return Referral(who.user, unquote(value).partition(";")[0])
    return Referral(who.user)
