"""Failed attempts are tried again as the job says, and each is remembered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import Expect, JobContext, JobResult, Retry, RunStatus
from jobkit.records import RunRecord
from jobkit.stores.base import RunQuery, Store
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import SOON, Execute, MakeRunner, Seen, spec_of


def at_once(retries: int, **options: Any) -> Retry:
    """Without a pause."""
    return Retry(retries, delay=0, **options)


async def fails_twice(ctx: JobContext) -> JobResult:
    """The third attempt succeeds."""
    if ctx.attempt < 3:
        raise OSError(f"attempt {ctx.attempt}")
    return JobResult.success("at last")


async def test_an_attempt_that_fails_is_tried_again(runner: MakeRunner, store: Store) -> None:
    """Until one succeeds; the record counts them and keeps each."""
    spec = spec_of(fails_twice, retries=at_once(5))
    async with runner(spec, store=store) as here:
        record = await here.run(spec)
    assert (record.status, record.attempt, record.attempts) == ("succeeded", 3, 6)
    attempts = await store.attempts(record.id)
    assert [(item.number, str(item.status), item.message) for item in attempts] == [
        (1, "failed", "OSError: attempt 1"),
        (2, "failed", "OSError: attempt 2"),
        (3, "succeeded", "at last"),
    ]
    assert await store.open_leases() == []


async def test_the_last_attempt_decides(execute: Execute) -> None:
    """When none is left, the run ends as the last one did."""

    async def job(ctx: JobContext) -> None:
        raise OSError(f"attempt {ctx.attempt}")

    record = await execute(job, retries=at_once(2))
    assert (record.status, record.attempt, record.message) == ("failed", 3, "OSError: attempt 3")


@pytest.mark.parametrize(
    ("error", "attempts"),
    [(ConnectionError("x"), 2), (ConnectionResetError("x"), 2), (ValueError("x"), 1), (SystemExit(1), 1)],
)
async def test_only_covered_errors_are_tried_again(
    execute: Execute, error: BaseException, attempts: int
) -> None:
    """``Retry(on=…)`` says which; what is not an Exception is not by default."""

    async def job(ctx: JobContext) -> None:
        raise error

    assert (await execute(job, retries=at_once(1, on=(ConnectionError,)))).attempt == attempts


async def test_a_group_of_covered_errors_is_covered(execute: Execute) -> None:
    """A task group puts errors into one; what counts is what is in it."""

    async def job(ctx: JobContext) -> None:
        raise ExceptionGroup("some", [ConnectionError("a"), ConnectionResetError("b")])

    assert (await execute(job, retries=at_once(1, on=(ConnectionError,)))).attempt == 2


async def returns_failure(ctx: JobContext) -> JobResult:
    """Says that it failed."""
    return JobResult.failure("not yet")


async def breaks_expectation(ctx: JobContext) -> JobResult:
    """Did too little."""
    return JobResult.success().with_stats(1)


async def hangs(ctx: JobContext) -> None:
    """Takes too long."""
    await anyio.sleep(60)


@pytest.mark.parametrize(
    ("job", "options", "status"),
    [
        (returns_failure, {}, "failed"),
        (breaks_expectation, {"expect": Expect(min_processed=2)}, "failed"),
        (hangs, {"timeout": SOON}, "timed_out"),
    ],
)
async def test_failures_without_an_exception_are_always_tried_again(
    execute: Execute, job: Any, options: dict[str, Any], status: str
) -> None:
    """Whatever ``on`` says."""
    record = await execute(job, retries=at_once(1, on=(ConnectionError,)), **options)
    assert (str(record.status), record.attempt) == (status, 2)


async def test_a_skipped_run_is_not_tried_again(execute: Execute) -> None:
    """Skipped is fine."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.skipped()

    assert (await execute(job, retries=at_once(1))).attempt == 1


async def test_between_attempts_the_run_is_queued_and_keeps_its_lease(
    runner: MakeRunner, store: Store
) -> None:
    """It belongs to the process that was asked for it, and nobody else may start it."""
    waiting = anyio.Event()

    class Noticing(Seen):
        def attempt_finished(self, run: RunRecord, attempt: int, outcome: Any, retry_at: Any) -> None:
            waiting.set()

    spec = spec_of(returns_failure, retries=Retry(1, delay="1h", jitter=False))
    async with runner(spec, store=store, observer=Noticing()) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await waiting.wait()
        run = (await store.runs(RunQuery())).runs[0]
        while run.status is not RunStatus.QUEUED:
            run = await store.run(run.id)
            await anyio.lowlevel.checkpoint()
        leases = await store.open_leases()
        assert [(item.lease.pinned, item.status) for item in leases] == [(True, RunStatus.QUEUED)]
        tasks.cancel_scope.cancel()
    run = await store.run(run.id)
    assert (run.status, run.reason, run.attempt) == ("cancelled", "interrupted", 1)
    assert [str(item.status) for item in await store.attempts(run.id)] == ["failed"]
    assert await store.open_leases() == []


async def test_each_attempt_gets_its_parameters_as_they_were_given(execute: Execute) -> None:
    """What one does to a list, the next does not see."""
    seen: list[list[int]] = []

    async def job(ctx: JobContext, *, numbers: list[int]) -> None:
        seen.append(list(numbers))
        numbers.append(99)
        raise OSError

    await execute(job, {"numbers": [1]}, retries=at_once(1))
    assert seen == [[1], [1]]


async def test_the_observer_hears_of_every_attempt(runner: MakeRunner) -> None:
    """And whether another follows."""
    seen = Seen()
    spec = spec_of(fails_twice, retries=at_once(2))
    async with runner(spec, observer=seen) as here:
        await here.run(spec)
    assert seen.told == [
        ("started", "fails_twice"),
        ("attempt", (1, "failed", True)),
        ("attempt", (2, "failed", True)),
        ("attempt", (3, "succeeded", False)),
        ("finished", ("fails_twice", "succeeded")),
    ]


async def test_a_cancelled_run_is_not_tried_again(runner: MakeRunner, memory: MemoryStore) -> None:
    """Whoever cancels it wants it to end."""
    begun = anyio.Event()

    async def job(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    spec = spec_of(job, retries=at_once(3))
    async with runner(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await begun.wait()
        tasks.cancel_scope.cancel()
    run = (await memory.runs(RunQuery())).runs[0]
    assert (run.status, run.attempt) == ("cancelled", 1)


async def test_the_pause_is_the_retrys(runner: MakeRunner, memory: MemoryStore) -> None:
    """The run waits until then by the clock that it was given."""
    from jobkit.clock import SystemClock

    class Hurried(SystemClock):
        def __init__(self) -> None:
            self.waits: list[timedelta] = []

        async def sleep_until(self, instant: Any) -> None:
            self.waits.append(instant - self.now())

    clock = Hurried()
    retry = Retry(3, delay="10s", backoff=3, max_delay="1m", jitter=False)
    spec = spec_of(returns_failure, retries=retry)
    async with runner(spec, clock=clock) as here:
        await here.run(spec)
    assert [round(wait.total_seconds()) for wait in clock.waits] == [10, 30, 60]
