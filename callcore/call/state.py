"""The states of a call and the table of its moves; anything not in the table is our mistake.

::

    arrived ──► ivr ──► queued ◄──► ringing ──► talking ──► ended
       │         ▲        │            │           │
       │         └────────┴────────────┴───────────┘   (overflow, failed transfer, transfer)
       └──► service (feature codes and nailed-up lines) ──► ended

Hold is not a state of the call: it belongs to the leg of the phone that pressed the key.
"""

from __future__ import annotations

from enum import StrEnum

from callcore.errors import InvalidTransition


class CallState(StrEnum):
    ARRIVED = "arrived"
    IVR = "ivr"
    QUEUED = "queued"
    #: At least one agent, phone or number is being rung for the caller.
    RINGING = "ringing"
    TALKING = "talking"
    SERVICE = "service"
    ENDED = "ended"


class Move(StrEnum):
    """What makes a call change its state."""

    ENTER_TREE = "enter_tree"
    ENTER_QUEUE = "enter_queue"
    SERVE = "serve"
    #: An agent is offered, or a number dialled.
    RING = "ring"
    #: Nobody is rung any more; the caller waits on.
    STOP_RINGING = "stop_ringing"
    CONNECT = "connect"
    END = "end"


_S, _M = CallState, Move

NEXT: dict[tuple[CallState, Move], CallState] = {
    (_S.ARRIVED, _M.ENTER_TREE): _S.IVR,
    (_S.ARRIVED, _M.ENTER_QUEUE): _S.QUEUED,
    (_S.ARRIVED, _M.SERVE): _S.SERVICE,
    (_S.ARRIVED, _M.RING): _S.RINGING,
    (_S.IVR, _M.ENTER_TREE): _S.IVR,
    (_S.IVR, _M.ENTER_QUEUE): _S.QUEUED,
    (_S.IVR, _M.RING): _S.RINGING,
    (_S.QUEUED, _M.RING): _S.RINGING,
    (_S.QUEUED, _M.STOP_RINGING): _S.QUEUED,
    (_S.QUEUED, _M.ENTER_QUEUE): _S.QUEUED,
    (_S.QUEUED, _M.ENTER_TREE): _S.IVR,
    (_S.QUEUED, _M.CONNECT): _S.TALKING,
    (_S.RINGING, _M.RING): _S.RINGING,
    (_S.RINGING, _M.STOP_RINGING): _S.QUEUED,
    (_S.RINGING, _M.ENTER_QUEUE): _S.QUEUED,
    (_S.RINGING, _M.ENTER_TREE): _S.IVR,
    (_S.RINGING, _M.CONNECT): _S.TALKING,
    (_S.TALKING, _M.RING): _S.RINGING,
    (_S.TALKING, _M.ENTER_QUEUE): _S.QUEUED,
    (_S.TALKING, _M.ENTER_TREE): _S.IVR,
    (_S.TALKING, _M.CONNECT): _S.TALKING,
    **{(state, _M.END): _S.ENDED for state in CallState},
}


def advance(state: CallState, move: Move) -> CallState:
    """The state after `move`; `InvalidTransition` where the table has none."""
    try:
        return NEXT[state, move]
    except KeyError:
        raise InvalidTransition(f"a call that is {state} cannot {move}") from None
