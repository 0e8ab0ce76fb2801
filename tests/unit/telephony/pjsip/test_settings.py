"""callcore/telephony/pjsip/settings.py: what is set around the library."""

from __future__ import annotations

from callcore.telephony.pjsip.settings import bound_look_ups


def test_look_ups_are_short_unless_the_operator_says_how_long() -> None:
    environ: dict[str, str] = {}
    bound_look_ups(environ)
    assert environ == {"RES_OPTIONS": "timeout:1 attempts:1"}
    environ = {"RES_OPTIONS": "timeout:3"}
    bound_look_ups(environ)
    assert environ == {"RES_OPTIONS": "timeout:3"}
