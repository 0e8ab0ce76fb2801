"""Lanes keep the actions of one call in order, whether they are sent or awaited."""

import asyncio

from callcore.call.actions import Answer, Hangup, Play, StartMusic
from callcore.errors import ActionRefused
from callcore.lanes import Lanes

ANSWER = Answer(call="c1", channel="ch1")
MUSIC = StartMusic(call="c1", channel="ch1", music="default")
PLAY = Play(call="c1", channel="ch1", playback="p1", media=("text:hello",))
HANGUP = Hangup(call="c1", channel="ch1")


class Link:
    """Sends everything but Play; replies come when the test says so."""

    def __init__(self):
        self.sent = []
        self.replies = []
        self.failed = []
        self.played = asyncio.Event()
        self.tasks = []
        self.lanes = Lanes(self.begin, self.execute, self.note_failure, self.spawn)

    def begin(self, action, done):
        if isinstance(action, Play):
            return False
        self.sent.append(action)
        self.replies.append(done)
        return True

    async def execute(self, action):
        self.sent.append(action)
        await self.played.wait()

    def note_failure(self, action, problem):
        self.failed.append((action, problem))

    def spawn(self, work):
        self.tasks.append(asyncio.create_task(work))

    async def turn(self):
        """Let everything go as far as it can."""
        for _ in range(5):
            await asyncio.sleep(0)


async def test_what_is_sent_waits_for_nothing():
    """No reply, no task: the link keeps the order."""
    link = Link()
    for action in (ANSWER, MUSIC, HANGUP):
        link.lanes.put("c1", action)
    assert link.sent == [ANSWER, MUSIC, HANGUP]
    assert not link.tasks


async def test_an_awaited_action_stands_between_those_before_and_behind_it():
    """It starts when everything before is answered; what follows waits for its end."""
    link = Link()
    for action in (ANSWER, PLAY, HANGUP):
        link.lanes.put("c1", action)
    await link.turn()
    assert link.sent == [ANSWER]
    link.replies[0](None)
    await link.turn()
    assert link.sent == [ANSWER, PLAY]
    link.played.set()
    await asyncio.gather(*link.tasks)
    assert link.sent == [ANSWER, PLAY, HANGUP]


async def test_lanes_do_not_wait_for_each_other():
    link = Link()
    link.lanes.put("c1", PLAY)
    await link.turn()
    link.lanes.put("c2", ANSWER)
    assert link.sent == [PLAY, ANSWER]
    link.played.set()
    await asyncio.gather(*link.tasks)


async def test_a_refusal_is_told_and_the_rest_goes_on():
    link = Link()
    problem = ActionRefused("no", 409)
    link.lanes.put("c1", ANSWER)
    link.replies[0](problem)
    link.lanes.put("c1", HANGUP)
    assert link.failed == [(ANSWER, problem)]
    assert link.sent == [ANSWER, HANGUP]
