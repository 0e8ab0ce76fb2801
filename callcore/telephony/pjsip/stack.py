"""pjsua2 and the one thread on which all its objects live and die.

pjsua2 has no worker of its own (`threadCnt` 0): this thread waits inside its event loop, without
the interpreter's lock, and carries out what `submit` brings; one byte on a socket in that event
loop ends the wait at once. So an object is never looked at by two threads, none is deleted by the
garbage collector of another one, and the order of callbacks and commands is one order. The sound
has threads of its own, in C, that know nothing of Python.

What happened crosses into asyncio's loop through one queue, in that order.
"""

from __future__ import annotations

import asyncio
import atexit
import heapq
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import structlog

from callcore.errors import BackendUnavailable, SetupError
from callcore.telephony.pjsip.library import check_limit, load, quiet_config
from callcore.telephony.pjsip.settings import USER_AGENT, PjsipSettings

log = structlog.get_logger(__name__)

Work = Callable[[], None]

#: The transport in the topmost Via.
_VIA = re.compile(r"^(?:Via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*(\w+)", re.IGNORECASE | re.MULTILINE)

#: pjsua2 is a singleton, and a second one would end the process.
_one = threading.Lock()

#: The event loop looks up so often although nothing happened.
LONGEST_WAIT_MS = 100
#: Calls say BYE and accounts unregister before the library ends.
GOODBYE_SECONDS = 1.0
#: How often it is looked whether the bridge's clock is in time.
CLOCK_SECONDS = 5.0
#: pjsua.h: nothing is sent or awaited any more.
DESTROY_NO_NETWORK = 3


class Timer:
    """Work that is due; `cancel` it from the stack's thread."""

    def __init__(self, work: Work) -> None:
        self.work: Work | None = work

    def cancel(self) -> None:
        self.work = None


class Stack:
    """The library's life. The hooks are called on its thread."""

    def __init__(self, settings: PjsipSettings) -> None:
        self.settings = settings
        self.pj: Any = None
        self.ports: Any = None
        self.endpoint: Any = None
        #: The account of an arriving call: (account chosen by pjsua, source, transport, request).
        self.select_account: Callable[[int, str, str, str], int] = lambda account, *of: account
        #: A live call has this number.
        self.number_in_use: Callable[[int], bool] = lambda number: False
        self.on_played: Callable[[int], None] = lambda serial: None
        self.on_refer: Callable[[str, str], None] = lambda call_id, target: None
        #: An offer of ours within the call of this number met one of the far end (491).
        self.on_glare: Callable[[int], None] = lambda number: None
        #: Ends what is going on; then true as long as something is awaited.
        self.on_stop: Callable[[], Callable[[], bool]] = lambda: lambda: False
        #: Calls the library holds, those that are ending included; any thread may look.
        self.calls = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._commands: deque[Work] = deque()
        self._told: deque[Work] = deque()
        self._telling = False
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._dead: list[Any] = []
        self._stopping = False
        self._bell: socket.socket | None = None

    # --- from asyncio's loop -----------------------------------------------------------------

    async def start(self) -> None:
        """Open the library and its transports; `SetupError` when that cannot be."""
        self.pj, self.ports = load()
        if not _one.acquire(blocking=False):
            raise SetupError(
                "another embedded SIP stack runs in this process: pjsua2 is one for all"
            )
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        # Should the interpreter end without `stop`, it neither waits for ever nor pulls the library
        # out from under its threads.
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="pjsua2", daemon=True
        )
        atexit.register(self._stop_at_exit)
        self._thread.start()
        await opened

    async def stop(self) -> None:
        """End calls, accounts and the library; returns when its thread has ended."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        atexit.unregister(self._stop_at_exit)
        self.submit(self._stop_soon)
        await asyncio.to_thread(thread.join)

    def _stop_at_exit(self) -> None:
        if self._thread is not None:
            self.submit(self._stop_soon)
            self._thread.join(2 * GOODBYE_SECONDS)

    def submit(self, work: Work) -> None:
        """Have it done on the stack's thread, behind what was submitted before; any thread."""
        self._commands.append(work)
        bell = self._bell
        if bell is not None:
            try:
                bell.send(b"\0", socket.MSG_DONTWAIT)
            except OSError:
                return  # full: it will look; closed: it is ending

    @property
    def running(self) -> bool:
        return self._thread is not None

    # --- on the stack's thread ----------------------------------------------------------------

    def tell(self, work: Work) -> None:
        """Have it done on asyncio's loop, behind what was told before."""
        self._told.append(work)
        if not self._telling and self._loop is not None:
            self._telling = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:
                self._told.clear()  # the loop has ended

    def _deliver(self) -> None:
        self._telling = False
        while self._told:
            self._told.popleft()()

    def after(self, seconds: float, work: Work) -> Timer:
        timer = Timer(work)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def bury(self, call: Any) -> None:
        """Delete a call's object once no callback uses it and nobody else has its number.

        pjsua numbers calls anew, and the destructor hangs up whatever call has the number then.
        """
        self._dead.append(call)

    def _run(self, opened: asyncio.Future[None]) -> None:
        assert self._loop is not None
        try:
            self._open()
        except (SetupError, OSError, self.pj.Error) as exc:
            reason = SetupError(f"the embedded SIP stack does not start: {reason_of(exc)}")
            self._close()
            self._loop.call_soon_threadsafe(_settle, opened, reason)
            return
        self._loop.call_soon_threadsafe(_settle, opened, None)
        while not self._stopping:
            self._turn()
        self._say_goodbye()
        self._close()

    def _turn(self) -> None:
        """Commands, then events of the network until something is to be done."""
        while self._commands:
            self._do(self._commands.popleft())
        self._fire_timers()
        self.endpoint.libHandleEvents(0 if self._commands else self._wait_ms())
        for serial in self.ports.take_played():
            self._do(partial(self.on_played, serial))
        while (refer := self.ports.take_refer()) is not None:
            self._do(partial(self.on_refer, *refer))
        while (number := self.ports.take_glare()) is not None:
            self._do(partial(self.on_glare, number))
        self._delete_dead()
        self.calls = self.ports.calls()

    def _delete_dead(self) -> None:
        waiting, self._dead = self._dead, []
        for call in waiting:
            if self.number_in_use(call.getId()):
                self._dead.append(call)
            else:
                destroy(call)

    def _do(self, work: Work) -> None:
        try:
            work()
        except Exception:
            log.exception("stack_work_failed")

    def _wait_ms(self) -> int:
        if not self._timers:
            return LONGEST_WAIT_MS
        due = (self._timers[0][0] - time.monotonic()) * 1000
        return max(0, min(LONGEST_WAIT_MS, int(due) + 1))

    def _fire_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heapq.heappop(self._timers)
            if timer.work is not None:
                self._do(timer.work)

    # --- life ---------------------------------------------------------------------------------

    def _open(self) -> None:
        pj = self.pj
        self.endpoint = endpoint_class(pj)(self)
        self.endpoint.libCreate()
        config = quiet_config(pj)
        check_limit(config.uaConfig.maxCalls)
        config.uaConfig.maxCalls = self.settings.max_calls or config.uaConfig.maxCalls
        self._configure(config)
        self.endpoint.libInit(config)
        self._open_transports()
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        watched, self._bell = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        watched.setblocking(False)
        self.ports.open(watched.detach(), self._bell.fileno())
        self.ports.watch_clock()
        self._look_at_clock()

    def _configure(self, config: Any) -> None:
        config.uaConfig.userAgent = USER_AGENT
        media = config.medConfig
        # The telephone's rate throughout: nothing is resampled for G.711.
        media.clockRate = media.sndClockRate = 8000
        media.channelCount = 1
        media.audioFramePtime = 20
        media.maxMediaPorts = 3 * config.uaConfig.maxCalls
        media.noVad = True
        media.ecTailLen = 0
        media.threadCnt = 1
        # The clock runs on while nobody talks: to start it again takes time at the next call.
        media.sndAutoCloseTime = -1
        self.settings.log_file.parent.mkdir(parents=True, exist_ok=True)
        config.logConfig.filename = str(self.settings.log_file)
        config.logConfig.level = 2
        config.logConfig.msgLogging = 0

    def _open_transports(self) -> None:
        pj, sip = self.pj, self.settings.sip
        kinds = [
            (pj.PJSIP_TRANSPORT_UDP, sip.udp_port),
            (pj.PJSIP_TRANSPORT_TCP, sip.tcp_port),
            (pj.PJSIP_TRANSPORT_TLS, sip.tls_port),
        ]
        for kind, port in kinds:
            if not port:
                continue
            config = pj.TransportConfig()
            config.port = port
            config.boundAddress = sip.bind
            # Else the TLS transport gives the host's first address as its own.
            config.publicAddress = sip.external_address or known_address(sip.bind)
            if kind == pj.PJSIP_TRANSPORT_TLS:
                config.tlsConfig.certFile = str(self.settings.certificate)
                config.tlsConfig.privKeyFile = str(self.settings.key)
            try:
                self.endpoint.transportCreate(kind, config)
            except pj.Error as exc:
                raise SetupError(f"port {port} on {sip.bind}: {reason_of(exc)}") from exc

    def _look_at_clock(self) -> None:
        """Sound that leaves late is heard: say so, and how much of it."""
        ticks, late, worst = self.ports.clock_counts()
        if late:
            log.warning("sound_late", late=late, of=ticks, worst_ms=round(worst, 1))
        self.after(CLOCK_SECONDS, self._look_at_clock)

    def _stop_soon(self) -> None:
        self._stopping = True

    def _say_goodbye(self) -> None:
        waiting: list[Callable[[], bool]] = []
        self._do(lambda: waiting.append(self.on_stop()))
        end = time.monotonic() + GOODBYE_SECONDS
        while waiting and waiting[0]() and time.monotonic() < end:
            self._turn()
        self._turn()

    def _close(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None:
            self.ports.close()
            bell.close()
        self._delete_dead()
        if self.endpoint is not None:
            endpoint, self.endpoint = self.endpoint, None
            endpoint.libDestroy(DESTROY_NO_NETWORK)
            destroy(endpoint)
        _one.release()
        # What came too late is told so; nobody waits for an answer that never comes.
        while self._commands:
            self._do(self._commands.popleft())

    def require(self) -> None:
        """Raise where there is nothing to work with any more."""
        if self.endpoint is None:
            raise BackendUnavailable("the embedded SIP stack has ended")


def known_address(bind: str) -> str:
    """An address others can use; empty where we listen on all."""
    return "" if bind in ("0.0.0.0", "::") else bind


def _settle(opened: asyncio.Future[None], problem: Exception | None) -> None:
    if opened.cancelled():
        return
    if problem is None:
        opened.set_result(None)
    else:
        opened.set_exception(problem)


def destroy(made: Any) -> None:
    """Delete a C++ object now, on this thread, and not when Python forgets it."""
    made.__swig_destroy__(made)


def reason_of(problem: Exception) -> str:
    """pjsua2's exceptions have their words in a field."""
    reason = getattr(problem, "reason", "") or str(problem)
    return str(reason).strip() or type(problem).__name__


def endpoint_class(pj: Any) -> Any:
    """The library's base class exists only once it is loaded."""

    class Endpoint(pj.Endpoint):  # type: ignore[misc]
        def __init__(self, stack: Stack) -> None:
            super().__init__()
            self.stack = stack

        def onSelectAccount(self, prm: Any) -> None:
            try:
                request = prm.rdata
                by = _VIA.search(request.wholeMsg)
                prm.accountIndex = self.stack.select_account(
                    prm.accountIndex,
                    request.srcAddress,
                    by[1].lower() if by else "",
                    request.wholeMsg,
                )
            except Exception:
                log.exception("select_account_failed")

    return Endpoint
