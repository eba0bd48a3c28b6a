"""Settlement: ending the leases of those who run no more, and of nobody else."""

from __future__ import annotations

import pytest

from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from jobkit.testing.conformance.kit import (
    HERE,
    SECOND,
    Cases,
    StoreClock,
    outcome,
    request,
    standing,
    started,
)


class SettlingCases(Cases):
    """What happens to runs whose owner is gone."""

    pytestmark = pytest.mark.anyio

    async def test_a_living_lease_is_left_alone(self, store: Store, clock: StoreClock) -> None:
        """Up to its last instant."""
        record, lease = await started(store)
        await clock.advance(lease.duration - SECOND)
        assert await store.settle(lease, dead=False) is None
        assert await store.run(record.id) == record
        assert await standing(store) == {record.id}

    async def test_an_expired_one_is_lost(self, store: Store, clock: StoreClock) -> None:
        """The run says so, and so does its attempt; how long it lasted nobody knows."""
        record, lease = await started(store)
        await clock.advance(lease.duration)
        lost = await store.settle(lease, dead=False)
        assert lost is not None
        assert lost == await store.run(record.id)
        assert (lost.status, lost.finished_at, lost.duration_ms) == (RunStatus.LOST, clock.now(), None)
        assert lost.message
        [attempt] = await store.attempts(record.id)
        assert (attempt.status, attempt.finished_at) == (RunStatus.LOST, clock.now())
        assert await standing(store) == set()

    async def test_a_dead_one_need_not_expire(self, store: Store) -> None:
        """Whoever knows that the owner is gone does not wait."""
        record, lease = await started(store)
        lost = await store.settle(lease, dead=True)
        assert lost is not None
        assert lost.status is RunStatus.LOST
        assert str(HERE.pid) in (lost.message or "")
        assert (await store.run(record.id)).finished_at is not None

    async def test_a_lost_attempt_can_be_made_up(self, store: Store, clock: StoreClock) -> None:
        """With ``retry_at`` the run waits for its next attempt."""
        record, lease = await started(store, attempts=2)
        queued = await store.settle(lease, dead=True, retry_at=clock.now() + SECOND)
        assert queued is not None
        assert (queued.status, queued.finished_at, queued.attempt) == (RunStatus.QUEUED, None, 1)
        again = await store.start_attempt(record.id, request())
        assert again is not None
        finished = await store.finish(again, outcome())
        assert finished is not None
        assert [attempt.status for attempt in await store.attempts(record.id)] == [
            RunStatus.LOST,
            RunStatus.SUCCEEDED,
        ]

    async def test_settling_twice_settles_once(self, store: Store, clock: StoreClock) -> None:
        """Two processes see the same dead lease; the second changes nothing."""
        record, lease = await started(store)
        lost = await store.settle(lease, dead=True)
        await clock.advance(SECOND)
        assert await store.settle(lease, dead=True) is None
        assert await store.settle(lease, dead=True, retry_at=clock.now()) is None
        assert await store.run(record.id) == lost

    async def test_a_finished_run_is_not_settled(self, store: Store) -> None:
        """The result came first."""
        record, lease = await started(store)
        finished = await store.finish(lease, outcome())
        assert await store.settle(lease, dead=True) is None
        assert await store.run(record.id) == finished

    async def test_an_owner_that_was_settled_is_fenced(self, store: Store) -> None:
        """Even before anybody else has started the run."""
        record, lease = await started(store, attempts=2)
        queued = await store.settle(lease, dead=True, retry_at=await store.now())
        assert store.renew([lease]) == frozenset()
        assert await store.finish(lease, outcome()) is None
        assert await store.retry_later(lease, outcome(RunStatus.FAILED), await store.now()) is False
        assert await store.run(record.id) == queued

    async def test_open_leases_say_what_is_needed_to_settle_them(
        self, store: Store, clock: StoreClock
    ) -> None:
        """Who, of which job, how many attempts there may be, and whether the time is up."""
        _, first = await started(store, "one", attempts=3)
        await clock.advance(first.duration)
        _, second = await started(store, "two")
        _, ended = await started(store, "three")
        await store.finish(ended, outcome())
        found = {lease.job: lease for lease in await store.open_leases()}
        assert set(found) == {"one", "two"}
        assert (found["one"].lease, found["two"].lease) == (first, second)
        assert (found["one"].expired, found["two"].expired) == (True, False)
        assert (found["one"].attempts, found["one"].status) == (3, RunStatus.RUNNING)
