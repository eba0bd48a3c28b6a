"""What a job does to its task, its process and the event loop is not the next one's business."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import JobContext, JobResult, RunStatus
from tests.runner.conftest import Execute, MakeRunner, Provide, spec_of


class Resource:
    """A service."""


async def leaves_a_task_group_open(ctx: JobContext) -> None:
    """Enters, and forgets to leave."""
    tasks = anyio.create_task_group()
    await tasks.__aenter__()
    tasks.start_soon(anyio.sleep, 0.01)


async def leaves_a_scope_open(ctx: JobContext) -> None:
    """Enters, and forgets to leave."""
    anyio.CancelScope().__enter__()


async def leaves_one_open_and_fails(ctx: JobContext) -> None:
    """Fails on top of it."""
    anyio.CancelScope().__enter__()
    raise ValueError("no")


async def well(ctx: JobContext) -> JobResult:
    """A neighbour."""
    await anyio.lowlevel.checkpoint()
    return JobResult.success()


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (leaves_a_task_group_open, "the job left a cancel scope or a task group open (JK525)"),
        (leaves_a_scope_open, "the job left a cancel scope or a task group open (JK525)"),
        (leaves_one_open_and_fails, "ValueError: no"),
    ],
)
async def test_scopes_that_were_left_open_fail_their_own_run(
    runner: MakeRunner, job: Callable[..., Any], message: str
) -> None:
    """The caller's task, the runner and the runs beside it go on."""
    spec, neighbour = spec_of(job), spec_of(well)
    async with runner(spec, neighbour) as here:
        record = await here.run(spec)
        with anyio.fail_after(5):
            assert (await here.run(neighbour)).status is RunStatus.SUCCEEDED
    assert record.status is RunStatus.FAILED
    assert (record.message or "").endswith(message)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
class TestOnAsyncio:
    """What asyncio lets a job do to its own task and to the loop."""

    async def test_a_job_that_cancels_its_task_has_failed(self, execute: Execute) -> None:
        """Nobody asked it to stop, so it is no success and no cancellation."""

        async def job(ctx: JobContext) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await anyio.sleep(1)

        record = await execute(job)
        assert record.status is RunStatus.FAILED
        assert "cancelled itself" in (record.message or "")

    async def test_a_cancellation_that_comes_later_hits_no_service(
        self, execute: Execute, provide: Provide
    ) -> None:
        """A job that cancels its task and returns does not cancel the closing of its services."""
        events: list[str] = []

        async def resource() -> AsyncIterator[Resource]:
            yield Resource()
            await asyncio.sleep(0)
            events.append("closed")

        provide(resource=resource)

        async def job(ctx: JobContext, resource: Resource) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

        record = await execute(job)
        assert (record.status, events) == (RunStatus.SUCCEEDED, ["closed"])

    async def test_a_late_cancel_of_the_jobs_task_hits_nobody(self, runner: MakeRunner) -> None:
        """A home-made timeout that was never taken back finds a task that has ended."""
        loop = asyncio.get_running_loop()

        async def job(ctx: JobContext) -> None:
            task = asyncio.current_task()
            assert task is not None
            loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(task.cancel)))

        spec, neighbour = spec_of(job), spec_of(well)
        async with runner(spec, neighbour) as here:
            assert (await here.run(spec)).status is RunStatus.SUCCEEDED
            for _ in range(5):
                assert (await here.run(neighbour)).status is RunStatus.SUCCEEDED

    async def test_sys_exit_in_a_task_of_the_job_fails_only_its_run(self, runner: MakeRunner) -> None:
        """asyncio itself would let it out of the loop."""

        async def leave() -> None:
            sys.exit(4)

        async def job(ctx: JobContext) -> None:
            await asyncio.gather(leave())

        spec, neighbour = spec_of(job), spec_of(well)
        async with runner(spec, neighbour) as here:
            record = await here.run(spec)
            assert (await here.run(neighbour)).status is RunStatus.SUCCEEDED
        assert record.message == "RuntimeError: a task that the job started raised SystemExit(4)"

    async def test_the_loop_is_left_as_it_was(self, runner: MakeRunner) -> None:
        """The guard of subtasks goes with the last runner."""
        loop = asyncio.get_running_loop()
        async with runner(), runner():
            assert loop.get_task_factory() is not None
        assert loop.get_task_factory() is None

    async def test_a_task_that_was_left_behind_goes_on_harmlessly(self, runner: MakeRunner) -> None:
        """It may still log; nobody keeps that any more."""
        ended = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []

        async def later(ctx: JobContext) -> None:
            await asyncio.sleep(0)
            ctx.log.info("late")
            ctx.progress(1)
            ended.set()

        async def job(ctx: JobContext) -> None:
            tasks.append(asyncio.create_task(later(ctx)))

        spec = spec_of(job)
        async with runner(spec) as here:
            assert (await here.run(spec)).status is RunStatus.SUCCEEDED
            await asyncio.wait_for(ended.wait(), 5)


async def test_the_working_directory_is_restored(
    runner: MakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to the process, and the next job would be surprised; among many runs a moment later."""
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    async def job(ctx: JobContext) -> None:
        os.chdir(elsewhere)

    spec = spec_of(job)
    async with runner(spec) as here:
        for _ in range(3):
            assert (await here.run(spec)).status is RunStatus.SUCCEEDED
        with anyio.fail_after(5):
            while Path.cwd() != tmp_path:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.001)


async def test_the_recursion_limit_is_restored(execute: Execute) -> None:
    """It belongs to the process as well."""
    before = sys.getrecursionlimit()

    async def job(ctx: JobContext) -> None:
        sys.setrecursionlimit(before + 500)

    await execute(job)
    assert sys.getrecursionlimit() == before


async def test_parameters_cannot_be_changed(execute: Execute) -> None:
    """They are what was asked for; what a job makes of them is its own."""

    async def job(ctx: JobContext, *, days: int = 3) -> None:
        ctx.parameters["days"] = 4  # type: ignore[index]

    record = await execute(job)
    assert record.status is RunStatus.FAILED
    assert "does not support item assignment" in (record.message or "")


async def test_many_runs_at_once_do_not_mix(runner: MakeRunner) -> None:
    """Each has its own context, parameters and result."""

    async def job(ctx: JobContext, *, number: int) -> JobResult:
        await anyio.lowlevel.checkpoint()
        return JobResult.success(f"{ctx.param('number', int)} {number}")

    spec = spec_of(job, overlap="allow")
    messages: dict[int, str | None] = {}
    async with runner(spec) as here, anyio.create_task_group() as tasks:

        async def run(number: int) -> None:
            messages[number] = (await here.run(spec, {"number": number})).message

        for number in range(100):
            tasks.start_soon(run, number)
    assert messages == {number: f"{number} {number}" for number in range(100)}


async def test_no_more_runs_than_allowed_execute_at_once(config: Any, memory: Any) -> None:
    """``max_concurrent_runs`` is taken before a run begins, so nothing waits half begun."""
    from jobkit.runner import Runner
    from jobkit.stores.base import RunQuery

    at_work: list[int] = []
    most: list[int] = []
    recorded: list[int] = []

    async def job(ctx: JobContext) -> None:
        at_work.append(1)
        most.append(len(at_work))
        recorded.append(len((await memory.runs(RunQuery(limit=50))).runs))
        await anyio.sleep(0.001)
        at_work.pop()

    spec = spec_of(job, overlap="allow")
    limited = config.with_options({"scheduler.max_concurrent_runs": 2})
    async with Runner({}, memory, config=limited) as here, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(here.run, spec)
    assert max(most) == 2
    assert recorded[0] <= 2
