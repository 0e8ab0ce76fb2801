"""What waiting callers are told of their position and estimated wait, between the music.

Agents are offered while it plays; the one who answers cuts it short.
"""

from __future__ import annotations

from callcore.call.context import Context
from callcore.call.model import Call, PlayFor
from callcore.directory_queue import Announcements
from callcore.ivr.say import number_media

#: No announcement is longer: an end that is not told within it is not waited for.
LONGEST_SECONDS = 60.0
_MINUTE = 60.0


def begin(cx: Context, call: Call) -> None:
    """The caller has entered a queue."""
    if not call.channel:
        return  # a callback: nobody listens
    settings = _settings(cx, call)
    _next(cx, call, None if settings is None else settings.first_after_seconds)


def timer(cx: Context, call: Call) -> None:
    """The next announcement is due, or the end of the present one was never told."""
    if call.announce_at is None or cx.now < call.announce_at:
        return  # an agent took the caller at this very moment
    if _playing(call):
        wait_on(cx, call)
        return
    settings = _settings(cx, call)
    if settings is None:
        _next(cx, call, None)
        return
    said = _sayings(cx, call, settings)
    if not said:
        _next(cx, call, settings.every_seconds or None)
        return
    cx.music_off(call)
    cx.play(call, call.channel, PlayFor.QUEUE_ANNOUNCEMENT, said)
    cx.note(call, "announced", queue=call.queue)
    _next(cx, call, LONGEST_SECONDS)


def wait_on(cx: Context, call: Call) -> None:
    """Music again, and the next announcement in its time."""
    if call.queued_since is None:
        return
    stop(cx, call)
    cx.queue_music_on(call)
    settings = _settings(cx, call)
    _next(cx, call, (settings.every_seconds or None) if settings is not None else None)


def stop(cx: Context, call: Call) -> None:
    """An agent answered, or the caller leaves the queue: silence, and no further one."""
    call.request = None
    cx.stop_playing(call, PlayFor.CALLBACK_REQUEST)
    cx.stop_playing(call, PlayFor.QUEUE_ANNOUNCEMENT)
    _next(cx, call, None)


def _settings(cx: Context, call: Call) -> Announcements | None:
    queue = cx.state.directory.queues.get(call.queue)
    return queue.announcements if queue is not None else None


def _next(cx: Context, call: Call, seconds: float | None) -> None:
    call.announce_at = None if seconds is None else cx.now + seconds
    cx.touched.add(call.id)


def _playing(call: Call) -> bool:
    return any(each.purpose is PlayFor.QUEUE_ANNOUNCEMENT for each in call.playing.values())


# --- the words ---------------------------------------------------------------------------------


def _sayings(cx: Context, call: Call, settings: Announcements) -> tuple[str, ...]:
    queue = cx.state.directory.queues.get(call.queue)
    of_queue = queue.language if queue is not None else ""
    language = call.needs.language or of_queue or cx.state.directory.language
    said: list[str] = []
    if settings.position:
        position = cx.distributor.position(call.id)
        said += position_media(position, language) if position is not None else []
    if settings.wait:
        seconds = cx.distributor.estimate(call.id, cx.now)
        said += wait_media(seconds, language) if seconds is not None else []
    return tuple(said)


def position_media(position: int, language: str) -> list[str]:
    """The caller's place in the queue; 1 is next."""
    if position <= 1:
        return [f"prompt:{language}/you-are-next"]
    return [
        f"prompt:{language}/your-position-is",
        *number_media(position, language),
        f"prompt:{language}/in-the-queue",
    ]


def wait_media(seconds: float, language: str) -> list[str]:
    """An estimated wait as a person would say it."""
    minutes = spoken_minutes(seconds)
    if minutes is None:
        return [f"prompt:{language}/wait-over-an-hour"]
    if minutes <= 1:
        name = "wait-one-minute" if minutes else "wait-under-a-minute"
        return [f"prompt:{language}/{name}"]
    return [
        f"prompt:{language}/the-wait-is-about",
        *number_media(minutes, language, counting=True),
        f"prompt:{language}/minutes",
    ]


def spoken_minutes(seconds: float) -> int | None:
    """To the minute up to ten, to five minutes up to an hour; 0: less than one, None: longer."""
    minutes = seconds / _MINUTE
    if minutes < 1:
        return 0
    if minutes > 62:
        return None
    return round(minutes) if minutes < 10.5 else 5 * round(minutes / 5)
