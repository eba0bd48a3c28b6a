"""Runs that must not begin yet: what is in their way, what they wait for, and how their waiting ends."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit import JobContext, JobResult, Retry, RunRefused, RunStatus
from jobkit.config import Config
from jobkit.exceptions import RunInTheWay
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, TickSpan, new_run_id
from jobkit.runner import Runner
from jobkit.statuses import Reason, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, RunQuery, Store
from jobkit.stores.memory import MemoryStore
from jobkit.stores.opening import open_store
from jobkit.testing import VirtualClock
from tests.runner.conftest import Seen, spec_of

#: Far less than the interval at which a run that waits looks again of its own accord.
AT_ONCE = 3


class Stage:
    """One job that goes on until it is told, and what happened."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.go_on = anyio.Event()
        self.order: list[int] = []

    async def __call__(self, ctx: JobContext) -> JobResult:
        self.order.append(ctx.run_number)
        self.begun.set()
        await self.go_on.wait()
        return JobResult.success()


@pytest.fixture
def seen() -> Seen:
    """Who watches."""
    return Seen()


@pytest.fixture
def make(config: Config, store: Store, seen: Seen) -> Any:
    """A runner on both stores; *limits* are those of the configuration."""

    @asynccontextmanager
    async def runner(
        *jobs: JobSpec, limits: dict[str, int] | None = None, places: int = 100, **options: Any
    ) -> AsyncIterator[Runner]:
        scheduler = replace(config.scheduler, limits=limits or {}, max_concurrent_runs=places)
        known = {spec.name: spec for spec in jobs}
        options = {"observer": seen, "cleanup": timedelta(seconds=0.2), **options}
        async with Runner(
            known, options.pop("store", store), config=replace(config, scheduler=scheduler), **options
        ) as here:
            yield here

    return runner


async def until(what: Callable[[], bool]) -> None:
    """Return once *what* is so; who calls limits that."""
    while not what():  # noqa: ASYNC110 - nobody tells of it
        await anyio.sleep(0.002)


async def has_ended(store: Store, number: int) -> None:
    """Return once that run has."""
    while not (await store.run(number)).status.finished:  # noqa: ASYNC110 - nobody tells of it
        await anyio.sleep(0.002)


async def no_lease(store: Store) -> None:
    """Return once there is none."""
    while await store.open_leases():  # noqa: ASYNC110 - nobody tells of it
        await anyio.sleep(0.002)


async def waited(seen: Seen, number: int = 1) -> list[tuple[str, str]]:
    """What runs wait for, once *number* of them do."""

    def told() -> list[tuple[str, str]]:
        return [what for name, what in seen.told if name == "waiting"]

    with anyio.fail_after(10):
        await until(lambda: len(told()) >= number)
    return told()


async def test_a_run_in_the_way_is_named(make: Any, store: Store) -> None:
    """`skip`: nothing is recorded, and the refusal says which run, since when, by whom, and what to do."""
    stage = Stage()
    spec = spec_of(stage, "job")
    async with make(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: here.run(spec, actor="ada@host"))
        await stage.begun.wait()
        with pytest.raises(RunInTheWay) as refused:
            await here.run(spec)
        stage.go_on.set()
    error = refused.value
    assert error.message.startswith("run 1 of job is in the way: it is running, begun 20")
    assert error.message.endswith("Z by ada@host")
    assert "`jobkit cancel 1`" in (error.help or "")
    assert len((await store.runs(RunQuery())).runs) == 1


async def test_runs_that_may_overlap_do(make: Any) -> None:
    """The negative control: `allow` refuses nothing and waits for nothing."""
    stage = Stage()
    spec = spec_of(stage, "job", overlap="allow")
    async with make(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        tasks.start_soon(here.run, spec)
        with anyio.fail_after(10):
            await until(lambda: len(stage.order) == 2)
        stage.go_on.set()


async def test_a_run_waits_behind_another(make: Any, store: Store, seen: Seen) -> None:
    """`queue`: it is recorded as queued, says what it waits for, and begins when that has ended; a third is
    refused."""
    stage = Stage()
    spec = spec_of(stage, "job", overlap="queue")
    async with make(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await stage.begun.wait()
        tasks.start_soon(here.run, spec)
        assert await waited(seen) == [("job", "run 1")]
        assert (await store.run(2)).status is RunStatus.QUEUED
        with pytest.raises(RunInTheWay, match="run 2 of job is in the way: it is queued"):
            await here.run(spec)
        assert stage.order == [1]
        with anyio.fail_after(AT_ONCE):
            stage.go_on.set()
            await has_ended(store, 2)
    assert stage.order == [1, 2]
    first, second = await store.run(1), await store.run(2)
    assert second.started_at is not None
    assert first.finished_at is not None
    assert second.started_at >= first.finished_at
    assert seen.names().count("started") == 2


async def test_a_run_waits_for_a_limit(make: Any, store: Store, seen: Seen) -> None:
    """However many jobs hold it: the third begins once one of two has ended."""
    stage = Stage()
    specs = [spec_of(stage, name, limits=("db",)) for name in ("a", "b", "c")]
    async with make(*specs, limits={"db": 2}) as here, anyio.create_task_group() as tasks:
        for spec in specs:
            tasks.start_soon(here.run, spec)
        [(_, what)] = await waited(seen)
        assert what == "limit db (2 of 2)"
        assert len(stage.order) <= 2
        with anyio.fail_after(AT_ONCE):
            stage.go_on.set()
            await until(lambda: len(stage.order) == 3)
    assert {run.status for run in (await store.runs(RunQuery())).runs} == {RunStatus.SUCCEEDED}


async def test_the_limit_that_is_full_is_named(make: Any, seen: Seen) -> None:
    """Of several limits."""
    stage = Stage()
    holder, other = spec_of(stage, "holder", limits=("db",)), spec_of(stage, "other", limits=("api", "db"))
    limits = {"db": 1, "api": 5}
    async with make(holder, other, limits=limits) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, holder)
        await stage.begun.wait()
        tasks.start_soon(here.run, other)
        assert await waited(seen) == [("other", "limit db (1 of 1)")]
        stage.go_on.set()


async def test_cancelling_one_that_waits_is_recorded(make: Any, store: Store, seen: Seen) -> None:
    """As cancelled, without an attempt; its caller gets the cancellation."""
    stage = Stage()
    spec = spec_of(stage, "job", overlap="queue")
    async with make(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await stage.begun.wait()
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(here.run, spec)
            await waited(seen)
            waiting.cancel_scope.cancel()
        record = await store.run(2)
        stage.go_on.set()
    assert (record.status, record.reason, record.attempt) == (RunStatus.CANCELLED, Reason.INTERRUPTED, 0)
    assert record.started_at is None
    assert await store.attempts(record.id) == []
    assert stage.order == [1]
    assert ("finished", ("job", "cancelled")) in seen.told
    assert await store.open_leases() == []


async def test_one_that_waits_can_be_cancelled_by_its_id(make: Any, store: Store, seen: Seen) -> None:
    """As one that runs; its caller gets its record."""
    stage = Stage()
    spec = spec_of(stage, "job", overlap="queue")
    records: list[RunRecord] = []
    async with make(spec) as here, anyio.create_task_group() as tasks:

        async def second() -> None:
            records.append(await here.run(spec))

        tasks.start_soon(here.run, spec)
        await stage.begun.wait()
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(second)
            await waited(seen)
            assert here.cancel((await store.run(2)).id, Reason.SHUTDOWN)
        stage.go_on.set()
    assert [(run.status, run.reason) for run in records] == [(RunStatus.CANCELLED, Reason.SHUTDOWN)]


async def test_the_running_one_gives_way(make: Any, store: Store) -> None:
    """`cancel`: it is asked to stop, and the new one begins when it has."""
    stage = Stage()
    cleaned: list[int] = []

    async def job(ctx: JobContext) -> None:
        try:
            await stage(ctx)
        finally:
            cleaned.append(ctx.run_number)

    spec = spec_of(job, overlap="cancel")
    async with make(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await stage.begun.wait()
        tasks.start_soon(here.run, spec)
        with anyio.fail_after(AT_ONCE):
            await until(lambda: len(stage.order) == 2)
        assert cleaned == [1]
        stage.go_on.set()
    first, second = await store.run(1), await store.run(2)
    assert (first.status, first.reason) == (RunStatus.CANCELLED, Reason.SUPERSEDED)
    assert first.message == "run 2 of the same job took its place"
    assert second.status is RunStatus.SUCCEEDED


async def test_a_retry_waits_for_its_limit_too(make: Any, store: Store, seen: Seen) -> None:
    """Between two attempts a run holds none: another one may have it then."""
    stage = Stage()
    failed = anyio.Event()

    async def unlucky(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            raise LookupError("not yet")

    class Watching(Seen):
        def attempt_finished(self, run: RunRecord, attempt: int, outcome: Any, retry_at: Any) -> None:
            super().attempt_finished(run, attempt, outcome, retry_at)
            failed.set()

    watching = Watching()
    spec = spec_of(unlucky, limits=("db",), retries=Retry(1, delay=0.05, jitter=False))
    holder = spec_of(stage, "holder", limits=("db",))
    async with (
        make(spec, holder, limits={"db": 1}, observer=watching) as here,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(here.run, spec)
        await failed.wait()
        tasks.start_soon(here.run, holder)
        assert await waited(watching, 1) in (
            [("unlucky", "limit db (1 of 1)")],
            [("holder", "limit db (1 of 1)")],
        )
        stage.go_on.set()
    assert {run.status for run in (await store.runs(RunQuery())).runs} == {RunStatus.SUCCEEDED}


async def test_one_that_waits_leaves_its_place(make: Any, seen: Seen) -> None:
    """`max_concurrent_runs` counts what is executed: a third run is not kept waiting."""
    stage = Stage()
    holder, waiter = (spec_of(stage, name, limits=("db",)) for name in ("holder", "waiter"))

    async def free(ctx: JobContext) -> None:
        """Needs nothing."""

    async with (
        make(holder, waiter, limits={"db": 1}, places=2) as here,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(here.run, holder)
        await stage.begun.wait()
        tasks.start_soon(here.run, waiter)
        await waited(seen)
        with anyio.fail_after(AT_ONCE):
            assert (await here.run(spec_of(free))).status is RunStatus.SUCCEEDED
        stage.go_on.set()


async def test_the_end_of_a_run_elsewhere_wakes(make: Any, tmp_path: Path, seen: Seen) -> None:
    """Another process on the same file ends its run: who waits for it begins at once."""
    called: list[int] = []

    async def job(ctx: JobContext) -> None:
        called.append(ctx.run_number)

    spec = spec_of(job, overlap="queue")
    url = "sqlite:///shared.db"
    async with (
        open_store(url, project="tests", root=tmp_path) as other,
        open_store(url, project="tests", root=tmp_path) as mine,
    ):
        elsewhere = ProcessIdentity("another-host", "", "", 1, "")
        new = NewRun(id=new_run_id(datetime.now(UTC)), job="job", extension="tests", trigger=Trigger.MANUAL)
        _, lease = await other.add_and_start(new, LeaseRequest(elsewhere, "another-host"), overlap="queue")
        async with make(spec, store=mine) as here, anyio.create_task_group() as tasks:
            tasks.start_soon(here.run, spec)
            assert await waited(seen) == [("job", "run 1")]
            await other.finish(
                lease,
                Outcome(status=RunStatus.SUCCEEDED, finished_at=datetime.now(UTC), duration_ms=1),
            )
            with anyio.fail_after(AT_ONCE):
                await until(lambda: bool(called))


async def _left_by_the_dead(store: Store) -> None:
    dead = replace(ProcessIdentity.current(), pid=2**22 + 1)
    new = NewRun(id=new_run_id(datetime.now(UTC)), job="job", extension="tests", trigger=Trigger.MANUAL)
    await store.add_and_start(new, LeaseRequest(dead, "here", pinned=True), overlap="queue")


async def test_the_run_of_a_dead_process_is_not_waited_for(make: Any, store: Store) -> None:
    """Nobody else may be there to settle its lease."""
    called: list[int] = []

    async def job(ctx: JobContext) -> None:
        called.append(ctx.run_number)

    await _left_by_the_dead(store)
    spec = spec_of(job, overlap="queue")
    async with make(spec) as here:
        with anyio.fail_after(AT_ONCE):
            await here.run(spec)
    assert called == [2]
    assert (await store.run(1)).status is RunStatus.LOST


async def test_who_does_not_settle_leaves_it(make: Any, store: Store, seen: Seen) -> None:
    """The negative control: where somebody else settles, the runner waits for that."""
    await _left_by_the_dead(store)

    async def job(ctx: JobContext) -> None:
        """Nothing."""

    spec = spec_of(job, overlap="queue")
    async with make(spec, settles=False) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        await waited(seen)
        await anyio.sleep(0.05)
        assert (await store.run(1)).status is RunStatus.RUNNING
        tasks.cancel_scope.cancel()


# -- children -----------------------------------------------------------------------------------------------


async def test_a_child_has_the_limits_of_its_ancestors(make: Any, store: Store) -> None:
    """It does not wait for what its own parent holds, nor take another share of it."""
    seen_by: list[str] = []

    async def grandchild(ctx: JobContext) -> None:
        seen_by.append("grandchild")

    async def child(ctx: JobContext) -> None:
        await ctx.run_job("grandchild")

    async def parent(ctx: JobContext) -> None:
        await ctx.run_job("child")

    specs = [
        spec_of(parent, limits=("db",)),
        spec_of(child, limits=("api",)),
        spec_of(grandchild, limits=("db", "api")),
    ]
    async with make(*specs, limits={"db": 1, "api": 1}) as here:
        with anyio.fail_after(10):
            record = await here.run(specs[0])
    assert (record.status, seen_by) == (RunStatus.SUCCEEDED, ["grandchild"])


async def test_a_child_waits_for_a_limit_that_nobody_above_it_holds(make: Any, seen: Seen) -> None:
    """The negative control."""
    stage = Stage()

    async def parent(ctx: JobContext) -> None:
        await ctx.run_job("child")

    holder, child = (spec_of(stage, name, limits=("db",)) for name in ("holder", "child"))
    spec = spec_of(parent)
    async with make(spec, holder, child, limits={"db": 1}) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, holder)
        await stage.begun.wait()
        tasks.start_soon(here.run, spec)
        assert await waited(seen) == [("child", "limit db (1 of 1)")]
        stage.go_on.set()
    assert ("finished", ("parent", "succeeded")) in seen.told


@pytest.mark.parametrize("overlap", ["skip", "queue"])
async def test_a_child_waits_until_nothing_is_in_its_way(make: Any, seen: Seen, overlap: str) -> None:
    """Whatever the overlap is: a parent that is refused could do nothing about it."""
    stage = Stage()

    async def parent(ctx: JobContext) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ctx.run_job, "child")

    spec, child = spec_of(parent), spec_of(stage, "child", overlap=overlap)
    async with make(spec, child) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        found = await waited(seen, 2)
        assert {job for job, _ in found} == {"child"}
        await stage.begun.wait()
        assert stage.order == [2]
        with anyio.fail_after(AT_ONCE):
            stage.go_on.set()
            await until(lambda: len(stage.order) == 3)
    assert ("finished", ("parent", "succeeded")) in seen.told


@pytest.mark.parametrize("overlap", ["skip", "queue"])
async def test_a_child_waits_no_longer_than_its_parent_may(make: Any, store: Store, overlap: str) -> None:
    """At the parent's deadline; a child that was recorded has timed out then."""
    stage = Stage()

    async def parent(ctx: JobContext) -> None:
        await ctx.run_job("child")

    spec = spec_of(parent, timeout=timedelta(seconds=0.2))
    child = spec_of(stage, "child", overlap=overlap)
    async with make(spec, child) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, child)
        await stage.begun.wait()
        with anyio.fail_after(10):
            record = await here.run(spec)
        stage.go_on.set()
    assert record.status is RunStatus.TIMED_OUT
    children = (await store.runs(RunQuery(parent=record.id))).runs
    assert [run.status.finished for run in children] == [True] * len(children)
    assert len(children) == (overlap == "queue")
    assert stage.order == [1]


# -- threads that were left behind --------------------------------------------------------------------------


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    """Threads that wait for it end with the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


def _hanging(ended: threading.Event, **options: Any) -> JobSpec:
    def hanging(ctx: JobContext) -> None:
        if ctx.attempt == 1 and ctx.run_number == 1:
            ended.wait(30)

    return spec_of(hanging, timeout=timedelta(seconds=0.3), **options)


async def test_an_abandoned_thread_is_in_the_way(make: Any, store: Store, ended: threading.Event) -> None:
    """Its lease stays open after its run has ended, and counts for overlap until the thread ends."""
    spec = _hanging(ended)
    async with make(spec) as here:
        assert (await here.run(spec)).status is RunStatus.TIMED_OUT
        assert [held.abandoned for held in await store.open_leases()] == [True]
        with pytest.raises(RunRefused, match="its thread still runs after it timed out"):
            await here.run(spec)
        ended.set()
        with anyio.fail_after(10):
            await no_lease(store)
        assert (await here.run(spec)).status is RunStatus.SUCCEEDED


async def test_an_abandoned_thread_holds_its_limits(
    make: Any, store: Store, seen: Seen, ended: threading.Event
) -> None:
    """Until it ends: then who waits for them begins at once."""

    async def other(ctx: JobContext) -> None:
        """Nothing."""

    spec, waiter = _hanging(ended, limits=("db",)), spec_of(other, limits=("db",))
    async with make(spec, waiter, limits={"db": 1}) as here, anyio.create_task_group() as tasks:
        assert (await here.run(spec)).status is RunStatus.TIMED_OUT
        tasks.start_soon(here.run, waiter)
        assert await waited(seen) == [("other", "limit db (1 of 1)")]
        with anyio.fail_after(AT_ONCE):
            ended.set()
            await has_ended(store, 2)


async def test_a_retry_waits_for_the_thread_of_the_attempt_before(
    make: Any, store: Store, seen: Seen, ended: threading.Event
) -> None:
    """The job would run twice at a time otherwise."""
    spec = _hanging(ended, retries=Retry(1, delay=0))
    async with make(spec) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, spec)
        with anyio.fail_after(10):
            await until(lambda: "attempt" in seen.names())
            while (await store.run(1)).status is not RunStatus.QUEUED:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
        await anyio.sleep(0.05)
        [held] = await store.open_leases()
        assert (held.abandoned, (await store.run(1)).status) == (True, RunStatus.QUEUED)
        with anyio.fail_after(AT_ONCE):
            ended.set()
            await has_ended(store, 1)
    record = await store.run(1)
    assert (record.status, record.attempt) == (RunStatus.SUCCEEDED, 2)


# -- repeating ------------------------------------------------------------------------------


async def test_a_run_that_repeats_another_stands_for_the_same_ticks(make: Any, store: Store) -> None:
    """Scheduled time, window and covers reach the job, and the ledger takes it for no tick."""
    tick = datetime(2027, 1, 31, 3, tzinfo=UTC)
    window, covers = (tick - timedelta(days=1), tick), TickSpan(tick, tick, 1)
    found: list[Any] = []

    async def job(ctx: JobContext) -> None:
        found.extend((ctx.trigger, ctx.scheduled_at, ctx.window, ctx.covers))

    new = NewRun(
        id=new_run_id(datetime.now(UTC)),
        job="job",
        extension="tests",
        trigger=Trigger.SCHEDULE,
        scheduled_at=tick,
        window=window,
        covers=covers,
    )
    _, lease = await store.add_and_start(new, LeaseRequest(ProcessIdentity.current(), "here"))
    old = await store.finish(
        lease, Outcome(status=RunStatus.FAILED, finished_at=datetime.now(UTC), duration_ms=1)
    )
    spec = spec_of(job)
    async with make(spec) as here:
        for _ in range(2):
            record = await here.run(spec, trigger=Trigger.RETRY, retry_of=old)
            assert (record.retry_of, record.scheduled_at, record.parent) == (new.id, tick, None)
    assert found == ["retry", tick, window, covers] * 2


def test_waiting_takes_virtual_time(config: Config) -> None:
    """Where a test holds the clock, an hour's wait for a limit is over at once, and exact."""
    clock = VirtualClock()
    records: list[RunRecord] = []

    async def hour(ctx: JobContext) -> None:
        await anyio.sleep(3600)

    specs = [spec_of(hour, name, limits=("db",)) for name in ("first", "second")]
    limited = replace(config, scheduler=replace(config.scheduler, limits={"db": 1}))

    async def main() -> None:
        async with (
            MemoryStore(project="tests", now=clock.now) as store,
            Runner({}, store, config=limited, clock=clock) as here,
        ):

            async def one(spec: JobSpec) -> None:
                records.append(await here.run(spec))

            async with anyio.create_task_group() as tasks:
                for spec in specs:
                    tasks.start_soon(one, spec)

    clock.run(main)
    first, second = records
    assert first.finished_at is not None
    assert second.started_at == first.finished_at
    assert second.finished_at == first.finished_at + timedelta(hours=1)
