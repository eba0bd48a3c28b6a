"""When a job is late, from when on its ticks count, and what runs at a start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.config import load_config
from jobkit.scheduler.lateness import late
from jobkit.scheduler.marks import (
    UNSCHEDULED,
    Holder,
    Keep,
    Known,
    Register,
    Superseded,
    registration,
    unscheduled,
)
from jobkit.scheduler.policies import Policy
from jobkit.scheduler.startup import StartupRun, shared_run, startup_jobs
from jobkit.statuses import RunStatus
from tests.runner.conftest import spec_of
from tests.scheduler.test_ticks import at, job, pause

SINCE = at("00:00:00")


@pytest.mark.parametrize(
    ("succeeded", "now", "tick"),
    [
        (None, "11:00:00", None),  # the hour of 10:00 has not passed yet, midnight does not count
        (None, "11:00:01", "10:00:00"),
        ("10:00:00", "11:00:01", None),
        ("10:00:00", "12:00:00", None),
        ("10:00:00", "12:00:01", "11:00:00"),
        ("12:00:00", "12:00:01", None),  # a later one has
    ],
)
def test_a_job_is_late_once_grace_has_passed(succeeded: str | None, now: str, tick: str | None) -> None:
    """Without a success of that tick or a later one; hourly, grace is an hour."""
    found = late(
        job("0 0 10-23 * * *"),
        since=SINCE,
        succeeded=None if succeeded is None else at(succeeded),
        p95=None,
        now=at(now),
    )
    assert found == (None if tick is None else at(tick))


def test_what_usually_takes_long_may_take_twice_that() -> None:
    """The longer of grace and twice the duration that most runs stay below."""
    minutely = job(grace=timedelta(seconds=10))
    options: dict[str, Any] = {"since": SINCE, "succeeded": at("10:00:00"), "now": at("10:20:30")}
    assert late(minutely, p95=timedelta(minutes=5), **options) == at("10:10:00")
    assert late(minutely, p95=timedelta(seconds=1), **options) == at("10:20:00")
    assert late(minutely, p95=timedelta(minutes=15), **options) is None


def test_paused_ticks_make_nobody_late() -> None:
    """The newest before the pause still does; ticks before the job was registered do not."""
    paused = job("0 0 * * * *", pause("10:30:00", None))
    assert late(paused, since=SINCE, succeeded=at("10:00:00"), p95=None, now=at("20:00:00")) is None
    assert late(paused, since=SINCE, succeeded=at("09:00:00"), p95=None, now=at("20:00:00")) == at("10:00:00")
    assert late(paused, since=at("10:00:00"), succeeded=None, p95=None, now=at("20:00:00")) is None


def test_grace_of_frequent_jobs_is_a_minute() -> None:
    """The newest tick that is more than that ago is the one that counts."""
    secondly = job("* * * * * *")
    assert late(secondly, since=SINCE, succeeded=None, p95=None, now=at("10:01:00.5")) == at("10:00:00")


# -- registration -----------------------------------------------------------------------------------------

NOW = at("12:00:00")


def ago(seconds: float) -> Any:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("known", "others", "expected"),
    [
        (None, [], Register(None, NOW)),
        (Known("mine"), [Holder("theirs")], Keep()),
        (Known(UNSCHEDULED), [Holder("theirs")], Register(UNSCHEDULED, NOW)),
        (Known("theirs"), [Holder("theirs")], Superseded(None)),
        (Known("theirs"), [Holder("mine")], Register("theirs", NOW)),
        (Known("theirs"), [], Register("theirs", NOW)),
        (Known("theirs"), [Holder("theirs", ago(1), stopped=True)], Register("theirs", NOW)),
        (Known("theirs"), [Holder("theirs", ago(59))], Superseded(ago(-1))),
        (Known("theirs"), [Holder("theirs", ago(60))], Register("theirs", NOW)),
        (Known("theirs"), [Holder("theirs", ago(90)), Holder("theirs")], Superseded(None)),
    ],
)
def test_who_registers_a_schedule(known: Known | None, others: list[Holder], expected: object) -> None:
    """At first sight; a changed one when no replica that lives has the old one: at once if the last has
    stopped, after a minute if it vanished."""
    assert registration(known, "mine", others, NOW) == expected


def test_a_job_that_nobody_schedules_is_marked_so() -> None:
    """Scheduled again it starts at "now"; while another replica has it, it stays."""
    assert unscheduled(Known("x"), [Holder("x", ago(1)), Holder("y")])
    assert not unscheduled(Known("x"), [Holder("x")])
    assert not unscheduled(Known(UNSCHEDULED), [])


# -- startup ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "table", "runs"),
    [
        (True, "enabled = true", True),
        (True, "", False),
        (True, "enabled = false", False),
        (True, "enabled = true\nrun_on_startup = false", False),
        (False, "enabled = true", False),
    ],
)
def test_startup_needs_both_layers(tmp_path: Path, code: bool, table: str, runs: bool) -> None:
    """The code proposes; the operators write ``enabled = true``, and may take it back."""
    from jobkit.config.apply import apply

    (tmp_path / "jobkit.toml").touch()
    (tmp_path / "services/scheduler").mkdir(parents=True)
    (tmp_path / "services/scheduler/config.toml").write_text(f"[jobs.warm_up]\n{table}\n")

    async def warm_up(ctx: Any) -> None:
        """Fills caches."""

    config = load_config(tmp_path)
    spec = apply(spec_of(warm_up, run_on_startup=code), config)
    assert [item.name for item in startup_jobs({spec.name: spec}, config)] == ["warm_up"] * runs


def test_the_developers_file_is_not_the_operators(tmp_path: Path) -> None:
    """``enabled = true`` in jobkit.toml disposes of nothing."""
    (tmp_path / "jobkit.toml").write_text("[jobs.warm_up]\nenabled = true\n")

    async def warm_up(ctx: Any) -> None:
        """Fills caches."""

    spec = spec_of(warm_up, run_on_startup=True)
    assert startup_jobs({"warm_up": spec}, load_config(tmp_path)) == []


@pytest.mark.parametrize(
    ("replica", "status", "seconds", "shared"),
    [
        ("other", RunStatus.SUCCEEDED, 299, True),
        ("other", RunStatus.RUNNING, 299, True),
        ("other", RunStatus.FAILED, 1, False),
        ("other", RunStatus.SUCCEEDED, 301, False),
        ("gone", RunStatus.SUCCEEDED, 1, False),
        ("own", RunStatus.SUCCEEDED, 1, False),
    ],
)
def test_a_startup_run_is_shared(replica: str, status: RunStatus, seconds: float, shared: bool) -> None:
    """With one of another replica that lives, young enough, that succeeded or goes on."""
    run = StartupRun(replica, status, ago(seconds))
    interval = timedelta(minutes=5)
    found = shared_run([run], own="own", living={"own", "other"}, interval=interval, now=NOW)
    assert (found is run) is shared


def test_a_policy_is_read_from_a_job() -> None:
    """Its misfire, grace and jitter."""

    async def work(ctx: Any) -> None:
        """Works."""

    spec = spec_of(work, misfire="all", misfire_grace=timedelta(hours=1), jitter=timedelta(seconds=3))
    assert Policy.of(spec) == Policy("all", timedelta(hours=1), timedelta(seconds=3))
    assert Policy.of(spec_of(work)) == Policy()
