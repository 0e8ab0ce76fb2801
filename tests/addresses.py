"""Loopback addresses for tests: whoever needs some claims a block 127.0.<number>.x of its own.

Workers of one run, and runs beside each other, thus never meet, whatever ports they use: all may
take the usual ones.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

#: Below lie 127.0.0.1 and 127.0.1.1 (the host's name), above the benchmark's and the demo's.
NUMBERS = range(10, 190)
SIP_PORT = 5060

#: Processes begin at different places; a process does not come back to a block it just left.
_turn = itertools.count(os.getpid())


@dataclass(frozen=True)
class Block:
    """The addresses 127.0.<number>.x."""

    number: int

    @classmethod
    def around(cls, host: str) -> Block:
        """The block of this address."""
        return cls(int(host.split(".")[2]))

    def host(self, last: int) -> str:
        return f"127.0.{self.number}.{last}"


@contextlib.contextmanager
def claim_block() -> Iterator[Block]:
    """A block no other test on this machine uses meanwhile."""
    for turn in itertools.islice(_turn, len(NUMBERS)):
        block = Block(NUMBERS[turn % len(NUMBERS)])
        # An abstract name ends with its process, and is known exactly where the addresses are.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            if _bound(claim, f"\0callcore-tests-{block.number}") and not _in_use(block):
                yield block
                return
    raise RuntimeError(f"no free block of addresses: who listens on 0.0.0.0:{SIP_PORT}/udp?")


def _in_use(block: Block) -> bool:
    """Whether an Asterisk is there that outlived a killed run."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return not _bound(probe, (block.host(1), SIP_PORT))


def _bound(made: socket.socket, address: str | tuple[str, int]) -> bool:
    try:
        made.bind(address)
    except OSError:
        return False
    return True
