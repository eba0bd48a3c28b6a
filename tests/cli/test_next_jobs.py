"""``next`` for jobs: which are due when, which are not, and why."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.cli.accounts import Account, utc
from tests.cli.harness import CommandLine, FixedClock
from tests.cli.shapes import checked

JOBS = """\
from jobkit import submit_job


@submit_job(schedule="0 0 3 * * *")
def nightly(ctx):
    pass


@submit_job(schedule="0 */15 * * * *", timezone="UTC")
def quarterly(ctx):
    pass


@submit_job(schedule="0 0 14 * * *", enabled=False)
def off(ctx):
    pass


@submit_job
def by_hand(ctx):
    pass


@submit_job(schedule="at 2026-01-01T00:00:00Z")
def once(ctx):
    pass
"""


@pytest.fixture
def project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Five jobs; the store's clock stands still."""
    monkeypatch.setattr("jobkit.stores.sqlite.store.SystemClock", FixedClock)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n\n[scheduler]\ntimezone = "Europe/Berlin"\n')
    cli.file("extensions/web/jobs/all.py", JOBS)
    return cli


def fires(cli: CommandLine, *arguments: str) -> list[tuple[str, str]]:
    found: list[Any] = checked(cli("next", "--json", *arguments)).data
    return [(fire.job, fire.at[5:16]) for fire in found]


def test_all_jobs_together(project: CommandLine) -> None:
    """The next five of all, in the order of time; jobs that are not scheduled are counted."""
    expected = [("quarterly", f"11-22T{time}") for time in ("13:15", "13:30", "13:45", "14:00", "14:15")]
    assert fires(project) == expected
    assert fires(project, "-n", "60", "--from", "tomorrow 02:50")[:2] == [
        ("nightly", "11-23T02:00"),
        ("quarterly", "11-23T02:00"),
    ]
    assert "2 jobs are not scheduled (jobkit list)" in project("next").out


def test_named_jobs(project: CommandLine) -> None:
    """So many of each; local time, offset and zone of each job."""
    assert fires(project, "nightly", "quarterly", "-n", "2") == [
        ("quarterly", "11-22T13:15"),
        ("quarterly", "11-22T13:30"),
        ("nightly", "11-23T02:00"),
        ("nightly", "11-24T02:00"),
    ]
    [fire] = checked(project("next", "--json", "nightly", "-n", "1")).data
    assert (fire.local, fire.timezone, fire.note) == ("2026-11-23T03:00:00+01:00", "Europe/Berlin", None)
    assert fires(project, "night*", "-n", "1", "--from", "tomorrow 03:00") == [("nightly", "11-24T02:00")]


def test_what_is_made_up_is_marked(project: CommandLine) -> None:
    """As for a schedule."""
    project.file("services/scheduler/config.toml", '[jobs.nightly]\nschedule = "0 30 2 * * *"\n')
    [fire] = checked(project("next", "nightly", "-n", "1", "--from", "2027-03-28", "--json")).data
    assert (fire.local, fire.note) == (
        "2027-03-28T03:00:00+02:00",
        "made up: 02:30, as the clock went from 02:00 to 03:00",
    )


def test_pauses_are_marked(project: CommandLine) -> None:
    """Until when and by whom, on the ticks that it holds and no others."""

    async def pause() -> None:
        async with Account(project.root) as account:
            account.at("13:00:00")
            await account.store.pause("quarterly", until=utc("13:30:00"), by="ops@x")

    anyio.run(pause)
    found = checked(project("next", "quarterly", "--json", "-n", "2")).data
    assert [fire.note for fire in found] == ["paused until 13:30, by ops@x", None]
    assert "paused until 13:30, by ops@x" in project("next").out


@pytest.mark.parametrize(
    ("job", "reason"),
    [("off", "disabled"), ("by_hand", "it has no schedule"), ("once", "never fires again")],
)
def test_a_job_that_is_not_due_says_why(project: CommandLine, job: str, reason: str) -> None:
    """On the screen, and beside the object of ``--json``, which has nothing for it."""
    ended = project("next", job)
    assert ended.code == 0
    assert f"{job} is not due: " in ended.out
    assert reason in ended.out
    ended = project("next", job, "--json")
    assert (ended.code, ended.data) == (0, [])
    assert reason in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["nightly", "--schedule", "@daily"], 4, "exclude each other"),
        (["nightly", "--timezone", "UTC"], 4, "its own zone"),
        (["nightlyy"], 4, "did you mean 'nightly'?"),
        (["x*"], 5, "no job fits"),
    ],
)
def test_what_is_refused(project: CommandLine, arguments: list[str], code: int, hint: str) -> None:
    """Usage is 4, nothing selected 5."""
    ended = project("next", *arguments)
    assert (ended.code, hint in ended.err) == (code, True), ended.err


def test_nothing_is_scheduled(project: CommandLine) -> None:
    """Where the scheduler is off nothing is due, and a named job says so."""
    project.file("services/scheduler/config.toml", "[scheduler]\nenabled = false\n")
    assert fires(project) == []
    assert "Nothing is due" in project("next").out
    assert "the scheduler is off" in project("next", "nightly").out
