"""callcore/directory_file.py: run-time additions, their file, and clashes with callcore.toml."""

import stat

import pytest

from callcore.config import load_settings
from callcore.directory import Agent, Member, Phone
from callcore.directory_file import DirectoryFile, complete_secrets, editing, hash_pin
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


def test_a_member_twice_names_both_places(site):
    """The same agent cannot be added to a queue that lists it already."""
    with pytest.raises(ConfigError, match=r"callcore\.toml:4 has it already"), site.editing() as f:
        f.put_member("q", "a1")


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
