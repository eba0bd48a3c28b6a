"""Pinned runs: tied to one process for as long as they last."""

from __future__ import annotations

import pytest

from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from jobkit.testing.conformance.kit import (
    HERE,
    THERE,
    Cases,
    StoreClock,
    outcome,
    request,
    standing,
    started,
)


class PinnedCases(Cases):
    """A pinned run keeps its lease while it waits for its next attempt."""

    pytestmark = pytest.mark.anyio

    async def test_it_keeps_its_lease_while_it_waits(self, store: Store, clock: StoreClock) -> None:
        """The lease is listed and renewed as if the run were running."""
        record, lease = await started(store, attempts=2, pinned=True)
        assert await store.retry_later(lease, outcome(RunStatus.FAILED), clock.now()) is True
        [found] = await store.open_leases()
        assert (found.lease, found.status, found.expired) == (lease, RunStatus.QUEUED, False)
        await clock.advance(lease.duration)
        assert (await store.open_leases())[0].expired is True
        assert store.renew([lease]) == {record.id}
        assert (await store.open_leases())[0].expired is False

    async def test_nobody_else_may_start_it(self, store: Store, clock: StoreClock) -> None:
        """Its owner may, even when the lease has run out."""
        record, lease = await started(store, attempts=2, pinned=True)
        await store.retry_later(lease, outcome(RunStatus.FAILED), clock.now())
        await clock.advance(2 * lease.duration)
        assert await store.start_attempt(record.id, request(THERE)) is None
        again = await store.start_attempt(record.id, request(HERE, pinned=True))
        assert again is not None
        assert (again.attempt, again.pinned) == (2, True)
        assert again.fence > lease.fence

    async def test_it_can_be_finished_while_it_waits(self, store: Store) -> None:
        """Its attempt stays as it ended."""
        record, lease = await started(store, attempts=2, pinned=True)
        failure = outcome(RunStatus.FAILED, message="no route")
        await store.retry_later(lease, failure, await store.now())
        cancelled = outcome(RunStatus.CANCELLED, message="stopped")
        finished = await store.finish(lease, cancelled)
        assert finished is not None
        assert (finished.status, finished.message) == (RunStatus.CANCELLED, "stopped")
        assert await store.finish(lease, cancelled) == finished
        [attempt] = await store.attempts(record.id)
        assert (attempt.status, attempt.message) == (RunStatus.FAILED, "no route")
        assert await standing(store) == set()

    async def test_it_is_lost_with_its_process(self, store: Store) -> None:
        """Whatever attempts remain, and whatever whoever settles it wants."""
        record, lease = await started(store, attempts=9, pinned=True)
        lost = await store.settle(lease, dead=True, retry_at=await store.now())
        assert lost is not None
        assert lost.status is RunStatus.LOST
        assert await store.start_attempt(record.id, request()) is None

    async def test_it_is_lost_while_it_waits(self, store: Store) -> None:
        """Its attempt stays as it ended."""
        record, lease = await started(store, attempts=9, pinned=True)
        await store.retry_later(lease, outcome(RunStatus.FAILED), await store.now())
        lost = await store.settle(lease, dead=True, retry_at=await store.now())
        assert lost is not None
        assert lost.status is RunStatus.LOST
        assert [attempt.status for attempt in await store.attempts(record.id)] == [RunStatus.FAILED]
        assert await standing(store) == set()
