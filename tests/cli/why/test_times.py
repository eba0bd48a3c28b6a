"""``why`` of times: ahead, whole minutes, readings that never were; and of jobs that are gone."""

from __future__ import annotations

import pytest

from tests.cli.accounts import Account
from tests.cli.harness import CommandLine
from tests.cli.why.kit import JOB, facts, serving, told


def test_what_will_be(project: CommandLine) -> None:
    """It will run; it will not, for it is paused, no tick, or nobody schedules it."""

    async def write(account: Account) -> None:
        await serving(account)
        account.at("12:00:00")
        await account.store.pause("nightly", by="ops@host-a")

    data = told(project, write, JOB, "--at", "tomorrow 03:00")
    assert (data.code, data.text, data.facts) == ("will_run", "It will run then, in 12h56m.", [])
    assert told(project, None, JOB, "--at", "tomorrow 04:00").code == "not_a_tick"
    data = told(project, None, "nightly", "--at", "tomorrow 02:30")
    assert (data.code, data.pause.by) == ("paused", "ops@host-a")


def test_a_minute_of_many_ticks(project: CommandLine) -> None:
    """Without seconds the first is explained, and the others are counted; with seconds just that one."""

    async def write(account: Account) -> None:
        await serving(account, "tick", "09:59:59")
        for second in range(3):
            await account.ran("tick", f"10:00:0{second}", took=0.1)
        await account.skipped("tick", "10:00:03", "10:00:59", count=57, reason="paused", cause="paused by x")

    data = told(project, write, "tick", "--at", "11:00")
    assert (data.code, data.at) == ("ran", "2026-11-22T10:00:00Z")
    assert (data.minute.ticks, data.minute.ran, data.minute.skipped) == (60, 3, 57)
    assert facts(data)["minute"] == (
        "That minute has 60 ticks: 3 with a run, 57 skipped (paused); this is about 2026-11-22 11:00:00."
    )
    data = told(project, None, "tick", "--at", "11:00:30")
    assert (data.code, data.minute) == ("paused", None)


def test_a_minute_to_come(project: CommandLine) -> None:
    """Nothing is counted of what cannot have happened."""

    async def write(account: Account) -> None:
        await serving(account, "tick", "09:59:59")

    data = told(project, write, "tick", "--at", "tomorrow 11:00")
    assert facts(data)["minute"] == "That minute has 60 ticks; this is about 2026-11-23 11:00:00."


@pytest.mark.parametrize(("job", "code"), [("nightly", "will_run"), ("half_hourly", "clock_change")])
def test_a_time_that_does_not_exist(project: CommandLine, job: str, code: str) -> None:
    """A fixed time is made up at the first instant after the gap; an interval job has nothing there."""
    data = told(project, None, job, "--at", "2027-03-28 02:30")
    gap = "2027-03-28 02:30:00 did not exist: the clock went from 02:00 to 03:00"
    assert data.at == "2027-03-28T01:00:00Z"
    assert gap in (facts(data).get("clock_change", "") + data.text)
    assert data.code == code


def test_a_job_that_is_gone(project: CommandLine) -> None:
    """What the store remembers; a name that nobody ever had is an error."""

    async def write(account: Account) -> None:
        await serving(account, "old_job")
        await account.changed("old_job", "2026-11-10T00:00:00", schedule="0 0 4 * * *", timezone="UTC")
        await account.ran("old_job", "2026-11-20T04:00:00")
        await account.changed(
            "old_job", "2026-11-20T12:00:00", scheduled=False, enabled=False, why="its file is gone",
            schedule="", timezone="UTC",
        )  # fmt: skip

    data = told(project, write, "old_job")
    assert (data.timezone, data.at) == ("UTC", "2026-11-22T04:00:00Z")
    assert "its file is gone" in data.text
    assert "gone" in facts(data)
    assert told(project, None, "old_job", "--at", "2026-11-20 04:00").code == "ran"
    ended = project("why", "nobody")
    assert (ended.code, "error[JK802]" in ended.err) == (4, True)
    assert project("why", JOB, "--at", "some day").code == 4
