"""SIPp's scenarios and figures are written and read correctly."""

import xml.etree.ElementTree as ElementTree

import pytest

from callcore.lab import sipp

VALUES = {
    "expires": 60,
    "answer_ms": 100,
    "talk_ms": 200,
    "patience_ms": 300,
    "number": "600",
    "caller": "9",
    "audio_port": "[media_port]",
    "speech": "",
    "contact": "127.0.0.1:5600",
    "keys": sipp._keys("12#", "info", 100, "9"),
}


@pytest.mark.parametrize("name", ["register", "phones", "caller"])
def test_scenarios_are_well_formed(name):
    """Every scenario is XML with every placeholder filled in, SIPp's own kept."""
    text = sipp.render_scenario(name, VALUES)
    assert ElementTree.fromstring(text).get("name") == name
    assert "$answer_ms" not in text
    if name != "register":
        assert "[$peer]" in text


def test_cumulative_columns_of_the_last_line_count():
    """Periodic columns and earlier lines are passed over; an empty file is no figures."""
    text = (
        "StartTime;SuccessfulCall(P);SuccessfulCall(C);FailedCall(P);FailedCall(C);a;b;\n"
        "x;1;1;0;0;;;\n"
        "x;4;5;1;1;;;\n"
    )
    assert sipp.parse_statistics(text) == {"SuccessfulCall": "5", "FailedCall": "1"}
    assert sipp.parse_statistics("") == {}
