"""Every code of a run is provoked here, and what its page advises is followed."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import (
    ChildRunFailed,
    Expect,
    JobContext,
    JobResult,
    RunError,
    RunRefused,
    RunStatus,
    UsageError,
)
from jobkit.exceptions import CollectionError
from jobkit.runner.executors.thread import MOST_ABANDONED
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import SOON, Execute, MakeRunner, spec_of


async def well(ctx: JobContext) -> JobResult:
    """Nothing can go wrong."""
    return JobResult.success("well")


async def raised_in(runner: MakeRunner, spec: Any, *others: Any) -> RunError:
    """The error of jobkit that running *spec* raises in the caller."""
    async with runner(spec, *others) as here:
        with pytest.raises(RunError) as raised:
            await here.run(spec)
    return raised.value


async def test_jk501_a_job_with_an_error_does_not_run(runner: MakeRunner, memory: MemoryStore) -> None:
    """The error says where; without it the job runs."""
    broken = spec_of(well).with_error(CollectionError("the name is taken", path="a.py", line=3))
    error = await raised_in(runner, broken)
    assert (error.code, error.message) == ("JK501", "job well cannot run: the name is taken")
    assert error.location() == "a.py:3"
    assert await memory.last_runs() == {}
    async with runner() as here:
        assert (await here.run(spec_of(well))).status is RunStatus.SUCCEEDED


async def test_jk503_a_job_inside_itself_is_refused(runner: MakeRunner) -> None:
    """A function that both call does what was wanted."""
    refused: list[str] = []

    async def rebuild(ctx: JobContext) -> JobResult:
        try:
            await ctx.run_job("rebuild")
        except RunRefused as error:
            refused.append(error.code)
            return await well(ctx)
        return JobResult()

    spec = spec_of(rebuild)
    async with runner(spec) as here:
        assert (await here.run(spec)).message == "well"
    assert refused == ["JK503"]


async def test_jk504_a_failed_child_fails_its_parent(runner: MakeRunner) -> None:
    """Or gives its record, if that is asked for."""
    seen: list[Any] = []

    async def child(ctx: JobContext) -> JobResult:
        return JobResult.failure("no")

    async def parent(ctx: JobContext) -> None:
        seen.append((await ctx.run_job(child, check=False)).status)
        try:
            await ctx.run_job(child)
        except ChildRunFailed as failed:
            seen.append((failed.code, failed.record.message))

    specs = [spec_of(parent), spec_of(child)]
    async with runner(*specs) as here:
        await here.run(specs[0])
    assert seen == ["failed", ("JK504", "no")]


async def test_jk520_a_result_that_is_too_little_fails(execute: Execute) -> None:
    """One that is enough does not."""

    async def counts(ctx: JobContext, *, rows: int) -> JobResult:
        return JobResult.success().with_stats(rows)

    expect = Expect(min_processed=100)
    record = await execute(counts, {"rows": 99}, expect=expect)
    assert (record.reason, record.message) == ("expectation", "expected at least 100 processed, got 99")
    assert (await execute(counts, {"rows": 100}, expect=expect)).status is RunStatus.SUCCEEDED
    from jobkit.runner.outcome import ExpectationBroken

    assert ExpectationBroken("x").code == "JK520"


async def test_jk521_too_many_threads_are_enough(runner: MakeRunner) -> None:
    """Once some have ended, threads are started again; a thread that asks ends in time."""
    go_on = threading.Event()

    def hangs(ctx: JobContext) -> None:
        go_on.wait(60)

    def asks(ctx: JobContext) -> None:
        while True:
            ctx.check_cancelled()

    spec = spec_of(hangs, timeout=SOON, overlap="allow")
    async with runner() as here:
        async with anyio.create_task_group() as tasks:
            for _ in range(MOST_ABANDONED):
                tasks.start_soon(here.run, spec)
        while here.takes_threads:  # a thread that a busy machine did not begin in time is none
            await here.run(spec)
        with pytest.raises(RunRefused, match="10 threads of earlier runs did not end") as refused:
            await here.run(spec)
        assert refused.value.code == "JK521"
        assert not here.takes_threads
        assert (await here.run(spec_of(well))).status is RunStatus.SUCCEEDED, "the event loop is free"
        go_on.set()
        while here.abandoned_threads:  # noqa: ASYNC110 - threads end when they end
            await anyio.sleep(0.01)
        assert here.takes_threads
        await here.run(spec_of(asks, timeout=SOON))
        assert here.abandoned_threads == ()


async def test_jk522_methods_for_threads_do_not_wait_on_the_loop(runner: MakeRunner) -> None:
    """Awaiting the other form does what was wanted."""
    codes: list[str] = []

    async def job(ctx: JobContext) -> JobResult:
        for call in (lambda: ctx.service_sync("clock"), lambda: ctx.run_job_sync("well")):
            with pytest.raises(RunError) as error:
                call()
            codes.append(error.value.code)
        assert await ctx.service("clock") is ctx.clock
        return JobResult.success((await ctx.run_job("well")).message)

    specs = [spec_of(job), spec_of(well)]
    async with runner(*specs) as here:
        assert (await here.run(specs[0])).message == "well"
    assert codes == ["JK522", "JK522"]


async def test_jk523_a_child_has_to_be_submitted(runner: MakeRunner) -> None:
    """Then it runs."""

    async def parent(ctx: JobContext) -> JobResult:
        try:
            return JobResult.success((await ctx.run_job(well)).message)
        except UsageError as error:
            return JobResult.success(error.code)

    async with runner(spec_of(parent)) as here:
        assert (await here.run(spec_of(parent))).message == "JK523"
    async with runner(spec_of(parent), spec_of(well)) as here:
        assert (await here.run(spec_of(parent))).message == "well"


async def test_jk524_a_context_ends_with_its_run(runner: MakeRunner) -> None:
    """A thread that goes on is told so; one that is waited for is not."""
    kept: list[JobContext] = []

    async def keeps(ctx: JobContext) -> None:
        kept.append(ctx)
        assert await anyio.to_thread.run_sync(ctx.service_sync, "clock") is ctx.clock

    async with runner(spec_of(keeps)) as here:
        assert (await here.run(spec_of(keeps))).status is RunStatus.SUCCEEDED
        with pytest.raises(RunError, match="after that run was over") as in_task:
            await kept[0].service("clock")
        with pytest.raises(RunError) as in_thread:
            await anyio.to_thread.run_sync(kept[0].service_sync, "clock")
    assert [in_task.value.code, in_thread.value.code] == ["JK524", "JK524"]


async def test_jk525_a_scope_left_open_fails_the_run(execute: Execute) -> None:
    """One that is left does not."""

    async def forgets(ctx: JobContext) -> None:
        anyio.CancelScope().__enter__()

    async def remembers(ctx: JobContext) -> None:
        with anyio.CancelScope():
            await anyio.lowlevel.checkpoint()

    record = await execute(forgets)
    assert record.message == "the job left a cancel scope or a task group open (JK525)"
    assert (await execute(remembers)).status is RunStatus.SUCCEEDED


async def test_jk530_a_process_says_why_it_could_not(execute: Execute) -> None:
    """Here: a job that is in no file. In a thread, or from a file, it runs."""

    def job(ctx: JobContext) -> JobResult:
        return JobResult.success("here")

    record = await execute(job, executor="process")
    assert record.status is RunStatus.FAILED
    assert record.message == "its process could not load the job job: it is not there any more (JK530)"
    assert (await execute(job, executor="thread")).message == "here"
