"""What can go wrong in the lab; every error carries the tail of the SIP transcript.

LabError
├── LabTimeout          something awaited did not happen in time
├── CallFailed          the call ended before what was awaited (``status`` is the SIP answer)
├── RegistrationFailed  REGISTER was refused or not answered
├── ApiRefused          callcore's API answered with an error (``status``)
├── SipSyntaxError      received text that is no SIP message
└── ToolError           an outside program (baresip, SIPp, espeak-ng, dumpcap) is missing or failed
"""

from __future__ import annotations

from collections.abc import Sequence


class LabError(Exception):
    """Base of everything the lab raises."""

    def __init__(self, message: str, transcript: Sequence[str] = ()) -> None:
        self.transcript = list(transcript)
        tail = "".join(f"\n    {line}" for line in self.transcript)
        super().__init__(message + ("\n  last SIP messages:" + tail if tail else ""))


class LabTimeout(LabError):
    """Something awaited did not happen in time."""


class CallFailed(LabError):
    """The call ended before what was awaited."""

    def __init__(
        self, message: str, status: int | None = None, transcript: Sequence[str] = ()
    ) -> None:
        super().__init__(message, transcript)
        self.status = status


class RegistrationFailed(LabError):
    """REGISTER was refused (``status``) or not answered (``status`` is None)."""

    def __init__(
        self, message: str, status: int | None = None, transcript: Sequence[str] = ()
    ) -> None:
        super().__init__(message, transcript)
        self.status = status


class ApiRefused(LabError):
    """callcore's API answered with an error; ``status`` is the one of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class SipSyntaxError(LabError):
    """Received text that is no SIP message."""


class ToolError(LabError):
    """An outside program is missing, refused to start or failed."""
