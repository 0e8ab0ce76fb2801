"""The people of the demo: who they are, what they say, and the real SIP phones they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from callcore.lab import audio
from callcore.lab.baresip import Baresip, BaresipAccount
from callcore.lab.g711 import Samples
from callcore.lab.site import LabSite

#: Silence between two rounds of what somebody says.
BREATH = 0.6


@dataclass(frozen=True)
class Person:
    """Somebody with a voice and words of their own, by which a recording is told to be theirs."""

    name: str
    #: A caller's number, or an agent's id.
    number: str
    voice: str
    words: str
    #: The desk phone of an agent.
    phone: str = ""
    speed: int = 165

    def speech(self, folder: Path) -> Samples:
        return audio.speak(self.words, folder, self.voice, speed=self.speed)

    def rounds(self, folder: Path, seconds: float = 0.0) -> Samples:
        """What they say, over and over for so long (once: to be looped)."""
        once = audio.join(self.speech(folder), audio.silence(BREATH))
        times = max(1, round(seconds * audio.RATE / len(once)))
        return audio.join(*[once] * times)


LEE = Person(
    "Ms Lee", "2025550101", "f2", "Good morning, I would like to order forty blue umbrellas."
)
PARK = Person("Mr Park", "2025550102", "m3", "My washing machine is leaking water in the kitchen.")
NOVAK = Person(
    "Mrs Novak", "2025550103", "f4", "The invoice of last Tuesday shows the wrong address."
)
OLSEN = Person("Mr Olsen", "2025550104", "m7", "Nobody will ever hear this sentence from me.")
QUINN = Person(
    "Ms Quinn", "2025550105", "f5", "Please call me back, the delivery has not arrived yet."
)
CALLERS = (LEE, PARK, NOVAK, OLSEN, QUINN)

ANNA = Person("Anna", "1001", "f1", "Sales department, Anna speaking, how can I help?", "desk1")
BO = Person("Bo", "1002", "m1", "This is Bo, let me look that up for you now.", "desk2")
CHEN = Person(
    "Chen", "1003", "m5", "Technical support, you are talking to Chen, go ahead.", "desk3"
)
DANA = Person("Dana", "1004", "f3", "I am never at my desk.", "desk4")
AGENTS = (ANNA, BO, CHEN, DANA)
EVERYBODY = {person.number: person for person in (*CALLERS, *AGENTS)}

ANNAS_PIN = "4711"


def baresip_desk(site: LabSite, person: Person, seconds: float) -> Baresip:
    """A registered desk phone that is a real baresip; its keys are pressed by the story."""
    registers = 120 if site.backend == "asterisk" else 0
    secret = f"{person.phone}-secret"
    account = BaresipAccount(person.phone, secret, site.sip, register_seconds=registers)
    return _baresip(site, person, account, site.phone_address, seconds)


def baresip_caller(site: LabSite, person: Person, seconds: float) -> Baresip:
    """Somebody out on the trunk with a real baresip, which registers nowhere."""
    account = BaresipAccount(person.number, "", site.sip, codecs=("pcma",), register_seconds=0)
    return _baresip(site, person, account, site.caller_address, seconds)


def _baresip(
    site: LabSite, person: Person, account: BaresipAccount, host: str, seconds: float
) -> Baresip:
    folder = site.directory / "phones" / person.name.replace(" ", "")
    folder.mkdir(parents=True, exist_ok=True)
    speech = folder / "speech.wav"
    # baresip plays a file once, from the answer on: it has to last for the whole call.
    audio.write(speech, person.rounds(site.directory / "speech", seconds))
    sip, control = baresip_ports(person)
    return Baresip(account, folder, host=host, sip_port=sip, control_port=control, speech=speech)


def baresip_ports(person: Person) -> tuple[int, int]:
    """SIP (the next one is its TLS port) and control."""
    place = 25200 + 10 * list(EVERYBODY).index(person.number)
    return place, place + 4
