"""From a job's mark to its next step: what accounts for the ticks that fell due since.

Everything is computed from the mark, never from "now" alone: a slow loop skips nothing, and a clock that was
set back repeats nothing. All instants are compared by the store's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from jobkit.scheduler.policies import MISSED_AFTER, SECOND, Pause, Policy, micros, second_of
from jobkit.schedules.base import from_epoch

if TYPE_CHECKING:
    from jobkit.schedules.base import Schedule

Reason = Literal["overlap", "paused", "misfire", "admission"]

#: A mark so far ahead of the store's clock was set by a wrong clock.
FAR_AHEAD: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Ticks:
    """Consecutive ticks of one job, from the first to the last."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Passed:
    """Ticks that get no run, and why."""

    reason: Reason
    cause: str | None
    ticks: Ticks


@dataclass(frozen=True, slots=True)
class Due:
    """A tick that gets a run: when it may begin, and what it stands for.

    *missed* runs make up for the past (trigger ``catchup``).
    """

    tick: datetime
    missed: bool
    not_before: datetime | None
    window: tuple[datetime, datetime] | None
    covers: Ticks


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the mark from *expected* to *mark*: *passed* ticks first, then a run or a *span*."""

    expected: datetime
    mark: datetime
    run: Due | None = None
    passed: Passed | None = None
    span: Passed | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due: ask again at *until*, None for never. *for_run*: ask again when the run has ended."""

    until: datetime | None
    for_run: bool = False


@dataclass(frozen=True, slots=True)
class PullBack:
    """The mark lies far ahead of the clock: set it back, and say so."""

    expected: datetime
    to: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """What is known of a job whose ticks are computed. *name* is the share of its jitter."""

    name: str
    schedule: Schedule
    policy: Policy
    pauses: Sequence[Pause] = ()


def first_due(mark: datetime, schedule: Schedule) -> int | None:
    """The first tick that is not accounted for by *mark*, as an epoch second; None if there is none."""
    return schedule.next_epoch(second_of(mark))


def next_step(
    job: Job, mark: datetime, now: datetime, *, catching_up: bool = False, joins: bool = False
) -> Step | Wait | PullBack:
    """What is to be done about *job*, whose ticks up to *mark* are accounted for, at *now*.

    *catching_up* says that a run of a missed tick of the job is open: with ``all`` they come one at a time,
    and what falls due meanwhile joins them: *joins* says that the first tick has.
    """
    if mark - now > FAR_AHEAD:
        return PullBack(mark, now)
    first = first_due(mark, job.schedule)
    if first is None:
        return Wait(None)
    if first * SECOND > micros(now):
        return Wait(from_epoch(first))
    pause = _pause_at(first, job.pauses)
    if pause is not None:
        ticks = _between(job.schedule, first, min(second_of(now), pause.last))
        return Step(mark, ticks.last, span=Passed("paused", pause.cause, ticks))
    if catching_up and job.policy.misfire == "all":
        return Wait(None, for_run=True)
    if micros(now) - first * SECOND <= MISSED_AFTER:
        return Step(mark, from_epoch(first), run=_due(job, first, first, missed=joins))
    return _missed(job, mark, first, now)


def refused(step: Step, cause: str | None) -> Step:
    """The same *step* for a run that a plugin is against: its tick gets a span instead."""
    assert step.run is not None
    span = Passed("admission", cause, Ticks(step.run.tick, step.run.tick, 1))
    return replace(step, run=None, span=span)


def deferred(step: Step, until: datetime) -> Step:
    """The same *step* for a run that is to begin at *until*, or later if its jitter says so."""
    assert step.run is not None
    not_before = until if step.run.not_before is None else max(until, step.run.not_before)
    return replace(step, run=replace(step.run, not_before=not_before))


def starts_too_late(job: Job, tick: datetime, not_before: datetime | None, now: datetime) -> bool:
    """Whether the first attempt of *tick*'s run may not begin at *now* any more.

    After Defer or jitter, grace counts from when it was allowed to begin.
    """
    grace = job.policy.grace_at(second_of(tick), job.schedule)
    return micros(now) - micros(tick if not_before is None else max(tick, not_before)) > grace


def _missed(job: Job, mark: datetime, first: int, now: datetime) -> Step:
    """The step over ticks that were missed; they begin with *first* and end before the next pause."""
    schedule, misfire = job.schedule, job.policy.misfire
    # Whole seconds before "missed".
    last = newest = _last_until(schedule, first, (micros(now) - MISSED_AFTER - 1) // SECOND)
    for pause in job.pauses:
        if first < pause.first <= last and _holds_any(pause, schedule, last):
            last = _last_until(schedule, first, pause.first - 1)
    within = None if misfire == "none" else _first_within(job, first, last, now)
    if misfire == "latest" and _any_unpaused(job, last, newest):
        within = None  # a newer one, after a pause, is the one that is made up
    if within is None:
        ticks = _between(schedule, first, last)
        return Step(mark, ticks.last, span=Passed("misfire", None, ticks))
    tick = last if misfire == "latest" else within
    passed = None
    if tick > first:
        passed = Passed("misfire", None, _between(schedule, first, tick - 1))
    covered = first if misfire == "latest" else tick
    return Step(mark, from_epoch(tick), run=_due(job, tick, covered, missed=True), passed=passed)


def _holds_any(pause: Pause, schedule: Schedule, until: int) -> bool:
    tick = schedule.next_epoch(pause.first - 1)
    return tick is not None and tick <= min(pause.last, until)


def _any_unpaused(job: Job, after: int, until: int) -> bool:
    """Whether a tick after *after*, not after *until*, is in no pause."""
    tick = job.schedule.next_epoch(after)
    while tick is not None and tick <= until:
        pause = _pause_at(tick, job.pauses)
        if pause is None:
            return True
        tick = job.schedule.next_epoch(pause.last)
    return False


def _first_within(job: Job, first: int, last: int, now: datetime) -> int | None:
    """The first of the ticks from *first* to *last* that is within grace at *now*; None if none is.

    Later ticks are within grace if an earlier one is: where grace is the distance to the following tick,
    that has to come first. So they are found from the end.
    """
    present = micros(now)
    if job.policy.grace is not None:
        # Whole seconds at or after the last instant that is too long ago.
        edge = -(-(present - job.policy.grace_at(last, job.schedule)) // SECOND)
        found = job.schedule.next_epoch(max(edge, first) - 1)
        return found if found is not None and found <= last else None
    within: int | None = None
    tick: int | None = last
    # A minute's ticks at most, and one more.
    while tick is not None and tick >= first:
        if present - tick * SECOND > job.policy.grace_at(tick, job.schedule):
            break
        within = tick
        tick = _before(job.schedule, tick)
    return within


def _last_until(schedule: Schedule, first: int, second: int) -> int:
    """The last tick that is not after *second*; *first* is one."""
    following = schedule.next_epoch(first)
    if following is None or following > second:
        return first  # nearly always, and looking back is slow
    last = schedule.previous_epoch(second + 1)
    return first if last is None else last


def _between(schedule: Schedule, first: int, until: int) -> Ticks:
    """The ticks from *first*, which is one, to the last that is not after *until*."""
    last, instant = _last_until(schedule, first, until), from_epoch(first)
    if last == first:
        return Ticks(instant, instant, 1)
    return Ticks(instant, from_epoch(last), schedule.count(first - 1, last))


def _before(schedule: Schedule, tick: int) -> int | None:
    """The tick before *tick*, which is one: as far away as the following one, more often than not."""
    following = schedule.next_epoch(tick)
    if following is not None:
        guess = schedule.next_epoch(2 * tick - following - 1)
        if guess is not None and guess < tick and schedule.next_epoch(guess) == tick:
            return guess
    return schedule.previous_epoch(tick)


def _due(job: Job, tick: int, covered: int, *, missed: bool) -> Due:
    before = _before(job.schedule, tick)
    return Due(
        from_epoch(tick),
        missed,
        job.policy.not_before(job.name, tick),
        None if before is None else (from_epoch(before), from_epoch(tick)),
        _between(job.schedule, covered, tick),
    )


def _pause_at(tick: int, pauses: Sequence[Pause]) -> Pause | None:
    """The pause that *tick* lies in; of several the one that ends last."""
    holding = [pause for pause in pauses if pause.holds(tick)]
    return max(holding, key=lambda pause: pause.last, default=None)
