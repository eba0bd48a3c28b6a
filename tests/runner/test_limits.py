"""Timeouts, deadlines and cancellation: an attempt ends when it is told to, whatever the job does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from jobkit import JobContext, JobResult, RunStatus
from jobkit.context import RunCancelled
from jobkit.records import RunRecord
from jobkit.runner import Runner
from jobkit.statuses import Reason
from jobkit.stores.base import RunQuery, Store
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import SOON, Execute, MakeRunner, Seen, spec_of

#: A thread has begun by then, however busy the machine is.
LATER = timedelta(milliseconds=500)


async def sleeps(ctx: JobContext) -> None:
    """Is cancelled at the next await, as most jobs are."""
    await anyio.sleep(60)


async def newest(store: Store) -> RunRecord:
    """The run that was recorded last."""
    return (await store.runs(RunQuery(limit=1))).runs[0]


async def test_an_attempt_that_takes_too_long_is_timed_out(execute: Execute) -> None:
    """It is cancelled, and its record says where it was."""
    record = await execute(sleeps, timeout=SOON)
    assert (record.status, record.message) == ("timed_out", "it did not end within 50ms")
    assert record.error is not None
    assert record.error.type == "TimeoutError"
    assert "in sleeps" in (record.error.traceback or "")


async def test_a_timeout_points_at_the_line_that_waits(execute: Execute) -> None:
    """Not at what the event loop does there: the last frame is the job's own."""
    record = await execute(sleeps, timeout=SOON)
    assert record.error is not None
    lines = (record.error.traceback or "").splitlines()
    frames = [line for line in lines if line.lstrip().startswith("File ")]
    assert [line.rpartition(" in ")[2] for line in frames] == ["sleeps"]
    assert any("await anyio.sleep(60)" in line for line in lines)


async def test_a_result_behind_the_deadline_does_not_count(execute: Execute) -> None:
    """A job that holds the event loop beyond its time is timed out all the same."""

    async def job(ctx: JobContext) -> JobResult:
        deadline = ctx.deadline
        assert deadline is not None
        while ctx.clock.now() < deadline + timedelta(milliseconds=10):
            pass
        return JobResult.success("too late")

    record = await execute(job, timeout=SOON)
    assert (record.status, record.message) == ("timed_out", "it did not end within 50ms")


async def test_the_caller_may_set_another_timeout(runner: MakeRunner) -> None:
    """``run(timeout=…)`` takes the place of the job's own."""
    spec = spec_of(sleeps, timeout=timedelta(hours=1))
    async with runner(spec) as here:
        record = await here.run(spec, timeout="50ms")
    assert record.status is RunStatus.TIMED_OUT


async def test_the_deadline_is_told_to_the_job(execute: Execute) -> None:
    """As an instant, or None."""
    seen: list[Any] = []

    async def job(ctx: JobContext) -> None:
        seen.append(None if ctx.deadline is None else ctx.deadline - ctx.started_at)

    await execute(job)
    await execute(job, timeout=timedelta(minutes=1))
    assert seen == [None, timedelta(minutes=1)]


async def swallows_once(ctx: JobContext) -> JobResult:
    """Cleans up and says that all is well."""
    try:
        await anyio.sleep(60)
    except BaseException:
        return JobResult.success("all is well")
    return JobResult()


async def swallows_always(ctx: JobContext) -> None:
    """Does not want to end."""
    while True:
        try:
            await anyio.sleep(60)
        except BaseException:
            continue


async def fails_in_cleanup(ctx: JobContext) -> None:
    """Trips while it leaves."""
    try:
        await anyio.sleep(60)
    finally:
        raise OSError("could not remove the lock")


@pytest.mark.parametrize("job", [sleeps, swallows_once, swallows_always, fails_in_cleanup])
@pytest.mark.parametrize("how", ["timed out", "cancelled"])
async def test_a_job_cannot_refuse_to_end(
    runner: MakeRunner, memory: MemoryStore, job: Callable[..., Any], how: str
) -> None:
    """Whatever it does with cancellation, the run is recorded as what it was, and soon."""
    spec = spec_of(job, timeout=SOON if how == "timed out" else None)
    async with runner(spec) as here:
        with anyio.fail_after(10), anyio.move_on_after(None if how == "timed out" else 0.05) as scope:
            await here.run(spec)
    assert scope.cancelled_caught is (how == "cancelled")
    record = await newest(memory)
    assert record.status == how.replace(" ", "_")


async def test_what_goes_wrong_in_cleanup_is_attached(execute: Execute) -> None:
    """It does not change how the run ended."""
    record = await execute(fails_in_cleanup, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    assert [error.type for error in record.cleanup_errors] == ["OSError"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_job_that_shields_itself_is_cut_off(execute: Execute) -> None:
    """On asyncio even that: what nobody can cancel is left behind."""

    async def job(ctx: JobContext) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(60)

    with anyio.fail_after(10):
        record = await execute(job, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    assert record.message == "it did not end within 50ms; its task would not end, and was left behind"


async def cancelled_run(runner: Any, spec: Any, begun: anyio.Event, how: Callable[[Runner], None]) -> None:
    """Cancel a run once it has begun."""
    async with runner(spec) as here, anyio.create_task_group() as tasks:

        async def run() -> None:
            with anyio.CancelScope() as scope:
                here.caller = scope
                await here.run(spec)

        tasks.start_soon(run)
        await begun.wait()
        how(here)


@pytest.mark.parametrize("reason", [Reason.INTERRUPTED, Reason.SHUTDOWN])
async def test_a_cancelled_caller_is_a_cancelled_run(
    runner: MakeRunner, memory: MemoryStore, reason: Reason
) -> None:
    """Recorded before the cancellation goes on, with the reason that the program gave."""
    begun = anyio.Event()

    async def job(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    def how(here: Any) -> None:
        here.cancel_reason = reason
        here.caller.cancel()

    await cancelled_run(runner, spec_of(job), begun, how)
    record = await newest(memory)
    assert (record.status, record.reason, record.error) == ("cancelled", reason, None)
    assert [attempt.status for attempt in await memory.attempts(record.id)] == [RunStatus.CANCELLED]


async def test_a_run_can_be_cancelled_by_its_id(runner: MakeRunner, memory: MemoryStore) -> None:
    """Then whoever waits for it gets its record."""
    ids: list[str] = []
    begun = anyio.Event()

    async def job(ctx: JobContext) -> None:
        ids.append(ctx.run_id)
        begun.set()
        await anyio.sleep(60)

    records: list[RunRecord] = []
    spec = spec_of(job)
    async with runner(spec) as here, anyio.create_task_group() as tasks:

        async def run() -> None:
            records.append(await here.run(spec))

        tasks.start_soon(run)
        await begun.wait()
        assert here.cancel(ids[0], Reason.SUPERSEDED)
        assert not here.cancel("unknown")
    assert [(record.status, record.reason) for record in records] == [("cancelled", "superseded")]


async def test_a_thread_that_asks_ends_with_its_attempt(execute: Execute) -> None:
    """``ctx.cancelled`` and ``check_cancelled`` are how a thread hears of it."""
    ended: list[str] = []

    def job(ctx: JobContext) -> None:
        try:
            while True:
                ctx.check_cancelled()
        except RunCancelled:
            ended.append("cancelled" if ctx.cancelled else "?")
            raise

    record = await execute(job, timeout=LATER)
    assert (record.status, ended) == (RunStatus.TIMED_OUT, ["cancelled"])
    assert record.message == "it did not end within 500ms"


async def test_a_thread_that_does_not_end_is_left_behind(runner: MakeRunner) -> None:
    """The attempt is timed out at its deadline, its late result discarded, the runner says who goes on."""
    go_on, ended = threading.Event(), threading.Event()

    def job(ctx: JobContext) -> JobResult:
        go_on.wait(30)
        ended.set()
        return JobResult.success("late")

    spec = spec_of(job, timeout=LATER)
    async with runner(spec) as here:
        record = await here.run(spec)
        assert here.abandoned_threads == (f"job (run {record.number})",)
        go_on.set()
        ended.wait(10)
    assert record.status is RunStatus.TIMED_OUT
    assert record.message == "it did not end within 500ms; its thread was left behind, and still goes on"
    assert "go_on.wait" in ((record.error and record.error.traceback) or "")


async def test_a_retry_waits_for_the_thread_that_was_left_behind(runner: MakeRunner) -> None:
    """Two attempts of one run are never executed at the same time."""
    from jobkit import Retry

    go_on = threading.Event()
    at_work: list[int] = []
    most: list[int] = []

    def job(ctx: JobContext) -> None:
        at_work.append(ctx.attempt)
        most.append(len(at_work))
        if ctx.attempt == 1:
            go_on.wait(30)
        at_work.remove(ctx.attempt)

    first_is_over = anyio.Event()

    class Noticing(Seen):
        def attempt_finished(self, run: RunRecord, attempt: int, outcome: Any, retry_at: Any) -> None:
            first_is_over.set()

    spec = spec_of(job, timeout=SOON, retries=Retry(1, delay=0))
    async with runner(spec, observer=Noticing()) as here, anyio.create_task_group() as tasks:
        records: list[RunRecord] = []

        async def run() -> None:
            records.append(await here.run(spec, timeout=timedelta(seconds=0.5)))

        tasks.start_soon(run)
        await first_is_over.wait()
        assert here.abandoned_threads
        go_on.set()
    assert [(record.status, record.attempt) for record in records] == [("succeeded", 2)]
    assert most == [1, 1]


async def test_a_thread_that_never_began_is_not_left_behind(runner: MakeRunner) -> None:
    """A run that is cancelled at once has nothing that could go on."""
    called: list[int] = []

    def job(ctx: JobContext) -> None:
        called.append(1)

    spec = spec_of(job)
    async with runner(spec) as here:
        for _ in range(20):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await here.run(spec)
        assert here.abandoned_threads == ()
    assert called == []


async def test_a_worker_thread_is_not_needed_to_wait_for_children(runner: MakeRunner) -> None:
    """However many threads wait for child threads, none waits for a place."""

    def child(ctx: JobContext) -> None:
        """Nothing."""

    def parent(ctx: JobContext) -> None:
        ctx.run_job_sync("child")

    specs = [spec_of(job, overlap="allow") for job in (parent, child)]
    records: list[RunRecord] = []
    async with runner(*specs) as here, anyio.create_task_group() as tasks:

        async def run() -> None:
            records.append(await here.run(specs[0]))

        for _ in range(60):
            tasks.start_soon(run)
    assert {record.status for record in records} == {RunStatus.SUCCEEDED}
