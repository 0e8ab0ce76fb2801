"""Phones pushed to an existing Asterisk through ARI: used at once, kept over a restart, removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.directory import Directory, Phone, Transport, Trunk
from callcore.lab.errors import RegistrationFailed
from callcore.lab.phone import Phone as LabPhone
from callcore.telephony import managed
from callcore.telephony.ari import AriSettings
from callcore.telephony.asterisk import AsteriskBackend
from callcore.telephony.layout import AsteriskPaths, ManagedSettings
from callcore.telephony.prompts import PromptLibrary
from callcore.telephony.provision import PushProvisioner
from tests.addresses import Block
from tests.contract.conftest import settings_at
from tests.listening import events_of

pytestmark = pytest.mark.acceptance

SORCERY = Path(__file__).parents[2] / "asterisk-conf" / "existing" / "sorcery.conf"


def directory_of(block: Block) -> Directory:
    phone = Phone(id="p1", secret="pushed")
    trunk = Trunk(
        id="t1", host=block.host(2), port=5070, user="u", secret="s", register=True,
        transport=Transport.TCP, qualify_seconds=0,
    )  # fmt: skip
    return Directory(phones={phone.id: phone}, trunks={trunk.id: trunk})


async def test_pushed_phones(readable: Path, block: Block) -> None:
    settings = settings_at(block)
    paths = AsteriskPaths.under(readable / "var")
    paths.etc.mkdir(parents=True)
    shutil.copy(SORCERY, paths.etc / "sorcery.conf")
    (paths.etc / "sorcery.conf").chmod(0o644)
    try:
        await run(await managed.start(paths, settings), directory_of(block), readable)
        await managed.stop(paths)
        await managed.start(paths, settings)
        async with phone_of(settings) as phone:
            await phone.register()
    finally:
        await managed.stop(paths)


def phone_of(settings: ManagedSettings) -> LabPhone:
    host = settings.sip.bind
    return LabPhone("p1", "pushed", server=(host, settings.sip.udp_port), host=host)


async def run(asterisk: managed.ManagedAsterisk, directory: Directory, files: Path) -> None:
    backend = AsteriskBackend(
        AriSettings(url=asterisk.ari_url, user=asterisk.ari_user, password=asterisk.ari_password),
        PromptLibrary(files, files),
    )
    memory = files / "pushed.json"
    backend.provisioner = PushProvisioner(backend, memory)
    events = events_of(backend)
    assert isinstance(await anext(events), ev.BackendUp)
    await backend.provision(directory)
    assert memory.stat().st_mode & 0o777 == 0o600
    assert b"pushed" not in memory.read_bytes()
    before = memory.stat()
    await backend.provision(directory)
    assert memory.stat() == before
    async with phone_of(asterisk.settings) as phone:
        await phone.register()
        await backend.execute(act.Dial(call="c", channel="leg", endpoint="phone:p1"))
        call = await phone.incoming()
        await call.answer()
        while not isinstance(event := await anext(events), ev.LegAnswered | ev.LegFailed):
            pass
        assert event == ev.LegAnswered(channel="leg")
        await call.hang_up()
        await phone.unregister()
        # Removed, and pushed again.
        await backend.provision(msgspec.structs.replace(directory, phones={}))
        with pytest.raises(RegistrationFailed):
            await phone.register()
        await backend.provision(directory)
        await phone.register()
    await backend.close()
