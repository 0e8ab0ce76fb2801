"""`make demo`: the main job end to end, on real SIP phones, with real speech, checked by itself.

It runs a callcore of its own (files under var/demo, loopback addresses) and prints what happens as
it happens, then each check with its verdict, then one line of JSON.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from callcore.directory_file import hash_pin
from callcore.errors import CallcoreError, SetupError
from callcore.lab.demo_cast import ANNA, ANNAS_PIN, BO, LEE, NOVAK, baresip_ports
from callcore.lab.demo_checks import Verdict, check, summary
from callcore.lab.demo_story import CONFIG, Story, phones
from callcore.lab.demo_timeline import Timeline
from callcore.lab.errors import LabError
from callcore.lab.site import LabSite
from callcore.telephony.preflight import check_port

PROJECT = Path(__file__).resolve().parents[2]
#: Tests play it elsewhere, so that they meet no demo of yours.
DIRECTORY = Path(os.environ.get("CALLCORE_DEMO_DIRECTORY", PROJECT / "var" / "demo"))
#: Third part of the addresses 127.0.x.1 … .3: each checkout has its own.
NUMBER = int(os.environ.get("CALLCORE_DEMO_NUMBER", 200 + zlib.crc32(bytes(DIRECTORY)) % 50))
PORTS = {"SIP": 25060, "ARI": 28088, "AMI": 25038, "API": 28080}
#: `asterisk`, or `pjsip`.
BACKEND = os.environ.get("BACKEND", "asterisk")
#: The whole story takes about 45 s.
LONGEST_SECONDS = 180.0


def main() -> int:
    """0: every check held; 1: not; 2: it could not be played."""
    try:
        with only_one():
            return asyncio.run(demo())
    except (SetupError, CallcoreError) as exc:
        return give_up(str(exc))
    except LabError as exc:
        return give_up(f"{exc}\nThe log of callcore: {DIRECTORY / 'serve.log'}")
    except BaseExceptionGroup as group:
        ours, others = group.split(LabError)
        if ours is None or others is not None:
            raise
        return give_up(f"{_first(ours)}\nThe log of callcore: {DIRECTORY / 'serve.log'}")
    except TimeoutError:
        return give_up(f"not over after {LONGEST_SECONDS:g} s, see {DIRECTORY / 'serve.log'}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        return give_up("interrupted")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def give_up(reason: str) -> int:
    print(f"demo: {reason}", file=sys.stderr)
    return 2


@contextmanager
def only_one() -> Iterator[None]:
    """Two demos at once would take each other's ports and files: the second one waits."""
    DIRECTORY.parent.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY.parent / "demo.lock").open("a") as lock:
        deadline = time.monotonic() + LONGEST_SECONDS
        told = False
        while not locked(lock):
            if time.monotonic() > deadline:
                raise SetupError("another demo is running here and does not end")
            if not told:
                print("demo: another one is running here: waiting for its end", file=sys.stderr)
            told = True
            time.sleep(0.2)
        yield


def locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def demo() -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    site = LabSite(
        DIRECTORY,
        NUMBER,
        backend=BACKEND,
        udp_port=PORTS["SIP"],
        tcp_port=0,
        ari_port=PORTS["ARI"],
        ami_port=PORTS["AMI"],
        api_port=PORTS["API"],
    )
    desks = phones(BACKEND, site.phone_address)
    site.config = CONFIG.format(project=PROJECT, pin_hash=hash_pin(ANNAS_PIN), phones=desks)
    await make_ready(site)
    starting = "Asterisk and callcore" if BACKEND == "asterisk" else "callcore with its SIP stack"
    tell(f"A callcore of its own in {DIRECTORY}, on {site.address}. Starting {starting}.")
    async with asyncio.timeout(LONGEST_SECONDS), site:
        timeline = Timeline(site.log_file, tell)
        following = asyncio.create_task(timeline.follow())
        try:
            story = Story(site, timeline, tell)
            await story.play()
            await site.quiet()
            tell("")
            tell("Checks")
            verdicts = [show(verdict) async for verdict in check(site, timeline, story.agents)]
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        tell("")
        tell(f"Recordings to listen to: {site.var / 'recordings'}")
        facts = await summary(site, verdicts)
    tell(json.dumps(facts))
    return 1 if facts["checks_failed"] else 0


async def make_ready(site: LabSite) -> None:
    """What would stop the demo half-way is said at once, in one line."""
    for program, package in (("baresip", "baresip-core"), ("espeak-ng", "espeak-ng")):
        if shutil.which(program) is None:
            raise SetupError(f"{program} is not installed: apt install {package}, or make setup")
    if not (PROJECT / "var" / "prompts" / "music").is_dir():
        raise SetupError("the prompts are not made yet: run make setup")
    await end_leftovers()
    await site.stop_asterisk()
    check_ports(site)
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def check_ports(site: LabSite) -> None:
    """Everything the demo listens on is free."""
    wanted = [(name, site.address, port) for name, port in PORTS.items()]
    for person in (ANNA, BO, LEE, NOVAK):
        host = site.phone_address if person.phone else site.caller_address
        sip, control = baresip_ports(person)
        wanted += [("SIP", host, sip), ("baresip", host, control)]
    for purpose, address, port in wanted:
        kind = socket.SOCK_DGRAM if purpose == "SIP" else socket.SOCK_STREAM
        check_port(purpose, "PORTS", address, port, kind, file="callcore/lab/demo.py")


async def end_leftovers() -> None:
    """A demo that was killed leaves its callcore and its phones running: they work in DIRECTORY."""
    left = our_processes()
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        for _ in range(50):
            left = [pid for pid in left if is_ours(pid)]
            if not left:
                return
            await asyncio.sleep(0.1)
    raise SetupError(f"processes of a former demo do not end: {left}")


def our_processes() -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if is_ours(pid)]


def is_ours(pid: int) -> bool:
    """Whether it is a callcore or a baresip that a demo started here (not somebody's shell)."""
    process = Path("/proc") / str(pid)
    try:
        place = (process / "cwd").readlink()
        program, *arguments = (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return False  # gone, or somebody else's
    ours = Path(program).name == "baresip" or "callcore.cli.main" in arguments
    return ours and place.is_relative_to(DIRECTORY)


def tell(text: str) -> None:
    print(text, flush=True)


def show(verdict: Verdict) -> Verdict:
    word = "FAILED" if verdict.fault else "ok"
    tell(f"  {word:<6}  {verdict.what}" + (f": {verdict.fault}" if verdict.fault else ""))
    return verdict


if __name__ == "__main__":
    sys.exit(main())
