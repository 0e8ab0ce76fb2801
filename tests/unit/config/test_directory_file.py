"""callcore/directory_file.py: run-time additions, their file, and clashes with callcore.toml."""

import stat

import pytest

from callcore.config import load_settings
from callcore.directory import Agent, Member, Phone
from callcore.directory_additions import DirectoryFile
from callcore.directory_file import complete_secrets, editing, hash_pin
from callcore.errors import ConfigError, UnknownEntity

TOML = '[phones.p1]\n[agents.a1]\nphone = "p1"\n[queues.q]\nmembers = ["a1"]\n'


@pytest.fixture
def site(tmp_path):
    file = tmp_path / "callcore.toml"
    file.write_text(TOML)

    class Site:
        path = tmp_path / "var" / "directory.json"

        def load(self):
            return load_settings(file, {})

        def editing(self):
            settings = self.load()
            return editing(self.path, settings.configured, settings.configured_places)

    return Site()


def test_additions_are_merged_and_private(site):
    """What is added is there at the next load; the file belongs to its owner only."""
    with site.editing() as file:
        file.put(Phone(id="p2", secret="x"))
        file.put(Agent(id="a2", phone="p2", name="Zoë"))
        file.put_member("q", "a2", penalty=3)
    directory = site.load().directory
    assert list(directory.phones) == ["p1", "p2"]
    assert directory.queues["q"].members[1] == Member(agent="a2", penalty=3)
    assert stat.S_IMODE(site.path.stat().st_mode) == 0o600


def test_a_wrong_change_leaves_the_file_alone(site):
    """An agent at an unknown phone is refused and nothing is saved."""
    with pytest.raises(ConfigError, match="expected the id of a known phone"), site.editing() as f:
        f.put(Agent(id="a2", phone="nowhere"))
    assert not site.path.exists()


def test_a_clash_names_both_places(site):
    """An id in callcore.toml and in the additions is an error with both files."""
    with pytest.raises(ConfigError) as caught, site.editing() as file:
        file.put(Agent(id="a1"))
    assert str(site.path) in str(caught.value)
    assert "callcore.toml:2 has it already" in str(caught.value)


def test_a_member_gets_another_place_or_goes(site):
    """What callcore.toml says of a member can be changed and taken back at run time."""
    with site.editing() as file:
        file.put_member("q", "a1", penalty=2, position=7)
    assert site.load().directory.queues["q"].members == (Member(agent="a1", penalty=2, position=7),)
    base = site.load().configured.queues["q"]
    with site.editing() as file:
        file.remove_member("q", "a1", base)
    assert site.load().directory.queues["q"].members == ()
    with site.editing() as file:
        file.put_member("q", "a1")
    assert site.load().directory.queues["q"].members == (Member(agent="a1"),)
    with site.editing() as file:
        file.remove_member("q", "a1", base)
        file.reset_queue("q", ["members"])
    assert site.load().directory == site.load().configured


def test_settings_stand_before_those_of_the_file_until_reset(site):
    """callcore.toml is the base: what is not changed here is read from there."""
    with site.editing() as file:
        file.set_queue("q", {"strategy": "ring_all", "weight": 2, "hours": {"zone": "UTC"}})
        file.set_agent("a1", {"skills": {"english": 5}, "groups": ["night"]})
    directory = site.load().directory
    queue, agent = directory.queues["q"], directory.agents["a1"]
    assert (queue.strategy, queue.weight, queue.hours.zone) == ("ring_all", 2.0, "UTC")
    assert (agent.skills, agent.groups, agent.phone) == ({"english": 5}, ("night",), "p1")
    with site.editing() as file:
        file.set_queue("q", {"hours": None})
        file.reset_queue("q", ["weight", "never_set"])
    queue = site.load().directory.queues["q"]
    assert (queue.strategy, queue.weight, queue.hours) == ("ring_all", 1.0, None)
    with site.editing() as file:
        file.reset_queue("q")
        file.reset_agent("a1")
    assert site.load().directory == site.load().configured
    assert "settings" not in site.path.read_text().replace('_settings": {}', "")


def test_a_queue_can_be_added_changed_and_removed(site):
    """It is a table like one of callcore.toml; members may be groups."""
    with site.editing() as file:
        file.put(Agent(id="a2", groups=("night",)))
        file.add_queue("r", {"members": ["a1"], "weight": 2})
        file.put_member("r", "@night", penalty=1)
    with site.editing() as file:
        file.set_queue("r", {"weight": 3})
        file.set_agent("a2", {"skills": {"zh": 2}})
    directory = site.load().directory
    assert directory.queues["r"].weight == 3.0
    assert [m.agent for m in directory.queues["r"].members] == ["a1", "@night"]
    assert directory.agents["a2"].skills == {"zh": 2}
    with site.editing() as file:
        file.remove("queues", "r")
    assert list(site.load().directory.queues) == ["q"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": -1}, r"queues\.q\.weight = -1\.?0?: expected 0 or more"),
        ({"weight": 0}, r"queues\.q\.weight = 0\.0: expected more than 0"),
        ({"weight": "much"}, r"queues\.q\.weight = 'much': expected a number"),
        ({"weigth": 1}, r'unknown key queues\.q\.weigth; did you mean "weight"\?'),
        ({"strategy": "best"}, r"queues\.q\.strategy = 'best': expected one of longest_idle, "),
        ({"urgency": "high"}, r"queues\.q\.urgency = 'high': expected one of fair, service_level"),
        ({"members": ["zoe"]}, r"queues\.q\.members = 'zoe': expected the id of a known agent"),
        ({"requires": "english >="}, r"queues\.q\.requires = 'english >=': expected a rule"),
        ({"rings": [{"after": 1}]}, r"queues\.q\.rings = .*: expected a list, each item a table"),
        (
            {"overflow_rules": [{"on": "wait", "at": 9, "to": "queue:q"}]},
            r"queues\.q\.overflow_rules: expected no circle: q → q",
        ),
    ],
)
def test_a_wrong_setting_is_refused_like_one_of_the_file(site, changes, message):
    """Key and expectation are told, and nothing is saved."""
    with pytest.raises(ConfigError, match=message) as caught, site.editing() as file:
        file.set_queue("q", changes)
    assert str(site.path) in str(caught.value)
    assert not site.path.exists()


def test_settings_of_what_is_gone_name_the_way_out(site, tmp_path):
    """A queue that callcore.toml had and has no longer."""
    with site.editing() as file:
        file.set_queue("q", {"weight": 2})
    (tmp_path / "callcore.toml").write_text(TOML.replace("[queues.q]", "[queues.r]"))
    with pytest.raises(ConfigError, match="callcore queue reset q"):
        site.load()


def test_removing_an_agent_removes_its_memberships(site):
    """No queue keeps a member who is gone."""
    with site.editing() as file:
        file.put(Agent(id="a2"))
        file.put_member("q", "a2")
    with site.editing() as file:
        file.remove("agents", "a2")
    assert site.load().directory.queues["q"].members == (Member(agent="a1"),)


def test_what_is_still_needed_cannot_be_removed(site):
    """A phone an agent sits at by default stays."""
    with site.editing() as file:
        file.put(Phone(id="p2"))
        file.put(Agent(id="a2", phone="p2"))
    with pytest.raises(ConfigError, match=r"agents\.a2\.phone"), site.editing() as file:
        file.remove("phones", "p2")


def test_removing_what_was_not_added(site):
    """Entities of callcore.toml and unknown ones are not ours to remove."""
    with pytest.raises(UnknownEntity, match="no phone named 'p1'"), site.editing() as file:
        file.remove("phones", "p1")
    with pytest.raises(UnknownEntity), site.editing() as file:
        file.remove_member("q", "a1")


def test_secrets_are_made_once(site):
    """A configured phone without secret gets one that stays."""
    settings = site.load()
    made = complete_secrets(site.path, settings.configured, settings.configured_places)
    secret = site.load().directory.phones["p1"].secret
    assert made == ["phones.p1"]
    assert len(secret) == 30
    assert complete_secrets(site.path, settings.configured, settings.configured_places) == []
    assert site.load().directory.phones["p1"].secret == secret


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"phones": 3}', b'{"future": {}}', b'"\xff"'])
def test_a_damaged_file_is_named(site, text):
    """Damage is reported with the file, never ignored."""
    site.path.parent.mkdir()
    site.path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        DirectoryFile.read(site.path)
    assert str(caught.value).startswith(f"{site.path}: damaged: ")


def test_the_file_cannot_smuggle_ids(site):
    """A hand-edited id is checked like one of callcore.toml."""
    site.path.parent.mkdir()
    site.path.write_text('{"phones": {"a]b": {"id": "a]b"}}}')
    with pytest.raises(ConfigError, match="expected an id"):
        site.load()


def test_pins():
    """A PIN is 4 to 12 digits and is kept as an argon2 hash."""
    from argon2 import PasswordHasher

    hashed = hash_pin("2468")
    assert hashed.startswith("$argon2id$")
    assert PasswordHasher().verify(hashed, "2468")
    for wrong in ("123", "12a4", "", "1" * 13, "１２３４"):
        with pytest.raises(ConfigError):
            hash_pin(wrong)
