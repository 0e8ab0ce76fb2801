"""Builds and wires every object, and starts and stops them in order; the only place that does.

Start: settings and trees are checked, the journal is replayed, the store opened, Asterisk started
or adopted; then the dispatcher runs and the API opens. Stop: the API closes, a snapshot is written,
the store drains; Asterisk and its calls go on, and the next start takes them over.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

import structlog
import uvloop

from callcore import site
from callcore.api.metrics import Metrics
from callcore.api.server import ApiServer
from callcore.call.events import DayBegan, DirectoryChanged, Started, TreesChanged
from callcore.call.queue_log import QueueLog
from callcore.config import Settings, load_settings
from callcore.directory import without_secrets
from callcore.directory_file import complete_secrets
from callcore.dispatch import Clock, Dispatcher, handle
from callcore.errors import ActionRefused, BackendError, ConfigError
from callcore.invariant_checks import InvariantChecks
from callcore.ivr.tree import Tree
from callcore.journal import Journal, Recovered, recover
from callcore.node import Node, open_node
from callcore.readiness import NOT_YET, why_not_ready
from callcore.recording.recorder import Recorder
from callcore.services import ShellServices
from callcore.store.archive import StoreArchive
from callcore.store.queue_log_file import QueueLogFile
from callcore.store.store import Store
from callcore.switchboard import LiveSwitchboard
from callcore.types import TreeId
from callcore.watch import watch

log = structlog.get_logger(__name__)

PROVISION_RETRY_SECONDS = 0.25
#: Containers made and not freed before the collector looks: calls free theirs by themselves.
COLLECT_AFTER = 20_000
#: How soon a login or logout shows in the queue Asterisk falls back to.
FALLBACK_SECONDS = 2.0


def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM; raises `ConfigError` or `SetupError` before anything starts."""
    if settings.telephony.backend == "pjsip":
        from callcore.telephony.pjsip.settings import bound_look_ups

        bound_look_ups(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    app = await App.start(settings)
    _calm_collector()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, app.reload_soon.set)
    try:
        await app.run(stop)
    finally:
        await app.close()


class App:
    """One running callcore."""

    def __init__(
        self,
        settings: Settings,
        trees: dict[TreeId, Tree],
        store: Store,
        node: Node,
        recovered: Recovered,
    ) -> None:
        self.settings = settings
        self.trees = trees
        self.store = store
        self.node = node
        self.reload_soon = asyncio.Event()
        self._provision_due = asyncio.Event()
        self._speech_due = asyncio.Event()
        self._not_provisioned = NOT_YET
        self.journal = Journal(settings.paths.var / "journal", recovered.sequence)
        self.metrics = Metrics()
        if node.sip_calls is not None:
            self.metrics.watch_sip(node.sip_calls)
        self.recorder = Recorder(
            node.tap,
            store,
            directory=settings.paths.var / "recordings",
            raw=node.raw,
            voicemail=node.voicemail,
            collect=node.collect,
            audio_format=settings.recording.format,
        )
        self.services = ShellServices(
            store,
            self.recorder,
            lambda: self.settings.directory,
            self.metrics.call_ended,
            self._queue_log(recovered),
        )
        self._last_input = recovered.now
        self.dispatcher = Dispatcher(
            recovered.switch, self.journal, node.backend, self.services, Clock(recovered.now)
        )
        self.dispatcher.sync_seconds = settings.journal.sync_seconds
        self.dispatcher.snapshot_seconds = settings.journal.snapshot_seconds
        self.dispatcher.watchers.append(
            InvariantChecks(
                recovered.switch.distributor,
                lambda: self.settings.distributor.check_invariants_every,
                self.metrics.invariant_violations.inc,
            )
        )
        self.switchboard = LiveSwitchboard(
            self.dispatcher,
            node.backend.node,
            settings=lambda: self.settings,
            reload=self.reload,
            not_ready=lambda seen: why_not_ready(seen, self.settings, self._not_provisioned),
            trunk_states=node.trunk_states,
        )
        self.api = ApiServer(
            settings,
            self.switchboard,
            StoreArchive(store, self.recorder.directory),
            self.metrics,
        )

    def _queue_log(self, recovered: Recovered) -> QueueLogFile | None:
        """The log goes on with the calls that are there; those of the replay have their lines."""
        if not self.settings.store.queue_log:
            return None
        lines = QueueLog(lambda agent: self.settings.directory.queues_of(agent))
        seats = recovered.switch.distributor.floor.seats.values()
        statuses = {seat.agent.id: seat.agent.status.value for seat in seats}
        lines.resume(recovered.switch.state, statuses)
        path = self.settings.paths.var / "log" / "queue_log"
        file = QueueLogFile(path, lines, self.settings.store.queue_log_days)
        file.write([lines.started(time.time())])
        return file

    # --- start -----------------------------------------------------------------------------

    @classmethod
    async def start(cls, settings: Settings) -> App:
        var = settings.paths.var
        var.mkdir(parents=True, exist_ok=True)
        settings = _with_phone_secrets(settings)
        trees = site.load_site(settings)
        recovered = await asyncio.to_thread(recover, var / "journal", handle)
        store = Store(
            settings.store.url or f"sqlite+aiosqlite:///{var / 'callcore.db'}", var / "outbox"
        )
        await store.open()
        try:
            node = await open_node(settings)
        except BaseException:
            await store.close()
            raise
        app = cls(settings, trees, store, node, recovered)
        log.info("started", replayed=recovered.replayed, calls=len(recovered.switch.state.calls))
        for row in recovered.rows:
            app.services.write_again(row)
        return app

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set or a part fails."""
        async with asyncio.TaskGroup() as tasks:
            serving = [
                tasks.create_task(self.dispatcher.run()),
                tasks.create_task(self._keep_provisioned()),
                tasks.create_task(self._watch_files()),
                tasks.create_task(self._reload_when_asked()),
                tasks.create_task(self._tell_midnight()),
                tasks.create_task(self._prepare_speech()),
                tasks.create_task(self._keep_fallback()),
            ]
            if self.node.keep_running is not None:
                serving.append(tasks.create_task(self.node.keep_running()))
            await asyncio.sleep(0)  # the dispatcher's task group exists from here on
            self._tell_what_is_configured()
            await self.api.start()
            await self.recorder.finalise_leftovers(self._recordings_in_progress())
            await stop.wait()
            log.info("stopping")
            await self.api.close()
            for task in serving:
                task.cancel()

    def _tell_what_is_configured(self) -> None:
        self.dispatcher.post(Started(prefix=_base36(int(time.time() * 10))))
        if 0 < self._last_input < _midnight(datetime.now()).timestamp():
            self.dispatcher.post(DayBegan())  # while we were away
        self._put_in_force()

    def _put_in_force(self) -> None:
        """Give the rules the directory and trees, where they do not have these already."""
        state = self.dispatcher.switch.state
        directory = without_secrets(self.settings.directory)
        if state.directory != directory:
            self.dispatcher.post(DirectoryChanged(directory=directory))
        if {tree.id: tree.version for tree in self.trees.values()} != state.trees.current:
            self.dispatcher.post(TreesChanged(trees=self.trees))
        self._provision_due.set()

    def _recordings_in_progress(self) -> set[str]:
        calls = self.dispatcher.switch.state.calls.values()
        live = [call for call in calls if call.live]
        return {r for call in live for r in (call.recording, call.voicemail) if r}

    # --- while running ---------------------------------------------------------------------

    async def reload(self) -> None:
        """Read callcore.toml, var/directory.json and the trees again and put them in force.

        Raises `ConfigError`; the last good ones stay then.
        """
        settings = _with_phone_secrets(load_settings(Path(self.settings.file)))
        trees = await asyncio.to_thread(site.load_site, settings)
        self.settings = settings
        self.trees = trees
        self._put_in_force()
        self._speech_due.set()
        log.info("reloaded", trees=len(trees), phones=len(settings.directory.phones))

    async def _reload_when_asked(self) -> None:
        while True:
            await self.reload_soon.wait()
            self.reload_soon.clear()
            try:
                await self.reload()
            except ConfigError as exc:
                log.error("reload_refused", reason=str(exc), in_force="the last good one")

    async def _watch_files(self) -> None:
        async for changed in watch(self._watched):
            log.info("files_changed", files=[str(path) for path in changed])
            self.reload_soon.set()

    def _watched(self) -> list[Path]:
        settings = self.settings
        return [Path(settings.file), settings.directory_file, settings.paths.ivr]

    async def _keep_provisioned(self) -> None:
        """Phones and trunks are pushed whenever they changed, however long the node is away."""
        while True:
            await self._provision_due.wait()
            self._provision_due.clear()
            try:
                await self.node.backend.provision(self.settings.directory)
            except BackendError as exc:
                if self._not_provisioned != str(exc):
                    self._not_provisioned = str(exc)
                    log.warning("provisioning_failed", reason=str(exc))
                await asyncio.sleep(PROVISION_RETRY_SECONDS)
                self._provision_due.set()
            else:
                self._not_provisioned = ""

    async def _tell_midnight(self) -> None:
        while True:
            now = datetime.now().astimezone()
            midnight = _midnight(now + timedelta(days=1))
            await asyncio.sleep((midnight - now).total_seconds() + 0.001)
            self.dispatcher.post(DayBegan())

    async def _prepare_speech(self) -> None:
        """Have fixed texts spoken before a caller waits for them."""
        while True:
            self._speech_due.clear()
            for media in site.fixed_texts(self.trees, self.settings):
                try:
                    await self.node.prompts.resolve(media)
                except ActionRefused as exc:
                    log.warning("text_not_spoken", media=media[:80], reason=str(exc))
            await self._speech_due.wait()

    async def _keep_fallback(self) -> None:
        """The fallback queue rings the phones where agents sit now."""
        state = self.dispatcher.switch.state
        rendered: tuple[str, ...] | None = None
        while True:
            phones = tuple(sorted(session.phone for session in state.sessions.values()))
            if phones != rendered and not self._not_provisioned:
                try:
                    await self.node.set_fallback(phones)
                    rendered = phones
                except BackendError as exc:
                    log.warning("fallback_not_rendered", reason=str(exc))
            await asyncio.sleep(FALLBACK_SECONDS)

    async def close(self) -> None:
        """Let go of everything; calls in Asterisk go on."""
        await self.api.close()
        with contextlib.suppress(OSError):
            await self.dispatcher.take_snapshot()
        await self.recorder.close()
        await self.services.close()
        await self.node.close()
        await self.store.close()
        await asyncio.to_thread(self.journal.close)


def _calm_collector() -> None:
    """What was built at the start stays: looking at it again and again costs time and pauses."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
    gc.enable()


def _with_phone_secrets(settings: Settings) -> Settings:
    """Phones of callcore.toml without a secret get a random one, kept in var/directory.json."""
    made = complete_secrets(
        settings.directory_file, settings.configured, settings.configured_places
    )
    return load_settings(Path(settings.file)) if made else settings


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
