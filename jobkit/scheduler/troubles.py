"""What is wrong with the ticks of one job: when they are tried again, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobkit.exceptions import JobkitError
from jobkit.logs import get_logger
from jobkit.scheduler.failing import Failure
from jobkit.scheduler.policies import second_of

if TYPE_CHECKING:
    from jobkit.scheduler.timetable import Timed

#: Seconds until a job is tried again that something is wrong with: the first time, and at most.
FIRST_PAUSE: Final = 1
LONGEST_PAUSE: Final = 30
#: The same trouble is said again after this.
SAID_AGAIN: Final = timedelta(minutes=5)


@dataclass(slots=True)
class Trouble:
    """Since when the ticks of a job fail, after how many seconds they were tried again last, and what was
    said of it, and when; *failure* is what others are told."""

    since: datetime
    pause: int
    said: str
    said_at: datetime
    failure: Failure


def failed(job: Timed, error: Exception, now: datetime) -> int:
    """Something is wrong with one job; the others have their ticks. The second at which to try it again.

    It is said when it begins, when it becomes something else, and from time to time.
    """
    known, text = job.trouble, f"{type(error).__name__}: {error}"
    failure = Failure.of("make ticks", error)
    if known is None:
        job.trouble = known = Trouble(now, FIRST_PAUSE, text, now, failure)
        _say(job, error, known.pause)
    else:
        known.pause, known.failure = min(2 * known.pause, LONGEST_PAUSE), failure
        if text != known.said or not timedelta(0) <= now - known.said_at < SAID_AGAIN:
            known.said, known.said_at = text, now
            _say(job, error, known.pause)
    return second_of(now) + known.pause


def recovered(job: Timed, now: datetime) -> None:
    """The store has answered a claim of *job*."""
    trouble, job.trouble = job.trouble, None
    if trouble is not None:
        seconds = max(0.0, round((now - trouble.since).total_seconds(), 3))
        get_logger().warning("tick.recovered", job=job.key.job, seconds=seconds)


def failing(jobs: Iterable[Timed]) -> Iterator[Failure]:
    """What keeps the ticks of *jobs* from being accounted for, and whose they are: the same is told once."""
    found: dict[str, tuple[Failure, list[str]]] = {}
    for job in jobs:
        if job.trouble is not None:
            failure = job.trouble.failure
            found.setdefault(failure.error, (failure, []))[1].append(job.key.job)
    return (replace(failure, jobs=tuple(sorted({*names}))) for failure, names in found.values())


def _say(job: Timed, error: Exception, retry_in: int) -> None:
    facts: dict[str, Any] = {"job": job.key.job, "retry_in": retry_in}
    if isinstance(error, JobkitError):  # it says what to do; where in jobkit it was raised helps nobody
        if error.help is not None:
            facts["help"] = error.help
        get_logger().error("tick.failed", error=str(error), code=error.code, **facts)
    else:
        get_logger().error("tick.failed", error=f"{type(error).__name__}: {error}", exc_info=error, **facts)
