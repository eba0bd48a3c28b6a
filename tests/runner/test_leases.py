"""The right to execute a run: renewed while it lasts, given up when it was taken, settled for the dead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import JobContext, JobResult, RunStatus
from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.runner import settle_dead
from jobkit.runner.leases import LeaseKeeper
from jobkit.statuses import Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Outcome, RunQuery, Store
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import MakeRunner, SteppedClock, spec_of

RENEWALS = "jobkit-leases"


class Unsteady(MemoryStore):
    """The store in memory, away when the test says so."""

    away = False

    def __init__(self, *, project: str) -> None:
        super().__init__(project=project)
        self.refused: list[str] = []
        self.refused_a_finish = anyio.Event()

    def _check(self, what: str) -> None:
        if self.away:
            self.refused.append(what)
            if what == "finish":
                self.refused_a_finish.set()
            raise StoreUnavailable("the store is away")

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        self._check("renew")
        return super().renew(leases)

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        self._check("finish")
        return await super().finish(lease, outcome)


@pytest.fixture
async def unsteady() -> Any:
    """Open, and there for now."""
    async with Unsteady(project="tests") as store:
        yield store


def new_run(store: Store, job: str = "job", *, attempts: int = 1) -> NewRun:
    """A run of somebody else's."""
    from datetime import UTC, datetime

    return NewRun(
        id=new_run_id(datetime.now(UTC)), job=job, extension="x", trigger=Trigger.MANUAL, attempts=attempts
    )


async def test_the_lease_of_a_run_is_renewed_while_it_runs(runner: MakeRunner, memory: MemoryStore) -> None:
    """All leases of the process in one call, by the clock, and none afterwards."""
    renewed: list[int] = []
    clock = SteppedClock()

    class Counting(MemoryStore):
        def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
            leases = tuple(leases)
            renewed.append(len(leases))
            return super().renew(leases)

    go_on = anyio.Event()
    begun: list[int] = []

    async def job(ctx: JobContext) -> None:
        begun.append(1)
        await go_on.wait()

    spec = spec_of(job, overlap="allow")
    async with (
        Counting(project="tests") as store,
        runner(spec, store=store, clock=clock) as here,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(3):
            tasks.start_soon(here.run, spec)
        while len(begun) < 3:
            await anyio.lowlevel.checkpoint()
        before = [item.lease.expires_at for item in await store.open_leases()]
        clock.step(RENEWALS)
        after = [item.lease.expires_at for item in await store.open_leases()]
        assert all(later > earlier for earlier, later in zip(before, after, strict=True))
        go_on.set()
        while len(await store.open_leases()):
            await anyio.lowlevel.checkpoint()
        clock.step(RENEWALS)
        assert RENEWALS not in clock.calls, "an idle process does not wake up"
        assert renewed == [3]


async def test_the_lease_is_the_configured_one(config: Any, memory: MemoryStore) -> None:
    """``[scheduler] lease`` is its duration; three tenths of it pass between renewals."""
    from jobkit.runner import Runner

    intervals: list[timedelta] = []
    durations: list[timedelta] = []

    class Noticing(SteppedClock):
        def every(self, interval: timedelta, call: Any, *, name: str) -> Any:
            if name == RENEWALS:
                intervals.append(interval)
            return super().every(interval, call, name=name)

    async def job(ctx: JobContext) -> None:
        durations.extend(item.lease.duration for item in await memory.open_leases())

    slow = config.with_options({"scheduler.lease": "20s"})
    async with Runner({}, memory, config=slow, clock=Noticing()) as here:
        await here.run(spec_of(job))
    assert (durations, intervals) == ([timedelta(seconds=20)], [timedelta(seconds=6)])


async def test_a_run_whose_lease_was_taken_is_cancelled(
    runner: MakeRunner, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """What was settled stays; the outcome is told in the log and kept as the late one."""
    clock = SteppedClock()
    begun = anyio.Event()
    records: list[RunRecord] = []

    async def job(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    spec = spec_of(job)
    async with runner(spec, clock=clock) as here, anyio.create_task_group() as tasks:

        async def run() -> None:
            records.append(await here.run(spec))

        tasks.start_soon(run)
        await begun.wait()
        lease = (await memory.open_leases())[0].lease
        await memory.settle(lease, dead=True)
        await anyio.to_thread.run_sync(clock.step, RENEWALS)
    assert [record.status for record in records] == [RunStatus.LOST]
    late = await memory.late_outcome(records[0].id)
    assert late is not None
    assert late.status is RunStatus.CANCELLED
    assert "finish.fenced" in caplog.text


async def test_results_wait_while_the_store_is_away(runner: MakeRunner, unsteady: Unsteady) -> None:
    """A renewal that fails kills nothing, and a finish is tried again until it is recorded."""
    clock = SteppedClock()

    async def job(ctx: JobContext) -> JobResult:
        unsteady.away = True
        clock.step(RENEWALS)
        return JobResult.success("done")

    records: list[RunRecord] = []
    spec = spec_of(job)
    async with runner(spec, store=unsteady, clock=clock) as here, anyio.create_task_group() as tasks:

        async def run() -> None:
            records.append(await here.run(spec))

        tasks.start_soon(run)
        await unsteady.refused_a_finish.wait()
        unsteady.away = False
    assert [(record.status, record.message) for record in records] == [("succeeded", "done")]
    assert unsteady.refused[0] == "renew"


async def test_a_cancelled_run_does_not_wait_for_ever(
    runner: MakeRunner, unsteady: Unsteady, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that stays away does not hold the program; the log says what could not be recorded."""
    unsteady.away = True

    async def job(ctx: JobContext) -> None:
        """Done at once."""

    spec = spec_of(job)
    with anyio.fail_after(10):
        async with runner(spec, store=unsteady) as here, anyio.create_task_group() as tasks:
            tasks.start_soon(here.run, spec)
            await unsteady.refused_a_finish.wait()
            tasks.cancel_scope.cancel()
    assert "finish.unrecorded" in caplog.text


async def test_a_run_that_cannot_begin_is_the_callers_error(runner: MakeRunner) -> None:
    """A store that is broken for good says so at once."""

    class Broken(MemoryStore):
        async def add_and_start(self, run: NewRun, request: LeaseRequest, **options: Any) -> Any:
            raise StoreError("not a database")

    async def job(ctx: JobContext) -> None:
        raise AssertionError("not reached")

    spec = spec_of(job)
    async with Broken(project="tests") as store, runner(spec, store=store) as here:
        with pytest.raises(StoreError, match="not a database"):
            await here.run(spec)


def dead_process() -> ProcessIdentity:
    """One that was on this host, and is no more: a process id is free again, or has another start time."""
    return replace(ProcessIdentity.current(), started="long ago")


@pytest.mark.parametrize(
    ("pinned", "attempts", "status"),
    [(True, 1, "lost"), (True, 5, "lost"), (False, 1, "lost"), (False, 2, "queued")],
)
async def test_the_runs_of_the_dead_are_settled(
    store: Store, pinned: bool, attempts: int, status: str
) -> None:
    """A pinned run dies with its process; another is tried again while attempts remain."""
    request = LeaseRequest(dead_process(), "here", pinned=pinned)
    run, _ = await store.add_and_start(new_run(store, attempts=attempts), request)
    assert await settle_dead(store) == frozenset()
    assert str((await store.run(run.id)).status) == status
    assert [str(item.status) for item in await store.attempts(run.id)] == ["lost"]
    assert await store.open_leases() == []


@pytest.mark.parametrize("where", ["alive", "elsewhere"])
async def test_the_runs_of_the_living_are_left_alone(store: Store, where: str) -> None:
    """Of this process, and of other hosts, which cannot be looked into."""
    owner = ProcessIdentity.current() if where == "alive" else replace(dead_process(), host="other")
    run, _ = await store.add_and_start(new_run(store), LeaseRequest(owner, "here"))
    assert await settle_dead(store) == frozenset()
    assert (await store.run(run.id)).status is RunStatus.RUNNING


async def test_on_a_read_only_store_the_dead_are_only_named(tmp_path: Any) -> None:
    """A reader without write access shows them as lost."""
    from jobkit.stores.opening import open_store

    url = "sqlite:///runs.db"
    async with open_store(url, project="tests", root=tmp_path) as store:
        dead, _ = await store.add_and_start(new_run(store), LeaseRequest(dead_process(), "here"))
        await store.add_and_start(new_run(store), LeaseRequest(ProcessIdentity.current(), "here"))
    async with open_store(url, project="tests", root=tmp_path, read_only=True) as store:
        assert await settle_dead(store) == {dead.id}
        runs = (await store.runs(RunQuery())).runs
    assert {run.status for run in runs} == {RunStatus.RUNNING}


def test_the_keeper_can_be_stopped_twice() -> None:
    """Leaving a runner that never ran anything, or again, is harmless."""
    store = MemoryStore(project="tests")
    keeper = LeaseKeeper(store, SteppedClock(), timedelta(seconds=10), lambda lease: None)
    keeper.stop()
    keeper.release("unknown")
    keeper.stop()
    assert not keeper.any_held
