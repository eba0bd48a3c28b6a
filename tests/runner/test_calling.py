"""Everything that can be a job is called as what it is."""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import Any

import pytest

from jobkit import Job, JobContext, JobResult
from jobkit.statuses import RunStatus
from tests.runner.conftest import Execute, MakeRunner, spec_of

KIND: contextvars.ContextVar[str] = contextvars.ContextVar("kind", default="nobody set it")


class Counting(Job):
    """Counts the calls of its instance."""

    def __init__(self) -> None:
        self.calls = 0

    async def execute(self, ctx: JobContext) -> JobResult:
        self.calls += 1
        return JobResult.success(str(self.calls))


class Callable:
    """An object that is called."""

    async def __call__(self, ctx: JobContext) -> JobResult:
        return JobResult.success("called")


async def test_an_async_function_runs_on_the_event_loop(execute: Execute) -> None:
    """It is awaited in the thread of the loop."""
    seen: list[int] = []

    async def job(ctx: JobContext) -> JobResult:
        seen.append(threading.get_ident())
        return JobResult.success("done").with_stats(processed=3, errors=1)

    record = await execute(job)
    assert (record.status, record.message, record.processed, record.errors) == ("succeeded", "done", 3, 1)
    assert seen == [threading.get_ident()]


async def test_a_plain_function_runs_in_a_thread(execute: Execute) -> None:
    """It may block: the loop goes on without it."""
    seen: list[int] = []

    def job(ctx: JobContext) -> None:
        seen.append(threading.get_ident())

    assert (await execute(job)).status is RunStatus.SUCCEEDED
    assert seen != [threading.get_ident()]


async def test_executor_async_keeps_a_plain_function_on_the_loop(execute: Execute) -> None:
    """The option decides, not the kind of callable."""
    seen: list[int] = []

    def job(ctx: JobContext) -> None:
        seen.append(threading.get_ident())

    await execute(job, executor="async")
    assert seen == [threading.get_ident()]


async def test_a_class_gets_a_fresh_instance_for_each_attempt(runner: MakeRunner) -> None:
    """What one run leaves in its instance, the next does not find."""
    spec = spec_of(Counting)
    async with runner(spec) as here:
        messages = [(await here.run(spec)).message for _ in range(2)]
    assert messages == ["1", "1"]


async def test_an_instance_is_shared_between_runs(runner: MakeRunner) -> None:
    """``submit_job(Counting())`` is one object for all."""
    spec = spec_of(Counting(), name="counting")
    async with runner(spec) as here:
        messages = [(await here.run(spec)).message for _ in range(2)]
    assert messages == ["1", "2"]


async def add(ctx: JobContext, *, first: int, second: int) -> JobResult:
    """Add two numbers."""
    return JobResult.success(str(first + second))


@pytest.mark.parametrize(
    ("job", "message"),
    [
        pytest.param(Callable(), "called", id="object"),
        pytest.param(functools.partial(add, first=1, second=2), "3", id="partial"),
        pytest.param(lambda ctx: add(ctx, first=2, second=2), "4", id="lambda giving a coroutine"),
        pytest.param(Callable().__call__, "called", id="bound method"),
    ],
)
async def test_other_callables_work(execute: Execute, job: Any, message: str) -> None:
    """Whatever takes a context and gives, or awaits, a result."""
    record = await execute(spec_of(job, name="job"))
    assert (record.status, record.message) == ("succeeded", message)


async def test_the_context_variables_of_the_caller_reach_the_job(execute: Execute) -> None:
    """In its task and in its thread."""
    KIND.set("the caller's")

    async def on_loop(ctx: JobContext) -> JobResult:
        return JobResult.success(KIND.get())

    def in_thread(ctx: JobContext) -> JobResult:
        return JobResult.success(KIND.get())

    assert [(await execute(job)).message for job in (on_loop, in_thread)] == ["the caller's"] * 2


async def test_what_a_job_sets_stays_in_its_run(runner: MakeRunner) -> None:
    """Context variables that a job sets are gone for its caller, and so for the next run."""

    async def job(ctx: JobContext) -> JobResult:
        before = KIND.get()
        KIND.set("the job's")
        return JobResult.success(before)

    spec = spec_of(job)
    async with runner(spec) as here:
        messages = [(await here.run(spec)).message for _ in range(2)]
    assert messages == ["nobody set it"] * 2
    assert KIND.get() == "nobody set it"
