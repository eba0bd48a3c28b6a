"""Whether a queued run of a tick may still begin, and how it ends if it may not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from jobkit.durations import format_duration
from jobkit.records import format_instant
from jobkit.scheduler.policies import Policy, second_of
from jobkit.scheduler.ticks import Job, starts_too_late
from jobkit.statuses import Reason, RunStatus, Trigger
from jobkit.stores.base import Outcome, RunQuery

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.post import Post

_OF_TICKS: Final = frozenset({Trigger.SCHEDULE, Trigger.CATCHUP})
#: So many runs before the end of a grace are looked at, to see who held a limit then.
_LOOK_BACK: Final = 1000


def seems_late(record: RunRecord, spec: JobSpec, now: datetime) -> bool:
    """Whether the grace of *record*'s tick is over, unless it was put off longer than by jitter.

    Retries and runs without a tick never come too late.
    """
    tick, times = record.scheduled_at, spec.times
    if record.trigger not in _OF_TICKS or record.attempt or tick is None or times is None:
        return False
    job = Job(spec.name, times, Policy.of(spec))
    return starts_too_late(job, tick, job.policy.not_before(spec.name, second_of(tick)), now)


async def misfire(post: Post, record: RunRecord, spec: JobSpec) -> Outcome | None:
    """How *record* ends, which is queued and seems late; None if it may begin, or has to wait. StoreError.

    What waits for a limit, or waited for one when its grace ended, never comes too late.
    """
    tick, times, now = record.scheduled_at, spec.times, post.time.now()
    assert tick is not None, "a run that seems late has a tick"
    assert times is not None, "and its job a schedule"
    policy, second = Policy.of(spec), second_of(tick)
    grace = timedelta(microseconds=policy.grace_at(second, times))
    if not await _might_have_begun(post, record, now - grace):
        return None
    ended = (policy.not_before(spec.name, second) or tick) + grace
    if await _limit_was_full(post, record, spec, ended):
        return None
    until = format_instant(ended)
    return Outcome(
        status=RunStatus.SKIPPED,
        finished_at=now,
        duration_ms=0,
        message=f"nobody began it within its grace of {format_duration(grace)}, until {until}",
        reason=Reason.MISFIRE.value,
    )


async def is_due(post: Post, record: RunRecord) -> bool:
    """Whether *record* may begin now, as far as its time and what is executed say. StoreError."""
    return await _might_have_begun(post, record, None)


async def _might_have_begun(post: Post, record: RunRecord, at: datetime | None) -> bool:
    """Whether its not-before time had come *at* then (None: by now), and nobody is in its way now.

    A record does not show that time; the queue keeps to it.
    """
    ready = await post.store.queued(jobs=[record.job], node=post.node, now=at, limit=10_000)
    return any(run.id == record.id for run in ready)


async def _limit_was_full(post: Post, record: RunRecord, spec: JobSpec, at: datetime) -> bool:
    """Whether one of its limits had no room *at* then, by what history says of the others that have it."""
    caps = post.config.scheduler.limits
    for name in spec.limits:
        if name not in caps:
            continue
        jobs = [other.name for other in post.jobs.values() if name in other.limits]
        query = RunQuery(jobs=jobs, until=at, limit=_LOOK_BACK)
        held = [run for run in (await post.store.runs(query)).runs if run.id != record.id]
        if sum(_went_on(run, at) for run in held) >= caps[name]:
            return True
    return False


def _went_on(run: RunRecord, at: datetime) -> bool:
    began, ended = run.started_at, run.finished_at
    return began is not None and began <= at and (ended is None or at <= ended)
