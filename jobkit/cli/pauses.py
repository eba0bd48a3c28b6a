"""Pauses as the command line shows them: which one holds a job, whose it is, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobkit.cli.render.times import distance, near
from jobkit.exceptions import StoreError
from jobkit.records import to_plain

if TYPE_CHECKING:
    from datetime import tzinfo

    from jobkit.schedules.base import Schedule
    from jobkit.stores.base import Store
    from jobkit.stores.control import Pause

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_FEW_MINUTES: Final = timedelta(minutes=10)
_MOMENT: Final = timedelta(microseconds=1)


def pauses_of(job: str, pauses: Iterable[Pause]) -> list[Pause]:
    """Those of *pauses*, which go on, that hold *job*, the one that lasts longest first."""
    found = [pause for pause in pauses if pause.job in (job, None)]
    return sorted(found, key=lambda pause: pause.end or _FOREVER, reverse=True)


def next_fire(times: Schedule, pauses: Sequence[Pause], now: datetime) -> datetime | None:
    """When it fires next that *pauses* do not keep from running; None if it never does."""
    return next(fires_beside(times, pauses, now), None)


def fires_beside(times: Schedule, pauses: Sequence[Pause], now: datetime) -> Iterator[datetime]:
    """When it fires after *now* outside of *pauses*, in the order of time; for ever, mostly."""
    fire = times.next_after(now)
    while fire is not None:
        ends = [pause.end for pause in pauses if pause.covers(fire)]
        if None in ends:
            return
        if not ends:
            yield fire
        fire = times.next_after(max([fire, *(end - _MOMENT for end in ends if end is not None)]))


def until_text(pause: Pause, now: datetime, zone: tzinfo) -> str:
    """``until 15:04``, ``until 15:04:20`` for one of a few minutes, ``until somebody resumes``."""
    if pause.end is None:
        return "until somebody resumes"
    if pause.end - pause.since < _FEW_MINUTES:
        return f"until {pause.end.astimezone(zone):%H:%M:%S}"
    return f"until {near(pause.end, now, zone)}"


def who_text(pause: Pause, now: datetime) -> str:
    """``by ada@host-a, 2h ago: the mail server moves``."""
    return f"by {pause.by}, {distance(now - pause.since)} ago{f': {pause.reason}' if pause.reason else ''}"


def pause_text(pause: Pause, now: datetime, zone: tzinfo) -> str:
    """``until 15:04, by ada@host-a, 2h ago: the mail server moves``."""
    return f"{until_text(pause, now, zone)}, {who_text(pause, now)}"


def to_plain_pause(pause: Pause) -> dict[str, Any]:
    """A pause as data; *job* is null for one of all jobs."""
    return {
        "job": pause.job,
        "since": to_plain(pause.since),
        "until": to_plain(pause.until),
        "by": pause.by,
        "reason": pause.reason,
    }


async def paused_note(store: Store, names: Sequence[str]) -> str | None:
    """What is to be said of *names*, which run now, if some of them are paused and the store says so.

    It is only a note: a store that does not answer here keeps nothing from running.
    """
    try:
        pauses = await store.pauses()
    except StoreError:
        return None
    whole = next((pause for pause in pauses if pause.job is None), None)
    if whole is not None:
        return f"note: all jobs are paused{_by(whole)}; what is asked for runs all the same"
    own = {pause.job: pause for pause in pauses}
    held = [name for name in dict.fromkeys(names) if name in own]
    if not held:
        return None
    if len(held) == 1:
        return f"note: {held[0]} is paused{_by(own[held[0]])}; it runs because it was asked for"
    return f"note: {', '.join(held)} are paused; they run because they were asked for"


def _by(pause: Pause) -> str:
    return f" by {pause.by}{f': {pause.reason}' if pause.reason else ''}"
