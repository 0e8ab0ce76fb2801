"""What a site has configured: phones, trunks, agents, queues and number routes.

Frozen values, read from callcore.toml and var/directory.json by `config.py` and handed to the pure
machines as one `Directory`. Secrets (SIP passwords, PIN hashes) never reach the machines' logs:
their `repr` is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec.structs import replace

from callcore.directory_queue import (
    VOICE,
    Announcements,
    Callback,
    Kind,
    OverflowRule,
    Ring,
    Staffing,
    Urgency,
    WrapUp,
)
from callcore.ivr.calendar import Hours
from callcore.types import DEFAULT_TENANT, AgentId, PhoneId, QueueId, Reach, TreeId, TrunkId


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Srtp(StrEnum):
    """Whether the sound is encrypted (RFC 3711), with keys in the SDP (RFC 4568): `optional`
    offers plain sound (RTP/AVP) with keys and takes what comes."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Dtmf(StrEnum):
    """How keys travel: `rfc4733` ignores tones in the audio, `inband` listens for them."""

    RFC4733 = "rfc4733"
    INFO = "info"
    INBAND = "inband"
    AUTO = "auto"


class Entity(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What every configured thing carries."""

    id: str
    tenant: str = DEFAULT_TENANT


#: Before the name of a group in a queue's list of members.
GROUP = "@"
VOICE_KIND = Kind(capacity=1, exclusive=True, by_phone=True)
CODECS = ("ulaw", "alaw", "g722", "opus")


class Phone(Entity, frozen=True, kw_only=True):
    """A desk phone. With `host` it is reached at that address, else it registers (digest)."""

    id: PhoneId
    #: SIP password; empty for a phone at a static address without authentication.
    secret: str = ""
    #: ``address`` or ``address:port`` of a phone that does not register.
    host: str = ""
    #: What the phone is reached over.
    transport: Transport = Transport.UDP
    #: The sound is encrypted (keys in the SDP: use TLS with it). `optional` takes what the phone
    #: offers; true means `required`.
    srtp: Srtp | bool = Srtp.OFF
    #: Of ``ulaw``, ``alaw``, ``g722``, ``opus``; the first is preferred.
    codecs: tuple[str, ...] = CODECS
    #: How keys travel: ``auto`` takes what the phone offers.
    dtmf: Dtmf = Dtmf.RFC4733
    #: The phone is behind NAT: answer to where packets come from, keep the media symmetric.
    nat: bool = False

    def __repr__(self) -> str:
        return f"Phone(id={self.id!r})"


class Trunk(Entity, frozen=True, kw_only=True):
    """A SIP trunk: registering with user and password, or known by its address."""

    id: TrunkId
    #: Address or name of the provider; calls from it are known by it.
    host: str
    #: Its SIP port.
    port: int = 5060
    #: User name at the provider.
    user: str = ""
    #: Its password: callcore registers and authenticates calls with it.
    secret: str = ""
    #: Register with the provider (needs `user`); else calls are known by the address alone.
    register: bool = False
    #: Further source addresses or networks the provider calls from.
    match: tuple[str, ...] = ()
    #: What the provider is reached over.
    transport: Transport = Transport.UDP
    #: The sound is encrypted. `optional` takes what the provider offers; true means `required`.
    srtp: Srtp | bool = Srtp.OFF
    #: Of ``ulaw``, ``alaw``, ``g722``, ``opus``; the first is preferred.
    codecs: tuple[str, ...] = CODECS
    #: How keys travel: ``auto`` takes what the provider offers.
    dtmf: Dtmf = Dtmf.RFC4733
    #: The provider is behind NAT.
    nat: bool = False
    #: Seconds between OPTIONS pings; 0: none.
    qualify_seconds: int = 60
    #: Calls at once in both directions; 0: no limit.
    max_channels: int = 0
    #: Caller number presented on outbound calls.
    caller_number: str = ""
    #: Another trunk, tried when this one cannot be reached or fails (500, 502, 503, 504); never
    #: after what the callee said. With the SIP stack inside callcore only.
    backup: TrunkId = ""

    def __repr__(self) -> str:
        return f"Trunk(id={self.id!r}, host={self.host!r})"


def srtp_of(peer: Phone | Trunk) -> Srtp:
    """Also where it was written as true or false, as before there was a third choice."""
    if isinstance(peer.srtp, bool):
        return Srtp.REQUIRED if peer.srtp else Srtp.OFF
    return peer.srtp


class Agent(Entity, frozen=True, kw_only=True):
    """A person who answers contacts. Which phone they sit at is part of the session."""

    id: AgentId
    #: As supervisors see it.
    name: str = ""
    #: argon2 hash of the PIN typed at a phone to log in; empty: no login by phone.
    pin_hash: str = ""
    #: Phone used when a login names none.
    phone: PhoneId = ""
    #: The phone rings, answers by itself (Alert-Info), or its line stays up all day.
    reach: Reach = Reach.RING
    #: Levels by skill: `{ english = 5 }`.
    skills: dict[str, int] = {}
    #: Spoken with customers, for queues that match it: ``["en", "zh"]``.
    languages: tuple[str, ...] = ()
    #: Groups that queues may have as members (``"@support"``) and rules may name.
    groups: tuple[str, ...] = ()
    #: Contacts at once by kind, where it differs from the kind's own: `{ chat = 5 }`.
    capacity: dict[str, int] = {}
    #: What an hour costs, in any unit; for the criterion ``cost``.
    cost: float = 0.0
    #: Where the agent sits; for the criterion ``site``.
    site: str = ""

    def __repr__(self) -> str:
        return f"Agent(id={self.id!r}, name={self.name!r})"


class Member(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The place of an agent, or of a group, in a queue; a lower penalty is offered first."""

    #: Id of the agent, or ``@`` and the name of a group.
    agent: AgentId
    #: Tier: those with a higher one are offered only when nobody with a lower one is idle.
    penalty: int = 0
    #: Place for the strategies that go by places; 0: that in the list.
    position: int = 0


class RecordFrom(StrEnum):
    """When recording starts; `off` leaves a reason in the call record instead."""

    BRIDGED = "bridged"
    ANSWERED = "answered"
    OFF = "off"


class Queue(Entity, frozen=True, kw_only=True):
    """A queue: who serves it, how, and what happens when nobody does. Times in seconds."""

    id: QueueId
    #: As agents and supervisors see and hear it.
    name: str = ""
    #: What is served: ``voice``, or a kind of `[kinds]`.
    kind: str = VOICE
    #: Which idle agent is offered a contact: ``longest_idle``, ``ring_all``, ``round_robin``,
    #: ``fewest_contacts``, ``least_occupied``, ``random``, ``weighted_random``, ``linear``,
    #: ``skill_best_fit``, ``weighted``.
    strategy: str = "longest_idle"
    #: Of the strategy ``weighted``: `{ skill_fit = 2, idle_time = 1 }`.
    criteria: dict[str, float] = {}
    #: How its contacts compare with those of other queues: by the wait in targets, or so that as
    #: many as possible are answered within `service_level_seconds`.
    urgency: Urgency = Urgency.FAIR
    #: Waiting counts so many times as much as in a queue with 1.
    weight: float = 1.0
    #: One step of priority counts as so many seconds of waiting.
    priority_seconds: float = 600.0
    #: Ids of agents, ``"@GROUP"``, or ``{ agent = "1001", penalty = 1 }``: a lower penalty is
    #: offered first.
    members: tuple[Member, ...] = ()
    #: How long one agent's phone rings before the next is offered.
    ring_seconds: float = 15.0
    #: After a contact: for `wrap_up_seconds`, never, when the agent asks for it, or until the
    #: agent is ready (for `wrap_up_seconds` at most, unless that is 0).
    wrap_up: WrapUp = WrapUp.TIMED
    #: Time after a contact in which the agent is offered none.
    wrap_up_seconds: float = 0.0
    #: Unanswered offers in a row after which an agent is paused (RONA); 0: never.
    rona_limit: int = 0
    #: Pause before an agent who did not answer is offered the next contact.
    retry_seconds: float = 5.0
    #: Longer waiting callers overflow; 0: no limit.
    max_wait_seconds: float = 0.0
    #: With so many waiting, further callers overflow at once; 0: no limit.
    max_size: int = 0
    #: Who must be there for a contact to enter: nobody, a member logged in, or one who is ready.
    join_needs: Staffing = Staffing.NOBODY
    #: Who must be there for contacts to stay.
    stay_needs: Staffing = Staffing.NOBODY
    #: Opening hours; outside them nobody enters.
    hours: Hours | None = None
    #: Tree and node (``tree`` or ``tree/node``) of callers who overflow when the IVR gave none.
    overflow: str = ""
    #: Where contacts overflow to, by cause; the first rule that applies wins.
    overflow_rules: tuple[OverflowRule, ...] = ()
    #: Rule every agent must meet: ``english >= 3 and (billing or sales)``.
    requires: str = ""
    #: Only agents who speak the contact's language.
    match_language: bool = False
    #: Needs that relax in steps while a contact waits (bullseye).
    rings: tuple[Ring, ...] = ()
    #: A caller waits so long for the agent spoken to last, then for anyone; 0: not at all.
    last_agent_seconds: float = 0.0
    #: What waiting callers are told of position and estimated wait, and how often; none: nothing.
    announcements: Announcements | None = None
    #: Callers may hang up and be called back in their turn.
    callback: Callback | None = None
    #: Music on hold: a directory of prompts/music.
    music: str = "default"
    #: Record from the bridge with an agent, from the start of the wait, or not.
    record: RecordFrom = RecordFrom.BRIDGED
    #: Prompt played to the agent alone before the bridge (``prompt:`` or ``text:``); empty: none.
    #: ``{queue}`` and ``{wait}`` are replaced.
    agent_announcement: str = ""
    #: Answered within so many seconds counts for the service level.
    service_level_seconds: float = 20.0
    #: Abandons before this many seconds are counted apart.
    short_abandon_seconds: float = 5.0
    #: Of the announcements to agents and waiting callers, when it is not the default one.
    language: str = ""


class Route(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Which tree or queue answers a dialled number.

    `pattern` is Asterisk's: digits, ``X`` 0–9, ``Z`` 1–9, ``N`` 2–9, ``[1-5]``, ``.`` one or more,
    ``!`` zero or more. The longest fixed prefix wins, then the more specific class, then file
    order.
    """

    #: Numbers dialled: digits, ``X`` 0–9, ``Z`` 1–9, ``N`` 2–9, ``[1-5]``; ``.`` or ``!`` last.
    pattern: str
    #: The tree that answers, or …
    tree: TreeId = ""
    #: … the queue.
    queue: QueueId = ""


class Outbound(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Which trunk carries a number dialled from a phone or by a transfer."""

    #: Numbers dialled, as in routes.
    pattern: str
    #: The trunk that carries them.
    trunk: TrunkId
    #: So many digits are removed from the front …
    strip: int = 0
    #: … and this is put before.
    prefix: str = ""


class FeatureCodes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Codes an agent dials at a phone."""

    #: Asks for agent number and PIN.
    login: str = "*11"
    #: The agent at this phone goes home.
    logout: str = "*12"
    #: No calls until ready.
    pause: str = "*13"
    #: Ends a pause or the wrap-up.
    ready: str = "*14"
    #: Dial in and stay connected: the nailed-up line.
    nailed_up: str = "*15"


class Transfers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How callers are moved by agents and operators."""

    #: How long the number or agent transferred to rings before the caller comes back.
    ring_seconds: Annotated[float, msgspec.Meta(ge=1)] = 30.0


class Directory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything configured, by id."""

    #: Kinds of contact besides voice.
    kinds: dict[str, Kind] = {}
    #: Statuses of this site, each with the kinds of contact that are offered in it.
    statuses: dict[str, tuple[str, ...]] = {}
    #: Reasons a pause may have; none listed: any.
    pause_reasons: tuple[str, ...] = ()
    phones: dict[PhoneId, Phone] = {}
    trunks: dict[TrunkId, Trunk] = {}
    agents: dict[AgentId, Agent] = {}
    queues: dict[QueueId, Queue] = {}
    routes: tuple[Route, ...] = ()
    outbound: tuple[Outbound, ...] = ()
    feature_codes: FeatureCodes = FeatureCodes()
    transfers: Transfers = Transfers()
    language: str = "en"

    @property
    def usual_pause_reason(self) -> str:
        """Of a pause for which nobody gave one."""
        return self.pause_reasons[0] if self.pause_reasons else "break"

    def queues_of(self, agent: AgentId) -> list[QueueId]:
        """The queues that an agent serves."""
        return [
            queue.id for queue in self.queues.values() if agent in members_of(queue, self.agents)
        ]


def without_secrets(directory: Directory) -> Directory:
    """What the rules, the journal and snapshots are given: no SIP password, no PIN hash."""
    return replace(
        directory,
        phones={name: replace(phone, secret="") for name, phone in directory.phones.items()},
        trunks={name: replace(trunk, secret="") for name, trunk in directory.trunks.items()},
        agents={name: replace(agent, pin_hash="") for name, agent in directory.agents.items()},
    )


def members_of(queue: Queue, agents: Mapping[AgentId, Agent]) -> dict[AgentId, Member]:
    """Who serves a queue: agents listed by name, then those of the groups listed.

    Positions are filled in; an agent listed by name has that place, whatever the groups say.
    """
    named = {member.agent for member in queue.members}
    found: dict[AgentId, Member] = {}
    for number, member in enumerate(queue.members, start=1):
        position = member.position or number
        if not member.agent.startswith(GROUP):
            if member.agent in agents:
                found.setdefault(member.agent, replace(member, position=position))
            continue
        group = member.agent.removeprefix(GROUP)
        for agent in agents.values():
            if group in agent.groups and agent.id not in named:
                found.setdefault(agent.id, replace(member, agent=agent.id, position=position))
    return found


def kinds_of(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """All kinds of contact, the built-in one first."""
    return {VOICE: VOICE_KIND, **kinds}
