"""Phones pushed to an existing Asterisk through ARI: used at once, kept over a restart, removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from callcore.call import actions as act
from callcore.call import events as ev
from callcore.config import SipSettings
from callcore.directory import Directory, Phone, Transport, Trunk
from callcore.lab.errors import RegistrationFailed
from callcore.lab.phone import Phone as LabPhone
from callcore.telephony import managed
from callcore.telephony.ari import AriSettings
from callcore.telephony.asterisk import AsteriskBackend
from callcore.telephony.layout import AsteriskPaths
from callcore.telephony.prompts import PromptLibrary
from callcore.telephony.provision import PushProvisioner
from tests.contract.conftest import SETTINGS

pytestmark = pytest.mark.acceptance

SORCERY = Path(__file__).parents[2] / "asterisk-conf" / "existing" / "sorcery.conf"
DIRECTORY = Directory(
    phones={"p1": Phone(id="p1", secret="pushed")},
    trunks={
        "t1": Trunk(
            id="t1", host="127.0.0.31", port=5070, user="u", secret="s", register=True,
            transport=Transport.TCP, qualify_seconds=0,
        )
    },
)  # fmt: skip


async def test_pushed_phones(asterisk: managed.ManagedAsterisk, readable: Path) -> None:
    """`asterisk` is asked for so that this runs where one is set up; ours is another one."""
    ports = {"ari_port": 38288, "ami_port": 35238}
    sip = SipSettings(
        bind="127.0.0.30", udp_port=15080, tcp_port=15080, rtp_start=36000, rtp_end=36999
    )
    settings = msgspec.structs.replace(SETTINGS, sip=sip, **ports)
    paths = AsteriskPaths.under(readable / "var")
    paths.etc.mkdir(parents=True)
    shutil.copy(SORCERY, paths.etc / "sorcery.conf")
    (paths.etc / "sorcery.conf").chmod(0o644)
    try:
        await run(await managed.start(paths, settings), readable)
        await managed.stop(paths)
        await managed.start(paths, settings)
        async with LabPhone("p1", "pushed", server=("127.0.0.30", 15080)) as phone:
            await phone.register()
    finally:
        await managed.stop(paths)


async def run(asterisk: managed.ManagedAsterisk, directory: Path) -> None:
    backend = AsteriskBackend(
        AriSettings(url=asterisk.ari_url, user=asterisk.ari_user, password=asterisk.ari_password),
        PromptLibrary(directory, directory),
    )
    memory = directory / "pushed.json"
    backend.provisioner = PushProvisioner(backend, memory)
    events = backend.events()
    assert isinstance(await anext(events), ev.BackendUp)
    await backend.provision(DIRECTORY)
    assert memory.stat().st_mode & 0o777 == 0o600
    assert b"pushed" not in memory.read_bytes()
    before = memory.stat()
    await backend.provision(DIRECTORY)
    assert memory.stat() == before
    server = ("127.0.0.30", 15080)
    async with LabPhone("p1", "pushed", server=server) as phone:
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
        await backend.provision(msgspec.structs.replace(DIRECTORY, phones={}))
        with pytest.raises(RegistrationFailed):
            await phone.register()
        await backend.provision(DIRECTORY)
        await phone.register()
    await backend.close()
