"""``why``: one true and specific answer for every tick, from what is on record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import RunFailure, new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import NewRun, Outcome
from jobkit.stores.ledger import Claim, JobKey, JobRegistration, Span
from jobkit.stores.replicas import Event, Replica
from tests.cli.accounts import HASH, SECOND, Account, request, utc
from tests.cli.harness import CommandLine, FixedClock
from tests.cli.shapes import checked

JOB = "cleanup_old_records"  # 0 0 3 * * * in Europe/Berlin: 02:00 in UTC
JOBS = """\
from jobkit import submit_job


@submit_job(schedule="0 0 3 * * *", limits=["db"])
def cleanup_old_records(ctx):
    pass


@submit_job(schedule="* * * * * *", jitter="30s")
def tick(ctx):
    pass


@submit_job
def by_hand(ctx):
    pass


@submit_job(schedule="0 30 2 * * *")
def nightly(ctx):
    pass


@submit_job(schedule="0 */30 * * * *")
def half_hourly(ctx):
    pass
"""


@pytest.fixture
def project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Jobs, and a store that is empty; its clock stands still, as that of the screens."""
    monkeypatch.setattr("jobkit.stores.sqlite.store.SystemClock", FixedClock)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n\n[scheduler]\ntimezone = "Europe/Berlin"\n')
    cli.file("extensions/web/jobs/all.py", JOBS)
    return cli


Write = Callable[[Account], Awaitable[None]]


def told(cli: CommandLine, write: Write | None, *arguments: str) -> Any:
    """The data of `why` with these arguments, after *write* had the store."""

    async def filled() -> None:
        assert write is not None
        async with Account(cli.root) as account:
            await write(account)

    if write is not None:
        anyio.run(filled)
    ended = cli("why", *arguments, "--json")
    assert ended.code == 0, ended.err
    return checked(ended).data


def facts(data: Any) -> dict[str, str]:
    return {fact.code: fact.text for fact in data.facts}


async def _serving(account: Account, job: str = JOB, since: str = "2026-11-10T00:00:00") -> None:
    await account.scheduler(since)
    await account.scheduled(job, since)


def test_it_ran(project: CommandLine) -> None:
    """Which run, how it ended, how late it began; the newest due tick where none is named."""

    async def write(account: Account) -> None:
        await _serving(account)
        await account.ran(JOB, "02:00:00")

    data = told(project, write, JOB)
    assert (data.code, data.at, data.local) == ("ran", "2026-11-22T02:00:00Z", "2026-11-22T03:00:00+01:00")
    assert data.text == "It ran: run 1 succeeded after 1.5s, begun 4ms after its time."
    assert (data.run.number, data.span, data.facts) == (1, None, [])
    assert data == told(project, None, JOB, "--at", "03:00") == told(project, None, JOB, "--at", "03:00:00")


def test_it_failed_and_was_retried(project: CommandLine) -> None:
    """The error, the attempts, and the run that somebody made of it later."""

    async def write(account: Account) -> None:
        await _serving(account)
        error = RunFailure("builtins.ValueError", "no such table")
        run = await account.ran(
            JOB, "02:00:00", status=RunStatus.FAILED, outcome={"error": error}, attempts=3
        )
        account.at("09:00:00")
        await account.store.add_run(
            NewRun(id=run.id[:-1] + "f", job=JOB, extension="web", trigger=Trigger.RETRY, retry_of=run.id)
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


@pytest.mark.parametrize("started", [False, True])
def test_it_waits_or_runs(project: CommandLine, started: bool) -> None:
    """What keeps it from running, or since when it does."""

    async def write(account: Account) -> None:
        await _serving(account)
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
        await _serving(account)
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
        await _serving(account, "tick", "13:04:05")
        await account.claimed("tick", "13:04:07", not_before=utc("13:04:30"))
        await _serving(account)
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


# -- skipped ------------------------------------------------------------------------------------------


def test_overlap_names_the_run(project: CommandLine) -> None:
    """Which run was in the way, and how long."""

    async def write(account: Account) -> None:
        await _serving(account, since="2026-11-20T00:00:00")
        await account.claimed(JOB, "2026-11-21T02:00:00")
        run = await account.store.run(1)
        lease = await account.store.start_attempt(run.id, request())
        assert lease is not None
        assert await account.claimed(JOB, "2026-11-22T02:00:00") is None
        account.at("2026-11-22T04:00:00")
        done = Outcome(status=RunStatus.SUCCEEDED, finished_at=account.now, duration_ms=93_600_000)
        await account.store.finish(lease, done)

    data = told(project, write, JOB)
    assert (data.code, data.span.reason, data.run.number) == ("overlap", "overlap", 1)
    assert data.text == (
        "It did not run: run 1 of the same job was being executed, "
        "from 2026-11-21 03:00:00 to 2026-11-22 05:00:00."
    )


def test_a_pause_names_who(project: CommandLine) -> None:
    """By whom, from when to when, why; and how many ticks in a row."""

    async def write(account: Account) -> None:
        await _serving(account, "tick", "08:00:00")
        account.at("09:00:00")
        await account.store.pause("tick", until=utc("09:30:00"), by="ops@host-a", reason="mail moves")
        await account.skipped(
            "tick", "09:00:00", "09:29:59", reason="paused", cause="paused by ops@host-a", count=1800
        )

    data = told(project, write, "tick", "--at", "2026-11-22T09:10:00Z")
    assert (data.code, data.pause.by) == ("paused", "ops@host-a")
    assert data.text == (
        "It did not run: it was paused by ops@host-a from 2026-11-22 10:00:00 to 2026-11-22 10:30:00: "
        "mail moves."
    )
    assert "1800 ticks in a row" in facts(data)["span"]


def test_a_plugin_is_named(project: CommandLine) -> None:
    """Which one, and its reason."""

    async def write(account: Account) -> None:
        await _serving(account)
        await account.skipped(JOB, "02:00:00", reason="admission", cause="calendar: month-end freeze")

    data = told(project, write, JOB)
    assert (data.code, data.text) == (
        "admission",
        "It did not run: a plugin was against it: calendar: month-end freeze.",
    )


@pytest.mark.parametrize(
    ("away", "expected"),
    [
        (
            True,
            (
                "It did not run: it was missed: no scheduler was running from 2026-11-22 02:00:00 to "
                "2026-11-22 13:00:00: the one on host-a (process 4242) had stopped."
            ),
        ),
        (
            False,
            (
                "It did not run: it was missed: a scheduler was running, and could not account for it "
                "in time: the store was out of reach, or the process stood still."
            ),
        ),
    ],
)
def test_a_misfire_says_why(project: CommandLine, away: bool, expected: str) -> None:
    """Nobody was there, from when to when; or somebody was, and could not."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", "01:00:00" if away else None)
        await account.scheduled(JOB, "2026-11-10T00:00:00")
        if away:
            await account.scheduler("12:00:00", pid=4343)
        await account.skipped(JOB, "02:00:00", noticed="12:00:01")

    data = told(project, write, JOB)
    assert (data.code, data.text) == ("misfire", expected)
    assert facts(data)["noticed"] == "It was noticed at 2026-11-22 13:00:01, 10h after its time."
    assert facts(data)["policy"].startswith('Its misfire policy is "latest": of several')


def test_a_misfire_beyond_grace(project: CommandLine) -> None:
    """How long the grace was; a policy that makes nothing up is named instead."""
    project.file("services/scheduler/config.toml", f'[jobs.{JOB}]\nmisfire_grace = "1h"\n')

    async def write(account: Account) -> None:
        await _serving(account)
        await account.skipped(JOB, "02:00:00", noticed="12:00:01")

    data = told(project, write, JOB)
    assert facts(data)["policy"] == "Its grace was over (1h): what is older is not made up."
    project.file("services/scheduler/config.toml", f'[jobs.{JOB}]\nmisfire = "none"\n')
    assert '"none"' in facts(told(project, None, JOB))["policy"]


def test_who_was_killed_vanished(project: CommandLine) -> None:
    """Also where the others took it out of the register within a second: it had not said that it stops."""

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00", "01:00:00", vanishes=None)
        await account.scheduled(JOB, "2026-11-10T00:00:00")
        await account.scheduler("12:00:00", pid=4343)
        await account.skipped(JOB, "02:00:00", noticed="12:00:01")

    data = told(project, write, JOB)
    assert data.text.endswith("the one on host-a (process 4242) vanished.")
    assert [event.data["pid"] for event in data.events] == [4343, 4242]


def test_a_job_of_every_node(project: CommandLine) -> None:
    """Each node has its own row: one ran, the other did not."""
    project.file("services/scheduler/config.toml", f'[jobs.{JOB}]\nscope = "node"\n')

    async def write(account: Account) -> None:
        await account.scheduler("2026-11-10T00:00:00")
        mark = utc("2026-11-21T02:00:00")
        keys = [JobKey(JOB, "host-a"), JobKey(JOB, "host-b")]
        await account.store.register_jobs([JobRegistration(key, HASH, mark) for key in keys])
        owner = ProcessIdentity("host-b", "boot-2", "pid:[2]", 7, "1")
        await account.store.register_replica(
            Replica(id=new_run_id(account.now), kind="scheduler", owner=owner, node="host-b", interval=SECOND)
        )
        due = account.at("02:00:00").now
        run = NewRun(
            id=new_run_id(due), job=JOB, extension="web", trigger=Trigger.SCHEDULE, node="host-a",
            scheduled_at=due,
        )  # fmt: skip
        span = Span(JOB, "host-b", "overlap", "run 7", due, due, 1)
        claims = [
            Claim(keys[0], mark, HASH, due, run=run, tick=due),
            Claim(keys[1], mark, HASH, due, span=span),
        ]
        assert [answer.kind for answer in await account.store.claim(claims)] == ["run", "span"]

    data = told(project, write, JOB)
    assert (data.code, facts(data)["node"]) == ("waiting", "On host-b: skipped, run 7.")


def test_a_misfire_names_a_clock_that_was_stepped(project: CommandLine) -> None:
    """It is on record, too."""

    async def write(account: Account) -> None:
        await _serving(account)
        await account.store.add_events([Event("clock.stepped", utc("02:10:00"))])
        await account.skipped(JOB, "02:00:00", noticed="02:10:00")

    data = told(project, write, JOB)
    assert data.text == "It did not run: it was missed: a clock was stepped at 2026-11-22 03:10:00."
    assert [event.kind for event in data.events] == ["clock.stepped", "scheduler.started"]


@pytest.mark.parametrize("reason", ["misfire", "superseded", "unknown_job"])
def test_a_run_that_never_began(project: CommandLine, reason: str) -> None:
    """It was claimed, and given up."""

    async def write(account: Account) -> None:
        await _serving(account)
        run = await account.claimed(JOB, "02:00:00")
        assert run is not None
        outcome = Outcome(
            status=RunStatus.SKIPPED, finished_at=account.now, duration_ms=0, reason=reason, message="so"
        )
        await account.store.end_queued(run.id, outcome)

    data = told(project, write, JOB)
    assert (data.code, data.run.number) == (reason, 1)
    assert data.text.startswith("It did not run: ")


# -- no row -------------------------------------------------------------------------------------------


def test_it_was_disabled(project: CommandLine) -> None:
    """From when to when, by which line, by whom, why."""

    async def write(account: Account) -> None:
        await _serving(account)
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
        await _serving(account)
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
        await _serving(account)
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
        await _serving(account)
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
    assert "pruned" in facts(told(project, None, JOB, "--at", "2026-08-12 03:00"))


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


# -- times --------------------------------------------------------------------------------------------


def test_what_will_be(project: CommandLine) -> None:
    """It will run; it will not, for it is paused, no tick, or nobody schedules it."""

    async def write(account: Account) -> None:
        await _serving(account)
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
        await _serving(account, "tick", "09:59:59")
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
        await _serving(account, "old_job")
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
