"""Cancelling: whoever executes a run hears that somebody wants it to end."""

from __future__ import annotations

import pytest

from jobkit.exceptions import RunNotFound
from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from jobkit.testing.conformance.kit import (
    DAY,
    SECOND,
    START,
    Cases,
    StoreClock,
    new_run,
    outcome,
    registered,
    request,
    started,
    waiting,
)


class CancelCases(Cases):
    """Asking a run to stop."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("tried", [False, True])
    async def test_a_queued_run_is_cancelled_at_once(
        self, store: Store, clock: StoreClock, tried: bool
    ) -> None:
        """Before its first attempt, or between two; sinks are told."""
        await registered(store, "sink")
        record = await store.add_run(new_run(attempts=2))
        if tried:
            lease = await store.start_attempt(record.id, request())
            assert lease is not None
            await store.retry_later(lease, outcome(RunStatus.FAILED), START + DAY)
        await clock.advance(SECOND)
        ended = await store.request_cancel(record.id, by="ops@x", reason="not now")
        assert ended == await store.run(record.id)
        assert (ended.status, ended.finished_at) == (RunStatus.CANCELLED, clock.now())
        assert ended.message == "cancelled by ops@x: not now"
        assert await store.request_cancel(record.id, by="else") == ended
        assert await store.cancel_requests([record.id]) == {}
        assert await waiting(store) == [record.id]
        assert await store.start_attempt(record.id, request()) is None

    async def test_whoever_executes_a_run_finds_the_request(self, store: Store, clock: StoreClock) -> None:
        """The first one counts; it is gone when the run has ended."""
        running, lease = await started(store)
        pinned, held = await started(store, pinned=True, attempts=2)
        await store.retry_later(held, outcome(RunStatus.FAILED), START)
        before = [await store.run(run.id) for run in (running, pinned)]
        for record in before:
            assert await store.request_cancel(record.id, by="ops\0", reason=None) == record
            assert await store.request_cancel(record.id, by="else", reason="again") == record
        found = await store.cancel_requests([running.id, "no-such-run"])
        assert list(found) == [running.id]
        assert (found[running.id].by, found[running.id].reason) == ("ops\ufffd", None)
        assert found[running.id].at == clock.now()
        assert set(await store.cancel_requests()) == {running.id, pinned.id}
        assert await store.cancel_requests([]) == {}
        await store.finish(lease, outcome(RunStatus.CANCELLED))
        await store.finish(held, outcome(RunStatus.CANCELLED))
        assert await store.cancel_requests() == {}

    async def test_a_cancelled_run_is_not_tried_again(self, store: Store) -> None:
        """Whoever was too late to hear of it queues nothing."""
        await registered(store, "sink")
        failed, lease = await started(store, attempts=9)
        lost, other = await started(store, attempts=9)
        for record in (failed, lost):
            await store.request_cancel(record.id, by="ops")
        for _ in range(2):
            assert await store.retry_later(lease, outcome(RunStatus.FAILED), START) is True
        settled = await store.settle(other, dead=True, retry_at=START)
        assert settled is not None
        assert settled.status is RunStatus.CANCELLED
        for record in (failed, lost):
            ended = await store.run(record.id)
            assert (ended.status, ended.message) == (RunStatus.CANCELLED, "cancelled by ops")
        attempts = [(await store.attempts(record.id))[0].status for record in (failed, lost)]
        assert attempts == [RunStatus.FAILED, RunStatus.LOST]
        assert await waiting(store) == [failed.id, lost.id]
        assert await store.queued(now=START + DAY) == []

    async def test_an_unknown_run_cannot_be_cancelled(self, store: Store) -> None:
        """And one that has ended stays as it is."""
        with pytest.raises(RunNotFound):
            await store.request_cancel("no-such-run", by="ops")
        _, lease = await started(store)
        finished = await store.finish(lease, outcome())
        assert await store.request_cancel(lease.run_id, by="ops") == finished
