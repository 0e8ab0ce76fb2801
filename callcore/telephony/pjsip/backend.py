"""The embedded back end: what the dispatcher sees of pjsua2."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from callcore.call import actions as act
from callcore.call.events import BackendUp, Event, PhoneReachability
from callcore.directory import Directory, Trunk
from callcore.errors import ActionRefused, BackendError, BackendUnavailable
from callcore.telephony.backend import Done, Tell
from callcore.telephony.pjsip.actions import Actions
from callcore.telephony.pjsip.dialling import Dialling
from callcore.telephony.pjsip.exchange import Exchange
from callcore.telephony.pjsip.peers import Peers, host_names
from callcore.telephony.pjsip.probes import Probes
from callcore.telephony.pjsip.settings import PjsipSettings
from callcore.telephony.pjsip.sounds import SoundCache
from callcore.telephony.pjsip.stack import Stack, reason_of
from callcore.telephony.pjsip.tap import RecordingTap
from callcore.telephony.pjsip.tones import Tones
from callcore.telephony.pjsip.transfers import Transfers
from callcore.telephony.trunks import trunk_state
from callcore.types import PhoneId, TrunkId

log = structlog.get_logger(__name__)

T = TypeVar("T")
SOUND = "sound:"


class MediaLibrary(Protocol):
    """Finds the sound behind a media reference."""

    async def resolve(self, media: str) -> str: ...


class PjsipBackend:
    """One telephony node inside this process; `start` it before it is used."""

    def __init__(self, settings: PjsipSettings, media: MediaLibrary) -> None:
        self.node = settings.node
        self._settings = settings
        self._media = media
        self._sounds = SoundCache()
        self._stack = Stack(settings)
        self._tell_one: Tell | None = None
        self._closed = asyncio.Event()
        self._untold: list[Event] = []
        self._methods: Mapping[type[act.Action], Callable[[Any], None]] = {}
        self._trunks: Mapping[TrunkId, Trunk] = {}
        self._trunk_there: dict[TrunkId, bool] = {}
        #: Phones that answered their last ping.
        self._reachable: dict[PhoneId, bool] = {}
        #: For the recorder.
        self.tap = RecordingTap(self._on_stack)

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the library and its ports; `SetupError` says what is missing."""
        await self._stack.start()
        await self._on_stack(self._build)
        log.info("pjsip_up", node=self.node, address=self._settings.sip.bind)

    def _build(self) -> None:
        """On the stack's thread, where all this lives."""
        prefix = f"{self.node}-{int(time.time() * 10):x}"
        exchange = Exchange(self._stack, self.node, prefix, self._happened)
        self._exchange = exchange
        self._actions = Actions(
            exchange, self._sounds, self._settings.prompts, self._settings.voicemail
        )
        self._dialling = Dialling(exchange)
        transfers = Transfers(exchange)
        Tones(exchange)
        self._probes = Probes(exchange, self._phone_changed, self._trunk_changed)
        self.tap.attach(exchange)
        self._methods = {
            **self._actions.methods,
            act.Dial: self._dialling.dial,
            act.AnswerTransfer: transfers.answer,
        }

    async def run(self, tell: Tell) -> None:
        reachable = tuple(sorted(phone for phone, there in self._reachable.items() if there))
        tell(BackendUp(node=self.node, reachable_phones=reachable))
        self._tell_one = tell
        untold, self._untold = self._untold, []
        for event in untold:
            tell(event)
        try:
            await self._closed.wait()
        finally:
            self._tell_one = None

    async def close(self) -> None:
        """Hang up everything, unregister, and end the library."""
        self._closed.set()
        await self._stack.stop()
        await asyncio.to_thread(self.tap.close)

    # --- actions ------------------------------------------------------------------------------

    def begin(self, action: act.Action, done: Done) -> bool:
        method = self._methods.get(action.__class__)
        if method is None or not self._stack.running:
            return False
        self._submit(partial(method, action), done)
        return True

    def _submit(self, work: Callable[[], Any], done: Callable[[BackendError | None], None]) -> None:
        def carry_out() -> None:
            problem = self._problem_of(work)
            self._stack.tell(partial(done, problem))

        self._stack.submit(carry_out)

    def _problem_of(self, work: Callable[[], Any]) -> BackendError | None:
        """On the stack's thread."""
        try:
            self._stack.require()
            work()
        except BackendError as exc:
            return exc
        except self._stack.pj.Error as exc:
            return ActionRefused(reason_of(exc), 409)
        except Exception as exc:
            log.exception("action_broke")
            return ActionRefused(f"{type(exc).__name__}: {exc}", 500)
        return None

    async def _on_stack(self, work: Callable[[], T]) -> T:
        """Have it done on the stack's thread, and wait."""
        if not self._stack.running:
            raise BackendUnavailable("the embedded SIP stack does not run")
        done: asyncio.Future[BackendError | None] = asyncio.get_running_loop().create_future()
        made: list[T] = []
        self._submit(lambda: made.append(work()), partial(_settle, done))
        problem = await done
        if problem is not None:
            raise problem
        return made[0]

    async def execute(self, action: act.Action) -> None:
        if isinstance(action, act.Play):
            sounds = [await self._sound(media) for media in action.media]
            await self._on_stack(partial(self._actions.play, action, tuple(sounds)))
        elif isinstance(action, act.RecordVoicemail):
            beep = (await self._sound("beep"),) if action.beep else ()
            await self._on_stack(partial(self._actions.record, action, beep))
        else:
            method = self._methods.get(action.__class__)
            if method is None:
                raise ActionRefused(f"{action.__class__.__name__} is not an action for telephony")
            await self._on_stack(partial(method, action))

    async def _sound(self, media: str) -> bytes:
        uri = await self._media.resolve(media)
        return await asyncio.to_thread(self._sounds.load, Path(uri.removeprefix(SOUND)))

    # --- phones and trunks ----------------------------------------------------------------------

    async def provision(self, directory: Directory) -> None:
        addresses = await _look_up(host_names(directory))
        self._trunks = directory.trunks
        self._reachable = {
            phone: there for phone, there in self._reachable.items() if phone in directory.phones
        }
        await self._on_stack(partial(self._apply, directory, addresses))

    def _apply(self, directory: Directory, addresses: Mapping[str, str]) -> None:
        self._exchange.directory = directory
        self._exchange.accounts.apply(directory)
        self._exchange.peers = Peers(directory, addresses)
        self._probes.apply(directory)

    def _phone_changed(self, phone: PhoneId, there: bool) -> None:
        self._dialling.unreachable[phone] = not there
        self._stack.tell(partial(self._note_phone, phone, there))

    def _note_phone(self, phone: PhoneId, there: bool) -> None:
        if self._reachable.get(phone, False) != there:
            self._reachable[phone] = there
            self._told(PhoneReachability(phone=phone, reachable=there))

    def _trunk_changed(self, trunk: TrunkId, there: bool) -> None:
        if there and self._trunk_there.get(trunk) is False:
            # Behind the callback that brought the answer to the ping.
            self._stack.submit(partial(self._exchange.accounts.renew, trunk))
        self._trunk_there[trunk] = there

    def trunk_states(self) -> Mapping[TrunkId, str]:
        """How the trunks are: registered, unreachable …"""
        words = {"registered": "Registered", "rejected": "Rejected"}
        registrations = self._exchange.accounts.registrations
        online = {True: "online", False: "offline", None: ""}
        return {
            name: trunk_state(
                trunk,
                words.get(registrations.get(name, ""), ""),
                online[self._trunk_there.get(name)],
            )
            for name, trunk in self._trunks.items()
        }

    def sip_calls(self) -> int:
        """Calls the SIP stack holds, also those whose far end answers no BYE."""
        return self._stack.calls

    # --- events -------------------------------------------------------------------------------

    def _happened(self, event: Event) -> None:
        """On the stack's thread."""
        self._stack.tell(partial(self._told, event))

    def _told(self, event: Event) -> None:
        if self._tell_one is not None:
            self._tell_one(event)
        elif not self._closed.is_set():
            self._untold.append(event)


def _settle(done: asyncio.Future[BackendError | None], problem: BackendError | None) -> None:
    if not done.done():
        done.set_result(problem)


async def _look_up(names: tuple[str, ...]) -> dict[str, str]:
    """Addresses of host names; calls from one that has none are strangers'."""
    found: dict[str, str] = {}
    for name in names:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(name, None)
        except OSError as exc:
            log.warning("host_not_found", host=name, reason=exc.strerror)
        else:
            found[name] = str(answers[0][4][0])
    return found
