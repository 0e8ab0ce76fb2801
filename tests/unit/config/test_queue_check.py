"""Each wrong configuration of queues, kinds, statuses and skills: file, line, key, expectation."""

import pytest

from callcore.config import load_settings
from callcore.errors import ConfigError

AGENT = "[agents.a]\n"
QUEUE = "[queues.q]\n"
UTC = 'hours.zone = "UTC"\n'

WRONG = [
    # names of what is not there
    (
        QUEUE + 'members = ["zoe"]\n',
        2,
        "queues.q.members = 'zoe': expected the id of a known agent",
    ),
    (
        QUEUE + 'members = ["@night"]\n',
        2,
        "queues.q.members = 'night': expected the id of a known g",
    ),
    (QUEUE + 'kind = "fax"\n', 2, "queues.q.kind = 'fax': expected the id of a known kind (voice)"),
    (
        AGENT + "capacity = { fax = 1 }\n",
        2,
        "agents.a.capacity = 'fax': expected the id of a known k",
    ),
    ('[statuses]\nx = ["fax"]\n', 1, "statuses.x = 'fax': expected the id of a known kind"),
    (
        QUEUE + 'overflow_rules = [{ on = "wait", at = 9, to = "queue:r" }]\n',
        2,
        "queues.q.overflow_rules[1].to = 'r': expected the id of a known queue (q)",
    ),
    (
        QUEUE + 'strategy = "best"\n',
        2,
        "queues.q.strategy = 'best': expected one of longest_idle, ",
    ),
    (QUEUE + 'urgency = "high"\n', 2, "queues.q.urgency = 'high': expected one of fair, service_"),
    (QUEUE + "criteria = { luck = 1 }\n", 2, "queues.q.criteria.luck: expected criteria out of "),
    # rules about agents
    (QUEUE + 'requires = "english >="\n', 2, "queues.q.requires = 'english >=': expected a rule"),
    (
        QUEUE + 'requires = "a and not a"\n',
        2,
        "queues.q.requires = 'a and not a': expected a rule that some agent could meet",
    ),
    (QUEUE + 'requires = "a > 3 and a < 2"\n', 2, "expected a rule that some agent could meet"),
    # circles
    (QUEUE + 'overflow_rules = [{ on = "wait", at = 9, to = "queue:q" }]\n', 2, "circle: q → q"),
    (
        QUEUE + 'overflow_rules = [{ on = "wait", at = 9, to = "queue:r" }]\n'
        "[queues.r]\nmax_size = 2\n"
        '[[queues.r.overflow_rules]]\non = "size"\nat = 2\nto = "queue:q"\n',
        2,
        "queues.q.overflow_rules: expected no circle: q → r → q",
    ),
    # negative times and amounts, each as its key has it
    (QUEUE + "wrap_up_seconds = -1\n", 2, "queues.q.wrap_up_seconds = -1.0: expected 0 or more"),
    (QUEUE + "weight = -1\n", 2, "queues.q.weight = -1.0: expected 0 or more"),
    (QUEUE + "weight = 0\n", 2, "queues.q.weight = 0.0: expected more than 0, or contacts would"),
    (QUEUE + "max_size = -1\n", 2, "queues.q.max_size = -1: expected 0 or more"),
    (QUEUE + "last_agent_seconds = -1\n", 2, "queues.q.last_agent_seconds = -1.0: expected 0 or"),
    (
        QUEUE + "rings = [{ after_seconds = -1 }]\n",
        2,
        "rings[1].after_seconds = -1.0: expected rin",
    ),
    (
        QUEUE + "announcements.every_seconds = -1\n",
        2,
        "queues.q.announcements: expected times of 0",
    ),
    (
        QUEUE + "announcements.every_seconds = 2\n",
        2,
        "announcements.every_seconds = 2.0: expected 0,",
    ),
    (
        QUEUE + "callback.retry_seconds = -1\n",
        2,
        "queues.q.callback: expected one attempt at least",
    ),
    (
        QUEUE + "callback.offer_at_seconds = -1\n",
        2,
        "queues.q.callback: expected one attempt at lea",
    ),
    (
        QUEUE + "criteria = { cost = -1 }\n",
        2,
        "queues.q.criteria.cost = -1.0: expected a weight of",
    ),
    (
        AGENT + "skills = { english = -1 }\n",
        2,
        "agents.a.skills.english = -1: expected names of ski",
    ),
    (AGENT + "cost = -1\n", 2, "agents.a.cost = -1.0: expected 0 or more"),
    (AGENT + "capacity = { voice = -1 }\n", 2, "agents.a.capacity.voice = -1: expected 0 or 1"),
    (AGENT + "capacity = { voice = 2 }\n", 2, "agents.a.capacity.voice = 2: expected 0 or 1"),
    ("[kinds.chat]\ncapacity = -1\n", 1, "kinds.chat.capacity = -1: expected 0 or more"),
    (
        AGENT + QUEUE + 'members = [{ agent = "a", penalty = -1 }]\n',
        3,
        "queues.q.members: a: expected a penalty and a position of 0 or more",
    ),
    # what contradicts itself
    (
        QUEUE + 'wrap_up = "none"\nwrap_up_seconds = 9\n',
        3,
        "queues.q.wrap_up_seconds = 9.0: expected another wrap_up than",
    ),
    (
        QUEUE + "last_agent_seconds = 60\nmax_wait_seconds = 30\n",
        2,
        "queues.q.last_agent_seconds = 60.0: expected less than max_wait_seconds (30.0)",
    ),
    (
        QUEUE + "max_wait_seconds = 30\nrings = [{ after_seconds = 30 }]\n",
        3,
        "queues.q.rings: expected all before max_wait_seconds (30.0)",
    ),
    (
        QUEUE + "[[queues.q.rings]]\nafter_seconds = 20\n[[queues.q.rings]]\nafter_seconds = 10\n",
        4,
        "queues.q.rings[2].after_seconds = 10.0: expected rings in order of time",
    ),
    (
        QUEUE + "[[queues.q.rings]]\nafter_seconds = 5\nmax_penalty = 2\n"
        "[[queues.q.rings]]\nafter_seconds = 10\nmax_penalty = 1\n",
        5,
        "queues.q.rings[2]: expected a ring that asks of agents no more than the one before",
    ),
    (
        QUEUE + 'overflow_rules = [{ on = "closed", to = "voicemail" }]\n',
        2,
        "queues.q.overflow_rules[1].on = 'closed': expected hours with it",
    ),
    (
        QUEUE + 'overflow_rules = [{ on = "unstaffed", to = "voicemail" }]\n',
        2,
        "overflow_rules[1].on = 'unstaffed': expected join_needs or stay_needs with it",
    ),
    (
        QUEUE + "max_wait_seconds = 5\n"
        'overflow_rules = [{ on = "wait", at = 9, to = "voicemail" }]\n',
        3,
        "overflow_rules[1].on = 'wait': expected at of no more than max_wait_seconds (5)",
    ),
    (
        QUEUE + 'max_size = 2\noverflow_rules = [{ on = "size", at = 3, to = "voicemail" }]\n',
        3,
        "overflow_rules[1].on = 'size': expected at of no more than max_size (2)",
    ),
    (
        QUEUE + '[[queues.q.overflow_rules]]\non = "wait"\nat = 5\nto = "voicemail"\n'
        '[[queues.q.overflow_rules]]\non = "wait"\nat = 9\nto = "number:123"\n',
        6,
        "queues.q.overflow_rules[2]: expected no second rule for wait that would never",
    ),
    # what a rule lacks, or has too much of
    (
        QUEUE + 'overflow_rules = [{ on = "wait", to = "voicemail" }]\n',
        2,
        "queues.q.overflow_rules[1].at = 0.0: expected more than 0",
    ),
    (
        QUEUE + UTC + 'overflow_rules = [{ on = "closed", at = 3, to = "voicemail" }]\n',
        3,
        "queues.q.overflow_rules[1].at = 3.0: expected nothing: closed has no amount",
    ),
    (
        QUEUE + 'overflow_rules = [{ on = "wait", at = 3, to = "fax:123" }]\n',
        2,
        "queues.q.overflow_rules[1].to = 'fax:123': expected queue:ID, number:NUMBER, ",
    ),
    (
        QUEUE + 'overflow_rules = [{ on = "wait", at = 3, to = "callback" }]\n',
        2,
        "(in a queue with callback) callback",
    ),
    (QUEUE + 'callback.key = ""\n', 2, "queues.q.callback: expected a key, offer_at_seconds"),
    (QUEUE + 'callback.key = "22"\n', 2, "queues.q.callback.key = '22': expected one key out of"),
    (QUEUE + 'hours.zone = "Mars/Base"\n', 2, "queues.q.hours.zone = 'Mars/Base': expected "),
    (QUEUE + UTC + 'hours.weekly = { mon = ["9-5"] }\n', 2, "queues.q.hours.weekly"),
    (QUEUE + UTC + 'hours.country = "XX"\n', 2, "queues.q.hours.country"),
    ("[kinds.voice]\n", 1, "kinds.voice: expected another name than 'voice'"),
    ("[statuses]\npaused = []\n", 1, "statuses.paused: expected a name of a-z 0-9 _ - besides"),
    ('pause_reasons = ["lunch", ""]\n', 1, "pause_reasons[2] = '': expected one line of 1 to 100"),
    ('pause_reasons = ["rona"]\n', 1, "pause_reasons[1] = 'rona': expected one line"),
    ('pause_reasons = ["x", "x"]\n', 1, "pause_reasons[2] = 'x': is listed twice"),
]


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
def test_what_is_wrong_is_named(tmp_path, text, line, message):
    """One line with the place, the key with its value, and what was expected."""
    file = tmp_path / "callcore.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, {})
    assert message in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(file), line)
    assert "\n" not in str(caught.value)
