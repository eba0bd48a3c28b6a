"""The real runner in virtual time: an hour ends at once, and everything happens at its instant."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from jobkit import JobContext, JobResult, Retry
from jobkit.runner import Runner
from jobkit.stores.base import Lease, Store
from jobkit.stores.memory import MemoryStore
from jobkit.testing import VirtualTimeError
from tests.runner.conftest import spec_of
from tests.virtual_time.conftest import Execute

HOUR = 3600.0


@pytest.mark.parametrize(("sqlite", "seconds"), [(False, 3600), (True, 300)], ids=["memory", "sqlite"])
def test_an_hour_is_over_at_once(execute: Execute, sqlite: bool, seconds: int) -> None:
    """The record says an hour, to the millisecond; with a file that is really written it takes longer."""
    execute.sqlite = sqlite

    async def job(ctx: JobContext) -> None:
        await anyio.sleep(seconds)

    record = execute(job)
    assert (record.status, record.duration_ms) == ("succeeded", seconds * 1000)
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.finished_at - record.started_at == timedelta(seconds=seconds)


def test_a_timeout_is_met_exactly(execute: Execute) -> None:
    """Not a millisecond late, however long it is."""

    async def job(ctx: JobContext) -> None:
        await anyio.sleep(2 * HOUR)

    record = execute(job, timeout=timedelta(hours=1))
    assert (record.status, record.duration_ms) == ("timed_out", 3_600_000)


def test_retries_wait_in_virtual_time(execute: Execute) -> None:
    """Ten minutes, then an hour: the attempts begin when they should."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.success() if ctx.attempt == 3 else JobResult.failure("not yet")

    record = execute(job, retries=Retry(2, delay="10m", backoff=6, max_delay="1h", jitter=False))
    assert (record.status, record.attempt) == ("succeeded", 3)
    began = [attempt.started_at - execute.attempts[0].started_at for attempt in execute.attempts]
    assert began == [timedelta(0), timedelta(minutes=10), timedelta(minutes=70)]


def test_a_thread_at_work_takes_no_virtual_time(execute: Execute) -> None:
    """While it works the timeout does not come nearer."""

    def job(ctx: JobContext) -> None:
        time.sleep(0.05)

    record = execute(job, timeout=timedelta(seconds=0.01))
    assert (record.status, record.duration_ms) == ("succeeded", 0)


def test_a_thread_sleeps_by_the_clock(execute: Execute) -> None:
    """``clock.sleep`` is to threads what ``anyio.sleep`` is to coroutines; so is a call into the loop."""

    def job(ctx: JobContext) -> None:
        execute.clock.sleep(HOUR)
        anyio.from_thread.run(anyio.sleep, HOUR)

    record = execute(job)
    assert (record.status, record.duration_ms) == ("succeeded", 7_200_000)


def test_a_thread_that_does_not_end_is_timed_out(execute: Execute) -> None:
    """At its deadline, though its thread goes on for an hour."""

    def job(ctx: JobContext) -> None:
        execute.clock.sleep(HOUR)

    record = execute(job, timeout=timedelta(minutes=5))
    assert (record.status, record.duration_ms) == ("timed_out", 300_000)


def test_a_thread_may_wait_for_a_child_run(execute: Execute) -> None:
    """A thread that waits for the event loop does not keep the time standing."""

    async def child(ctx: JobContext) -> None:
        await anyio.sleep(HOUR)

    def job(ctx: JobContext) -> JobResult:
        return JobResult.success(str(ctx.run_job_sync("child").duration_ms))

    assert execute(job, spec_of(child)).message == "3600000"


def test_leases_are_renewed_by_the_clock(execute: Execute) -> None:
    """Every three seconds of an hour; by the store's clock none of them ever runs out."""
    renewed: list[float] = []
    expired: list[bool] = []

    class Counting(MemoryStore):
        def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
            renewed.append(execute.clock.monotonic())
            return super().renew(leases)

    store = Counting(project="tests", now=execute.clock.now)
    execute.store = lambda: store  # type: ignore[method-assign]

    async def job(ctx: JobContext) -> None:
        for _ in range(60):
            await anyio.sleep(60)
            expired.extend(lease.expired for lease in await store.open_leases())

    execute(job)
    assert renewed == [3.0 * number for number in range(1, 1200)]
    assert expired == [False] * 60


def test_a_lost_lease_is_noticed_at_the_next_renewal(execute: Execute) -> None:
    """The step of a renewal reaches the run as its thread does in reality."""

    async def job(ctx: JobContext) -> None:
        await anyio.sleep(HOUR)

    async def lose(store: Store, runner: Runner) -> float:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runner.run, spec)
            await anyio.sleep(100)
            (lease,) = await store.open_leases()
            await store.settle(lease.lease, dead=True)
        return execute.clock.monotonic()

    spec = spec_of(job)
    assert execute.runner(lose, spec) == 102


def test_a_job_that_waits_for_nothing_is_told(execute: Execute) -> None:
    """JK890 names what no test should hang on, although leases are renewed for ever."""

    async def job(ctx: JobContext) -> None:
        await event.wait()

    async def sets_it(ctx: JobContext) -> None:
        event.set()
        await event.wait()

    event = anyio.Event()
    with pytest.raises(VirtualTimeError, match="nothing is left to wait for") as caught:
        execute(job)
    assert caught.value.code == "JK890"
    assert execute(sets_it).status == "succeeded"


def test_the_same_test_takes_the_same_course(execute: Execute) -> None:
    """Threads, sleeps and timers: two runs of one program see the same times."""

    def course() -> list[tuple[str, float]]:
        seen: list[tuple[str, float]] = []
        began = execute.clock.monotonic()

        def note(what: str) -> None:
            seen.append((what, execute.clock.monotonic() - began))

        async def sleeper(name: str, seconds: float) -> None:
            for _ in range(5):
                await anyio.sleep(seconds)
                await anyio.to_thread.run_sync(time.sleep, 0.001)
                note(name)

        async def main() -> None:
            ticker = execute.clock.every(timedelta(seconds=2), lambda: note("tick"), name="test")
            async with anyio.create_task_group() as tasks:
                for seconds in (3, 5, 7, 11):
                    tasks.start_soon(sleeper, str(seconds), seconds)
            ticker.stop()

        execute.clock.run(main, backend=execute.backend)
        return seen

    # Threads of one instant end in any order.
    assert sorted(course()) == sorted(course())
