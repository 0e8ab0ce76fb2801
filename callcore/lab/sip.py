"""SIP messages: parse, format, name-addr headers and digest answers (RFC 3261, 7616); no I/O."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from callcore.lab.errors import SipSyntaxError

# RFC 3261 §7.3.3 and later RFCs: compact header names.
COMPACT_NAMES = {
    "i": "call-id",
    "m": "contact",
    "e": "content-encoding",
    "l": "content-length",
    "c": "content-type",
    "f": "from",
    "s": "subject",
    "k": "supported",
    "t": "to",
    "v": "via",
    "r": "refer-to",
    "b": "referred-by",
    "o": "event",
    "x": "session-expires",
}

PHRASES = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    503: "Service Unavailable",
    603: "Decline",
}


@dataclass
class SipMessage:
    """One request (``method`` set) or response (``status`` set)."""

    method: str = ""
    uri: str = ""
    status: int = 0
    phrase: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_request(self) -> bool:
        return self.status == 0

    def get(self, name: str, default: str = "") -> str:
        """First value of a header, whatever its case or compact form."""
        wanted = name.lower()
        for key, value in self.headers:
            lowered = key.lower()
            if COMPACT_NAMES.get(lowered, lowered) == wanted:
                return value
        return default

    def all(self, name: str) -> list[str]:
        """Every value of a header, top first."""
        wanted = name.lower()
        return [v for k, v in self.headers if COMPACT_NAMES.get(k.lower(), k.lower()) == wanted]

    def add(self, name: str, value: str) -> None:
        self.headers.append((name, value))

    def replace(self, name: str, value: str) -> None:
        """Set a header that exists once."""
        self.headers = [(k, v) for k, v in self.headers if k.lower() != name.lower()]
        self.headers.append((name, value))

    @property
    def call_id(self) -> str:
        return self.get("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        number, _, method = self.get("cseq").partition(" ")
        return (int(number) if number.isdigit() else 0, method.strip())

    @property
    def branch(self) -> str:
        return parameter(self.get("via"), "branch")

    @property
    def from_tag(self) -> str:
        return parameter(after_uri(self.get("from")), "tag")

    @property
    def to_tag(self) -> str:
        return parameter(after_uri(self.get("to")), "tag")

    def encode(self) -> bytes:
        start = (
            f"{self.method} {self.uri} SIP/2.0"
            if self.is_request
            else f"SIP/2.0 {self.status} {self.phrase or PHRASES.get(self.status, 'Answer')}"
        )
        lines = [start]
        lines += [f"{k}: {v}" for k, v in self.headers if k.lower() != "content-length"]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body

    def __str__(self) -> str:
        """One short line for logs."""
        what = f"{self.method} {self.uri}" if self.is_request else f"{self.status} {self.phrase}"
        number, method = self.cseq
        return f"{what[:100]} [{number} {method}] call-id={self.call_id[:40]}"


@dataclass(frozen=True)
class LogEntry:
    """One SIP message of a call or phone."""

    at: float
    sent: bool
    message: SipMessage

    def __str__(self) -> str:
        return f"{self.at:.3f} {'→' if self.sent else '←'} {self.message}"


def parse(data: bytes) -> SipMessage:
    """Read one complete message; header folding and bare LF are accepted."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        head, _, body = data.partition(b"\n\n")
    text = re.sub(r"\r?\n[ \t]+", " ", head.decode("utf-8", "surrogateescape"))
    lines = text.replace("\r\n", "\n").split("\n")
    message = _parse_start(lines[0])
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise SipSyntaxError(f"header without colon: {line[:60]!r}")
        message.headers.append((name.strip(), value.strip()))
    length = message.get("content-length")
    message.body = body[: int(length)] if length.isdigit() else body
    return message


def _parse_start(line: str) -> SipMessage:
    parts = line.split(" ", 2)
    if len(parts) >= 2 and parts[0] == "SIP/2.0" and parts[1].isdigit():
        return SipMessage(status=int(parts[1]), phrase=parts[2] if len(parts) > 2 else "")
    if len(parts) == 3 and parts[2] == "SIP/2.0":
        return SipMessage(method=parts[0], uri=parts[1])
    raise SipSyntaxError(f"no SIP start line: {line[:60]!r}")


class StreamFramer:
    """Cuts a TCP byte stream into SIP messages by Content-Length (RFC 3261 §18.3)."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        messages: list[bytes] = []
        while True:
            # Keep-alives (RFC 5626) are bare CRLFs between messages.
            self._buffer = self._buffer.lstrip(b"\r\n")
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return messages
            found = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)", self._buffer[:end])
            size = end + 4 + (int(found.group(1)) if found else 0)
            if len(self._buffer) < size:
                return messages
            messages.append(self._buffer[:size])
            self._buffer = self._buffer[size:]


@dataclass(frozen=True)
class NameAddress:
    """The parts of a From, To, Contact or Refer-To value."""

    display: str
    uri: str
    parameters: str

    @property
    def user(self) -> str:
        scheme_less = self.uri.partition(":")[2]
        return scheme_less.rpartition("@")[0].partition(":")[0] if "@" in scheme_less else ""

    @property
    def host(self) -> str:
        scheme_less = self.uri.partition(":")[2].partition(";")[0].partition("?")[0]
        return scheme_less.rpartition("@")[2]


def parse_name_address(value: str) -> NameAddress:
    """Split ``"Display" <uri>;parameters``, with quotes and backslashes respected."""
    quoted = re.match(r'\s*"((?:[^"\\]|\\.)*)"\s*', value)
    display, rest = "", value
    if quoted:
        display = re.sub(r"\\(.)", r"\1", quoted.group(1))
        rest = value[quoted.end() :]
    bracketed = re.match(r"([^<]*)<([^>]*)>(.*)", rest, re.DOTALL)
    if bracketed:
        return NameAddress(
            display or bracketed.group(1).strip(), bracketed.group(2), bracketed.group(3)
        )
    uri, semicolon, parameters = rest.strip().partition(";")
    return NameAddress(display, uri, semicolon + parameters)


def after_uri(value: str) -> str:
    """The header parameters behind the address (not those inside the URI)."""
    return parse_name_address(value).parameters


def parameter(value: str, name: str) -> str:
    """``;name=value`` of a header value, or an empty string."""
    found = re.search(rf";\s*{re.escape(name)}\s*=\s*\"?([^;,\s\"]*)", value, re.IGNORECASE)
    return found.group(1) if found else ""


def quote_display(name: str) -> str:
    """A display name as quoted-string; control characters are left for the tester to choose."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def response_to(request: SipMessage, status: int, to_tag: str = "") -> SipMessage:
    """A response with the headers RFC 3261 §8.2.6 copies from the request."""
    answer = SipMessage(status=status, phrase=PHRASES.get(status, "Answer"))
    for via in request.all("via"):
        answer.add("Via", via)
    for route in request.all("record-route"):
        answer.add("Record-Route", route)
    to = request.get("to")
    answer.add("From", request.get("from"))
    answer.add("To", f"{to};tag={to_tag}" if to_tag and not request.to_tag else to)
    answer.add("Call-ID", request.call_id)
    answer.add("CSeq", request.get("cseq"))
    return answer


_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def digest_answer(
    challenges: Iterable[str], method: str, uri: str, user: str, password: str
) -> str | None:
    """The Authorization value for the first challenge whose algorithm is known, else None."""
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        fields = {k.lower(): v for k, v in _PAIR.findall(rest)}
        values = {k: v.strip('"') for k, v in fields.items()}
        algorithm = values.get("algorithm", "MD5").upper()
        if scheme.lower() == "digest" and algorithm in _HASHES:
            return _digest(values, algorithm, method, uri, user, password)
    return None


_PAIR = re.compile(r'(\w+)\s*=\s*("[^"]*"|[^,\s]+)')


def _digest(
    values: dict[str, str], algorithm: str, method: str, uri: str, user: str, password: str
) -> str:
    def hashed(text: str) -> str:
        return _HASHES[algorithm](text.encode()).hexdigest()

    realm, nonce = values.get("realm", ""), values.get("nonce", "")
    secret = hashed(f"{user}:{realm}:{password}")
    request = hashed(f"{method}:{uri}")
    parts = [f'username="{user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"']
    if "auth" in [option.strip() for option in values.get("qop", "").split(",")]:
        count, client_nonce = "00000001", secrets.token_hex(8)
        response = hashed(f"{secret}:{nonce}:{count}:{client_nonce}:auth:{request}")
        parts += ["qop=auth", f"nc={count}", f'cnonce="{client_nonce}"']
    else:
        response = hashed(f"{secret}:{nonce}:{request}")
    parts += [f'response="{response}"', f"algorithm={algorithm}"]
    if "opaque" in values:
        parts.append(f'opaque="{values["opaque"]}"')
    return "Digest " + ", ".join(parts)
