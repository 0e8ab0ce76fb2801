"""SIPp phones and callers do on real Asterisk what benchmarks rely on."""

import pytest

from callcore.lab import audio, sipp
from callcore.lab.phone import Phone
from tests.acceptance.lab_asterisk import PASSWORD, lab_asterisk

__all__ = ["lab_asterisk"]
pytestmark = pytest.mark.acceptance


@pytest.fixture
def phones_at(lab_asterisk):
    return lab_asterisk.phone_host, 5600


@pytest.fixture
def callers_at(lab_asterisk):
    return lab_asterisk.caller_host, 5700


async def test_registered_phones_answer_callers(lab_asterisk, phones_at, callers_at, tmp_path):
    """Two phones register, ten callers at 20 a second reach them, every call as written."""
    server = lab_asterisk.address
    pairs = [("601", PASSWORD), ("602", PASSWORD)]
    done = await sipp.register_phones(pairs, tmp_path / "r", local=phones_at, remote=server)
    assert done.ok, done
    assert done.successful == 2
    phones = sipp.answering_phones(
        tmp_path / "p", local=phones_at, remote=server, answer_ms=100, talk_ms=300
    )
    async with phones:
        calling = sipp.callers(
            tmp_path / "c", "602", local=callers_at, remote=server, calls=10, rate=20
        )
        async with calling:
            result = await calling.wait(15)
        assert (result.exit_status, result.successful, result.failed) == (0, 10, 0), result
        answered = await phones.stop()
    assert answered.successful == 10, answered
    assert answered.failed == 0, answered


async def test_callers_hang_up_and_failures_count(lab_asterisk, callers_at, tmp_path):
    """A caller hangs up by itself; an unknown number fails with exit status 1."""
    server = lab_asterisk.address
    for number, status in (("600", 0), ("99999", 1)):
        calling = sipp.callers(
            tmp_path / number,
            number,
            local=callers_at,
            remote=server,
            calls=2,
            rate=10,
            talk_ms=200,
        )
        async with calling:
            result = await calling.wait(15)
        assert result.exit_status == status, result
        assert result.ok == (status == 0)
        assert result.successful + result.failed == 2


async def test_speech(lab_asterisk, callers_at, tmp_path):
    """SIPp's speech is heard at a phone."""
    speech = audio.speak("I am calling about my broken washing machine.", tmp_path)
    raw = sipp.write_ulaw(tmp_path / "speech.ulaw", speech)
    server = lab_asterisk.address
    async with Phone("603", PASSWORD, server=server, host=lab_asterisk.block.host(4)) as phone:
        await phone.register()
        calling = sipp.callers(
            tmp_path / "c",
            "603",
            local=callers_at,
            remote=server,
            calls=1,
            talk_ms=8000,
            speech=raw,
        )
        async with calling:
            call = await phone.incoming()
            await call.answer()
            await call.play(audio.silence(len(speech) / 8000 + 0.5)).finished
            await call.hang_up()
            assert (await calling.wait(10)).exit_status == 0
        assert audio.find_speech(call.heard().samples, speech)[1] > 0.95


@pytest.mark.parametrize(("how", "keys"), [("rfc4733", "8642"), ("info", "9753")])
async def test_keys_are_read(lab_asterisk, callers_at, tmp_path, how, keys):
    """Keys arrive by RFC 4733, and by INFO also beside speech."""
    speech = sipp.write_ulaw(tmp_path / "t.ulaw", audio.tone(300, 2)) if how == "info" else None
    calling = sipp.callers(
        tmp_path / "k",
        "620",
        local=callers_at,
        remote=lab_asterisk.address,
        calls=1,
        talk_ms=1000,
        speech=speech,
        keys=keys,
        keys_how=how,
    )
    async with calling:
        result = await calling.wait(15)
    assert result.exit_status == 0, result
    log = (lab_asterisk.directory / "log/full").read_text(errors="replace")
    assert f"Digits: {keys}" in log


async def test_cancelled_calls_are_no_failures(lab_asterisk, phones_at, tmp_path):
    """A phone of SIPp that is cancelled while ringing answers 487 and goes on."""
    server = lab_asterisk.address
    pairs = [("601", PASSWORD)]
    await sipp.register_phones(pairs, tmp_path / "r", local=phones_at, remote=server)
    phones = sipp.answering_phones(tmp_path / "p", local=phones_at, remote=server, answer_ms=5000)
    async with phones, Phone("777", server=server, host=lab_asterisk.block.host(4)) as ann:
        call = await ann.dial("601")
        await call.ringing
        assert (await call.hang_up()).status == 487
        result = await phones.stop()
    assert (result.successful, result.failed) == (1, 0), result
