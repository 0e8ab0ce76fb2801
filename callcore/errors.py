"""Every error callcore raises on purpose, in one tree.

CallcoreError
├── ConfigError            what a person wrote is wrong; carries file, line and what was expected
│   └── TreeError          … in an IVR tree
├── InvalidRule            a boolean rule about agents cannot be read
├── SetupError             the machine lacks something; the message says what to do
├── BackendError
│   ├── BackendUnavailable the link to Asterisk is down: try again later
│   └── ActionRefused      Asterisk answered and said no
├── InvalidTransition      a machine got an event its table does not have: our fault
├── UnknownEntity          no such agent, queue, phone, trunk or call: their fault
├── Refused                the state of things does not allow what an operator asked
└── ServerUnreachable      no callcore answers where the command line looks for one
"""

from __future__ import annotations


class CallcoreError(Exception):
    """Root of callcore's errors; its text is one line a person can act on."""


class ConfigError(CallcoreError):
    """A file written by a person cannot be used."""

    def __init__(self, message: str, *, file: str = "", line: int = 0) -> None:
        self.message = message
        self.file = file
        self.line = line
        place = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(place + message)


class TreeError(ConfigError):
    """An IVR tree cannot be used."""


class InvalidRule(CallcoreError):
    """A boolean rule about agents cannot be read; the text says what was expected."""


class SetupError(CallcoreError):
    """The machine lacks something callcore needs; the text says what to do."""


class BackendError(CallcoreError):
    """Telephony did not do what was asked."""


class BackendUnavailable(BackendError):
    """The link to the telephony back end is down."""


class ActionRefused(BackendError):
    """The back end answered and refused; ``status`` is its HTTP-like code."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class InvalidTransition(CallcoreError):
    """A state machine got an event that its table does not have in that state."""


class UnknownEntity(CallcoreError):
    """An id that nothing configured or live has."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} named {name!r}")


class Refused(CallcoreError):
    """What an operator asked for does not fit the state of the agent or call."""


class ServerUnreachable(CallcoreError):
    """The command line found no running callcore."""
