"""callcore/telephony/pjsip/mixer.py: connections outlive the slots of the bridge."""

from __future__ import annotations

from callcore.telephony.pjsip.mixer import NO_SLOT, Mixer, Node


class Bridge:
    """What pjsua's bridge has been told."""

    def __init__(self) -> None:
        self.links: set[tuple[int, int]] = set()
        self.mixer = Mixer(
            lambda source, sink: self.links.add((source, sink)),
            lambda source, sink: self.links.discard((source, sink)),
        )


def test_two_hear_each_other_until_they_part() -> None:
    bridge, one, other = Bridge(), Node(1), Node(2)
    bridge.mixer.join(one, other)
    assert bridge.links == {(1, 2), (2, 1)}
    bridge.mixer.part(one, other)
    assert bridge.links == set()


def test_a_call_whose_media_begin_anew_is_heard_again() -> None:
    """After a re-INVITE pjsua gives it another slot."""
    bridge, one, other = Bridge(), Node(), Node(2)
    bridge.mixer.join(one, other)
    assert bridge.links == set()
    bridge.mixer.moved(one, 7)
    assert bridge.links == {(7, 2), (2, 7)}
    bridge.links.clear()
    bridge.mixer.moved(one, NO_SLOT)
    bridge.mixer.moved(one, 9)
    assert bridge.links == {(9, 2), (2, 9)}


def test_an_ear_hears_what_its_node_hears_and_will_hear() -> None:
    bridge, agent, ear = Bridge(), Node(1), Node(5)
    caller, prompt = Node(2), Node(3)
    bridge.mixer.link(caller, agent)
    bridge.mixer.give_ear(agent, ear)
    bridge.mixer.link(prompt, agent)
    assert bridge.links == {(2, 1), (3, 1), (2, 5), (3, 5)}
    bridge.mixer.unlink(caller, agent)
    assert bridge.links == {(3, 1), (3, 5)}
    bridge.mixer.take_ear(agent, ear)
    assert bridge.links == {(3, 1)}


def test_a_supervisor_beside_a_recording_hears_no_echo() -> None:
    """Two ears at once; who whispers to the agent does not hear the whisper, and the other does."""
    bridge, agent, caller = Bridge(), Node(1), Node(2)
    recording, supervisor = Node(5), Node(6)
    bridge.mixer.give_ear(agent, recording)
    bridge.mixer.give_ear(agent, supervisor)
    bridge.mixer.link(supervisor, agent)
    bridge.mixer.link(caller, agent)
    assert bridge.links == {(6, 1), (6, 5), (2, 1), (2, 5), (2, 6)}
    bridge.mixer.moved(agent, 9)
    bridge.mixer.take_ear(agent, supervisor)
    assert (2, 6) not in bridge.links
    assert (2, 5) in bridge.links
    bridge.mixer.take_ear(agent, supervisor)
    bridge.mixer.take_ear(agent, recording)
    assert not agent.ears


def test_who_is_removed_leaves_no_connection() -> None:
    bridge, one, other, third = Bridge(), Node(1), Node(2), Node(3)
    bridge.mixer.join(one, other)
    bridge.mixer.join(one, third)
    bridge.mixer.remove(one)
    assert bridge.links == set()
    assert not other.by
    assert not third.to
