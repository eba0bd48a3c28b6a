"""Threads that were left behind: the attempt is over at its deadline, the lease when the thread has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import JobContext, JobResult, Retry, RunStatus
from jobkit.exceptions import StoreUnavailable
from jobkit.records import RunRecord
from jobkit.runner import abandoned
from jobkit.stores.base import Lease, LeaseRequest, Outcome
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import HandClock, MakeRunner, SteppedClock, spec_of

RENEWALS = "jobkit-leases"
#: Long enough for a thread to begin on a busy machine: one that has not begun is not left behind.
SHORT = timedelta(seconds=0.5)


class ByHand(SteppedClock, HandClock):
    """The test's own time, and periodic calls when the test says so."""

    def __init__(self) -> None:
        SteppedClock.__init__(self)
        self.passed = 0.0


class Abandoning(MemoryStore):
    """The store in memory, with what it was asked for in order; an abandoned lease stands until released."""

    def __init__(self) -> None:
        super().__init__(project="tests")
        self.asked: list[str] = []
        self.standing: list[Lease] = []
        self.renewed: list[Lease] = []
        self.away = 0
        self.released = anyio.Event()
        self.later = anyio.Event()

    async def abandon(self, lease: Lease) -> bool:
        self.asked.append("abandon")
        self.standing.append(lease)
        return True

    async def release_abandoned(self, lease: Lease) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("not now")
        self.asked.append("release")
        self.standing.remove(lease)
        self.released.set()

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        self.renewed = list(leases)
        return frozenset(lease.run_id for lease in self.renewed)

    async def start_attempt(
        self, run_id: str, request: LeaseRequest, *, limits: Mapping[str, int] | None = None
    ) -> Lease | None:
        assert self.standing == [], "a thread of the run still goes on"
        self.asked.append("start")
        return await super().start_attempt(run_id, request, limits=limits)

    async def retry_later(self, lease: Lease, outcome: Outcome, not_before: datetime) -> bool:
        self.asked.append("later")
        self.later.set()
        return await super().retry_later(lease, outcome, not_before)

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        self.asked.append(f"finish {outcome.status}")
        return await super().finish(lease, outcome)


@pytest.fixture
async def abandoning() -> Any:
    """Open."""
    async with Abandoning() as store:
        yield store


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Threads that wait for it end with the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


async def test_the_attempt_is_over_at_its_deadline(runner: MakeRunner, go_on: threading.Event) -> None:
    """What time its thread is given to notice is no time of the run's."""
    clock = HandClock()

    def job(ctx: JobContext) -> None:
        while not ctx.cancelled:
            pass
        clock.take(3600)
        go_on.wait(30)

    spec = spec_of(job, timeout=SHORT)
    async with runner(spec, clock=clock) as here:
        record = await here.run(spec)
        assert here.abandoned_threads
        go_on.set()
    assert record.status is RunStatus.TIMED_OUT
    assert record.duration_ms == 0, "by this clock no time had passed when it was told to stop"


async def test_the_lease_stays_until_the_thread_has_ended(
    runner: MakeRunner, abandoning: Abandoning, go_on: threading.Event
) -> None:
    """Renewed however late it is, released after it, and the run is over all the while."""
    clock = ByHand()

    def job(ctx: JobContext) -> JobResult:
        go_on.wait(30)
        return JobResult.success("late")

    spec = spec_of(job, timeout=SHORT)
    async with runner(spec, store=abandoning, clock=clock) as here:
        record = await here.run(spec)
        assert abandoning.asked == ["abandon", "finish timed_out"]
        clock.take(3600)
        clock.step(RENEWALS)
        assert [lease.run_id for lease in abandoning.renewed] == [record.id]
        await anyio.sleep(0.02)
        assert abandoning.standing
        go_on.set()
        await abandoning.released.wait()
        with anyio.fail_after(10):
            while RENEWALS in clock.calls:
                await anyio.lowlevel.checkpoint()
                clock.step(RENEWALS)
    assert abandoning.asked == ["abandon", "finish timed_out", "release"]
    kept = await abandoning.run(record.id)
    assert (kept.status, await abandoning.late_outcome(record.id)) == (RunStatus.TIMED_OUT, None)


async def test_a_thread_that_ends_in_time_abandons_nothing(
    runner: MakeRunner, abandoning: Abandoning
) -> None:
    """A job that asks whether it is to stop has a moment for it."""

    def job(ctx: JobContext) -> None:
        while True:
            ctx.check_cancelled()

    spec = spec_of(job, timeout=SHORT)
    async with runner(spec, store=abandoning) as here:
        await here.run(spec)
    assert abandoning.asked == ["finish timed_out"]


async def test_a_retry_comes_after_the_thread(
    runner: MakeRunner, abandoning: Abandoning, go_on: threading.Event
) -> None:
    """The lease of the attempt is released before the next one begins."""

    def job(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            go_on.wait(30)

    spec = spec_of(job, timeout=SHORT, retries=Retry(1, delay=0))
    records: list[RunRecord] = []
    async with runner(spec, store=abandoning) as here, anyio.create_task_group() as tasks:

        async def run() -> None:
            records.append(await here.run(spec))

        tasks.start_soon(run)
        await abandoning.later.wait()
        await anyio.sleep(0.02)
        assert abandoning.asked[-1] == "later", "the thread still goes on"
        go_on.set()
    assert records[0].status is RunStatus.SUCCEEDED
    assert abandoning.asked == ["abandon", "later", "release", "start", "finish succeeded"]


async def test_a_release_is_tried_again(
    runner: MakeRunner, abandoning: Abandoning, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away does not keep the lease for ever."""
    monkeypatch.setattr(abandoned, "_PAUSE", 0.01)
    abandoning.away = 2

    def job(ctx: JobContext) -> None:
        go_on.wait(30)

    spec = spec_of(job, timeout=SHORT)
    async with runner(spec, store=abandoning) as here:
        await here.run(spec)
        go_on.set()
        with anyio.fail_after(10):
            await abandoning.released.wait()
    assert abandoning.standing == []


async def test_a_lease_that_was_taken_is_not_kept(
    runner: MakeRunner, abandoning: Abandoning, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was fenced has nothing to renew."""

    async def fenced(lease: Lease) -> bool:
        return False

    monkeypatch.setattr(abandoning, "abandon", fenced)
    clock = ByHand()

    def job(ctx: JobContext) -> None:
        go_on.wait(30)

    spec = spec_of(job, timeout=SHORT)
    async with runner(spec, store=abandoning, clock=clock) as here:
        await here.run(spec)
        clock.step(RENEWALS)
        assert abandoning.renewed == []
        assert RENEWALS not in clock.calls
