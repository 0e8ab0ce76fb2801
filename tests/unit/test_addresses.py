"""The blocks of addresses that tests claim."""

from __future__ import annotations

import socket

import pytest

from tests import addresses
from tests.addresses import Block, claim_block


def test_two_claims_never_meet() -> None:
    with claim_block() as one, claim_block() as other:
        assert one != other
        assert Block.around(one.host(7)) == one


def test_a_block_that_is_claimed_or_used_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """By another test, or by an Asterisk that a killed run left; free again, it can be had."""
    with claim_block() as mine:
        monkeypatch.setattr(addresses, "NUMBERS", [mine.number])
        with pytest.raises(RuntimeError, match="no free block"), claim_block():
            pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as left:
        left.bind((mine.host(1), addresses.SIP_PORT))
        with pytest.raises(RuntimeError, match="no free block"), claim_block():
            pass
    with claim_block() as again:
        assert again == mine
