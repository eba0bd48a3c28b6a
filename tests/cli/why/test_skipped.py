"""``why`` of ticks that were skipped: overlap, pauses, plugins, outages."""

from __future__ import annotations

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Lease, NewRun, Outcome
from jobkit.stores.ledger import Claim, JobKey, JobRegistration, Span
from jobkit.stores.replicas import Event, Replica
from tests.cli.accounts import HASH, SECOND, Account, request, utc
from tests.cli.harness import CommandLine
from tests.cli.why.kit import JOB, facts, serving, told


def test_overlap_names_the_run(project: CommandLine) -> None:
    """Which run was in the way, and how long."""

    async def write(account: Account) -> None:
        await serving(account, since="2026-11-20T00:00:00")
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


@pytest.mark.parametrize(
    ("began", "text"),
    [
        ("2026-11-22T02:05:00", "was waiting to begin, until 2026-11-22 03:05:00"),
        ("2026-11-22T01:59:00", "was being executed, from 2026-11-22 02:59:00 to 2026-11-22 05:00:00"),
    ],
)
def test_what_was_in_the_way_may_have_waited(project: CommandLine, began: str, text: str) -> None:
    """What the run did when the tick was accounted for decides, not what it did later."""

    async def write(account: Account) -> None:
        await serving(account, since="2026-11-20T00:00:00")
        run = await account.claimed(JOB, "2026-11-21T02:00:00")
        assert run is not None

        async def begin() -> Lease:
            account.at(began)
            lease = await account.store.start_attempt(run.id, request())
            assert lease is not None
            return lease

        waits = utc(began) > utc("2026-11-22T02:00:00")
        lease = None if waits else await begin()
        assert await account.claimed(JOB, "2026-11-22T02:00:00") is None
        lease = lease or await begin()
        account.at("2026-11-22T04:00:00")
        done = Outcome(status=RunStatus.SUCCEEDED, finished_at=account.now, duration_ms=1)
        await account.store.finish(lease, done)

    assert told(project, write, JOB).text == f"It did not run: run 1 of the same job {text}."


def test_a_pause_names_who(project: CommandLine) -> None:
    """By whom, from when to when, why; and how many ticks in a row."""

    async def write(account: Account) -> None:
        await serving(account, "tick", "08:00:00")
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
        await serving(account)
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
        await serving(account)
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
        await serving(account)
        await account.store.add_events([Event("clock.stepped", utc("02:10:00"))])
        await account.skipped(JOB, "02:00:00", noticed="02:10:00")

    data = told(project, write, JOB)
    assert data.text == "It did not run: it was missed: a clock was stepped at 2026-11-22 03:10:00."
    assert [event.kind for event in data.events] == ["clock.stepped", "scheduler.started"]


@pytest.mark.parametrize("reason", ["misfire", "superseded", "unknown_job"])
def test_a_run_that_never_began(project: CommandLine, reason: str) -> None:
    """It was claimed, and given up."""

    async def write(account: Account) -> None:
        await serving(account)
        run = await account.claimed(JOB, "02:00:00")
        assert run is not None
        outcome = Outcome(
            status=RunStatus.SKIPPED, finished_at=account.now, duration_ms=0, reason=reason, message="so"
        )
        await account.store.end_queued(run.id, outcome)

    data = told(project, write, JOB)
    assert (data.code, data.run.number) == (reason, 1)
    assert data.text.startswith("It did not run: ")
