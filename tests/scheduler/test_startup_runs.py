"""Startup runs: in order before the first tick, once for all replicas that start together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from jobkit import JobContext, JobResult, Retry, RunRecord, RunStatus
from jobkit.config import load_config
from jobkit.exceptions import CollectionError
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.runner import Runner
from jobkit.scheduler.post import Post
from jobkit.scheduler.startup_runs import BEGUN, StartupRuns
from jobkit.statuses import Reason, Trigger
from jobkit.stores.base import NewRun, RunQuery, Store
from jobkit.stores.kept import Kept
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import EventQuery, Replica, ReplicaState
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of

Backend = Literal["asyncio", "trio"]


@dataclass
class Living:
    """Who is registered, as a roster sees it."""

    post: Post
    peers: Sequence[ReplicaState] = ()

    async def look(self) -> None:
        found = await self.post.store.replicas()
        self.peers = [one for one in found if one.live and one.replica.id != self.post.replica_id]


@dataclass
class One:
    """One replica that starts."""

    post: Post
    runner: Runner
    startup: StartupRuns

    async def leave(self) -> None:
        """It is no more."""
        await self.post.store.deregister(self.post.replica_id)


@dataclass
class Fleet:
    """Replicas in virtual time, on one store; each has its own object for it."""

    clock: VirtualClock
    backend: Backend
    root: Path
    monkeypatch: pytest.MonkeyPatch
    sqlite: bool = False
    settings: str = ""
    tables: str = ""
    kept: Kept = field(default_factory=lambda: Kept("tests"))
    stack: Any = None
    began: list[str] = field(default_factory=list)

    def __call__(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """What *call* gives, which makes replicas."""

        async def main() -> Any:
            with anyio.fail_after(10 * 86_400):
                async with AsyncExitStack() as self.stack:
                    return await call()

        return self.clock.run(main, backend=self.backend)

    async def replica(self, *jobs: JobSpec, node: str = "here") -> One:
        """Another replica that takes part."""
        (self.root / "jobkit.toml").write_text(f'[scheduler]\nnode = "{node}"\n{self.settings}\n')
        operators = self.root / "services/scheduler/config.toml"
        operators.parent.mkdir(parents=True, exist_ok=True)
        operators.write_text(self.tables)
        config, store = load_config(self.root), await self.stack.enter_async_context(self._store())
        # Replicas are processes: each has the lease of its own runs.
        identity = replace(ProcessIdentity.current(), host=new_run_id(self.clock.now()))
        known = {spec.name: spec for spec in jobs}
        post = Post(store, self.clock, config, known, None, identity, node)
        with self.monkeypatch.context() as patch:
            patch.setattr("jobkit.runner.runner.ProcessIdentity.current", lambda: identity)
            runner = Runner(known, store, config=config, clock=self.clock)
        await self.stack.enter_async_context(runner)
        await store.register_replica(
            Replica(
                id=post.replica_id, kind="scheduler", owner=identity, node=node, interval=timedelta(days=1)
            )
        )
        return One(post, runner, StartupRuns(post, runner, Living(post)))

    def _store(self) -> Any:
        if self.sqlite:
            return SqliteStore(self.root / "runs.db", project="tests", now=self.clock.now)
        return MemoryStore(project="tests", now=self.clock.now, kept=self.kept)

    def job(self, name: str, *, seconds: float = 10, **options: Any) -> JobSpec:
        """A job that takes some time, and notes that it began."""

        async def run(ctx: JobContext) -> None:
            self.began.append(name)
            await anyio.sleep(seconds)

        return spec_of(run, name, **options)


async def together(starts: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """All of *starts* at the same instant, until all have ended."""
    async with anyio.create_task_group() as tasks:
        for start in starts:
            tasks.start_soon(start)


async def runs_of(store: Store, *jobs: str) -> list[RunRecord]:
    """The runs of *jobs*, the oldest first."""
    page = await store.runs(RunQuery(jobs=jobs or None, limit=100))
    return list(reversed(page.runs))


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Both event loops."""
    return request.param


@pytest.fixture
def fleet(
    virtual_clock: VirtualClock, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Fleet:
    """Replicas on the store in memory."""
    return Fleet(virtual_clock, backend, tmp_path, monkeypatch)


@pytest.fixture(params=["memory", "sqlite"])
def on_both(fleet: Fleet, request: pytest.FixtureRequest) -> Fleet:
    """Replicas on either embedded store."""
    fleet.sqlite = request.param == "sqlite"
    return fleet


# -- the list ---------------------------------------------------------------------------------------------


def test_the_list_runs_one_after_another(on_both: Fleet) -> None:
    """In its own order, each to its end."""
    on_both.settings = 'startup = ["second", "first"]'

    async def call() -> list[RunRecord]:
        one = await on_both.replica(on_both.job("first"), on_both.job("second"), on_both.job("other"))
        await one.startup.listed()
        return await runs_of(one.post.store)

    second, first = on_both(call)
    assert [(run.job, run.trigger, run.status) for run in (second, first)] == [
        ("second", Trigger.STARTUP, RunStatus.SUCCEEDED),
        ("first", Trigger.STARTUP, RunStatus.SUCCEEDED),
    ]
    assert first.started_at >= second.finished_at


def test_a_failure_is_reported_and_the_rest_goes_on(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """Disabled, broken and unknown jobs are passed over; each is said."""
    fleet.settings = 'startup = ["fails", "off", "broken", "absent", "well"]'

    async def fails(ctx: JobContext) -> JobResult:
        return JobResult.failure("the schema is locked")

    async def call() -> list[RunRecord]:
        one = await fleet.replica(
            spec_of(fails),
            fleet.job("off", enabled=False),
            fleet.job("broken").with_error(CollectionError("the file is broken")),
            fleet.job("well"),
        )
        await one.startup.listed()
        return await runs_of(one.post.store)

    failed, well = fleet(call)
    assert [(run.job, run.status) for run in (failed, well)] == [
        ("fails", RunStatus.FAILED),
        ("well", RunStatus.SUCCEEDED),
    ]
    for said in (
        "the schema is locked",
        "it is disabled",
        "the file is broken",
        "there is no job of that name",
    ):
        assert said in caplog.text


def test_retries_are_part_of_a_startup_run(fleet: Fleet) -> None:
    """The list goes on when the last attempt has ended."""
    fleet.settings = 'startup = ["flaky", "after"]'
    began: list[datetime] = []

    async def flaky(ctx: JobContext) -> None:
        began.append(fleet.clock.now())
        if len(began) < 3:
            raise OSError("not yet")

    async def call() -> list[RunRecord]:
        flaky_job = spec_of(flaky, retries=Retry(2, delay="60s", backoff=1, jitter=False))
        one = await fleet.replica(flaky_job, fleet.job("after"))
        await one.startup.listed()
        return await runs_of(one.post.store)

    flaky_run, after = fleet(call)
    assert (flaky_run.status, flaky_run.attempt) == (RunStatus.SUCCEEDED, 3)
    assert after.started_at >= flaky_run.finished_at


# -- shared between replicas ------------------------------------------------------------------------------


def test_replicas_that_start_at_the_same_instant_share_a_run(on_both: Fleet) -> None:
    """One of them runs it, and the others wait for its end."""
    on_both.settings = 'startup = ["migrate", "fill"]'

    async def call() -> tuple[list[RunRecord], list[datetime]]:
        jobs = (on_both.job("migrate", seconds=30), on_both.job("fill", seconds=30))
        fleet = [await on_both.replica(*jobs) for _ in range(4)]
        through: list[datetime] = []

        async def start(one: One) -> None:
            await one.startup.listed()
            through.append(on_both.clock.now())

        async with anyio.create_task_group() as tasks:
            for one in fleet:
                tasks.start_soon(start, one)
        return await runs_of(fleet[0].post.store), through

    runs, through = on_both(call)
    assert [run.job for run in runs] == ["migrate", "fill"]
    assert on_both.began == ["migrate", "fill"]
    assert all(runs[1].finished_at <= at <= runs[1].finished_at + timedelta(seconds=2) for at in through)


def test_with_ids_of_their_own_they_would_not_share_it(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: it is the computed id that decides."""
    fleet.settings = 'startup = ["migrate"]'
    monkeypatch.setattr(
        "jobkit.scheduler.startup_runs._id_after", lambda job, before: new_run_id(fleet.clock.now())
    )

    async def call() -> list[RunRecord]:
        replicas = [await fleet.replica(fleet.job("migrate", overlap="allow")) for _ in range(2)]
        await together(one.startup.listed for one in replicas)
        return await runs_of(replicas[0].post.store)

    assert len(fleet(call)) == 2


def test_a_run_of_a_replica_that_still_lives_is_shared_for_some_minutes(on_both: Fleet) -> None:
    """Five, unless it is said otherwise."""
    on_both.settings = 'startup = ["migrate"]'

    async def call() -> list[RunRecord]:
        migrate = on_both.job("migrate")
        one = await on_both.replica(migrate)
        await one.startup.listed()
        await anyio.sleep(200)
        await (await on_both.replica(migrate)).startup.listed()  # shared
        await anyio.sleep(200)
        await (await on_both.replica(migrate)).startup.listed()  # too long ago
        return await runs_of(one.post.store)

    first, second = on_both(call)
    assert timedelta(seconds=400) <= second.queued_at - first.queued_at <= timedelta(seconds=412)


def test_a_run_of_a_replica_that_is_gone_is_not_shared(on_both: Fleet) -> None:
    """Whoever starts again runs it again."""
    on_both.settings = 'startup = ["migrate"]'

    async def call() -> list[RunRecord]:
        migrate = on_both.job("migrate")
        for _ in range(3):
            one = await on_both.replica(migrate)
            await one.startup.listed()
            await one.leave()
        return await runs_of((await on_both.replica(migrate)).post.store)

    assert [run.status for run in on_both(call)] == [RunStatus.SUCCEEDED] * 3


def test_a_run_that_did_not_succeed_is_not_shared(on_both: Fleet) -> None:
    """Each of the others that waited for it tries it itself, once."""
    on_both.settings = 'startup = ["migrate"]'

    async def migrate(ctx: JobContext) -> JobResult:
        await anyio.sleep(10)
        return JobResult.failure("no")

    async def call() -> list[RunRecord]:
        fleet = [await on_both.replica(spec_of(migrate)) for _ in range(3)]
        await together(one.startup.listed for one in fleet)
        return await runs_of(fleet[0].post.store)

    runs = on_both(call)
    assert [run.status for run in runs] == [RunStatus.FAILED] * len(runs)
    assert 1 < len(runs) <= 3


def test_a_run_whose_replica_dies_is_run_by_one_that_waited(on_both: Fleet) -> None:
    """As soon as it counts as lost."""
    on_both.settings = 'startup = ["migrate"]'

    async def call() -> list[RunRecord]:
        migrate = on_both.job("migrate", seconds=60)
        dying, waiting = await on_both.replica(migrate), await on_both.replica(migrate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dying.startup.listed)
            await anyio.sleep(5)
            tasks.start_soon(waiting.startup.listed)
            await anyio.sleep(5)
            await dying.leave()
            [lease] = await waiting.post.store.open_leases()
            await waiting.post.store.settle(lease.lease, dead=True)
        return await runs_of(waiting.post.store)

    lost, again = on_both(call)
    assert (lost.status, again.status) == (RunStatus.LOST, RunStatus.SUCCEEDED)


def test_a_job_of_each_node_runs_on_each(on_both: Fleet) -> None:
    """It is not shared."""
    on_both.settings = 'startup = ["warm"]'

    async def call() -> list[RunRecord]:
        warm = on_both.job("warm", scope="node")
        fleet = [await on_both.replica(warm, node=node) for node in ("a", "b")]
        await together(one.startup.listed for one in fleet)
        return await runs_of(fleet[0].post.store)

    assert sorted(run.node for run in on_both(call)) == ["a", "b"]


def test_a_clock_that_was_set_back_makes_no_old_run_a_new_one(on_both: Fleet) -> None:
    """The run before is then not the one that was written last."""
    on_both.settings = 'startup = ["migrate"]'

    async def call() -> list[RunRecord]:
        migrate = on_both.job("migrate")
        for _ in range(4):
            one = await on_both.replica(migrate)
            await one.startup.listed()
            await one.leave()
            on_both.clock.step(timedelta(days=-1))
        return await runs_of((await on_both.replica(migrate)).post.store)

    assert len(on_both(call)) == 4
    assert on_both.began == ["migrate"] * 4


def test_a_run_that_is_in_the_way_is_waited_for(on_both: Fleet) -> None:
    """Overlap `skip` skips ticks; what a start needs is not skipped."""
    on_both.settings = 'startup = ["migrate"]'

    async def call() -> list[RunRecord]:
        migrate = on_both.job("migrate", seconds=30)
        one = await on_both.replica(migrate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.runner.run, migrate)
            await anyio.sleep(1)
            await one.startup.listed()
        return await runs_of(one.post.store)

    manual, startup = on_both(call)
    assert (startup.trigger, startup.status) == (Trigger.STARTUP, RunStatus.SUCCEEDED)
    assert manual.finished_at <= startup.started_at <= manual.finished_at + timedelta(seconds=2)


def test_whose_a_run_is_stands_among_the_events(fleet: Fleet) -> None:
    """For whoever asks why it ran."""
    fleet.settings = 'startup = ["migrate"]'

    async def call() -> tuple[str, Any, RunRecord]:
        one = await fleet.replica(fleet.job("migrate"))
        await one.startup.listed()
        [record] = (await one.post.store.events(EventQuery(kinds=[BEGUN]))).events
        return one.post.replica_id, record.event, (await runs_of(one.post.store))[0]

    replica, event, run = fleet(call)
    assert (event.job, event.data) == ("migrate", {"run": run.id, "replica": replica})


# -- in the background ------------------------------------------------------------------------------------


def test_code_and_operators_both_have_to_want_a_background_run(fleet: Fleet) -> None:
    """In the order of the jobs, none waiting for the end of another; what the list had is not repeated."""
    fleet.settings = 'startup = ["listed"]'
    names = ["one", "listed", "two", "three"]
    fleet.tables = "".join(f"[jobs.{name}]\nenabled = true\n" for name in names)

    async def call() -> list[RunRecord]:
        jobs = [fleet.job(name, seconds=100, run_on_startup=True) for name in (*names, "unsaid")]
        one = await fleet.replica(*jobs, fleet.job("unasked"))
        await one.startup.listed()
        fleet.began.clear()
        await one.startup.background()
        return await runs_of(one.post.store, "one", "two", "three", "unsaid", "unasked")

    runs = fleet(call)
    assert fleet.began == ["one", "two", "three"] == [run.job for run in runs]
    assert max(run.started_at for run in runs) < min(run.finished_at for run in runs)


def test_background_runs_are_shared_too(on_both: Fleet) -> None:
    """By the same rule."""
    on_both.tables = "[jobs.fill]\nenabled = true\n"

    async def call() -> list[RunRecord]:
        fill = on_both.job("fill", run_on_startup=True)
        fleet = [await on_both.replica(fill) for _ in range(3)]
        await together(one.startup.background for one in fleet)
        return await runs_of(fleet[0].post.store)

    assert len(on_both(call)) == 1


# -- stopping ---------------------------------------------------------------------------------------------


def test_after_stop_nothing_more_begins(fleet: Fleet) -> None:
    """What runs goes on until it is cancelled, and the list ends with it."""
    fleet.settings = 'startup = ["first", "second"]'

    async def call() -> list[RunRecord]:
        one = await fleet.replica(fleet.job("first", seconds=1000), fleet.job("second"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.startup.listed)
            await anyio.sleep(10)
            one.startup.stop()
            [run_id] = one.startup.running_ids
            await anyio.sleep(20)
            assert one.runner.cancel(run_id, Reason.SHUTDOWN)
            await one.startup.idle()
            assert one.startup.running_ids == ()
        return await runs_of(one.post.store)

    [run] = fleet(call)
    assert (run.status, run.reason) == (RunStatus.CANCELLED, "shutdown")


def test_whoever_waits_for_another_replica_stops_at_once(fleet: Fleet) -> None:
    """The run is not its own."""
    fleet.settings = 'startup = ["migrate"]'

    async def call() -> tuple[float, RunRecord]:
        migrate = fleet.job("migrate", seconds=1000)
        one, other = await fleet.replica(migrate), await fleet.replica(migrate)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.startup.listed)
            await anyio.sleep(10)
            with anyio.CancelScope() as scope:
                tasks.start_soon(stop_soon, other)
                await other.startup.listed()
            ended = anyio.current_time()
            assert not scope.cancelled_caught
        return ended, (await runs_of(one.post.store))[0]

    async def stop_soon(one: One) -> None:
        await anyio.sleep(5)
        one.startup.stop()

    ended, run = fleet(call)
    assert ended == pytest.approx(15, abs=0.5)
    assert run.status is RunStatus.SUCCEEDED


def test_a_run_that_was_not_announced_is_not_shared(fleet: Fleet) -> None:
    """Nobody knows whose it is: a run with that trigger that somebody has queued, for one."""
    fleet.settings = 'startup = ["migrate"]'

    async def call() -> list[RunRecord]:
        one = await fleet.replica(fleet.job("migrate"))
        await fleet.replica(fleet.job("migrate"))
        new = NewRun(
            id=new_run_id(fleet.clock.now()), job="migrate", extension="tests", trigger=Trigger.STARTUP
        )
        _, lease = await one.post.store.add_and_start(new, _wish(one))
        from jobkit.stores.base import Outcome

        done = Outcome(status=RunStatus.SUCCEEDED, finished_at=fleet.clock.now(), duration_ms=0)
        await one.post.store.finish(lease, done)
        await one.startup.listed()
        return await runs_of(one.post.store)

    assert [run.status for run in fleet(call)] == [RunStatus.SUCCEEDED] * 2


def _wish(one: One) -> Any:
    from jobkit.stores.base import LeaseRequest

    return LeaseRequest(one.post.identity, "here")
