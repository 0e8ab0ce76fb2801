"""callcore/monitor/view.py: deltas and text."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcore.monitor.view import (
    AgentView,
    CallView,
    NodeView,
    QueueView,
    Snapshot,
    apply,
    as_text,
    clock,
    difference,
    printable,
)

AGENTS = st.dictionaries(
    st.sampled_from("abcde"), st.sampled_from(["idle", "paused", "talking"])
).map(lambda d: tuple(AgentView(id=k, state=v) for k, v in d.items()))
SNAPSHOTS = st.builds(Snapshot, at=st.floats(0, 10), agents=AGENTS)


@given(SNAPSHOTS, SNAPSHOTS)
def test_a_delta_leads_from_one_snapshot_to_the_other(before, after):
    """Whatever changed, applying the difference gives the same rows."""
    result = apply(before, difference(before, after))
    assert {a.id: a for a in result.agents} == {a.id: a for a in after.agents}
    assert len(result.agents) == len(after.agents)


def test_equal_snapshots_have_no_difference():
    """Time alone is no change."""
    assert not difference(Snapshot(at=1.0), Snapshot(at=2.0))


def test_the_text_shows_everything():
    """Queues, agents and calls, elapsed times, and a link that is down first."""
    snapshot = Snapshot(
        at=100.0,
        queues=(
            QueueView(id="sales", waiting=2, waiting_since=35.0, agents={"idle": 1, "paused": 2},
                      members=("a", "b", "c"), offered_today=10, answered_today=8,
                      abandoned_today=2, service_level=0.75, average_wait=12.4),
        ),
        agents=(
            AgentView(id="a", name="陈", state="wrapping_up", since=90.0, until=110.0, phone="p1"),
            AgentView(id="b", name="Bo"),
        ),
        calls=(CallView(id="c1", state="queued", caller="+49\x1b[31m", queue="sales", position=1,
                        queued_at=35.0, since=35.0),
               CallView(id="c2", state="talking", supervisors={"p1": "whisper"}),
               CallView(id="c3", state="service", caller="p1", supervised="c2")),
        nodes=(NodeView(id="asterisk", up=False, since=40.0, reason="refused"),),
    )  # fmt: skip
    assert as_text(snapshot) == (
        "Telephony\n"
        "node      link  for   reason\n"
        "asterisk  down  1:00  refused\n"
        "\n"
        "Queues\n"
        "queue  waiting  longest  idle  talking  paused  in   calls  answered  abandoned  level"
        "  avg wait\n"
        "sales  2        1:05     1     0        2       3/3  10     8         2          75%  "
        "  12 s\n"
        "\n"
        "Agents\n"
        "agent  name  state                    for   phone  queue  call  reason\n"
        "a      陈    wrapping up (10 s left)  0:10  p1     -      -\n"
        "b      Bo    logged out               -     -      -      -\n"
        "\n"
        "Calls\n"
        "call  state                  for   caller    dialled  queue  place  agent  wait\n"
        "c1    queued                 1:05  +49\N{REPLACEMENT CHARACTER}[31m"
        "  -        sales  1      -      1:05\n"
        "c2    talking (whisper: p1)  -     -         -        -      -      -      -\n"
        "c3    service                -     p1        c2       -      -      -      -"
    )


def test_empty_tables_say_so():
    """A site without anything still prints its headings."""
    assert as_text(Snapshot(at=0.0)).count("(none)") == 3


@pytest.mark.parametrize(
    ("since", "text"),
    [(None, "-"), (100.0, "0:00"), (41.0, "0:59"), (-3562.0, "1:01:02"), (200.0, "0:00")],
)
def test_clock(since, text):
    """Minutes and hours; never negative."""
    assert clock(since, 100.0) == text


@given(st.text())
def test_printable_is_harmless(text):
    """Nothing that moves a cursor or ends a line comes through."""
    assert printable(text).isprintable()
    assert len(printable(text)) <= 33


@given(SNAPSHOTS)
def test_a_snapshot_survives_the_wire(snapshot):
    """JSON and back is the same."""
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
