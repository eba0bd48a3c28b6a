"""Leases: who may execute a run, and the fence that whoever lost the right cannot pass."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread
import pytest

from jobkit.exceptions import RunNotFound
from jobkit.records import Progress, RunFailure
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, Store
from jobkit.testing.conformance.kit import (
    SECOND,
    THERE,
    Cases,
    StoreClock,
    new_run,
    outcome,
    request,
    standing,
    started,
)

_FULL: dict[str, Any] = {
    "message": "3 of 5 sent",
    "processed": 3,
    "errors": 2,
    "data": {"sent": [1, 2, 3]},
    "reason": "expectation",
    "error": RunFailure("smtplib.SMTPException", "refused", "Traceback …"),
    "cleanup_errors": (
        RunFailure("OSError", "closing"),
        RunFailure("KeyError", "'x'", "Traceback …", "JK101", "mend it"),
    ),
}


class LeaseCases(Cases):
    """Starting, renewing, finishing, trying again."""

    pytestmark = pytest.mark.anyio

    async def test_a_queued_run_is_started(self, store: Store, clock: StoreClock) -> None:
        """It runs, under a lease that ends by the store's clock."""
        record = await store.add_run(new_run())
        await clock.advance(SECOND)
        lease = await store.start_attempt(record.id, request(seconds=5))
        assert lease is not None
        assert (lease.attempt, lease.expires_at) == (1, clock.now() + 5 * SECOND)
        running = await store.run(record.id)
        assert (running.status, running.attempt, running.started_at) == (RunStatus.RUNNING, 1, clock.now())
        [attempt] = await store.attempts(record.id)
        assert (attempt.number, attempt.status, attempt.node) == (1, RunStatus.RUNNING, "node-of-host-a")
        assert (attempt.started_at, attempt.finished_at) == (clock.now(), None)

    async def test_only_one_of_many_gets_a_run(self, store: Store) -> None:
        """Ten ask at once; nine are told None."""
        record = await store.add_run(new_run())
        leases: list[Lease | None] = []

        async def ask() -> None:
            leases.append(await store.start_attempt(record.id, request(THERE)))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
        assert sum(lease is not None for lease in leases) == 1
        assert len(await store.attempts(record.id)) == 1

    async def test_what_is_not_queued_is_not_started(self, store: Store) -> None:
        """Neither a running run nor a finished one; one that does not exist is an error."""
        record, lease = await started(store)
        assert await store.start_attempt(record.id, request()) is None
        await store.finish(lease, outcome())
        assert await store.start_attempt(record.id, request()) is None
        with pytest.raises(RunNotFound):
            await store.start_attempt("no-such-run", request())

    async def test_a_renewal_extends_from_now(self, store: Store, clock: StoreClock) -> None:
        """By the duration that was asked for at the start."""
        record, lease = await started(store)
        await clock.advance(4 * SECOND)
        assert store.renew([lease]) == {record.id}
        [found] = await store.open_leases()
        assert found.lease.expires_at == clock.now() + lease.duration
        assert found.expired is False

    async def test_an_expired_lease_can_still_be_renewed(self, store: Store, clock: StoreClock) -> None:
        """As long as nobody else has taken the run, its owner goes on."""
        record, lease = await started(store)
        await clock.advance(lease.duration)
        [found] = await store.open_leases()
        assert found.expired is True
        assert store.renew([lease]) == {record.id}
        assert await store.settle(lease, dead=False) is None
        assert await standing(store) == {record.id}

    async def test_a_renewal_tells_which_leases_stand(self, store: Store) -> None:
        """One that ended, was fenced or never was is not among them."""
        standing_, lease = await started(store)
        _, ended = await started(store)
        await store.finish(ended, outcome())
        _, fenced = await started(store)
        await store.settle(fenced, dead=True)
        unknown = Lease("none", 1, 1, lease.owner, "", lease.duration, False, lease.expires_at)
        assert store.renew([ended, lease, fenced, unknown]) == {standing_.id}
        assert store.renew([]) == frozenset()

    async def test_renewals_work_while_the_event_loop_stands_still(self, store: Store) -> None:
        """From other threads, several at once."""
        record, lease = await started(store)
        answers: list[frozenset[str]] = []
        threads = [threading.Thread(target=lambda: answers.append(store.renew([lease]))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()  # the loop does nothing meanwhile
        assert answers == [{record.id}] * 4

    async def test_a_renewal_can_be_asked_for_in_a_worker_thread(self, store: Store) -> None:
        """While the loop goes on."""
        record, lease = await started(store)
        assert await anyio.to_thread.run_sync(store.renew, [lease]) == {record.id}

    async def test_finishing_ends_run_attempt_and_lease(self, store: Store) -> None:
        """Each member of the outcome is found again."""
        record, lease = await started(store)
        ended = outcome(RunStatus.FAILED, **_FULL)
        finished = await store.finish(lease, ended)
        assert finished is not None
        assert finished == await store.run(record.id)
        assert {name: getattr(finished, name) for name in _FULL} == _FULL
        assert (finished.status, finished.duration_ms) == (RunStatus.FAILED, 60_000)
        assert finished.finished_at == ended.finished_at
        [attempt] = await store.attempts(record.id)
        assert (attempt.status, attempt.finished_at) == (RunStatus.FAILED, ended.finished_at)
        assert (attempt.message, attempt.reason, attempt.error, attempt.duration_ms) == (
            ended.message,
            ended.reason,
            ended.error,
            ended.duration_ms,
        )
        assert await standing(store) == set()

    @pytest.mark.parametrize("status", [status for status in RunStatus if status.finished])
    async def test_a_run_can_end_in_every_final_status(self, store: Store, status: RunStatus) -> None:
        """As the outcome says."""
        record, lease = await started(store)
        await store.finish(lease, outcome(status))
        assert (await store.run(record.id)).status is status

    async def test_the_same_finish_again_is_the_same_finish(self, store: Store) -> None:
        """The first one counts; the second is told what it was."""
        record, lease = await started(store)
        finished = await store.finish(lease, outcome(message="first"))
        assert await store.finish(lease, outcome(RunStatus.FAILED, message="second")) == finished
        assert await store.run(record.id) == finished
        assert await store.late_outcome(record.id) is None

    async def test_every_start_has_a_higher_fence(self, store: Store) -> None:
        """Whichever way the attempt before it ended."""
        record, lease = await started(store, attempts=9)
        fences = [lease.fence]
        for settled in (False, True, False):
            if settled:
                await store.settle(lease, dead=True, retry_at=await store.now())
            else:
                await store.retry_later(lease, outcome(RunStatus.FAILED), await store.now())
            again = await store.start_attempt(record.id, request())
            assert again is not None
            lease = again
            fences.append(lease.fence)
        assert fences == sorted(set(fences))
        assert lease.attempt == 4

    async def test_a_fenced_owner_changes_nothing(self, store: Store) -> None:
        """Its run has gone on without it: no finish, no retry, no progress, no renewal, no settlement."""
        record, old = await started(store, attempts=3)
        await store.settle(old, dead=True, retry_at=await store.now())
        lease = await store.start_attempt(record.id, request(THERE))
        assert lease is not None
        before, attempts = await store.run(record.id), await store.attempts(record.id)
        assert await store.finish(old, outcome()) is None
        assert await store.retry_later(old, outcome(RunStatus.FAILED), await store.now()) is False
        await store.set_progress(old, Progress(1, 2))
        assert store.renew([old]) == frozenset()
        assert await store.settle(old, dead=True) is None
        assert await store.run(record.id) == before
        assert await store.attempts(record.id) == attempts
        assert [found.lease for found in await store.open_leases()] == [lease]

    async def test_a_fenced_finish_is_kept_as_late_outcome(self, store: Store) -> None:
        """The work was done, even if it no longer counts."""
        record, old = await started(store)
        assert await store.late_outcome(record.id) is None
        await store.settle(old, dead=True)
        late = outcome(**_FULL)
        assert await store.finish(old, late) is None
        assert await store.late_outcome(record.id) == late
        assert (await store.run(record.id)).status is RunStatus.LOST
        with pytest.raises(RunNotFound):
            await store.late_outcome("no-such-run")

    async def test_a_finish_of_a_deleted_run_is_told_none(self, store: Store, clock: StoreClock) -> None:
        """There is nothing left to write it to, and that is no error."""
        _, lease = await started(store)
        await store.settle(lease, dead=True)
        await clock.advance(timedelta(days=1))
        await store.prune(clock.now())
        assert await store.finish(lease, outcome()) is None

    async def test_a_run_is_tried_again(self, store: Store, clock: StoreClock) -> None:
        """Its attempt ended; it waits, without a lease, and anybody may start the next."""
        record, lease = await started(store, attempts=2)
        failure = outcome(RunStatus.FAILED, message="no route", error=RunFailure("OSError", "no route"))
        assert await store.retry_later(lease, failure, clock.now() + SECOND) is True
        waiting = await store.run(record.id)
        assert (waiting.status, waiting.attempt, waiting.finished_at) == (RunStatus.QUEUED, 1, None)
        assert await standing(store) == set()
        await clock.advance(SECOND)
        again = await store.start_attempt(record.id, request(THERE))
        assert again is not None
        assert (again.attempt, again.owner) == (2, THERE)
        running = await store.run(record.id)
        assert (running.attempt, running.node) == (2, "node-of-host-b")
        assert running.started_at == record.started_at
        await store.finish(again, outcome())
        first, second = await store.attempts(record.id)
        assert (first.status, first.message, first.error) == (RunStatus.FAILED, "no route", failure.error)
        assert (second.number, second.status) == (2, RunStatus.SUCCEEDED)
        assert second.started_at == clock.now()

    async def test_the_same_retry_again_is_the_same(self, store: Store) -> None:
        """Until the next attempt has begun."""
        record, lease = await started(store, attempts=3)
        failure = outcome(RunStatus.FAILED)
        assert await store.retry_later(lease, failure, await store.now()) is True
        assert await store.retry_later(lease, failure, await store.now()) is True
        assert len(await store.attempts(record.id)) == 1
        await store.start_attempt(record.id, request())
        assert await store.retry_later(lease, failure, await store.now()) is False

    async def test_a_lease_that_was_let_go_ends_nothing(self, store: Store) -> None:
        """After ``retry_later`` the run waits for whoever starts it next."""
        record, lease = await started(store, attempts=2)
        await store.retry_later(lease, outcome(RunStatus.FAILED), await store.now())
        assert await store.finish(lease, outcome()) is None
        assert store.renew([lease]) == frozenset()
        assert await store.settle(lease, dead=True) is None
        assert (await store.run(record.id)).status is RunStatus.QUEUED

    async def test_progress_is_remembered_for_the_attempt(self, store: Store) -> None:
        """The newest counts; the next attempt begins without any."""
        record, lease = await started(store, attempts=2)
        await store.set_progress(lease, Progress(1, 10))
        await store.set_progress(lease, Progress(2.5, 10, "halfway"))
        assert (await store.run(record.id)).progress == Progress(2.5, 10, "halfway")
        await store.retry_later(lease, outcome(RunStatus.FAILED), await store.now())
        again = await store.start_attempt(record.id, request())
        assert again is not None
        assert (await store.run(record.id)).progress is None
        await store.set_progress(again, Progress(7))
        finished = await store.finish(again, outcome())
        assert finished is not None
        assert finished.progress == Progress(7)
        await store.set_progress(again, Progress(8))
        assert (await store.run(record.id)).progress == Progress(7)
