"""Asterisk's refusals: which of them say that the channel is gone."""

from __future__ import annotations

import pytest

from callcore.telephony.ari import refusal


@pytest.mark.parametrize(
    ("status", "words", "meant"),
    [
        (404, "Channel not found", 404),
        (400, "Channel not found", 404),
        (422, "Channel not in Stasis application", 404),
        (409, "Channel not in Stasis application", 404),
        (409, "Bridge not in Stasis application", 409),
        (500, "Failed to answer channel", 404),
        (500, "Failed to play", 500),
        (422, "Channel not in this bridge", 422),
        (400, "Missing parameter", 400),
    ],
)
def test_a_channel_that_has_just_hung_up_is_gone(status: int, words: str, meant: int) -> None:
    """It left Stasis before its end is told: what was asked of it fails like on one not there."""
    refused = refusal("POST", "bridges/b/addChannel?channel=x", status, f'{{"message": "{words}"}}')
    assert refused.status == meant
    assert str(refused) == f"POST bridges/b/addChannel: {meant} {words}"
