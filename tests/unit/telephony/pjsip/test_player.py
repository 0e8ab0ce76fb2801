"""callcore/telephony/pjsip/player.py: announcements in their order, then music, then a tone."""

from __future__ import annotations

from itertools import count
from typing import Any

from callcore.telephony.pjsip.mixer import Mixer, Node
from callcore.telephony.pjsip.player import Playback, Player

A, B = Playback("a", (b"a",)), Playback("b", (b"b", b"c"))


class Port:
    """A port without a bridge."""

    slot = 5

    def __init__(self) -> None:
        self.now: tuple[tuple[bytes, ...], bool] | None = None
        self.serial = 0
        self.begun = 0

    def play(self, serial: int, sounds: tuple[bytes, ...], loop: bool) -> None:
        self.serial, self.now = serial, (sounds, loop)
        self.begun += 1

    def halt(self) -> None:
        self.now = None

    def close(self) -> None:
        self.now = None


class Stage:
    def __init__(self) -> None:
        self.links: set[tuple[int, int]] = set()
        mixer = Mixer(lambda a, b: self.links.add((a, b)), lambda a, b: self.links.discard((a, b)))
        self.port = Port()
        port: Any = self.port
        self.player = Player(port, mixer, Node(1), count(1).__next__)


def test_one_after_the_other() -> None:
    stage = Stage()
    stage.player.play(A)
    stage.player.play(B)
    assert stage.port.now == ((b"a",), False)
    assert stage.links == {(5, 1)}
    assert stage.player.played(stage.port.serial) == "a"
    assert stage.port.now == ((b"b", b"c"), False)
    assert stage.player.played(stage.port.serial) == "b"
    assert stage.port.now is None
    assert stage.links == set()


def test_the_end_of_what_was_replaced_is_no_end() -> None:
    """A note may be under way while something else begins."""
    stage = Stage()
    stage.player.play(A)
    stale = stage.port.serial
    assert stage.player.stop("a")
    stage.player.play(B)
    assert stage.player.played(stale) == ""
    assert not stage.player.stop("a")


def test_one_that_waits_can_be_stopped_and_disturbs_nobody() -> None:
    stage = Stage()
    stage.player.play(A)
    stage.player.play(B)
    assert stage.player.stop("b")
    assert stage.port.begun == 1
    assert stage.player.played(stage.port.serial) == "a"


def test_music_waits_for_announcements_and_goes_before_a_tone() -> None:
    stage = Stage()
    stage.player.set_tone((b"t",))
    stage.player.set_music((b"m",))
    assert stage.port.now == ((b"m",), True)
    stage.player.play(A)
    stage.player.set_music((b"n",))
    stage.player.set_tone(())
    assert (stage.port.now, stage.port.begun) == (((b"a",), False), 3)
    assert stage.player.played(stage.port.serial) == "a"
    assert stage.port.now == ((b"n",), True)


def test_quiet_is_told_of_all_that_waited() -> None:
    stage = Stage()
    stage.player.play(A)
    stage.player.play(B)
    assert stage.player.quieten() == ["a", "b"]
    assert stage.port.now is None
    assert stage.player.quieten() == []
