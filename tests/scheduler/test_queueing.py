"""Queued runs: executed when their time has come, in a fair order, and explained if they are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from jobkit import JobContext, JobResult, Retry, RunRecord, RunStatus
from jobkit.config import load_config
from jobkit.engines.local import LocalEngine
from jobkit.exceptions import CollectionError, RunRefused, StoreUnavailable
from jobkit.job import JobSpec
from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.runner import Runner
from jobkit.scheduler.policies import Policy, second_of
from jobkit.scheduler.post import Post
from jobkit.scheduler.queueing import IDLE_POLL, POLL, Queue
from jobkit.schedules import parse_schedule
from jobkit.statuses import Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Store
from jobkit.stores.memory import MemoryStore
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of

Backend = Literal["asyncio", "trio"]


def second(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def scheduled(job: Any, name: str | None = None, *, every: str = "every 1h", **options: Any) -> JobSpec:
    """A job with a schedule."""
    name = name or job.__name__
    return spec_of(job, name, schedule=(every,), times=parse_schedule(every, timezone="UTC"), **options)


@dataclass
class Bench:
    """A queue at work in virtual time; *known* are jobs that other replicas have."""

    clock: VirtualClock
    backend: Backend
    root: Path
    sqlite: bool = False
    settings: str = ""
    known: set[str] = field(default_factory=set)
    wrap: Callable[[Store], Any] = lambda store: store
    store: Store = field(init=False)
    post: Post = field(init=False)
    runner: Runner = field(init=False)
    queue: Queue = field(init=False)
    ended: list[RunRecord] = field(default_factory=list)

    def __call__(
        self, call: Callable[[], Awaitable[Any]], *jobs: JobSpec, before: Callable[[], Any] | None = None
    ) -> Any:
        """What *call* gives beside the queue; *before* is awaited before that serves."""

        async def main() -> Any:
            async with self._store() as self.store:
                self._assemble(jobs)
                async with self.runner, LocalEngine() as engine, anyio.create_task_group() as tasks:
                    self.queue = Queue(self.post, self.runner, engine, knows=self.known.__contains__)
                    self.queue.on_ended.append(self.ended.append)
                    if before is not None:
                        await before()
                    tasks.start_soon(self.queue.serve)
                    with anyio.fail_after(10 * 86_400):
                        result = await call()
                    tasks.cancel_scope.cancel()
                return result

        return self.clock.run(main, backend=self.backend)

    def _store(self) -> Any:
        if self.sqlite:
            return self.wrap(SqliteStore(self.root / "runs.db", project="tests", now=self.clock.now))
        return self.wrap(MemoryStore(project="tests", now=self.clock.now))

    def _assemble(self, jobs: Sequence[JobSpec]) -> None:
        (self.root / "jobkit.toml").write_text(f"[scheduler]\n{self.settings}\n")
        config = load_config(self.root)
        known = {spec.name: spec for spec in jobs}
        self.post = Post(self.store, self.clock, config, known, None, ProcessIdentity.current(), "here")
        self.runner = Runner(known, self.store, config=config, clock=self.clock)

    async def add(self, job: str, *, overlap: Any = "allow", **more: Any) -> RunRecord:
        """A run that stands in the store."""
        options = {"extension": "tests", "trigger": Trigger.API, **more}
        return await self.store.add_run(
            NewRun(id=new_run_id(self.clock.now()), job=job, **options), overlap=overlap
        )

    async def tick(self, job: str, at: datetime, **more: Any) -> RunRecord:
        """A run of a tick that stands in the store."""
        return await self.add(job, **{"trigger": Trigger.SCHEDULE, "scheduled_at": at, **more})

    async def over(self, *runs: RunRecord) -> list[RunRecord]:
        """These runs once they have ended."""
        while True:
            found = [await self.store.run(run.id) for run in runs]
            if all(run.status.finished for run in found):
                return found
            await anyio.sleep(1)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Both event loops."""
    return request.param


@pytest.fixture
def bench(virtual_clock: VirtualClock, backend: Backend, tmp_path: Path) -> Bench:
    """A queue on the store in memory."""
    return Bench(virtual_clock, backend, tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
def on_both(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    """A queue on either embedded store."""
    bench.sqlite = request.param == "sqlite"
    return bench


async def well(ctx: JobContext) -> JobResult:
    """Nothing can go wrong."""
    return JobResult.success("well")


# -- what is executed, and when ---------------------------------------------------------------------------


def test_what_stands_in_the_store_is_executed_at_the_start(on_both: Bench) -> None:
    """Somebody else has queued it, or a scheduler that is no more."""
    runs: list[RunRecord] = []

    async def before() -> None:
        runs.extend([await on_both.add("well") for _ in range(3)])

    async def call() -> list[RunRecord]:
        return await on_both.over(*runs)

    ended = on_both(call, spec_of(well), before=before)
    assert [run.status for run in ended] == [RunStatus.SUCCEEDED] * 3
    assert all(run.queued_at == run.finished_at for run in ended)  # no poll had to come


def test_what_is_submitted_begins_at_once(on_both: Bench) -> None:
    """Whoever has claimed it hands it over."""

    async def call() -> list[RunRecord]:
        await anyio.sleep(7)
        run = await on_both.add("well")
        await on_both.queue.submit(run, on_both.post.jobs["well"])
        return await on_both.over(run)

    [run] = on_both(call, spec_of(well))
    assert run.started_at == run.queued_at


def test_what_others_queue_begins_when_the_queue_is_woken(bench: Bench) -> None:
    """Otherwise when it looks for itself."""

    async def call() -> tuple[RunRecord, RunRecord]:
        await anyio.sleep(1)
        woken = await bench.add("well")
        bench.queue.wake()
        await bench.over(woken)
        await anyio.sleep(1)
        alone = await bench.add("well")
        return (await bench.over(woken))[0], (await bench.over(alone))[0]

    woken, alone = bench(call, spec_of(well))
    assert woken.started_at == woken.queued_at
    assert second(0) < alone.started_at - alone.queued_at <= second(IDLE_POLL)


def test_a_run_waits_for_its_time(on_both: Bench) -> None:
    """To the instant, whatever the fallback does."""
    instant = on_both.clock.now() + second(3601.5)

    async def call() -> list[RunRecord]:
        return await on_both.over(await on_both.add("well", not_before=instant))

    [run] = on_both(call, spec_of(well))
    assert run.started_at - instant < second(0.1)
    assert run.started_at >= instant


def test_a_run_that_is_submitted_before_its_time_waits(on_both: Bench) -> None:
    """The share of its jitter is computed; what a claim says besides is handed over."""
    start = on_both.clock.now()
    jittery = scheduled(well, "jittery", jitter=timedelta(minutes=10))
    jitter = Policy.of(jittery).not_before("jittery", second_of(start))
    assert jitter is not None
    assert jitter > start

    async def call() -> list[RunRecord]:
        by_jitter = await on_both.tick("jittery", start, not_before=jitter)
        await on_both.queue.submit(by_jitter, jittery)
        said = await on_both.add("well", not_before=start + second(90))
        await on_both.queue.submit(said, on_both.post.jobs["well"], not_before=start + second(90))
        return await on_both.over(by_jitter, said)

    by_jitter, said = on_both(call, jittery, spec_of(well))
    assert jitter <= by_jitter.started_at < jitter + second(1)
    assert second(90) <= said.started_at - start < second(91)


def test_a_retry_comes_back_at_its_time(on_both: Bench) -> None:
    """To whoever is free, which is this queue."""
    began: list[datetime] = []

    async def flaky(ctx: JobContext) -> None:
        began.append(on_both.clock.now())
        if len(began) < 3:
            raise OSError("not yet")

    spec = spec_of(flaky, retries=Retry(2, delay="100s", backoff=2, jitter=False))

    async def call() -> list[RunRecord]:
        run = await on_both.add("flaky", attempts=3)
        await on_both.queue.submit(run, spec)
        return await on_both.over(run)

    [run] = on_both(call, spec)
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 3)
    first, then = began[1] - began[0], began[2] - began[1]
    assert second(100) <= first < second(100.2)
    assert second(200) <= then < second(200.2)


def test_a_run_of_another_node_is_left_to_it(bench: Bench) -> None:
    """One of this node is executed."""

    async def call() -> tuple[RunRecord, RunRecord]:
        other = await bench.add("well", node="there")
        own = await bench.add("well", node="here")
        bench.queue.wake()
        [own] = await bench.over(own)
        await anyio.sleep(60)
        return own, await bench.store.run(other.id)

    own, other = bench(call, spec_of(well, scope="node"))
    assert (own.status, other.status) == (RunStatus.SUCCEEDED, RunStatus.QUEUED)


def test_a_job_of_each_node_passes_no_engine(bench: Bench) -> None:
    """An engine knows of no nodes, and would carry it to any."""
    carried: list[str] = []

    async def call() -> list[RunRecord]:
        submit = bench.queue._engine.submit

        async def noted(run: RunRecord, spec: JobSpec) -> None:
            carried.append(spec.name)
            await submit(run, spec)

        bench.queue._engine.submit = noted  # type: ignore[method-assign]
        runs = [await bench.add("mine", node="here"), await bench.add("well")]
        for run in runs:
            await bench.queue.submit(run, bench.post.jobs[run.job])
        return await bench.over(*runs)

    runs = bench(call, spec_of(well, "mine", scope="node"), spec_of(well))
    assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 2
    assert carried == ["well"]


def test_a_run_whose_job_was_disabled_meanwhile_is_executed(bench: Bench) -> None:
    """It was claimed when it was enabled."""

    async def call() -> list[RunRecord]:
        run = await bench.tick("well", bench.clock.now())
        bench.queue.wake()
        return await bench.over(run)

    [run] = bench(call, scheduled(well, enabled=False))
    assert run.status is RunStatus.SUCCEEDED


# -- order ------------------------------------------------------------------------------------------------


def order_of(bench: Bench, *jobs: JobSpec, before: Callable[[], Any]) -> list[str]:
    """The names of the jobs as they began, one at a time."""
    bench.settings = "max_concurrent_runs = 1"
    began: list[str] = []

    async def note(ctx: JobContext) -> None:
        began.append(ctx.job.name)
        await anyio.sleep(0.5)

    async def call() -> None:
        await bench.over(*runs)

    specs = [spec_of(note, spec.name, priority=spec.priority) for spec in jobs]
    runs: list[RunRecord] = []

    async def queue() -> None:
        runs.extend(await before())
        for run in runs:
            await bench.queue.submit(run, bench.post.jobs[run.job])

    bench(call, *specs, before=queue)
    return began


def test_many_runs_of_one_second_do_not_delay_those_of_the_next(bench: Bench) -> None:
    """Each second has its turn."""
    start = bench.clock.now()

    async def before() -> list[RunRecord]:
        many = [await bench.tick("many", start) for _ in range(50)]
        return [*many, *[await bench.tick("few", start + second(1)) for _ in range(2)]]

    began = order_of(bench, spec_of(well, "many"), spec_of(well, "few"), before=before)
    assert began[:5] == ["many", "many", "few", "many", "few"]
    assert len(began) == 52


def test_those_of_one_second_begin_in_their_order(bench: Bench) -> None:
    """First come, first served."""
    start, names = bench.clock.now(), [f"job{number:02}" for number in range(20)]

    async def before() -> list[RunRecord]:
        return [await bench.tick(name, start) for name in names]

    assert order_of(bench, *(spec_of(well, name) for name in names), before=before) == names


def test_a_higher_priority_comes_first(bench: Bench) -> None:
    """Whatever waits longer."""
    start = bench.clock.now()

    async def before() -> list[RunRecord]:
        low = [await bench.tick("low", start) for _ in range(5)]
        return [*low, *[await bench.tick("high", start + second(1), priority=5) for _ in range(3)]]

    began = order_of(bench, spec_of(well, "low"), spec_of(well, "high", priority=5), before=before)
    assert began == ["low", "high", "high", "high", "low", "low", "low", "low"]


def test_no_more_run_at_a_time_than_are_allowed(bench: Bench) -> None:
    """However many are ready."""
    bench.settings = "max_concurrent_runs = 3"
    now = most = 0

    async def note(ctx: JobContext) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(1)
        now -= 1

    async def call() -> None:
        runs = [await bench.add("note") for _ in range(10)]
        for run in runs:
            await bench.queue.submit(run, bench.post.jobs["note"])
        await anyio.sleep(0.5)
        assert (bench.queue.running, len(bench.queue.running_ids)) == (3, 3)
        await bench.over(*runs)
        assert bench.queue.running == 0

    bench(call, spec_of(note))
    assert most == 3


# -- what has to wait -------------------------------------------------------------------------------------


async def minute(ctx: JobContext) -> None:
    """Takes a minute."""
    await anyio.sleep(60)


def test_a_run_that_waits_for_a_limit_begins_when_the_place_is_free(on_both: Bench) -> None:
    """At once, not at the next poll; and it is no misfire, however long that takes."""
    on_both.settings = "limits = { db = 1 }"
    start = on_both.clock.now()
    spec = scheduled(minute, limits=("db",), misfire_grace=second(10), overlap="allow")

    async def call() -> list[RunRecord]:
        runs = [await on_both.tick("minute", start, limits=("db",)) for _ in range(4)]
        for run in runs:
            await on_both.queue.submit(run, spec)
        return await on_both.over(*runs)

    runs = on_both(call, spec)
    assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 4
    begun = sorted(run.started_at - start for run in runs)
    assert all(second(60 * n) <= at < second(60 * n + 1) for n, at in enumerate(begun))


def test_a_place_that_is_freed_elsewhere_is_found_by_the_poll(on_both: Bench) -> None:
    """Even if nobody says so."""
    on_both.settings = "limits = { db = 1 }"
    start = on_both.clock.now()
    leases: list[Lease] = []

    async def before() -> None:
        held = await on_both.add("well", limits=("db",))
        there = LeaseRequest(ProcessIdentity("there", "", "", 1, ""), "there", second(1000))
        lease = await on_both.store.start_attempt(held.id, there)
        assert lease is not None
        leases.append(lease)

    async def call() -> list[RunRecord]:
        run = await on_both.add("well", limits=("db",))
        await on_both.queue.submit(run, on_both.post.jobs["well"])
        await anyio.sleep(62)
        await on_both.store.settle(*leases, dead=True)
        return await on_both.over(run)

    [run] = on_both(call, spec_of(well, limits=("db",)), before=before)
    assert second(62) <= run.started_at - start <= second(62 + POLL)


def test_a_run_behind_another_of_its_job_begins_when_that_ends(on_both: Bench) -> None:
    """Overlap `queue`: to the instant."""
    start = on_both.clock.now()

    async def call() -> list[RunRecord]:
        runs = []
        for _ in range(2):
            runs.append(await on_both.add("minute", overlap="queue"))
            await on_both.queue.submit(runs[-1], on_both.post.jobs["minute"])
            await anyio.sleep(1)
        return await on_both.over(*runs)

    _, behind = on_both(call, spec_of(minute, overlap="queue"))
    assert second(60) <= behind.started_at - start < second(60.5)


def test_a_process_without_threads_leaves_their_jobs_to_others(bench: Bench) -> None:
    """And goes on with the rest; once there are threads again it takes them up."""

    def threaded(ctx: JobContext) -> None:
        pass

    async def call() -> list[RunRecord]:
        bench.runner.__class__ = NoThreads
        runs = [await bench.add("threaded", priority=9) for _ in range(3)]
        for run in runs[:2]:
            await bench.queue.submit(run, bench.post.jobs["threaded"])
        other = await bench.add("well")
        bench.queue.wake()
        await bench.over(other)
        await anyio.sleep(100)
        left = [await bench.store.run(run.id) for run in runs]
        assert [(run.status, run.attempt) for run in left] == [(RunStatus.QUEUED, 0)] * 3
        bench.runner.__class__ = Runner
        return await bench.over(*runs)

    runs = bench(call, spec_of(threaded), spec_of(well))
    assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 3


class NoThreads(Runner):
    """Ten threads of it were left behind."""

    takes_threads = False


class Refusing(Runner):
    """Plugins are against it, some times."""

    asked: list[float]
    times = 3

    async def execute_queued(self, record: RunRecord, *args: Any, **options: Any) -> RunRecord | None:
        self.asked.append(anyio.current_time())
        if len(self.asked) <= self.times:
            raise RunRefused("not now")
        return await super().execute_queued(record, *args, **options)


def test_a_run_that_is_refused_is_tried_less_and_less_often(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It stays queued, with a line in the log."""

    async def call() -> tuple[list[RunRecord], list[float]]:
        bench.runner.__class__ = Refusing
        asked: list[float] = []
        bench.runner.asked = asked  # type: ignore[attr-defined]
        run = await bench.add("well")
        await bench.queue.submit(run, bench.post.jobs["well"])
        return await bench.over(run), asked

    [run], asked = bench(call, spec_of(well))
    assert run.status is RunStatus.SUCCEEDED
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert [5 <= pauses[0] <= 11, 10 <= pauses[1] <= 16, 20 <= pauses[2] <= 26] == [True] * 3
    assert caplog.text.count("run.unexecuted") == 3


# -- what ends without being executed ---------------------------------------------------------------------


def test_a_tick_that_could_not_begin_within_its_grace_is_skipped(on_both: Bench) -> None:
    """`misfire`, with a message; whoever asked to be told is. One within its grace begins."""
    start = on_both.clock.now()
    spec = scheduled(well, misfire_grace=timedelta(minutes=10))

    async def call() -> list[RunRecord]:
        late = await on_both.tick("well", start - second(601))
        well_in_time = await on_both.tick("well", start - second(599), trigger=Trigger.CATCHUP)
        other = await on_both.add("well", trigger=Trigger.RETRY, scheduled_at=start - second(9999))
        on_both.queue.wake()
        return await on_both.over(late, well_in_time, other)

    late, in_time, other = on_both(call, spec)
    assert (late.status, late.reason, late.attempt) == (RunStatus.SKIPPED, "misfire", 0)
    assert late.message == "nobody began it within its grace of 10m, until 2025-12-31T23:59:59Z"
    assert on_both.ended == [late]
    assert [in_time.status, other.status] == [RunStatus.SUCCEEDED] * 2


def test_the_grace_of_a_run_that_was_put_off_counts_from_then(on_both: Bench) -> None:
    """Its record does not show until when; one that was late even so is skipped."""
    start = on_both.clock.now()
    spec = scheduled(well, misfire_grace=timedelta(minutes=1))

    async def before() -> None:
        pass

    async def call() -> list[RunRecord]:
        fine = await on_both.tick("well", start - second(7200), not_before=start - second(59))
        late = await on_both.tick("well", start - second(7200), not_before=start - second(61))
        on_both.queue.wake()
        return await on_both.over(fine, late)

    fine, late = on_both(call, spec, before=before)
    assert [fine.status, late.status] == [RunStatus.SUCCEEDED, RunStatus.SKIPPED]


def test_a_run_whose_limit_was_full_when_its_grace_ended_is_not_late(on_both: Bench) -> None:
    """Also for a process that has not seen it wait; a limit that was free then is no excuse."""
    on_both.settings = "limits = { db = 1, idle = 1 }"
    start = on_both.clock.now()
    grace: dict[str, Any] = {"misfire_grace": timedelta(minutes=1), "overlap": "allow"}
    jobs = [
        scheduled(well, "waited", limits=("db",), **grace),
        scheduled(well, "late", limits=("idle",), **grace),
        spec_of(well, "holder", limits=("db",)),
    ]
    runs: list[RunRecord] = []

    async def before() -> None:
        held = await on_both.add("holder", limits=("db",))
        there = LeaseRequest(ProcessIdentity("there", "", "", 1, ""), "there", second(1000))
        lease = await on_both.store.start_attempt(held.id, there)
        assert lease is not None
        runs.append(await on_both.tick("waited", start, limits=("db",)))
        runs.append(await on_both.tick("late", start, limits=("idle",)))
        await anyio.sleep(300)
        await on_both.store.settle(lease, dead=True)
        await anyio.sleep(300)

    async def call() -> list[RunRecord]:
        return await on_both.over(*runs)

    waited, late = on_both(call, *jobs, before=before)
    assert (waited.status, late.status) == (RunStatus.SUCCEEDED, RunStatus.SKIPPED)


def test_a_job_that_nobody_knows_for_ten_minutes_is_skipped(on_both: Bench) -> None:
    """Not before, and not while any other replica has it."""
    on_both.known.add("theirs")
    start = on_both.clock.now()

    async def call() -> tuple[RunRecord, RunRecord]:
        gone, theirs = await on_both.add("gone"), await on_both.add("theirs")
        on_both.queue.wake()
        [gone] = await on_both.over(gone)
        await anyio.sleep(3600)
        return gone, await on_both.store.run(theirs.id)

    gone, theirs = on_both(call, spec_of(well))
    assert (gone.status, gone.reason) == (RunStatus.SKIPPED, "unknown_job")
    assert second(600) <= gone.finished_at - start <= second(600 + 2 * POLL)
    assert gone.message == "for ten minutes no scheduler or worker that lives has known job gone"
    assert theirs.status is RunStatus.QUEUED


def test_runs_of_others_do_not_hide_ours(bench: Bench) -> None:
    """However many stand before them."""
    bench.known.add("theirs")

    async def call() -> list[RunRecord]:
        for _ in range(500):
            await bench.add("theirs", priority=9)
        own = await bench.add("well")
        bench.queue.wake()
        return await bench.over(own)

    [own] = bench(call, spec_of(well))
    assert own.started_at - own.queued_at < second(0.1)


def test_runs_of_a_limit_do_not_hide_the_others(on_both: Bench) -> None:
    """However many wait for it."""
    on_both.settings = "limits = { db = 1 }"

    async def call() -> list[RunRecord]:
        for _ in range(300):
            await on_both.add("minute", limits=("db",), priority=9)
        free = await on_both.add("well")
        on_both.queue.wake()
        return await on_both.over(free)

    [free] = on_both(call, spec_of(minute, limits=("db",)), spec_of(well))
    assert free.started_at - free.queued_at <= second(POLL + 1)


def test_a_job_whose_file_broke_waits_to_be_mended(bench: Bench) -> None:
    """A sound one begins within seconds; one that stays broken fails after ten minutes, and says why."""
    broken = spec_of(well).with_error(CollectionError("the file is broken"))
    start = bench.clock.now()

    async def call() -> list[RunRecord]:
        mended, never = await bench.add("well"), await bench.add("never")
        for run in (mended, never):
            await bench.queue.submit(run, bench.post.jobs[run.job])
        await anyio.sleep(300)
        assert (await bench.store.run(mended.id)).status is RunStatus.QUEUED
        bench.post.jobs = {**bench.post.jobs, "well": spec_of(well)}
        return await bench.over(mended, never)

    mended, never = bench(call, broken, spec_of(well, "never").with_error(CollectionError("broken too")))
    assert mended.status is RunStatus.SUCCEEDED
    assert second(300) <= mended.started_at - start <= second(300 + POLL + 5)
    assert (never.status, never.error and "broken too" in never.error.message) == (RunStatus.FAILED, True)
    assert second(600) <= never.finished_at - start <= second(615)


# -- stopping, outages, idleness --------------------------------------------------------------------------


def test_after_stop_nothing_new_begins(on_both: Bench) -> None:
    """What waits stays queued, what runs goes on, and nobody is left at the gate."""
    on_both.settings = "max_concurrent_runs = 2"

    async def call() -> list[RunRecord]:
        queue = on_both.queue
        runs = [await on_both.add("minute") for _ in range(5)]
        for run in runs:
            await queue.submit(run, on_both.post.jobs["minute"])
        await anyio.sleep(1)
        queue.stop()
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(queue.execute, run.id)
        later = await on_both.add("minute")
        await queue.submit(later, on_both.post.jobs["minute"])
        queue.wake()
        assert queue.running == 2
        await queue.idle()
        assert queue.running == 0
        await anyio.sleep(600)
        return [await on_both.store.run(run.id) for run in (*runs, later)]

    runs = on_both(call, spec_of(minute))
    assert [run.status for run in runs] == [RunStatus.SUCCEEDED] * 2 + [RunStatus.QUEUED] * 4


def test_cancelling_the_queue_cancels_its_runs(bench: Bench) -> None:
    """They are recorded."""
    runs: list[RunRecord] = []

    async def call() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.queue.serve)
            runs.append(await bench.add("minute"))
            await bench.queue.submit(runs[0], bench.post.jobs["minute"])
            await anyio.sleep(10)
            tasks.cancel_scope.cancel()

    async def main() -> RunRecord:
        return await bench.store.run(runs[0].id)

    async def nothing() -> RunRecord:
        return await main()

    run = bench(nothing, spec_of(minute), before=call)
    assert run.status is RunStatus.CANCELLED


class Away:
    """A store that is away at times."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.away = False
        self.asked: dict[str, int] = {}

    async def __aenter__(self) -> Any:
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self._store.__aexit__(*failure)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not callable(method):
            return method

        def call(*args: Any, **options: Any) -> Any:
            self.asked[name] = self.asked.get(name, 0) + 1
            if self.away and name != "renew":
                raise StoreUnavailable("away")
            return method(*args, **options)

        return call


def test_a_store_that_is_away_costs_nothing_but_time(bench: Bench) -> None:
    """Runs go on, and what is queued begins when it is back."""
    bench.wrap = Away

    async def call() -> list[RunRecord]:
        away: Any = bench.store
        running = await bench.add("minute")
        await bench.queue.submit(running, bench.post.jobs["minute"])
        await anyio.sleep(1)
        waiting = await bench.add("well")
        away.away = True
        bench.queue.wake()
        await anyio.sleep(600)
        away.away = False
        return await bench.over(running, waiting)

    running, waiting = bench(call, spec_of(minute), spec_of(well))
    assert (running.status, waiting.status) == (RunStatus.SUCCEEDED, RunStatus.SUCCEEDED)
    assert running.duration_ms == 60_000
    assert second(600) <= waiting.started_at - waiting.queued_at <= second(606)


@pytest.mark.parametrize("waits", [False, True])
def test_an_idle_queue_asks_seldom(bench: Bench, waits: bool) -> None:
    """Twice a minute if nothing waits, every five seconds if something does."""
    bench.wrap = Away
    bench.known.add("theirs")

    async def call() -> int:
        if waits:
            await bench.add("theirs")
        await anyio.sleep(60)
        away: Any = bench.store
        before = away.asked["next_queued"]
        await anyio.sleep(3600)
        looks: int = away.asked["next_queued"] - before
        return looks

    seen: int = bench(call, spec_of(well))
    assert abs(seen - 3600 / (POLL if waits else IDLE_POLL)) <= 3


def test_many_runs_of_one_limit_are_not_tried_in_vain(bench: Bench) -> None:
    """Each of them is tried when there is room for it, not each time that one ends."""
    bench.wrap = Away
    bench.settings = "limits = { db = 2 }"
    number = 300

    async def call() -> int:
        runs = [await bench.add("well", limits=("db",)) for _ in range(number)]
        for run in runs:
            await bench.queue.submit(run, bench.post.jobs["well"])
        await bench.over(*runs)
        away: Any = bench.store
        return int(away.asked["start_attempt"])

    tries: int = bench(call, spec_of(well, limits=("db",)))
    assert tries <= 4 * number
