"""What happens in the demo: five callers dial the hotline, four agents answer, or do not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from callcore.lab.baresip import Baresip
from callcore.lab.call import Call
from callcore.lab.demo_cast import (
    AGENTS,
    ANNA,
    ANNAS_PIN,
    BO,
    CHEN,
    DANA,
    LEE,
    NOVAK,
    OLSEN,
    PARK,
    QUINN,
    Person,
    baresip_caller,
    baresip_desk,
    baresip_ports,
)
from callcore.lab.demo_timeline import Timeline
from callcore.lab.errors import LabError
from callcore.lab.site import LabSite

#: Seconds of speech a baresip has to have: longer than the longest call of its owner.
SPEECH_SECONDS = 75.0
#: How long a person listens before pressing a key.
THINKING = 0.7
#: Time in which whoever talks says a whole sentence.
SENTENCE = 4.5

CONFIG = """
[paths]
ivr = "{project}/ivr"
prompts = "{project}/var/prompts"
{phones}
[agents.1001]
name = "Anna"
pin_hash = "{pin_hash}"
[agents.1002]
name = "Bo"
phone = "desk2"
[agents.1003]
name = "Chen"
phone = "desk3"
reach = "auto_answer"
[agents.1004]
name = "Dana"
phone = "desk4"
[queues.sales]
name = "Sales"
members = [
    {{ agent = "1004", penalty = 0 }},
    {{ agent = "1001", penalty = 1 }},
    {{ agent = "1002", penalty = 2 }},
]
ring_seconds = 3
wrap_up_seconds = 3
rona_limit = 1
short_abandon_seconds = 1
[queues.support]
name = "Support"
members = ["1003"]
wrap_up_seconds = 2
max_wait_seconds = 5
[[routes]]
pattern = "100"
tree = "hotline"
[[routes]]
pattern = "101"
queue = "sales"
[[routes]]
pattern = "102"
queue = "support"
"""


def phones(backend: str, host: str) -> str:
    """The desk phones: with a password where they register, else where they are."""
    return "\n".join(
        f'[phones.{person.phone}]\nsecret = "{person.phone}-secret"'
        if backend == "asterisk"
        else f'[phones.{person.phone}]\nhost = "{host}:{baresip_ports(person)[0]}"'
        for person in AGENTS
    )


class Story:
    """One run: everybody waits for their cue in the time line, and does their part."""

    def __init__(self, site: LabSite, timeline: Timeline, tell: Callable[[str], None]) -> None:
        self.site = site
        self.seen = timeline.seen
        self._tell = tell
        self._speech = site.directory / "speech"
        self._at_chens_desk: list[Call] = []
        #: How the agents are at the end, before their phones are switched off.
        self.agents: list[dict[str, Any]] = []

    async def play(self) -> None:
        """Returns when the last call is over and the agents are ready again."""
        async with AsyncExitStack() as phones:
            anna, bo, lee, novak = await self._baresips(phones)
            chen = await self.site.phone(CHEN.phone, port=baresip_ports(CHEN)[0])
            dana = await self.site.phone(DANA.phone, port=baresip_ports(DANA)[0])
            await self._log_in(anna)
            async with asyncio.TaskGroup() as people:
                desks = [
                    people.create_task(chen.serve(self._chen_answers)),
                    people.create_task(dana.serve(self._dana_is_away)),
                ]
                parts = (
                    self._anna(anna),
                    self._bo(bo),
                    self._lee(lee),
                    self._park(),
                    self._novak(novak),
                    self._olsen(),
                    self._quinn(),
                )
                await asyncio.gather(*(people.create_task(part) for part in parts))
                for agent in (ANNA, BO, CHEN):
                    await self.site.agent_is(agent.number, "idle")
                self.agents = (await self.site.get("agents"))["agents"]
                for desk in desks:
                    desk.cancel()

    async def _baresips(self, phones: AsyncExitStack) -> list[Baresip]:
        made = [baresip_desk(self.site, person, SPEECH_SECONDS) for person in (ANNA, BO)]
        made += [baresip_caller(self.site, person, SPEECH_SECONDS) for person in (LEE, NOVAK)]
        return list(await asyncio.gather(*(phones.enter_async_context(one) for one in made)))

    # --- agents -----------------------------------------------------------------------------

    async def _log_in(self, anna: Baresip) -> None:
        """Anna at her phone, with her PIN; the others by the API."""
        await anna.dial("*11")
        await self._press(ANNA, anna, f"{ANNA.number}#", after="feature_code")
        await self._press(ANNA, anna, f"{ANNAS_PIN}#", after="feature_code")
        await self.seen("logged_in", agent=ANNA.number)
        await self.seen("ended", ANNA.name)
        for agent in (BO, CHEN, DANA):
            await self.site.post(f"agents/{agent.number}/login")
            await self.seen("agent_state", agent=agent.number, state="idle")

    async def _anna(self, desk: Baresip) -> None:
        """Lets it ring a while; puts Ms Lee on hold in between."""
        await desk.wait_for("CALL_INCOMING", 40)
        await asyncio.sleep(1.5)
        await desk.answer()
        await self.seen("connected", LEE.name, agent=ANNA.number)
        await asyncio.sleep(SENTENCE)
        await desk.hold()
        await self.seen("held", LEE.name)
        await asyncio.sleep(1.5)
        await desk.resume()
        await self.seen("unheld", LEE.name)

    async def _bo(self, desk: Baresip) -> None:
        """Answers Mrs Novak, and sends her to support when there is room."""
        await desk.wait_for("CALL_INCOMING", 40)
        await asyncio.sleep(0.8)
        await desk.answer()
        await self.seen("connected", NOVAK.name, agent=BO.number)
        await asyncio.sleep(SENTENCE)
        await self.seen("ended", PARK.name, seconds=40)
        await desk.transfer("102")
        await self.seen("transfer_asked", NOVAK.name)

    async def _chen_answers(self, call: Call) -> None:
        """The phone answers by itself, because callcore asks it to."""
        if not call.auto_answer:
            raise LabError("Chen's phone was not asked to answer by itself")
        self._at_chens_desk.append(call)
        await call.answer()
        call.play(CHEN.rounds(self._speech), loop=True)
        await call.ended.within(60)

    async def _dana_is_away(self, call: Call) -> None:
        await call.ring()
        await call.ended.within(60)

    # --- callers ----------------------------------------------------------------------------

    async def _dial(self, person: Person) -> Call:
        """Somebody with a lab phone calls the hotline and talks all the time."""
        phone = await self.site.caller(person.number)
        call = await phone.dial("100", display=person.name)
        await call.answered
        call.play(person.rounds(self._speech), loop=True)
        return call

    async def _press(
        self, person: Person, phone: Baresip | Call, keys: str, after: str = "ivr_entered"
    ) -> None:
        """Keys, once the caller has heard a little of what is said."""
        await self.seen(after, person.name)
        await asyncio.sleep(THINKING)
        await phone.send_digits(keys)

    async def _lee(self, phone: Baresip) -> None:
        """Rings Dana, who is not there, then Anna; hangs up herself."""
        await phone.dial("100")
        await self._press(LEE, phone, "1")
        await self._press(LEE, phone, "1")
        await self.seen("unheld", LEE.name, seconds=40)
        await self.seen("abandoned", OLSEN.name, seconds=40)
        await phone.hang_up()
        await self.seen("ended", LEE.name)

    async def _park(self) -> None:
        """Presses a wrong key first; what he says in between stays out of the recording."""
        await self.seen("arrived", LEE.name)
        call = await self._dial(PARK)
        await self._press(PARK, call, "7")
        await asyncio.sleep(2.0)
        await self._press(PARK, call, "1")
        await self._press(PARK, call, "2")
        await self._press(PARK, call, "4712#")
        talk = await self.seen("connected", PARK.name, agent=CHEN.number)
        await asyncio.sleep(SENTENCE)
        await self.site.post(f"calls/{talk['call_id']}/recording/pause")
        await asyncio.sleep(2.0)
        await self.site.post(f"calls/{talk['call_id']}/recording/resume")
        await asyncio.sleep(SENTENCE)
        await self.seen("overflowed", QUINN.name, seconds=40)
        await self._at_chens_desk[0].hang_up()
        await call.ended

    async def _novak(self, phone: Baresip) -> None:
        """Reaches Bo, who sends her to Chen; hangs up herself."""
        await self.seen("offered", LEE.name, agent=ANNA.number)
        await phone.dial("100")
        await self._press(NOVAK, phone, "1")
        await self._press(NOVAK, phone, "1")
        await self.seen("connected", NOVAK.name, agent=CHEN.number, seconds=60)
        await asyncio.sleep(SENTENCE)
        await phone.hang_up()
        await self.seen("ended", NOVAK.name)

    async def _olsen(self) -> None:
        """Everybody in sales is busy or away: he waits, and gives up."""
        await self.seen("connected", NOVAK.name, agent=BO.number, seconds=40)
        call = await self._dial(OLSEN)
        await self._press(OLSEN, call, "1")
        await self._press(OLSEN, call, "1")
        await self.seen("queued", OLSEN.name)
        await self.seen("queued", QUINN.name)
        await self._monitor()
        await call.hang_up()
        await self.seen("abandoned", OLSEN.name)

    async def _quinn(self) -> None:
        """Nobody in support is free for too long: she leaves a message."""
        await self.seen("connected", NOVAK.name, agent=BO.number, seconds=40)
        call = await self._dial(QUINN)
        await self._press(QUINN, call, "1")
        await self._press(QUINN, call, "2")
        await self._press(QUINN, call, "4715#")
        call.send_silence()
        await self.seen("voicemail_started", QUINN.name, seconds=40)
        await asyncio.sleep(0.5)
        await call.play(QUINN.speech(self._speech)).finished
        await asyncio.sleep(0.3)
        await call.send_digits("#")
        await call.ended.within(20)

    # --- the supervisor ---------------------------------------------------------------------

    async def _monitor(self) -> None:
        """What `callcore monitor --once` prints in the middle of it all."""
        command = [sys.executable, "-m", "callcore.cli.main", "monitor", "--once"]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.site.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            printed, _ = await process.communicate()
        self._tell("")
        self._tell("    $ callcore monitor --once")
        for line in printed.decode("utf-8", "replace").rstrip().splitlines():
            self._tell(f"    {line.rstrip()}")
        self._tell("")
        if process.returncode != 0:
            raise LabError(f"callcore monitor --once ended with {process.returncode}")
