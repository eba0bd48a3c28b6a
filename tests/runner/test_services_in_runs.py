"""Services around an attempt: opened before it, closed after it with what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import Expect, JobContext, JobResult, Retry, RunStatus, ServiceNotFound
from jobkit.clock import Clock
from jobkit.config import Config
from jobkit.exceptions import ServiceError
from tests.runner.conftest import SOON, Execute, MakeRunner, Provide, spec_of


class Database:
    """Remembers how it was closed."""

    def __init__(self) -> None:
        self.events: list[str] = []


DATABASE = Database()


class Thing:
    """Another service."""


async def open_database() -> AsyncIterator[Database]:
    """Commits, or rolls back on an exception."""
    DATABASE.events = ["open"]
    try:
        yield DATABASE
    except BaseException as error:
        await anyio.lowlevel.checkpoint()
        DATABASE.events.append(f"rollback {type(error).__name__}")
        raise
    DATABASE.events.append("commit")


async def open_badly() -> AsyncIterator[Thing]:
    """Is not reachable."""
    raise ConnectionError("no route")
    yield Thing()


async def commit_badly() -> AsyncIterator[Thing]:
    """Cannot commit."""
    yield Thing()
    raise ConnectionError("commit failed")


async def close_slowly() -> AsyncIterator[Thing]:
    """Takes for ever."""
    try:
        yield Thing()
    finally:
        await anyio.sleep(60)


async def test_the_built_in_services_are_there(execute: Execute, config: Config) -> None:
    """By type and by name: clock, configuration, log, the project's root."""
    seen: list[Any] = []

    async def job(ctx: JobContext, clock: Clock, config: Config, log: Any, project: Any) -> None:
        log.info("from the service")
        seen.extend((clock is ctx.clock, config, project))

    assert (await execute(job)).status is RunStatus.SUCCEEDED
    assert seen == [True, config, config.root]


@pytest.mark.parametrize(
    ("outcome", "status", "closed"),
    [
        ("success", "succeeded", "commit"),
        ("failure", "failed", "commit"),
        ("skipped", "skipped", "commit"),
        ("raise", "failed", "rollback ValueError"),
        ("exit", "failed", "rollback SystemExit"),
        ("too little", "failed", "rollback ExpectationBroken"),
    ],
)
async def test_services_see_how_the_job_ended(
    execute: Execute, provide: Provide, outcome: str, status: str, closed: str
) -> None:
    """An expected failure commits; an exception, or a result that is not what was expected, rolls back."""
    provide(db=open_database)

    async def job(ctx: JobContext, db: Database) -> JobResult:
        db.events.append("job")
        if outcome == "raise":
            raise ValueError
        if outcome == "exit":
            raise SystemExit
        results = {"failure": JobResult.failure("x"), "skipped": JobResult.skipped()}
        return results.get(outcome, JobResult.success()).with_stats(0 if outcome == "too little" else 5)

    record = await execute(job, expect=Expect(min_processed=1))
    assert str(record.status) == status
    assert DATABASE.events == ["open", "job", closed]


async def test_a_broken_expectation_is_the_reason(execute: Execute, provide: Provide) -> None:
    """The counts of the result are kept, and there is no traceback to look at."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.success("done").with_stats(processed=3)

    record = await execute(job, expect=Expect(min_processed=10))
    assert (record.status, record.reason, record.error) == ("failed", "expectation", None)
    assert record.message == "expected at least 10 processed, got 3"
    assert record.processed == 3


async def test_a_service_that_does_not_open_fails_the_run(execute: Execute, provide: Provide) -> None:
    """The job is not called, what was open is closed, and the next attempt tries again."""
    provide(db=open_database, broken=open_badly)
    called: list[int] = []

    async def job(ctx: JobContext, db: Database, broken: Thing) -> None:
        called.append(1)

    record = await execute(job, retries=Retry(1, delay=0, on=(ConnectionError,)))
    assert (record.status, record.reason, record.attempt) == ("failed", "service", 2)
    assert "service `broken` could not be opened: ConnectionError: no route" in (record.message or "")
    assert called == []
    assert DATABASE.events == ["open", "rollback ServiceError"]


async def test_a_service_that_cannot_close_after_success_fails_the_run(
    execute: Execute, provide: Provide
) -> None:
    """It may have been the commit."""
    provide(db=commit_badly)

    async def job(ctx: JobContext, db: Thing) -> JobResult:
        return JobResult.success("done").with_stats(2)

    record = await execute(job)
    assert (record.status, record.reason) == ("failed", "service")
    assert record.message == "ConnectionError: commit failed"


async def test_a_service_that_cannot_close_after_a_failure_is_attached(
    execute: Execute, provide: Provide
) -> None:
    """What the job raised stays what the run is about."""

    async def close_badly() -> AsyncIterator[Thing]:
        try:
            yield Thing()
        finally:
            raise ConnectionError("rollback failed")

    provide(db=close_badly)

    async def job(ctx: JobContext, db: Thing) -> None:
        raise ValueError("no")

    record = await execute(job)
    assert (record.status, record.message, record.reason) == ("failed", "ValueError: no", None)
    assert [error.message for error in record.cleanup_errors] == ["rollback failed"]


async def test_a_timed_out_attempt_closes_its_services(execute: Execute, provide: Provide) -> None:
    """With time to do so: closing may await."""
    provide(db=open_database)

    async def job(ctx: JobContext, db: Database) -> None:
        await anyio.sleep(60)

    record = await execute(job, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    assert DATABASE.events[1].startswith("rollback Cancelled")


async def test_opening_counts_for_the_timeout(execute: Execute, provide: Provide) -> None:
    """``timeout`` covers services and execution."""

    async def open_slowly() -> AsyncIterator[Thing]:
        await anyio.sleep(60)
        yield Thing()

    provide(db=open_slowly)

    async def job(ctx: JobContext, db: Thing) -> None:
        raise AssertionError("not reached")

    assert (await execute(job, timeout=SOON)).status is RunStatus.TIMED_OUT


async def test_closing_counts_for_the_timeout(execute: Execute, provide: Provide) -> None:
    """A commit that hangs does not hold the run."""
    provide(db=close_slowly)

    async def job(ctx: JobContext, db: Thing) -> None:
        """Done at once."""

    assert (await execute(job, timeout=SOON)).status is RunStatus.TIMED_OUT


async def test_closing_after_a_cancellation_is_limited(
    runner: MakeRunner, provide: Provide, memory: Any
) -> None:
    """The run is recorded although a service will not close."""
    provide(db=close_slowly)
    begun = anyio.Event()

    async def job(ctx: JobContext, db: Thing) -> None:
        begun.set()
        await anyio.sleep(60)

    spec = spec_of(job)
    with anyio.fail_after(10):
        async with runner(spec) as here, anyio.create_task_group() as tasks:
            tasks.start_soon(here.run, spec)
            await begun.wait()
            tasks.cancel_scope.cancel()
    run = (await memory.last_runs())["job"]
    assert (run.status, run.reason) == ("cancelled", "interrupted")
    assert [error.message for error in run.cleanup_errors] == [
        "the services of the job did not close in time"
    ]


async def test_a_task_group_inside_a_service_works(execute: Execute, provide: Provide) -> None:
    """Entered and left in the same task and scopes, timeout or not."""
    events: list[str] = []

    async def with_tasks() -> AsyncIterator[Any]:
        async with anyio.create_task_group() as tasks:
            yield tasks
            tasks.cancel_scope.cancel()
        events.append("closed")

    provide(tasks=with_tasks)

    async def job(ctx: JobContext, tasks: Any) -> None:
        tasks.start_soon(anyio.sleep, 60)

    async def slow(ctx: JobContext, tasks: Any) -> None:
        await anyio.sleep(60)

    assert (await execute(job)).status is RunStatus.SUCCEEDED
    assert events == ["closed"]
    record = await execute(slow, timeout=SOON)
    assert (record.status, record.cleanup_errors) == (RunStatus.TIMED_OUT, ())


async def test_services_are_asked_for_by_type_and_name(execute: Execute, provide: Provide) -> None:
    """``service``, ``try_service``, and ``service_sync`` from threads; closed when the run ends."""
    provide(db=open_database)

    async def job(ctx: JobContext) -> JobResult:
        database = await ctx.service(Database)
        assert database is await ctx.service("db") is await ctx.try_service("db")
        assert await ctx.try_service("nothing") is None
        with pytest.raises(ServiceNotFound, match="nothing"):
            await ctx.service("nothing")
        return JobResult.success()

    def threaded(ctx: JobContext) -> JobResult:
        with pytest.raises(ServiceNotFound):
            ctx.service_sync("nothing")
        return JobResult.success(str(ctx.service_sync(Database).events))

    assert (await execute(job)).status is RunStatus.SUCCEEDED
    assert DATABASE.events == ["open", "commit"]
    assert (await execute(threaded)).message == "['open']"
    assert DATABASE.events == ["open", "commit"]


async def test_open_objects_stand_in_for_services(execute: Execute) -> None:
    """A job that is listed with an error for want of a service runs where the service is given."""
    database = Database()

    async def job(ctx: JobContext, db: Database) -> JobResult:
        db.events.append("used")
        return JobResult.success()

    spec = spec_of(job).with_error(ServiceError("nothing provides `db`"))
    assert (await execute(spec, services={"db": database})).status is RunStatus.SUCCEEDED
    assert database.events == ["used"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_factory_that_cancels_its_task_hits_no_job(execute: Execute, provide: Provide) -> None:
    """Only on asyncio can code cancel the task that it runs in."""
    import asyncio

    async def open_and_cancel() -> AsyncIterator[Thing]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        yield Thing()

    async def job(ctx: JobContext, thing: Thing) -> None:
        await anyio.lowlevel.checkpoint()

    provide(thing=open_and_cancel)
    assert (await execute(job)).status is RunStatus.SUCCEEDED
