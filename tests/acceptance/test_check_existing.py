"""`callcore check` on a real Asterisk that is already there: what it lacks is named, no more."""

import asyncio

import pytest

from callcore.config import load_settings
from callcore.findings import Level
from callcore.telephony import managed
from callcore.telephony.canary import raw_directory
from callcore.telephony.managed import AsteriskPaths, ManagedSettings, SipSettings
from callcore.telephony.survey import survey

pytestmark = pytest.mark.acceptance


@pytest.fixture
async def asterisk(tmp_path, block):
    host = block.host(1)
    sip = SipSettings(bind=host, rtp_start=32200, rtp_end=32300)
    paths = AsteriskPaths.under(tmp_path / "theirs")
    running = await managed.start(paths, ManagedSettings(sip=sip, control_address=host))
    yield running
    await running.stop()


@pytest.fixture
def settings_of(tmp_path, asterisk):
    """callcore.toml for that Asterisk, with some keys changed."""

    def load(**changes):
        prompts, raw = tmp_path / "var" / "prompts", tmp_path / "var" / "recordings" / "raw"
        for folder in (prompts, raw):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        keys = {
            "mode": "existing",
            "ari_url": asterisk.ari_url.removesuffix("/ari"),
            "ari_password": asterisk.ari_password,
            "ami_host": asterisk.ami_host,
            "ami_port": asterisk.ami_port,
            "ami_password": asterisk.ami_password,
        } | changes
        lines = [f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in keys.items()]
        file = tmp_path / "callcore.toml"
        file.write_text("\n".join(["[asterisk]", *lines, "[phones.p1]", ""]))
        return load_settings(file, {})

    return load


def wrong(findings):
    return [(f.area, f.message.split("(")[0].strip()) for f in findings if f.level is Level.ERROR]


PUSH = ("ari", "phones and trunks cannot be pushed")


async def test_what_is_there_is_confirmed(asterisk, settings_of):
    """A managed Asterisk seen as a foreign one lacks only the push of phones (it has includes),
    and the trial leaves no channel and no file behind."""
    settings = settings_of()
    findings = await survey(settings)
    assert wrong(findings) == [PUSH]
    assert [f.area for f in findings if f.level is Level.OK] == [
        "ari", "asterisk", "ami", "dialplan", "canary", "canary", "canary",
    ]  # fmt: skip
    assert "0 active channels" in await asterisk.run_command("core show channels count")
    left = [*settings.paths.prompts.iterdir(), *raw_directory(settings).iterdir()]
    assert left == []


async def test_each_lack_is_named(asterisk, settings_of, monkeypatch):
    """Unshared directories, another application, wrong passwords, nobody there."""
    monkeypatch.setattr("callcore.telephony.ami.LOGIN_TIMEOUT", 2.0)
    elsewhere = settings_of(remote_prompts="/nowhere", remote_recordings="/nowhere", app="other")
    assert wrong(await survey(elsewhere)) == [
        PUSH,
        ("dialplan", "context callcore-trunk does not reach 'other'"),
        ("dialplan", "context callcore-phone does not reach 'other'"),
        ("dialplan", "context callcore-resume does not reach 'other'"),
        ("canary", "Asterisk does not find prompts in /nowhere"),
        ("canary", f"nothing recorded to /nowhere appears in {raw_directory(elsewhere)}"),
    ]
    base, host = asterisk.ari_url, asterisk.ami_host
    assert wrong(await survey(settings_of(ari_password="wrong-one", ami_password="wrong-one"))) == [
        ("ari", f"{base} refuses user 'callcore'"),
        ("ami", f"AMI at {host}:{asterisk.ami_port}: user or password refused"),
    ]
    assert wrong(await survey(settings_of(ari_url=f"http://{host}:9"))) == [
        ("ari", f"http://{host}:9/ari: connection refused"),
    ]


async def test_a_missing_module_is_named(asterisk, settings_of):
    """An Asterisk without MixMonitor cannot record, and is told so."""
    await asterisk.run_command("module unload app_mixmonitor.so")
    async with asyncio.timeout(20):
        findings = await survey(settings_of())
    assert ("asterisk", "module app_mixmonitor does not run: recording") in wrong(findings)
    rights = next(f for f in findings if f.area == "ami")
    assert "MixMonitor" in rights.message
