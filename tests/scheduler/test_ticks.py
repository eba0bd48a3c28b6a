"""One step at a time: which ticks run, which are passed over, and with what window and covers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.scheduler.policies import Pause, Policy, share
from jobkit.scheduler.ticks import (
    Due,
    Job,
    Passed,
    PullBack,
    Step,
    Ticks,
    Wait,
    deferred,
    next_step,
    refused,
    starts_too_late,
)
from tests.scheduler.ledger import schedule_of, utc

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """A time of 1 May 2026, in UTC."""
    return utc(f"2026-05-01T{text}")


def job(text: str = "0 * * * * *", *pauses: Pause, zone: str = "UTC", **policy: Any) -> Job:
    """Every minute, unless *text* says otherwise."""
    return Job("job", schedule_of(text, zone), Policy(**policy), pauses)


def ticks(first: str, last: str, count: int) -> Ticks:
    return Ticks(at(first), at(last), count)


def step_of(job: Job, mark: str, now: str, **options: Any) -> Step:
    step = next_step(job, at(mark), at(now), **options)
    assert isinstance(step, Step)
    return step


def test_a_tick_at_its_instant_runs() -> None:
    """With the window since the tick before, and standing for itself."""
    step = step_of(job(), "10:00:00", "10:01:00.004")
    run = Due(at("10:01:00"), False, None, (at("10:00:00"), at("10:01:00")), ticks("10:01:00", "10:01:00", 1))
    assert step == Step(at("10:00:00"), at("10:01:00"), run=run)


@pytest.mark.parametrize(("now", "missed"), [("10:01:02", False), ("10:01:02.000001", True)])
def test_more_than_two_seconds_late_is_missed(now: str, missed: bool) -> None:
    """Exactly two are not."""
    run = step_of(job(), "10:00:00", now).run
    assert run is not None
    assert run.missed is missed


@pytest.mark.parametrize("mark", ["10:00:00", "10:00:00.5", "10:00:59.999999"])
def test_before_the_next_tick_there_is_nothing_to_do(mark: str) -> None:
    """Until that, whatever fraction of a second the mark has."""
    assert next_step(job(), at(mark), at("10:00:59.999999")) == Wait(at("10:01:00"))


def test_a_schedule_may_be_at_its_end() -> None:
    """``at`` fires once."""
    once = job("at 2026-05-01T10:00:00Z")
    assert step_of(once, "09:00:00", "10:00:00").run is not None
    assert next_step(once, at("10:00:00"), at("11:00:00")) == Wait(None)


def test_latest_makes_up_for_the_newest() -> None:
    """One run that covers them all; those before it are passed over in the same step."""
    step = step_of(job(), "10:00:00", "10:05:30")
    assert step.mark == at("10:05:00")
    assert step.passed == Passed("misfire", None, ticks("10:01:00", "10:04:00", 4))
    assert step.run is not None
    assert (step.run.tick, step.run.missed) == (at("10:05:00"), True)
    assert step.run.covers == ticks("10:01:00", "10:05:00", 5)
    assert step.run.window == (at("10:04:00"), at("10:05:00"))


def test_all_makes_up_for_the_oldest_first() -> None:
    """One at a time; what is beyond grace is passed over."""
    every = job(misfire="all", grace=timedelta(minutes=3))
    step = step_of(every, "10:00:00", "10:05:30")
    assert step.mark == at("10:03:00")
    assert step.passed == Passed("misfire", None, ticks("10:01:00", "10:02:00", 2))
    assert step.run is not None
    assert step.run.covers == ticks("10:03:00", "10:03:00", 1)
    following = step_of(every, "10:03:00", "10:05:30")
    assert (following.mark, following.passed) == (at("10:04:00"), None)


def test_while_a_backlog_is_worked_all_waits_for_it() -> None:
    """What falls due meanwhile, missed or not, joins it; no other policy waits."""
    every = job(misfire="all", grace=DAY)
    assert next_step(every, at("10:00:00"), at("10:05:00"), catching_up=True) == Wait(None, for_run=True)
    assert next_step(every, at("10:04:00"), at("10:05:00"), catching_up=True) == Wait(None, for_run=True)
    assert step_of(job(), "10:04:00", "10:05:00", catching_up=True).run is not None


def test_what_has_joined_a_backlog_is_part_of_it() -> None:
    """However little too late it is: what falls due while it is worked joins, too."""
    every = job(misfire="all", grace=DAY)
    for joins in (False, True):
        step = step_of(every, "10:04:00", "10:05:00", joins=joins)
        assert step.run is not None
        assert step.run.missed is joins


def test_none_makes_up_for_nothing() -> None:
    """All that was missed is one span; what was not runs."""
    step = step_of(job("* * * * * *", misfire="none"), "10:00:00", "10:00:10")
    assert step == Step(
        at("10:00:00"), at("10:00:07"), span=Passed("misfire", None, ticks("10:00:01", "10:00:07", 7))
    )
    run = step_of(job("* * * * * *", misfire="none"), "10:00:07", "10:00:10").run
    assert run is not None
    assert not run.missed


@pytest.mark.parametrize(
    ("text", "mark", "now", "ran"),
    [
        ("*/10 * * * * *", "10:00:00", "10:01:10", True),  # ten seconds apart: a minute
        ("*/10 * * * * *", "10:00:00", "10:01:10.1", True),  # the next one is within its minute
        ("0 0 10 * * *", "09:00:00", "23:59:59", True),  # a day
        ("0 0 10 1 * *", "09:00:00", "10:00:03", True),  # a month apart: a day at most
        ("0 0 * * * *", "09:59:00", "10:59:59", True),  # an hour
    ],
)
def test_grace_is_the_distance_to_the_following_tick(text: str, mark: str, now: str, ran: bool) -> None:
    """A minute at least, a day at most."""
    assert (step_of(job(text), mark, now).run is not None) is ran


def test_a_month_is_too_long_for_grace() -> None:
    """More than a day after a monthly tick it is passed over."""
    monthly = job("0 0 10 1 * *")
    late = next_step(monthly, at("09:00:00"), at("10:00:00") + DAY + timedelta(seconds=1))
    assert isinstance(late, Step)
    assert late.span == Passed("misfire", None, ticks("10:00:00", "10:00:00", 1))


@given(
    text=st.sampled_from(["* * * * * *", "*/7 * * * * *", "0 */7 10-11 * * *", "30 0 3 * * *", "every 45s"]),
    gap=st.integers(3, 200_000),
    grace=st.sampled_from([None, timedelta(seconds=1), timedelta(seconds=90), timedelta(hours=2)]),
)
def test_grace_splits_the_missed_in_two(text: str, gap: int, grace: timedelta | None) -> None:
    """Against every tick looked at one by one: ``all`` passes over exactly those beyond grace."""
    every = job(text, misfire="all", grace=grace)
    now = at("10:00:00") + timedelta(seconds=gap)
    step = next_step(every, at("10:00:00"), now)
    if not isinstance(step, Step):
        return
    due, tick = [], every.schedule.next_after(at("10:00:00"))
    while tick is not None and now - tick > timedelta(seconds=2):
        due.append(tick)
        tick = every.schedule.next_after(tick)
    if not due:
        return
    within = [tick for tick in due if not starts_too_late(every, tick, None, now)]
    if within:
        assert step.run is not None
        assert step.run.tick == within[0]
        beyond = due[: due.index(within[0])]
        assert (step.passed.ticks.count if step.passed else 0) == len(beyond)
    else:
        assert step.span is not None
        assert step.span.ticks == Ticks(due[0], due[-1], len(due))


# -- pauses -----------------------------------------------------------------------------------------------


def pause(since: str, until: str | None) -> Pause:
    return Pause(at(since), None if until is None else at(until), "paused by ops@x")


def test_ticks_in_a_pause_are_one_span() -> None:
    """From its first instant on, up to and without its last; however late it is seen."""
    paused = job("0 * * * * *", pause("10:02:00", "10:05:00"), misfire="all", grace=DAY)
    assert step_of(paused, "10:00:00", "10:09:00").mark == at("10:01:00")
    step = step_of(paused, "10:01:00", "10:09:00")
    assert step.span == Passed("paused", "paused by ops@x", ticks("10:02:00", "10:04:00", 3))
    run = step_of(paused, "10:04:00", "10:09:00").run
    assert run is not None
    assert run.tick == at("10:05:00")


def test_an_open_pause_goes_on() -> None:
    """Each tick extends it as it falls due, and none is ever caught up."""
    paused = job("0 * * * * *", pause("10:00:30", None))
    assert step_of(paused, "10:00:00", "10:01:00").span == Passed(
        "paused", "paused by ops@x", ticks("10:01:00", "10:01:00", 1)
    )
    assert step_of(paused, "10:01:00", "10:30:00").mark == at("10:30:00")


def test_before_a_pause_ticks_are_missed_as_usual() -> None:
    """The step ends at the pause, and stands for no tick inside of it."""
    step = step_of(job("0 * * * * *", pause("10:03:30", None), grace=DAY), "10:00:00", "10:09:00")
    assert step.run is not None
    assert (step.mark, step.run.covers.count) == (at("10:03:00"), 3)


def test_only_the_newest_is_made_up_on_either_side_of_a_pause() -> None:
    """One run, not one for each stretch; a pause without ticks is no border."""
    paused = job("0 * * * * *", pause("10:03:30", "10:05:30"), pause("10:07:10", "10:07:20"), grace=DAY)
    first = step_of(paused, "10:00:00", "10:09:30")
    assert first.span == Passed("misfire", None, ticks("10:01:00", "10:03:00", 3))
    assert step_of(paused, "10:03:00", "10:09:30").mark == at("10:05:00")
    last = step_of(paused, "10:05:00", "10:09:30").run
    assert last is not None
    assert last.covers == ticks("10:06:00", "10:09:00", 4)


def test_of_two_pauses_the_longer_counts() -> None:
    """Its cause is told; when one of them is over the other still holds."""
    longer = Pause(at("10:00:00"), None, "all are paused")
    paused = job("0 * * * * *", pause("10:00:30", "10:02:00"), longer)
    span = step_of(paused, "10:00:00", "10:05:00").span
    assert span == Passed("paused", "all are paused", ticks("10:01:00", "10:05:00", 5))


# -- clocks, admission, jitter ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "expected"), [(600, Wait), (600.000001, PullBack)], ids=["ten minutes", "more"]
)
def test_a_mark_far_ahead_is_pulled_back(ahead: float, expected: type) -> None:
    """To now; ten minutes are waited for."""
    mark, now = at("10:00:00") + timedelta(seconds=ahead), at("10:00:00")
    step = next_step(job(), mark, now)
    assert isinstance(step, expected)
    assert not isinstance(step, PullBack) or step == PullBack(mark, now)


def test_a_refused_run_is_a_span() -> None:
    """Of its tick alone; what was passed over before it stays."""
    step = step_of(job(), "10:00:00", "10:05:30")
    no = refused(step, "plugin quiet-hours")
    assert (no.run, no.passed, no.mark) == (None, step.passed, step.mark)
    assert no.span == Passed("admission", "plugin quiet-hours", ticks("10:05:00", "10:05:00", 1))


def test_jitter_and_defer_put_off_the_start() -> None:
    """The tick is claimed at its instant all the same; the later of the two counts."""
    spread = job(jitter=timedelta(seconds=30))
    step = step_of(spread, "10:00:00", "10:01:00")
    assert step.run is not None
    not_before = step.run.not_before
    assert not_before is not None
    assert at("10:01:00") <= not_before < at("10:01:30")
    assert step_of(spread, "10:00:00", "10:01:01").run == step.run
    for until, expected in ((at("10:20:00"), at("10:20:00")), (at("10:00:00"), not_before)):
        later = deferred(step, until).run
        assert later is not None
        assert later.not_before == expected
    assert not starts_too_late(spread, at("10:01:00"), at("10:20:00"), at("10:20:59"))
    assert starts_too_late(spread, at("10:01:00"), at("10:20:00"), at("10:21:01"))


def test_jitter_is_stable_and_spread() -> None:
    """The same for one tick of one job, different for others, evenly from 0 up to 1."""
    shares = [share(f"job{number}", 1_777_000_000) for number in range(4000)]
    assert shares == [share(f"job{number}", 1_777_000_000) for number in range(4000)]
    assert all(0 <= item < 1 for item in shares)
    for tenth in range(10):
        assert 300 < sum(tenth / 10 <= item < (tenth + 1) / 10 for item in shares) < 500
    assert share("job0", 1_777_000_000) != share("job0", 1_777_000_060)


@pytest.mark.parametrize("misfire", ["latest", "all"])
def test_a_spring_night_has_its_made_up_tick(misfire: Literal["latest", "all"]) -> None:
    """02:30 does not exist in Berlin on 29 March 2026: it runs at 03:00, once."""
    nightly = job("0 30 2 * * *", zone="Europe/Berlin", misfire=misfire)
    step = next_step(nightly, utc("2026-03-28T01:30:00"), utc("2026-03-29T01:00:00.5"))
    assert isinstance(step, Step)
    assert step.run is not None
    assert (step.run.tick, step.run.missed) == (utc("2026-03-29T01:00:00"), False)
    assert next_step(nightly, step.mark, utc("2026-03-29T12:00:00")) == Wait(utc("2026-03-30T00:30:00"))
