"""``why`` of ticks that have a run: how it went, or what it waits for."""

from __future__ import annotations

import pytest

from jobkit.records import RunFailure, new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import NewRun, Outcome
from tests.cli.accounts import Account, request, utc
from tests.cli.harness import CommandLine
from tests.cli.why.kit import JOB, facts, serving, told


def test_it_ran(project: CommandLine) -> None:
    """Which run, how it ended, how late it began; the newest due tick where none is named."""

    async def write(account: Account) -> None:
        await serving(account)
        await account.ran(JOB, "02:00:00")

    data = told(project, write, JOB)
    assert (data.code, data.at, data.local) == ("ran", "2026-11-22T02:00:00Z", "2026-11-22T03:00:00+01:00")
    assert data.text == "It ran: run 1 succeeded after 1.5s, begun 4ms after its time."
    assert (data.run.number, data.span, data.facts) == (1, None, [])
    assert data == told(project, None, JOB, "--at", "03:00") == told(project, None, JOB, "--at", "03:00:00")


def test_it_failed_and_was_retried(project: CommandLine) -> None:
    """The error, the attempts, and the run that somebody made of it later."""

    async def write(account: Account) -> None:
        await serving(account)
        error = RunFailure("builtins.ValueError", "no such table")
        run = await account.ran(
            JOB, "02:00:00", status=RunStatus.FAILED, outcome={"error": error}, attempts=3
        )
        account.at("09:00:00")
        again = new_run_id(account.now)
        await account.store.add_run(
            NewRun(id=again, job=JOB, extension="web", trigger=Trigger.RETRY, retry_of=run.id)
        )

    data = told(project, write, JOB)
    assert (data.code, data.run.status) == ("ran", "failed")
    assert facts(data) == {
        "attempts": "That was attempt 1 of at most 3.",
        "error": "ValueError: no such table",
        "retried": "It was retried: run 2 queued.",
    }


def test_it_was_made_up_for(project: CommandLine) -> None:
    """By the run of a later tick, which stands for it, too; and why it was missed."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", "2026-11-20T01:00:00", vanishes=True)
        await account.scheduled(JOB, "2026-11-10T00:00:00")
        await account.scheduler("2026-11-22T05:00:00")
        await account.ran(JOB, "02:00:00", late=10_802, covers=("2026-11-20T02:00:00", 3))

    data = told(project, write, JOB, "--at", "2026-11-20 03:00")
    assert data.code == "caught_up"
    assert data.text == (
        "It was made up by run 1, the tick of 2026-11-22 03:00:00, which started at 2026-11-22 06:00:02 "
        "and succeeded after 1.5s."
    )
    gap = "No scheduler was running from 2026-11-20 02:00:00 to 2026-11-22 06:00:00: "
    assert facts(data) == {
        "missed": f"{gap}the one on host-a (process 4242) vanished.",
        "covers": "Run 1 stands for 3 ticks, 2026-11-20 03:00:00 to 2026-11-22 03:00:00.",
    }
    assert told(project, None, JOB, "--at", "2026-11-22 03:00").code == "ran"


def test_it_was_missed_while_the_scheduler_was_stopping(project: CommandLine) -> None:
    """A scheduler whose runs are still to end was there, and claimed nothing."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", "02:00:07", stopping="01:59:58")
        await account.scheduled(JOB, "2026-11-10T00:00:00")
        await account.scheduler("02:30:00")
        await account.ran(JOB, "02:00:00", late=1802, covers=("02:00:00", 1))

    data = told(project, write, JOB, "--at", "03:00")
    assert facts(data)["missed"] == (
        "The scheduler on host-a (process 4242) was being stopped, "
        "from 2026-11-22 02:59:58 to 2026-11-22 03:00:07."
    )


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST])
def test_a_newer_tick_took_its_place(project: CommandLine, status: RunStatus) -> None:
    """A run that waited for its next attempt says why there was none."""

    async def write(account: Account) -> None:
        await serving(account)
        ended = {"error": RunFailure("builtins.ValueError", "no such table"), "reason": "superseded"}
        await account.ran(JOB, "02:00:00", status=status, outcome=ended, attempts=3)

    assert facts(told(project, write, JOB))["attempts"] == (
        "That was attempt 1 of at most 3: while it waited for the next, a newer tick took its place."
    )


@pytest.mark.parametrize("started", [False, True])
def test_it_waits_or_runs(project: CommandLine, started: bool) -> None:
    """What keeps it from running, or since when it does."""

    async def write(account: Account) -> None:
        await serving(account)
        run = await account.claimed(JOB, "02:00:00")
        assert run is not None
        if started:
            await account.store.start_attempt(run.id, request())

    data = told(project, write, JOB)
    if started:
        assert (data.code, data.text) == (
            "running",
            "It is running: run 1, since 2026-11-22 03:00:00, begun 4ms after its time.",
        )
    else:
        waits = "It waits: run 1 is queued and may start; the next free scheduler or worker takes it."
        assert (data.code, data.text) == ("waiting", waits)


def test_it_waits_for_a_limit(project: CommandLine) -> None:
    """The limits are named."""
    project.file("jobkit.toml", '[project]\nname = "shop"\n\n[scheduler]\nlimits = { db = 1 }\n')

    async def write(account: Account) -> None:
        await serving(account)
        await account.scheduled("other", "02:00:00")
        other = await account.claimed("other", "02:00:01", limits=("db",))
        assert other is not None
        assert await account.store.start_attempt(other.id, request())
        await account.claimed(JOB, "03:00:00", limits=("db",))

    data = told(project, write, JOB, "--at", "03:00")
    assert data.text == "It waits: run 2 is queued until a place of its limits (db) is free."


def test_it_waits_for_its_time(project: CommandLine) -> None:
    """Jitter is named with its end; a delay between attempts as well."""

    async def write(account: Account) -> None:
        await serving(account, "tick", "13:04:05")
        await account.claimed("tick", "13:04:07", not_before=utc("13:04:30"))
        await serving(account)
        run = await account.claimed(JOB, "02:00:00", attempts=3)
        assert run is not None
        lease = await account.store.start_attempt(run.id, request())
        assert lease is not None
        failed = Outcome(status=RunStatus.FAILED, finished_at=account.now, duration_ms=1)
        await account.store.retry_later(lease, failed, utc("14:00:00"))

    data = told(project, write, "tick")
    assert data.at == "2026-11-22T13:04:08Z"
    assert data.code == "due"
    data = told(project, None, "tick", "--at", "14:04:07")
    assert data.code == "waiting"
    assert "its jitter spreads ticks over 30.0s" in data.text
    data = told(project, None, JOB)
    assert data.text == "It waits: run 2 is queued until the delay before attempt 2 of at most 3 is over."
