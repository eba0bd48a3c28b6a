"""A job runs other jobs: with records of their own, under its deadline, and only while it lives."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import anyio
import pytest

from jobkit import (
    ChildRunFailed,
    Job,
    JobContext,
    JobResult,
    ParameterError,
    Retry,
    RunRefused,
    RunStatus,
    UsageError,
)
from jobkit.records import RunRecord
from jobkit.stores.base import RunQuery
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import SOON, MakeRunner, spec_of


async def child(ctx: JobContext, *, number: int = 1) -> JobResult:
    """Says what it was given."""
    return JobResult.success(f"child {number}").with_data({"actor": ctx.actor, "enforce": ctx.enforce})


async def broken(ctx: JobContext) -> None:
    """Fails."""
    raise ValueError("no")


async def skipped(ctx: JobContext) -> JobResult:
    """Has nothing to do."""
    return JobResult.skipped()


class Classy(Job):
    """A class as a child."""

    async def execute(self, ctx: JobContext) -> JobResult:
        return JobResult.success("classy")


CHILDREN = [spec_of(child), spec_of(broken), spec_of(skipped), spec_of(Classy)]


async def run_of(runner: MakeRunner, job: Any, *more: Any, **options: Any) -> RunRecord:
    """The record of a parent beside the usual children."""
    spec = spec_of(job)
    async with runner(spec, *CHILDREN, *more) as here:
        record = await here.run(spec, **options)
    assert isinstance(record, RunRecord)
    return record


@pytest.mark.parametrize("named", ["child", child, "classy", Classy])
async def test_a_child_is_named_by_its_name_function_or_class(runner: MakeRunner, named: Any) -> None:
    """Whatever was submitted, and what it is called."""

    async def parent(ctx: JobContext) -> JobResult:
        return JobResult.success((await ctx.run_job(named)).message)

    assert (await run_of(runner, parent)).message in ("child 1", "classy")


async def test_a_child_has_a_record_of_its_own(runner: MakeRunner, memory: MemoryStore) -> None:
    """With its trigger and its parent, and with the parent's actor and consent."""

    async def parent(ctx: JobContext) -> None:
        record = await ctx.run_job(child, {"number": 2}, number=3)
        assert record.message == "child 3"
        assert (record.trigger, record.parent) == ("child", ctx.run_id)

    record = await run_of(runner, parent, actor="me@here", enforce=True)
    assert record.status is RunStatus.SUCCEEDED
    found = (await memory.runs(RunQuery(parent=record.id))).runs
    assert [(run.job, dict(run.data)) for run in found] == [("child", {"actor": "me@here", "enforce": True})]


async def test_a_child_that_fails_fails_its_parent(runner: MakeRunner) -> None:
    """With an error that says which run it was, and how to look at it."""

    async def parent(ctx: JobContext) -> None:
        await ctx.run_job(broken)

    record = await run_of(runner, parent)
    assert record.status is RunStatus.FAILED
    assert record.error is not None
    assert record.error.type == "jobkit.exceptions.ChildRunFailed"
    assert record.error.message == "child run 2 of broken ended failed: ValueError: no"


async def test_check_false_gives_the_record_of_a_failed_child(runner: MakeRunner) -> None:
    """The parent decides what to make of it."""

    async def parent(ctx: JobContext) -> JobResult:
        record = await ctx.run_job(broken, check=False)
        return JobResult.success(f"{record.status}")

    assert (await run_of(runner, parent)).message == "failed"


async def test_a_skipped_child_is_no_failure(runner: MakeRunner) -> None:
    """Nothing to do is fine."""

    async def parent(ctx: JobContext) -> JobResult:
        return JobResult.success(str((await ctx.run_job(skipped)).status))

    assert (await run_of(runner, parent)).message == "skipped"


async def test_threads_run_children_too(runner: MakeRunner) -> None:
    """``run_job_sync`` is ``run_job`` for them, errors included."""

    def parent(ctx: JobContext) -> JobResult:
        with pytest.raises(ChildRunFailed) as failed:
            ctx.run_job_sync(broken)
        with pytest.raises(UsageError):
            ctx.run_job_sync("nobody")
        return JobResult.success(
            f"{failed.value.record.status}, {ctx.run_job_sync('child', number=5).message}"
        )

    assert (await run_of(runner, parent)).message == "failed, child 5"


async def test_a_thread_that_the_job_started_runs_children(runner: MakeRunner) -> None:
    """Any thread may ask, not only the worker's."""

    async def parent(ctx: JobContext) -> JobResult:
        messages: list[str | None] = []
        thread = threading.Thread(target=lambda: messages.append(ctx.run_job_sync("child").message))
        thread.start()
        await anyio.to_thread.run_sync(thread.join)
        return JobResult.success(messages[0])

    assert (await run_of(runner, parent)).message == "child 1"


async def test_a_job_among_its_own_ancestors_is_refused(runner: MakeRunner) -> None:
    """At once, with the chain, not when memory runs out."""

    async def parent(ctx: JobContext) -> None:
        await ctx.run_job("between")

    async def between(ctx: JobContext) -> JobResult:
        with pytest.raises(RunRefused, match=r"parent → between → parent") as refused:
            await ctx.run_job("parent")
        assert refused.value.code == "JK503"
        return JobResult.success()

    assert (await run_of(runner, parent, spec_of(between))).status is RunStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("chidl", "there is no job 'chidl'"),
        (len, "len was not submitted as a job"),
        (None, "NoneType was not submitted as a job"),
    ],
)
async def test_an_unknown_child_is_named(runner: MakeRunner, job: Any, message: str) -> None:
    """With the closest name, if there is one."""

    async def parent(ctx: JobContext) -> None:
        with pytest.raises(UsageError) as unknown:
            await ctx.run_job(job)
        assert (unknown.value.code, unknown.value.message) == ("JK523", message)
        if job == "chidl":
            assert unknown.value.help == "did you mean 'child'?"

    assert (await run_of(runner, parent)).status is RunStatus.SUCCEEDED


async def test_parameters_that_do_not_fit_make_no_run(runner: MakeRunner, memory: MemoryStore) -> None:
    """The parent gets the error, and history no row."""

    async def parent(ctx: JobContext) -> None:
        with pytest.raises(ParameterError):
            await ctx.run_job(child, number="many")

    assert (await run_of(runner, parent)).status is RunStatus.SUCCEEDED
    assert len((await memory.runs(RunQuery())).runs) == 1


async def test_a_child_has_its_own_timeout(runner: MakeRunner) -> None:
    """The parent goes on with a record that says so."""

    async def slow(ctx: JobContext) -> None:
        await anyio.sleep(60)

    async def parent(ctx: JobContext) -> JobResult:
        return JobResult.success(str((await ctx.run_job("slow", check=False)).status))

    assert (await run_of(runner, parent, spec_of(slow, timeout=SOON))).message == "timed_out"


async def test_a_child_inherits_the_deadline_of_its_parent(runner: MakeRunner, memory: MemoryStore) -> None:
    """It is not tried again behind it, and says whose deadline it was."""
    deadlines: list[Any] = []

    async def slow(ctx: JobContext) -> None:
        deadlines.append(ctx.deadline)
        await anyio.sleep(60)

    async def parent(ctx: JobContext) -> None:
        deadlines.append(ctx.deadline)
        await ctx.run_job("slow", check=False)

    patient = spec_of(slow, timeout=timedelta(hours=1), retries=Retry(3, delay=0))
    record = await run_of(runner, parent, patient, timeout=SOON)
    assert record.status is RunStatus.TIMED_OUT
    assert deadlines[0] == deadlines[1]
    run = (await memory.runs(RunQuery(parent=record.id))).runs[0]
    assert (run.status, run.attempt) == ("timed_out", 1)
    assert run.message == "it did not end before the deadline of the run that it is a child of"


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_cancelling_the_parent_cancels_its_children(
    runner: MakeRunner, memory: MemoryStore, kind: str
) -> None:
    """And all of them are recorded, with the reason."""
    begun = anyio.Event()

    async def slow(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    async def parent(ctx: JobContext) -> None:
        await ctx.run_job("slow")

    def parent_thread(ctx: JobContext) -> None:
        ctx.run_job_sync("slow")

    spec = spec_of(parent if kind == "async" else parent_thread, name="parent")
    async with runner(spec, spec_of(slow)) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await begun.wait()
        tasks.cancel_scope.cancel()
    runs = {run.job: (str(run.status), run.reason) for run in (await memory.runs(RunQuery())).runs}
    assert runs == {"parent": ("cancelled", "interrupted"), "slow": ("cancelled", "parent")}
    assert await memory.open_leases() == []


async def test_a_parent_may_cancel_its_child(runner: MakeRunner, memory: MemoryStore) -> None:
    """With a scope of its own around it; then it goes on."""

    async def slow(ctx: JobContext) -> None:
        await anyio.sleep(60)

    async def parent(ctx: JobContext) -> JobResult:
        with anyio.move_on_after(0.02):
            await ctx.run_job("slow")
        return JobResult.success("went on")

    record = await run_of(runner, parent, spec_of(slow))
    assert (record.status, record.message) == ("succeeded", "went on")
    assert (await memory.runs(RunQuery(parent=record.id))).runs[0].status is RunStatus.CANCELLED


async def test_children_run_side_by_side(runner: MakeRunner) -> None:
    """A job may run several at once."""

    async def parent(ctx: JobContext) -> JobResult:
        messages: list[str] = []

        async def one(number: int) -> None:
            messages.append((await ctx.run_job(child, number=number)).message or "")

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(one, number)
        return JobResult.success(", ".join(sorted(messages)))

    assert (await run_of(runner, parent)).message == "child 0, child 1, child 2, child 3, child 4"
