"""AMI on a real Asterisk: what recording and provisioning need, and how it fails."""

from __future__ import annotations

import logging

import msgspec
import pytest

from callcore.errors import ActionRefused, BackendUnavailable
from callcore.telephony import managed
from callcore.telephony.ami import Ami, AmiSettings
from tests.acceptance.floor import until
from tests.contract.tcp_proxy import TcpProxy
from tests.contract.worlds import AsteriskWorld

pytestmark = pytest.mark.acceptance


def settings_of(asterisk: managed.ManagedAsterisk) -> AmiSettings:
    return AmiSettings(
        host=asterisk.ami_host, port=asterisk.ami_port,
        user=asterisk.ami_user, password=asterisk.ami_password,
    )  # fmt: skip


async def test_a_channel_is_recorded_by_its_id(real: AsteriskWorld) -> None:
    """Started, muted, stopped; a channel that is gone is refused as such."""
    channel, _, _ = await real.talking()
    raw = real.asterisk.paths.monitor / f"{channel}.raw"
    backend = real.asterisk_backend
    await backend.start_mixmonitor(channel, str(raw))
    await backend.mute_mixmonitor(channel, True)
    await backend.mute_mixmonitor(channel, False)
    await until(raw.exists)  # made by a thread of its own, in its time
    await backend.stop_mixmonitor(channel)
    gone = "1700000000.1"
    for attempt in (backend.start_mixmonitor, backend.mute_mixmonitor):
        with pytest.raises(ActionRefused) as refused:
            await attempt(gone, True if attempt == backend.mute_mixmonitor else str(raw))
        assert refused.value.status == 404
    with pytest.raises(ActionRefused):
        await backend.stop_mixmonitor(gone)


async def test_states_and_status(real: AsteriskWorld) -> None:
    await real.talking()
    states = await real.ami.device_states()
    assert states["PJSIP/p1"] in ("INUSE", "BUSY")
    assert int((await real.ami.core_status())["CoreCurrentCalls"]) >= 1


async def test_a_value_cannot_start_a_header_of_its_own(real: AsteriskWorld) -> None:
    with pytest.raises(ActionRefused) as refused:
        await real.ami.start_mixmonitor("none\r\nAction: Reload", "/tmp/x")
    assert refused.value.status == 404


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody answers is given up sooner."""
    monkeypatch.setattr("callcore.telephony.ami.LOGIN_TIMEOUT", 2.0)
    monkeypatch.setattr("callcore.telephony.ami.ACTION_TIMEOUT", 2.0)


@pytest.mark.usefixtures("impatient")
async def test_a_wrong_password_is_said_and_never_shown(
    asterisk: managed.ManagedAsterisk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = msgspec.structs.replace(settings_of(asterisk), password="wr0ng-s3cret")
    ami = Ami(wrong)
    with pytest.raises(BackendUnavailable, match="refused"):
        await ami.connect()
    await ami.close()
    assert "wr0ng" not in caplog.text + repr(wrong)


@pytest.mark.usefixtures("impatient")
async def test_without_a_link_actions_are_unavailable(asterisk: managed.ManagedAsterisk) -> None:
    """A link that falls silent fails the action in a bounded time, and a new login follows."""
    async with TcpProxy(asterisk.ami_host, asterisk.ami_port) as proxy:
        port = int(proxy.url.rsplit(":", 1)[1].partition("/")[0])
        ami = Ami(msgspec.structs.replace(settings_of(asterisk), port=port))
        with pytest.raises(BackendUnavailable):
            await ami.core_status()
        await ami.connect()
        await ami.core_status()
        proxy.silence()
        with pytest.raises(BackendUnavailable):
            await ami.core_status()
        assert not ami.up
        proxy.speak()
        await ami.connect()
        assert await ami.core_status()
        await ami.close()
