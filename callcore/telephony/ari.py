"""A typed asyncio client of the Asterisk REST Interface: one event WebSocket, REST over it, HTTP.

Asterisk serves requests on the WebSocket one at a time, and some block while a channel plays; so
the caller says where a request goes: `request` uses the WebSocket (cheap), `request_blocking` a
small HTTP pool with a time-out. A WebSocket that does not take REST (before 22.10) is noticed at
connect, and everything goes over HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from typing import Literal, TypeVar, cast
from urllib.parse import quote

import aiohttp
import msgspec

from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.telephony.ari_models import (
    ALLOWED_EVENTS,
    AnyAriEvent,
    Application,
    AsteriskInfo,
    Bridge,
    Channel,
    Endpoint,
    EventDecoder,
    RESTResponse,
)
from callcore.telephony.websocket import HandshakeRefused, WebSocket

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Body = dict[str, Json]
T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "DELETE"]
#: Called once, with what Asterisk answered or with the reason why it did not.
OnReply = Callable[[RESTResponse | BackendUnavailable], None]

#: A dead link is noticed within twice this time.
HEARTBEAT = 1.4
CONNECT_TIMEOUT = 3.0
REQUEST_TIMEOUT = 5.0
#: A blocking request waits for a playback to end at the most.
BLOCKING_TIMEOUT = 15.0
POOL_SIZE = 24


class AriSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ARI is (``http://host:8088``, ``/ari`` or not), and as whom to use it."""

    url: str
    user: str
    password: str
    app: str = "callcore"

    @property
    def base(self) -> str:
        return self.url.rstrip("/").removesuffix("/ari") + "/ari"

    @property
    def authorization(self) -> str:
        """The password travels in a header only, never in a URL."""
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return f"Basic {token}"

    def __repr__(self) -> str:
        return f"AriSettings(url={self.url!r}, app={self.app!r})"


class _Request(msgspec.Struct, gc=False, omit_defaults=True, tag_field="type", tag="RESTRequest"):
    request_id: str
    method: str
    uri: str
    content_type: str = ""
    message_body: str = ""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What exists on the node, read right after a connect."""

    startup_time: str
    version: str
    application: Application
    channels: tuple[Channel, ...]
    bridges: tuple[Bridge, ...]
    endpoints: tuple[Endpoint, ...]


_SAFE = re.compile(r"[A-Za-z0-9_.-]+").fullmatch


def part(value: str) -> str:
    """One path segment of a URI."""
    return value if _SAFE(value) else quote(value, safe="")


class AriConnection:
    """One life of the link: from a connected WebSocket until it is lost or closed."""

    def __init__(
        self,
        settings: AriSettings,
        session: aiohttp.ClientSession,
        decoder: EventDecoder,
        on_event: Callable[[AnyAriEvent], None],
    ) -> None:
        self._settings = settings
        self._session = session
        self._decoder = decoder
        self._on_event = on_event
        query = f"app={quote(settings.app, safe='')}&subscribeAll=false"
        headers = {"Authorization": settings.authorization}
        self._socket = WebSocket(f"{settings.base}/events?{query}", headers, self._received)
        self._socket.ended.add_done_callback(lambda ended: self._fail(_why(ended)))
        self._encode = msgspec.json.Encoder().encode
        #: Requests without a reply, oldest first: until when one is waited for, and who waits.
        self._waiting: dict[str, tuple[float, OnReply]] = {}
        self._watchdog: asyncio.TimerHandle | None = None
        self._counter = 0
        self._lost = ""
        #: The WebSocket takes REST requests; found out by `probe`.
        self.rest_over_socket = True

    # --- life -------------------------------------------------------------------------------

    @classmethod
    async def open(
        cls,
        settings: AriSettings,
        session: aiohttp.ClientSession,
        decoder: EventDecoder,
        on_event: Callable[[AnyAriEvent], None],
    ) -> AriConnection:
        """Connect the event WebSocket; `BackendUnavailable` says why it did not work.

        `on_event` is given every event from here on, as soon as it is there.
        """
        connection = cls(settings, session, decoder, on_event)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await connection._socket.open(HEARTBEAT)
        except HandshakeRefused as exc:
            why = "user or password refused" if exc.status == 401 else str(exc)
            raise BackendUnavailable(f"ARI at {settings.url}: {why}") from exc
        except (OSError, TimeoutError) as exc:
            why = "no answer in time" if isinstance(exc, TimeoutError) else str(exc)
            raise BackendUnavailable(f"ARI at {settings.url}: {why}") from exc
        return connection

    def _received(self, message: bytes) -> None:
        event = self._decoder(message)
        if event.__class__ is RESTResponse:
            self._answered(event)
        elif event is not None and not self._lost:
            self._on_event(event)

    async def ended(self) -> str:
        """Wait until the link ends; returns why it did."""
        await asyncio.shield(self._socket.ended)
        return self._lost

    async def close(self) -> None:
        self._fail("closed")
        # A dead peer answers no close frame: do not wait long for it.
        await self._socket.close(patience=0.5)

    def abandon(self, reason: str) -> None:
        """Refuse everything and read no more (another controller took over)."""
        self._fail(reason)
        self._socket.leave()

    def _fail(self, reason: str) -> None:
        self._lost = self._lost or reason
        waiting, self._waiting = self._waiting, {}
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        for _, on_reply in waiting.values():
            on_reply(BackendUnavailable(f"link to Asterisk lost: {self._lost}"))

    # --- requests ---------------------------------------------------------------------------

    def _answered(self, response: RESTResponse) -> None:
        _, on_reply = self._waiting.pop(response.request_id, (0.0, None))
        if on_reply is not None:
            on_reply(response)

    def send(self, method: Method, uri: str, body: Body | None, on_reply: OnReply) -> None:
        """Over the WebSocket, without waiting: Asterisk serves requests in the order of sending."""
        if self._lost:
            on_reply(BackendUnavailable(f"link to Asterisk lost: {self._lost}"))
            return
        self._counter += 1
        key = str(self._counter)
        message = _Request(key, method, uri)
        if body is not None:
            message.content_type = "application/json"
            message.message_body = self._encode(body).decode()
        loop = asyncio.get_running_loop()
        self._waiting[key] = (loop.time() + REQUEST_TIMEOUT, on_reply)
        if self._watchdog is None:
            self._watchdog = loop.call_later(REQUEST_TIMEOUT, self._expire)
        self._socket.send(self._encode(message))

    def _expire(self) -> None:
        """Give up what waited too long; look again when the next one will have."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        overdue = [key for key, (until, _) in self._waiting.items() if until <= now]
        for key in overdue:
            _, on_reply = self._waiting.pop(key)
            on_reply(BackendUnavailable("Asterisk did not answer a request in time"))
        oldest = next(iter(self._waiting.values()), None)
        self._watchdog = None if oldest is None else loop.call_at(oldest[0], self._expire)

    async def request(
        self, method: Method, uri: str, body: Body | None = None, *, expect: type[T] | None = None
    ) -> T | None:
        """Over the WebSocket: for requests that Asterisk answers at once."""
        if not self.rest_over_socket:
            return await self.request_blocking(method, uri, body, expect=expect)
        future: asyncio.Future[RESTResponse | BackendUnavailable]
        future = asyncio.get_running_loop().create_future()

        def replied(reply: RESTResponse | BackendUnavailable) -> None:
            if not future.done():  # whoever waited may have been cancelled
                future.set_result(reply)

        self.send(method, uri, body, replied)
        reply = await future
        problem = problem_of(method, uri, reply)
        if problem is not None:
            raise problem
        assert isinstance(reply, RESTResponse)
        return None if expect is None else _decode(reply.message_body, expect)

    async def request_blocking(
        self,
        method: Method,
        uri: str,
        body: Body | None = None,
        *,
        expect: type[T] | None = None,
        timeout: float = BLOCKING_TIMEOUT,
    ) -> T | None:
        """Over HTTP: for requests that may wait in Asterisk; delays nothing else."""
        if self._lost:
            raise BackendUnavailable(f"link to Asterisk lost: {self._lost}")
        data = None if body is None else self._encode(body)
        headers = None if body is None else {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    method, f"{self._settings.base}/{uri}", data=data, headers=headers
                ) as response,
            ):
                status = response.status
                content = await response.read()
        except TimeoutError as exc:
            raise BackendUnavailable(f"Asterisk did not answer {method} {uri} in time") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise BackendUnavailable(f"link to Asterisk lost: {exc}") from exc
        if status >= 300:
            raise refusal(method, uri, status, content.decode(errors="replace"))
        return None if expect is None else _decode(content, expect)

    # --- after a connect --------------------------------------------------------------------

    async def probe(self) -> None:
        """Find out whether the WebSocket takes REST, and set the event filter."""
        app = part(self._settings.app)
        filter_: Body = {"allowed": [{"type": name} for name in ALLOWED_EVENTS]}
        try:
            async with asyncio.timeout(1.0):
                await self.request("PUT", f"applications/{app}/eventFilter", filter_)
        except TimeoutError:
            self.rest_over_socket = False
            await self.request_blocking("PUT", f"applications/{app}/eventFilter", filter_)

    async def snapshot(self) -> Snapshot:
        """What exists now; over HTTP, since the answers may be long."""
        app = part(self._settings.app)
        info, application, channels, bridges, endpoints = await asyncio.gather(
            self._get("asterisk/info?only=status,system", AsteriskInfo),
            self._get(f"applications/{app}", Application),
            self._get("channels", tuple[Channel, ...]),
            self._get("bridges", tuple[Bridge, ...]),
            self._get("endpoints", tuple[Endpoint, ...]),
        )
        return Snapshot(
            startup_time=info.status.startup_time,
            version=info.system.version,
            application=application,
            channels=channels,
            bridges=bridges,
            endpoints=endpoints,
        )

    async def _get(self, uri: str, expect: type[T]) -> T:
        answer = await self.request_blocking("GET", uri, expect=expect, timeout=REQUEST_TIMEOUT)
        return cast(T, answer)


def _why(ended: asyncio.Future[str]) -> str:
    problem = ended.exception()
    return ended.result() if problem is None else f"{type(problem).__name__}: {problem}"


def problem_of(
    method: str, uri: str, reply: RESTResponse | BackendUnavailable
) -> BackendError | None:
    """What went wrong with a request, by its reply."""
    if isinstance(reply, BackendUnavailable):
        return reply
    if reply.status_code < 300:
        return None
    return refusal(method, uri, reply.status_code, reply.message_body)


def refusal(method: str, uri: str, status: int, body: str) -> ActionRefused:
    """Asterisk's "no" with its own words; the URI is cut at its query."""
    try:
        said = msgspec.json.decode(body, type=_Refusal)
        words = said.message or said.error
    except msgspec.MsgspecError:
        words = body[:100]
    if status == 400 and "Channel not found" in words:
        status = 404  # a bridge says so where a channel has just ended
    if status in (409, 422) and "Channel not in Stasis" in words:
        status = 404  # it has hung up, and its StasisEnd is on the way
    if status == 500 and words == "Failed to answer channel":
        status = 404  # its caller gave up in this moment
    return ActionRefused(f"{method} {uri.partition('?')[0]}: {status} {words}".rstrip(), status)


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""
    error: str = ""


def _decode(content: str | bytes, expect: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=expect)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BackendUnavailable(f"Asterisk sent an answer that cannot be read: {exc}") from exc


def new_session(settings: AriSettings) -> aiohttp.ClientSession:
    """The HTTP pool."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=POOL_SIZE, keepalive_timeout=10),
        headers={"Authorization": settings.authorization},
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
    )
