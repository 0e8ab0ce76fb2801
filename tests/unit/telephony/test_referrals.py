"""A REFER is answered when Asterisk can bear it, and at the latest after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from callcore.telephony import referrals
from callcore.telephony.ari_models import ChannelTransfer, Ref, ReferredBy, ReferTo
from callcore.telephony.referrals import Referrals

pytestmark = pytest.mark.asyncio

DESK, OTHER = "desk-1", "desk-2"


def transfer(other: str = "", state: str = "") -> ChannelTransfer:
    """What Asterisk tells of a REFER that came by the desk's first call."""
    return ChannelTransfer(
        refer_to=ReferTo(destination_channel=Ref(id=other) if other else None),
        referred_by=ReferredBy(source_channel=Ref(id=DESK)),
        state=state,
    )


async def is_waiting(work: Awaitable[None]) -> bool:
    """It has not ended by itself, though everything that can go on did."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=3 * referrals.NOTING_SECONDS)
    task.cancel()
    return not done


@pytest.fixture
def asked() -> Referrals:
    return Referrals()


async def test_success_waits_for_the_end_of_the_other_call(asked: Referrals) -> None:
    asked.see(transfer(OTHER))
    asked.look({DESK, OTHER})
    assert await is_waiting(asked.answerable(DESK, ok=True))
    asked.look({DESK})
    await asked.answerable(DESK, ok=True)


@pytest.mark.parametrize(("other", "ok"), [(OTHER, False), ("", True), ("", False)])
async def test_nothing_else_waits_for_it(asked: Referrals, other: str, ok: bool) -> None:
    """A refusal ends no call, and a blind transfer has no other one."""
    asked.see(transfer(other))
    asked.look({DESK, OTHER})
    assert not await is_waiting(asked.answerable(DESK, ok=ok))


async def test_every_answer_comes_a_moment_later(asked: Referrals) -> None:
    loop = asyncio.get_running_loop()
    asked.see(transfer())
    began = loop.time()
    await asked.answerable(DESK, ok=False)
    assert loop.time() - began >= 0.9 * referrals.NOTING_SECONDS


async def test_the_call_goes_on_when_the_phone_was_told(asked: Referrals) -> None:
    asked.see(transfer(OTHER))
    asked.look({DESK})
    assert await is_waiting(asked.answered(DESK))
    asked.see(transfer(OTHER, state="channel_answered"))
    await asked.answered(DESK)


async def test_the_call_goes_on_when_its_channel_is_gone(asked: Referrals) -> None:
    asked.see(transfer(OTHER))
    answered = asyncio.ensure_future(asked.answered(DESK))
    await asyncio.sleep(0)  # it has begun to wait
    asked.look({OTHER})
    await answered


async def test_nothing_waits_for_ever(asked: Referrals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word of the end, or of what the phone was told, may be lost with the link."""
    monkeypatch.setattr(referrals, "SETTLING_SECONDS", 0.01)
    asked.see(transfer(OTHER))
    await asked.answerable(DESK, ok=True)
    await asked.answered(DESK)


async def test_an_answer_to_no_referral_waits_for_nothing(asked: Referrals) -> None:
    """It came in a former life of callcore."""
    await asked.answerable(DESK, ok=True)
    await asked.answered(DESK)
