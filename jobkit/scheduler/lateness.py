"""Whether a job should have succeeded by now, and has not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobkit.scheduler.policies import SECOND, SHORTEST_AUTO, micros, second_of
from jobkit.schedules.base import from_epoch

if TYPE_CHECKING:
    from jobkit.scheduler.ticks import Job


def late(
    job: Job, *, since: datetime, succeeded: datetime | None, p95: timedelta | None, now: datetime
) -> datetime | None:
    """The tick that makes *job* late at *now*; None if it is not.

    That is the newest tick after *since* whose instant and then max(grace, 2 × *p95* of the job's duration)
    have passed, those in pauses not counted, unless it or a later one has succeeded: *succeeded* is the
    newest tick that has.
    """
    tick = _newest_that_should_be_done(job, p95, now)
    while tick is not None:
        pauses = [pause for pause in job.pauses if pause.holds(tick)]
        if not pauses:
            break
        tick = job.schedule.previous_epoch(min(pause.first for pause in pauses))
    if tick is None or from_epoch(tick) <= since:
        return None
    if succeeded is not None and from_epoch(tick) <= succeeded:
        return None
    return from_epoch(tick)


def _newest_that_should_be_done(job: Job, p95: timedelta | None, now: datetime) -> int | None:
    twice = 0 if p95 is None else 2 * p95 // timedelta(microseconds=1)
    least = SHORTEST_AUTO * SECOND if job.policy.grace is None else job.policy.grace_at(0, job.schedule)
    edge = now - timedelta(microseconds=max(twice, least))
    tick = job.schedule.previous_epoch(second_of(edge) + 1)
    # With a grace that is the distance to the following tick, the one before it is certain to be done.
    while tick is not None:
        if tick * SECOND + max(job.policy.grace_at(tick, job.schedule), twice) < micros(now):
            return tick
        tick = job.schedule.previous_epoch(tick)
    return None
