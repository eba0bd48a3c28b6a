"""The queue: what may start, in which order, and what holds it back: times, limits, abandoned threads."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from jobkit.exceptions import RunNotFound
from jobkit.records import RunRecord
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, Store
from jobkit.testing.conformance.kit import (
    DAY,
    HERE,
    JOB,
    SECOND,
    START,
    THERE,
    Cases,
    OpenStore,
    StoreClock,
    claimed,
    new_run,
    outcome,
    registered,
    request,
    run_claim,
    scheduled,
    started,
    waiting,
)

DB = {"db": 2}


async def _queued(store: Store, **options: Any) -> list[int | None]:
    """The numbers of the runs that could be started, in order."""
    return [run.number for run in await store.queued(**options)]


async def _limited(store: Store, *limits: str, **options: Any) -> RunRecord:
    """A queued run that names limits."""
    return await store.add_run(new_run(limits=limits or ("db",), **options))


async def _abandoned(store: Store, **options: Any) -> Lease:
    """The lease of a run that timed out, with a thread that goes on."""
    record, lease = await started(store, **options)
    assert await store.abandon(lease) is True
    assert await store.finish(lease, outcome(RunStatus.TIMED_OUT)) is not None
    assert (await store.run(record.id)).status is RunStatus.TIMED_OUT
    return lease


class QueueCases(Cases):
    """What could be started, and ends without having been."""

    pytestmark = pytest.mark.anyio

    async def test_the_order_is_by_priority_then_by_number(self, store: Store) -> None:
        """The highest first, and of equal ones whoever came first."""
        for priority in (0, 5, -3, 5, 10**30):
            await store.add_run(new_run(priority=priority))
        assert await _queued(store) == [5, 2, 4, 1, 3]
        assert await _queued(store, limit=2) == [5, 2]
        for limit in (0, 10_001):
            with pytest.raises(ValueError, match="10,000"):
                await store.queued(limit=limit)

    async def test_some_of_them_are_asked_for(self, store: Store) -> None:
        """By job, by queue, and by node; those for no node are for every one."""
        await store.add_run(new_run("a"))
        await store.add_run(new_run("b", queue="large"))
        await store.add_run(new_run("a", node="n1"))
        await store.add_run(new_run("b", node="n2"))
        assert await _queued(store) == [1, 2, 3, 4]
        assert await _queued(store, jobs=["a"]) == [1, 3]
        assert await _queued(store, jobs={"b", "c"}, node="n2") == [2, 4]
        assert await _queued(store, node="n1") == [1, 2, 3]
        assert await _queued(store, node="") == [1, 2]
        assert await _queued(store, queues=["large"]) == [2]
        assert await _queued(store, jobs=[]) == await _queued(store, queues=[]) == []

    async def test_a_run_waits_for_its_time(self, store: Store, clock: StoreClock) -> None:
        """Until then it is not listed, and somebody can know when to look."""
        assert await store.next_queued() is None
        await store.add_run(new_run(not_before=START + 5 * SECOND))
        record, lease = await started(store, attempts=2)
        await store.retry_later(lease, outcome(RunStatus.FAILED), START + 3 * SECOND)
        await scheduled(store, mark=START - SECOND)
        jittered = new_run(JOB.job, not_before=START + 4 * SECOND)
        await claimed(store, run_claim(START, run=jittered))
        assert await _queued(store) == []
        assert await _queued(store, now=START + 4 * SECOND) == [2, 3]
        assert await store.next_queued() == START + 3 * SECOND
        await clock.advance(3 * SECOND)
        assert await _queued(store) == [record.number]
        assert await store.next_queued() == START + 4 * SECOND
        await clock.advance(DAY)
        assert await _queued(store) == [1, 2, 3]
        assert await store.next_queued() is None

    async def test_what_somebody_has_is_not_listed(self, store: Store) -> None:
        """Neither running, nor between two attempts of a pinned run."""
        await started(store)
        _, lease = await started(store, attempts=2, pinned=True)
        await store.retry_later(lease, outcome(RunStatus.FAILED), START + DAY)
        assert await _queued(store, now=START + 2 * DAY) == []
        assert await store.next_queued() is None

    async def test_a_queued_run_can_end_without_an_attempt(self, store: Store, clock: StoreClock) -> None:
        """Too late, or of a job that nobody knows: it says so, and sinks are told."""
        await registered(store, "sink")
        record = await store.add_run(new_run())
        skipped = outcome(RunStatus.SKIPPED, reason="misfire", message="too late", duration_ms=0)
        ended = await store.end_queued(record.id, skipped)
        assert ended is not None
        assert ended == await store.run(record.id)
        assert (ended.status, ended.reason, ended.message) == (RunStatus.SKIPPED, "misfire", "too late")
        assert (ended.attempt, ended.started_at) == (0, None)
        assert await store.attempts(record.id) == []
        assert await store.end_queued(record.id, outcome(RunStatus.FAILED)) == ended
        assert await waiting(store) == [record.id]
        assert await _queued(store) == []
        assert await store.start_attempt(record.id, request()) is None

    async def test_what_is_executed_does_not_end_so(self, store: Store) -> None:
        """Nor what somebody holds."""
        running, lease = await started(store)
        pinned, held = await started(store, pinned=True, attempts=2)
        await store.retry_later(held, outcome(RunStatus.FAILED), START)
        for record in (running, pinned):
            before = await store.run(record.id)
            assert await store.end_queued(record.id, outcome(RunStatus.SKIPPED)) is None
            assert await store.run(record.id) == before
        finished = await store.finish(lease, outcome())
        assert await store.end_queued(running.id, outcome(RunStatus.SKIPPED)) == finished
        with pytest.raises(RunNotFound):
            await store.end_queued("no-such-run", outcome(RunStatus.SKIPPED))


class LimitCases(Cases):
    """Named limits: how many may be executed at a time."""

    pytestmark = pytest.mark.anyio

    async def test_a_run_waits_for_its_limit(self, store: Store) -> None:
        """It stays queued, and starts when a place is free."""
        runs = [await _limited(store) for _ in range(3)]
        leases = [await store.start_attempt(run.id, request(), limits=DB) for run in runs]
        assert [lease is not None for lease in leases] == [True, True, False]
        assert (await store.run(runs[2].id)).status is RunStatus.QUEUED
        assert await store.queued(limits=DB) == []
        assert [run.id for run in await store.queued()] == [runs[2].id]
        assert leases[0] is not None
        await store.finish(leases[0], outcome())
        assert [run.id for run in await store.queued(limits=DB)] == [runs[2].id]
        assert await store.start_attempt(runs[2].id, request(THERE), limits=DB) is not None

    async def test_all_of_its_limits_must_have_room(self, store: Store) -> None:
        """Those that nobody has set are free; those that it does not name are not its business."""
        first = await _limited(store, "db", "mail", "db")
        caps = {"db": 2, "mail": 1}
        lease = await store.start_attempt(first.id, request(), limits=caps)
        assert lease is not None
        second, third = await _limited(store, "mail", "db"), await _limited(store, "db", "unset")
        assert await store.start_attempt(second.id, request(), limits=caps) is None
        assert await store.start_attempt(third.id, request(), limits=caps) is not None
        fourth, free = await _limited(store, "db"), await _limited(store, "unset")
        assert await _queued(store, limits=caps) == [free.number]
        assert await store.start_attempt(fourth.id, request(), limits=caps) is None
        assert await store.start_attempt(free.id, request(), limits=caps) is not None
        await store.finish(lease, outcome())
        assert await _queued(store, limits=caps) == [second.number, fourth.number]
        assert await _queued(store, limits={"db": 0}) == []
        assert await store.start_attempt(second.id, request(), limits=caps) is not None

    async def test_every_end_frees_its_place(self, store: Store, clock: StoreClock) -> None:
        """Finished, tried again later, lost."""
        one = {"db": 1}
        for end in ("finish", "retry", "settle", "settle and retry"):
            run = await _limited(store, attempts=5)
            lease = await store.start_attempt(run.id, request(), limits=one)
            assert lease is not None, end
            other = await _limited(store)
            assert await store.start_attempt(other.id, request(), limits=one) is None
            later = clock.now() + DAY
            if end == "finish":
                await store.finish(lease, outcome())
            elif end == "retry":
                await store.retry_later(lease, outcome(RunStatus.FAILED), later)
            else:
                await store.settle(lease, dead=True, retry_at=later if end == "settle and retry" else None)
            assert await store.queued(limits=one) == [await store.run(other.id)]
            await store.end_queued(other.id, outcome(RunStatus.SKIPPED))

    async def test_a_limit_holds_for_all_replicas(self, open_store: OpenStore) -> None:
        """Ten runs, started by three of them at once: as many as there is room for."""
        leases: list[Lease | None] = []

        async def start(store: Store, run: RunRecord) -> None:
            leases.append(await store.start_attempt(run.id, request(), limits=DB))

        async with open_store() as one, open_store() as two, open_store() as three:
            runs = [await _limited(one) for _ in range(10)]
            async with anyio.create_task_group() as tasks:
                for number, run in enumerate(runs):
                    tasks.start_soon(start, (one, two, three)[number % 3], run)
        assert sum(lease is not None for lease in leases) == 2

    async def test_a_run_by_hand_waits_for_its_limit(self, store: Store) -> None:
        """Queued for its process, which starts it when there is room."""
        one = {"db": 1}
        first, lease = await store.add_and_start(new_run(limits=("db",)), request(THERE), limits=one)
        assert first.status is RunStatus.RUNNING
        new = new_run(limits=("db",))
        record, own = await store.add_and_start(new, request(pinned=True), limits=one)
        assert (record.status, record.attempt) == (RunStatus.QUEUED, 0)
        assert await store.start_attempt(record.id, request(pinned=True), limits=one) is None
        assert await store.queued() == []
        await store.finish(lease, outcome())
        assert await store.start_attempt(record.id, request(THERE), limits=one) is None
        again = await store.start_attempt(record.id, request(pinned=True), limits=one)
        assert again is not None
        assert ((await store.run(record.id)).status, again.attempt) == (RunStatus.RUNNING, 1)
        assert await store.finish(own, outcome()) is None
        assert await store.finish(again, outcome()) is not None


class AbandonedCases(Cases):
    """Threads that go on when their run does not wait for them any more."""

    pytestmark = pytest.mark.anyio

    async def test_its_lease_stays_when_its_run_has_ended(self, store: Store, clock: StoreClock) -> None:
        """It is listed as abandoned, and renewed, until the thread ends."""
        lease = await _abandoned(store)
        [found] = await store.open_leases()
        assert (found.lease, found.abandoned, found.status) == (lease, True, RunStatus.TIMED_OUT)
        await clock.advance(4 * SECOND)
        assert store.renew([lease]) == {lease.run_id}
        [found] = await store.open_leases()
        assert (found.lease.expires_at, found.expired) == (clock.now() + lease.duration, False)
        assert (await store.run(lease.run_id)).status is RunStatus.TIMED_OUT
        for _ in range(2):
            await store.release_abandoned(lease)
        assert await store.open_leases() == []
        assert store.renew([lease]) == frozenset()

    async def test_it_counts_for_overlap(self, store: Store) -> None:
        """A tick is skipped for a thread that still runs."""
        lease = await _abandoned(store)
        await scheduled(store, mark=START - 2 * SECOND)
        answer = await claimed(store, run_claim(START - SECOND, overlap="skip"))
        assert answer.span is not None
        assert answer.span.span.cause == "run 1"
        waits = await claimed(store, run_claim(START, overlap="queue"))
        assert waits.run is not None
        assert await store.start_attempt(waits.run.id, request()) is None
        await store.release_abandoned(lease)
        assert await store.start_attempt(waits.run.id, request()) is not None

    async def test_it_counts_for_limits(self, store: Store) -> None:
        """Once, while its run is executed and after that."""
        record, lease = await started(store, limits=("db",))
        await store.abandon(lease)
        other, third = await _limited(store), await _limited(store)
        assert await store.start_attempt(other.id, request(), limits=DB) is not None
        await store.finish(lease, outcome(RunStatus.TIMED_OUT))
        assert await store.start_attempt(third.id, request(), limits=DB) is None
        await store.release_abandoned(lease)
        assert await store.start_attempt(third.id, request(), limits=DB) is not None
        assert record.number == 1

    @pytest.mark.parametrize("pinned", [False, True])
    async def test_a_retry_waits_for_it(self, store: Store, clock: StoreClock, pinned: bool) -> None:
        """Two attempts of a run never run at once."""
        record, lease = await started(store, attempts=2, pinned=pinned)
        assert await store.abandon(lease) is True
        assert await store.retry_later(lease, outcome(RunStatus.TIMED_OUT), START) is True
        assert await store.queued() == []
        assert await store.start_attempt(record.id, request(pinned=pinned)) is None
        [found] = await store.open_leases()
        assert (found.lease, found.abandoned) == (lease, True)
        await clock.advance(SECOND)
        assert store.renew([lease]) == {record.id}
        await store.release_abandoned(lease)
        again = await store.start_attempt(record.id, request(pinned=pinned))
        assert again is not None
        assert (again.attempt, await store.abandon(lease)) == (2, False)

    async def test_a_process_takes_its_threads_along(self, store: Store, clock: StoreClock) -> None:
        """Its abandoned leases are settled as others are; what became of the runs stays."""
        dead, expired = await _abandoned(store), await _abandoned(store)
        tried, lease = await started(store, attempts=2)
        await store.abandon(lease)
        await store.retry_later(lease, outcome(RunStatus.TIMED_OUT), START)
        before = await store.run(dead.run_id)
        assert await store.settle(dead, dead=False) is None
        assert await store.settle(dead, dead=True) == before
        assert await store.settle(dead, dead=True) is None
        assert await store.settle(lease, dead=True) == await store.run(tried.id)
        assert (await store.run(tried.id)).status is RunStatus.QUEUED
        await clock.advance(expired.duration)
        assert await store.settle(expired, dead=False) is not None
        assert await store.open_leases() == []
        assert await store.start_attempt(tried.id, request()) is not None

    async def test_a_process_that_dies_before_it_says_so(self, store: Store) -> None:
        """Marked, and not ended: the run is lost, and nothing of its lease is left."""
        record, lease = await started(store)
        await store.abandon(lease)
        [found] = await store.open_leases()
        assert (found.lease, found.abandoned, found.status) == (lease, True, RunStatus.RUNNING)
        lost = await store.settle(lease, dead=True)
        assert lost is not None
        assert lost.status is RunStatus.LOST
        assert await store.open_leases() == []
        assert record.number == 1

    async def test_only_a_lease_that_stands_is_abandoned(self, store: Store) -> None:
        """Not one that was fenced or has ended."""
        _, fenced = await started(store)
        await store.settle(fenced, dead=True)
        _, ended = await started(store)
        await store.finish(ended, outcome())
        unknown = Lease("none", 1, 1, HERE, "", ended.duration, False, ended.expires_at)
        for lease in (fenced, ended, unknown):
            assert await store.abandon(lease) is False
            await store.release_abandoned(lease)
        assert await store.open_leases() == []

    async def test_pruning_leaves_what_still_runs(self, store: Store, clock: StoreClock) -> None:
        """Until its thread has ended."""
        lease = await _abandoned(store)
        await clock.advance(400 * DAY)
        assert await store.prune(clock.now()) == 0
        await store.release_abandoned(lease)
        assert await store.prune(clock.now()) == 1
