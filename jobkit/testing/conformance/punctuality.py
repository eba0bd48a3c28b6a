"""Punctuality: which tick was done last, and how long that takes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Store
from jobkit.stores.ledger import JobKey, Punctuality
from jobkit.stores.ledger_store import MEASURED_RUNS
from jobkit.testing.conformance.kit import (
    DAY,
    JOB,
    SECOND,
    START,
    Cases,
    StoreClock,
    claimed,
    new_run,
    outcome,
    request,
    run_claim,
    scheduled,
)

NODE = JobKey("job", "node-1")


def _at(second: int) -> datetime:
    return START + second * SECOND


async def _tick(store: Store, second: int, status: RunStatus | None = RunStatus.SUCCEEDED, **how: Any) -> str:
    """The run of a tick, ended as *status*, or still running; its id."""
    key = how.get("key", JOB)
    claim = run_claim(_at(second), key, expected=(await store.job_states([key]))[key].mark)
    answer = await claimed(store, claim)
    assert answer.run is not None
    assert answer.run.id is not None
    await _execute(store, answer.run.id, status, how.get("took", 1000))
    return answer.run.id


async def _execute(store: Store, run_id: str, status: RunStatus | None, took: int) -> None:
    lease = await store.start_attempt(run_id, request())
    assert lease is not None
    if status is not None:
        await store.finish(lease, outcome(status, duration_ms=took))


async def _again(store: Store, run_id: str, second: int, **options: Any) -> None:
    run = new_run(trigger=Trigger.RETRY, retry_of=run_id, scheduled_at=_at(second), **options)
    await store.add_run(run)
    await _execute(store, run.id, RunStatus.SUCCEEDED, 1000)


async def _last(store: Store, key: JobKey = JOB) -> datetime | None:
    return (await store.punctuality([key]))[key].tick


class PunctualityCases(Cases):
    """What is needed to see that a job is late."""

    pytestmark = pytest.mark.anyio

    async def test_nothing_is_known_of_a_job_that_has_never_run(self, store: Store) -> None:
        """Each that was asked for is in the answer, whether it is registered or not."""
        await scheduled(store)
        other = JobKey("other\0")
        assert await store.punctuality([]) == {}
        nothing = Punctuality(None, None)
        assert await store.punctuality([JOB, other]) == {JOB: nothing, JobKey("other\ufffd"): nothing}

    async def test_a_tick_is_done_when_its_run_has_succeeded(self, store: Store, clock: StoreClock) -> None:
        """Not while it runs, nor with any other end; a later failure does not undo an earlier success."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        await _tick(store, 1)
        for second, status in enumerate((None, *RunStatus), 2):
            if status is None or (status.finished and status is not RunStatus.SUCCEEDED):
                await _tick(store, second, status)
        assert await _last(store) == _at(1)
        await _tick(store, 50)
        assert await _last(store) == _at(50)

    async def test_a_retry_does_the_tick_that_it_repeats(self, store: Store, clock: StoreClock) -> None:
        """A run by hand does none, whatever is said of its time."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        await _tick(store, 1)
        failed = await _tick(store, 5, RunStatus.FAILED)
        by_hand = new_run(scheduled_at=_at(5))
        await store.add_run(by_hand)
        await _execute(store, by_hand.id, RunStatus.SUCCEEDED, 1000)
        assert await _last(store) == _at(1)
        await _again(store, failed, 5)
        assert await _last(store) == _at(5)
        await _tick(store, 9)
        await _again(store, failed, 5)
        assert await _last(store) == _at(9)

    async def test_the_first_success_may_be_a_retry(self, store: Store, clock: StoreClock) -> None:
        """Nothing else has succeeded."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        await _again(store, await _tick(store, 1, RunStatus.FAILED), 1)
        assert await _last(store) == _at(1)

    async def test_each_node_has_its_own_ticks(self, store: Store, clock: StoreClock) -> None:
        """And what is asked of one job says nothing of another."""
        other = JobKey("other")
        await scheduled(store, JOB, NODE, other)
        await clock.advance(100 * SECOND)
        await _tick(store, 1)
        await _tick(store, 2, key=NODE)
        await _tick(store, 3, key=other)
        failed = await _tick(store, 7, RunStatus.FAILED, key=NODE)
        await _again(store, failed, 7, node=NODE.node)
        assert [await _last(store, key) for key in (JOB, NODE, other)] == [_at(1), _at(7), _at(3)]

    async def test_it_is_known_how_long_runs_take(self, store: Store, clock: StoreClock) -> None:
        """Of those that succeeded: 95 of a hundred take no longer."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        for second in range(1, 21):
            await _tick(store, second, took=1000 * second)
        await _tick(store, 30, RunStatus.TIMED_OUT, took=1_000_000)
        assert (await store.punctuality([JOB, NODE]))[NODE].p95 == timedelta(seconds=19)
        assert (await store.punctuality([JOB]))[JOB].p95 == timedelta(seconds=19)

    async def test_the_newest_runs_tell_how_long_they_take(self, store: Store, clock: StoreClock) -> None:
        """A job that was made faster is not measured by what it once was; runs by hand are runs, too."""
        for number in range(MEASURED_RUNS + 1):
            run = new_run()
            await store.add_run(run)
            await _execute(store, run.id, RunStatus.SUCCEEDED, 60_000 if number == 0 else number)
            await clock.advance(SECOND)
        assert (await store.punctuality([JOB]))[JOB].p95 == timedelta(milliseconds=95)

    async def test_pruned_ticks_are_forgotten(self, store: Store, clock: StoreClock) -> None:
        """As if they had never been: whoever asks knows how far back the history goes."""
        await scheduled(store)
        await clock.advance(100 * SECOND)
        await _tick(store, 1)
        await clock.advance(DAY)
        await store.prune(clock.now())
        assert await store.punctuality([JOB]) == {JOB: Punctuality(None, None)}
