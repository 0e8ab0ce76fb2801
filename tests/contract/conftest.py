"""Both worlds of the contract tests; the real one shares a managed Asterisk per session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callcore.call.events import BackendUp
from callcore.config import SipSettings
from callcore.telephony import managed
from callcore.telephony.layout import AsteriskPaths, ManagedSettings
from tests.addresses import Block, claim_block
from tests.contract.worlds import AsteriskWorld, PjsipWorld, SimulatedWorld, World


def settings_at(block: Block) -> ManagedSettings:
    host = block.host(1)
    return ManagedSettings(
        sip=SipSettings(bind=host, rtp_start=34000, rtp_end=35999),
        control_address=host,
        fallback_after_seconds=2,
    )


@pytest.fixture(scope="session")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[managed.ManagedAsterisk]:
    var = tmp_path_factory.mktemp("contract")
    for directory in (var, *var.parents[:2]):
        directory.chmod(0o755)  # Asterisk may run as a user of its own
    paths = AsteriskPaths.under(var)
    with claim_block() as block:
        running = asyncio.run(managed.start(paths, settings_at(block)))
        yield running
        asyncio.run(managed.stop(paths))


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A directory that Asterisk, which may run as a user of its own, can read."""
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    return tmp_path


@pytest.fixture
async def real(asterisk: managed.ManagedAsterisk, readable: Path) -> AsyncIterator[AsteriskWorld]:
    """The world on the real Asterisk, for what only it can do."""
    world = AsteriskWorld(asterisk, readable)
    await world.start()
    await world.want(BackendUp)
    yield world
    await world.close()


@pytest.fixture
def pjsip_block() -> Iterator[Block]:
    with claim_block() as block:
        yield block


@pytest.fixture
async def embedded(pjsip_block: Block, readable: Path) -> AsyncIterator[PjsipWorld]:
    """The world on the SIP stack inside callcore, for what only it can do."""
    world = PjsipWorld(pjsip_block, readable)
    await world.start()
    await world.want(BackendUp)
    yield world
    await world.close()


@pytest.fixture(
    params=[
        "simulated",
        pytest.param("asterisk", marks=pytest.mark.acceptance),
        pytest.param("pjsip", marks=pytest.mark.acceptance),
    ]
)
def unstarted(request: pytest.FixtureRequest, readable: Path) -> World:
    """Each of the back ends in turn."""
    match request.param:
        case "asterisk":
            return AsteriskWorld(request.getfixturevalue("asterisk"), readable)
        case "pjsip":
            return PjsipWorld(request.getfixturevalue("pjsip_block"), readable)
        case _:
            return SimulatedWorld()


@pytest.fixture
async def world(unstarted: World) -> AsyncIterator[World]:
    """Each of the back ends in turn, ready for calls."""
    await unstarted.start()
    await unstarted.want(BackendUp)
    yield unstarted
    await unstarted.close()
