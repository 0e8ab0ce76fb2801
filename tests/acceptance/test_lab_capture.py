"""The capture sees on loopback what phones sent and received, at the right time."""

import pytest

from callcore.lab import audio, capture
from callcore.lab.phone import Phone
from tests.acceptance.lab_asterisk import PASSWORD, lab_asterisk
from tests.load import slack

__all__ = ["lab_asterisk"]
pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("may_capture")]


async def test_a_call_is_seen_from_both_sides(lab_asterisk):
    """INVITE, answer and BYE of both legs with the times of the phones; no RTP is kept."""
    server = lab_asterisk.address
    bobs, anns = (lab_asterisk.phone_host, 5800), (lab_asterisk.caller_host, 5801)
    with capture.SipCapture([bobs[1], anns[1]]) as captured:
        async with (
            Phone("601", PASSWORD, server=server, host=bobs[0], port=bobs[1]) as bob,
            Phone("91", server=server, host=anns[0], port=anns[1]) as ann,
        ):
            await bob.register()
            call = await ann.dial("601")
            incoming = await bob.incoming()
            await incoming.answer()
            await call.answered
            await call.play(audio.silence(0.2)).finished
            await call.hang_up()
            await incoming.ended
    messages = captured.messages()
    assert len(captured.packets) == len(messages)
    (offer,) = capture.offers(messages, [bobs])
    assert (offer.phone, offer.caller, offer.call_id) == ("601", "91", incoming.call_id)
    assert offer.answered is not None
    assert offer.ended is not None
    assert offer.began == pytest.approx(incoming.log[0].at, abs=0.05 * slack())
    assert offer.began < offer.answered < offer.ended
    assert capture.double_offers([offer]) == []
    # Here the phone rings before the caller is answered: the time is negative but measured.
    latency = capture.join_to_ring(messages, [anns], [bobs])
    assert -1 < latency["91"] < 0
