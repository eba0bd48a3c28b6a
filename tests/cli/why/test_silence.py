"""``why`` where no row accounts for the instant: not scheduled, not due, not known, not yet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.accounts import HASH, Account, utc
from tests.cli.harness import CommandLine
from tests.cli.why.kit import JOB, facts, serving, told


def test_it_was_disabled(project: CommandLine) -> None:
    """From when to when, by which line, by whom, why."""

    async def write(account: Account) -> None:
        await serving(account)
        await account.changed(
            JOB, "2026-11-19T10:00:00", actor="ada@host-a", scheduled=False, enabled=False, layer="overrides",
            why="disabled (overrides services/scheduler/overrides.toml:4, by ada@host-a: mail moves)",
            place="services/scheduler/overrides.toml:4",
        )  # fmt: skip
        await account.changed(JOB, "2026-11-21T10:00:00", actor="ada@host-a")

    data = told(project, write, JOB, "--at", "2026-11-20 03:00")
    assert data.code == "disabled"
    assert data.text == (
        "It was not scheduled from 2026-11-19 11:00:00 to 2026-11-21 11:00:00: "
        "disabled (overrides services/scheduler/overrides.toml:4, by ada@host-a: mail moves)."
    )
    assert [event.at for event in data.events] == ["2026-11-21T10:00:00Z", "2026-11-19T10:00:00Z"]


def test_it_is_disabled(project: CommandLine) -> None:
    """The line of the configuration as it is, where nothing is on record."""
    project.file("services/scheduler/config.toml", f"[jobs.{JOB}]\nenabled = false\n")
    data = told(project, None, JOB)
    assert data.code == "disabled"
    assert "services/scheduler/config.toml:2" in data.text


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"why": "disabled (config services/scheduler/config.toml:7)", "enabled": False}, "disabled"),
        ({"why": 'unlisted = "ignore" (jobkit.toml:4), and no [jobs.x] lists it'}, "not_listed"),
        ({"why": "it has no schedule: it runs when it is asked for", "schedule": ""}, "manual"),
        ({"why": "it has an error: JK302"}, "error"),
        ({"why": "the scheduler is off (jobkit.toml:4)"}, "scheduler_off"),
        ({"why": "its file is gone"}, "not_scheduled"),
    ],
)
def test_why_it_was_not_scheduled(project: CommandLine, said: dict[str, Any], code: str) -> None:
    """What was written down then, in its own words; it goes on until something else was."""

    async def write(account: Account) -> None:
        await serving(account)
        await account.changed(JOB, "2026-11-19T10:00:00", scheduled=False, actor="ada@host-a", **said)

    data = told(project, write, JOB)
    assert data.code == code
    lead = "It was not scheduled from 2026-11-19 11:00:00 on: "
    assert data.text == f"{lead}{said['why']}, by ada@host-a."


def test_it_has_an_error(project: CommandLine) -> None:
    """What is wrong is named by its code."""
    project.file("services/scheduler/config.toml", f'[jobs.{JOB}]\nschedule = "0 3 * * *"\n')
    data = told(project, None, JOB)
    assert (data.code, "JK302" in data.text) == ("error", True)


def test_it_is_not_listed(project: CommandLine) -> None:
    """The line that leaves it out."""
    project.file("services/scheduler/config.toml", '[scheduler]\nunlisted = "ignore"\n')
    data = told(project, None, JOB)
    assert data.code == "not_listed"
    assert "services/scheduler/config.toml:2" in data.text


def test_it_has_no_schedule(project: CommandLine) -> None:
    """Such a job runs when it is asked for."""
    data = told(project, None, "by_hand")
    assert (data.code, data.at) == ("manual", None)
    assert told(project, None, "by_hand", "--at", "03:00").code == "manual"


def test_not_a_fire_time(project: CommandLine) -> None:
    """The ticks around it, and what became of the one before."""

    async def write(account: Account) -> None:
        await serving(account)
        await account.ran(JOB, "02:00:00")

    data = told(project, write, JOB, "--at", "03:01")
    assert (data.code, data.previous, data.next) == (
        "not_a_tick",
        "2026-11-22T02:00:00Z",
        "2026-11-23T02:00:00Z",
    )
    assert "run 1 succeeded" in facts(data)["previous"]


def test_by_the_schedule_of_that_time(project: CommandLine) -> None:
    """What is on record decides, not what the code says now."""

    async def write(account: Account) -> None:
        await serving(account)
        await account.changed(JOB, "2026-11-12T00:00:00", schedule="0 0 5 * * *")
        await account.changed(JOB, "2026-11-20T12:00:00", schedule="0 0 3 * * *")

    data = told(project, write, JOB, "--at", "2026-11-19 03:00")
    assert data.code == "not_a_tick"
    assert '"0 0 5 * * *" (Europe/Berlin)' in data.text
    data = told(project, None, JOB, "--at", "2026-11-11 03:00")
    assert (data.code, data.events[0].at) == ("changed", "2026-11-12T00:00:00Z")
    assert 'registered anew at 2026-11-12 01:00:00 as "0 0 5 * * *"' in data.text


def test_before_the_job_was_known(project: CommandLine) -> None:
    """When it was first seen; beyond the retention that is said as well."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00")
        await account.scheduled(JOB, "2026-11-15T00:00:00")

    data = told(project, write, JOB, "--at", "2026-11-12 03:00")
    assert data.code == "before"
    assert data.text == (
        "That was before the job was known here: it was first registered at 2026-11-15 01:00:00."
    )
    assert "pruned" not in facts(data)
    assert facts(told(project, None, JOB, "--at", "2026-08-12 03:00"))["pruned"] == (
        "That is longer ago than the retention of 30d, for which records are kept."
    )


def test_what_was_pruned(project: CommandLine) -> None:
    """Older than the retention, accounted for once, and gone."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-08-01T00:00:00")
        await account.scheduled(JOB, "2026-08-01T00:00:00")
        await account.ran(JOB, "2026-08-02T02:00:00")
        await account.ran(JOB, "2026-11-22T02:00:00", covers=("2026-11-22T02:00:00", 1))
        assert await account.store.prune(utc("2026-11-20T00:00:00")) == 1

    data = told(project, write, JOB, "--at", "2026-08-02 03:00")
    assert (data.code, "retention of 30d" in data.text) == ("pruned", True)
    assert told(project, None, JOB, "--at", "2026-11-15 03:00").code == "pruned"


def test_no_scheduler_has_ever_run(project: CommandLine) -> None:
    """An empty store says so."""
    data = told(project, None, JOB)
    assert (data.code, data.text) == ("no_scheduler", "No scheduler has served this store yet.")


def test_none_is_running_now(project: CommandLine) -> None:
    """Since when, and what will become of the tick."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", "01:00:00")
        await account.scheduled(JOB, "2026-11-10T00:00:00")
        await account.ran(JOB, "2026-11-21T02:00:00")

    data = told(project, write, JOB)
    assert data.code == "no_scheduler"
    assert "since 2026-11-22 02:00:00: the one on host-a (process 4242) had stopped" in data.text
    assert facts(data)["policy"].startswith("When one starts, the newest missed tick is made up")


@pytest.mark.parametrize("hash", [HASH, "another"])
def test_overdue_or_superseded(project: CommandLine, hash: str) -> None:
    """A scheduler is there: it has not come to it, or has another schedule than the registered one."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", schedules={JOB: hash})
        await account.scheduled(JOB, "2026-11-10T00:00:00")
        await account.ran(JOB, "2026-11-21T02:00:00")

    data = told(project, write, JOB)
    assert data.code == ("overdue" if hash == HASH else "superseded")


def test_a_changed_schedule_is_not_made_up(project: CommandLine) -> None:
    """Registered anew after the tick."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", "01:00:00")
        await account.scheduled(JOB, "2026-11-10T00:00:00", hash="old")
        await account.changed(JOB, "2026-11-10T00:00:00")
        await account.scheduler("05:00:00")
        await account.scheduled(JOB, "05:00:00", expected="old")

    data = told(project, write, JOB)
    assert data.code == "changed"
    assert "registered anew at 2026-11-22 06:00:00" in data.text
    assert "no_scheduler" in facts(data)
