"""One word for each trunk, looked up only for what is configured."""

from __future__ import annotations

import asyncio

import pytest

from callcore.directory import Trunk
from callcore.errors import BackendUnavailable
from callcore.telephony.ari_models import Endpoint
from callcore.telephony.trunks import TrunkWatch, trunk_state

REGISTERS = Trunk(id="t", host="h", user="u", register=True)
BY_ADDRESS = Trunk(id="t", host="h")


@pytest.mark.parametrize(
    ("trunk", "registration", "endpoint", "state"),
    [
        (REGISTERS, "Registered", "online", "registered"),
        (REGISTERS, "Registered", "offline", "unreachable"),
        (REGISTERS, "Rejected", "online", "rejected"),
        (REGISTERS, "", "online", "unregistered"),
        (BY_ADDRESS, "", "online", "reachable"),
        (BY_ADDRESS, "", "offline", "unreachable"),
        (BY_ADDRESS, "", "", ""),
        (Trunk(id="t", host="h", qualify_seconds=0), "", "offline", ""),
    ],
)
def test_the_word_for_a_state(trunk: Trunk, registration: str, endpoint: str, state: str) -> None:
    """What does not work comes before what does."""
    assert trunk_state(trunk, registration, endpoint) == state


async def test_states_change_as_a_whole_and_survive_a_look_that_failed() -> None:
    """Whoever holds the former states sees no half of the new ones."""
    looks: asyncio.Queue[str] = asyncio.Queue()
    answered = asyncio.Event()

    async def registrations() -> dict[str, str]:
        answered.set()
        word = await looks.get()
        if not word:
            raise BackendUnavailable("away")
        return {"t": word}

    async def endpoints(uri: str) -> tuple[Endpoint, ...]:
        return (Endpoint("t", "PJSIP", "online"),)

    watch = TrunkWatch(registrations, endpoints)
    running = asyncio.create_task(watch.run())
    watch.configure({"t": REGISTERS})
    for word, state in (("Registered", "registered"), ("", "registered"), ("Rejected", "rejected")):
        watch.look_again("t")
        before = watch.states
        await answered.wait()
        answered.clear()
        looks.put_nowait(word)
        watch.look_again("t")
        await answered.wait()
        assert watch.states == {"t": state}
        assert (watch.states is before) == (not word)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
