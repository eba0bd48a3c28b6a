"""Runs come into being: numbers, ids, and what was asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from jobkit.exceptions import RunNotFound, StoreError
from jobkit.records import TickSpan
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunQuery, Store
from jobkit.testing.conformance.kit import (
    HERE,
    SECOND,
    START,
    THERE,
    Cases,
    StoreClock,
    new_run,
    outcome,
    request,
    started,
)

_ALL_OF_IT: dict[str, Any] = {
    "trigger": Trigger.CATCHUP,
    "actor": "ops@example.com",
    "enforce": True,
    "parameters": {"days": 7, "names": ["a", "b"], "deep": {"on": True, "ratio": 0.5, "none": None}},
    "attempts": 3,
    "scheduled_at": START - SECOND,
    "window": (START - timedelta(hours=1), START - SECOND),
    "covers": TickSpan(START - timedelta(hours=3), START - SECOND, 3),
    "parent": "a-parent",
    "retry_of": "an-older-run",
}


class RunCases(Cases):
    """Insertion and finding again."""

    pytestmark = pytest.mark.anyio

    async def test_a_new_run_is_queued(self, store: Store, clock: StoreClock) -> None:
        """It waits, with a number, and has not been attempted."""
        run = new_run("job", extension="shop")
        record = await store.add_run(run)
        assert (record.id, record.number, record.job, record.extension) == (run.id, 1, "job", "shop")
        assert (record.status, record.attempt, record.attempts) == (RunStatus.QUEUED, 0, 1)
        assert (record.queued_at, record.started_at, record.finished_at) == (clock.now(), None, None)
        assert await store.attempts(run.id) == []

    async def test_everything_that_was_asked_for_comes_back(self, store: Store) -> None:
        """Each member of a new run is found in its record."""
        run = new_run(**_ALL_OF_IT)
        await store.add_run(run)
        record = await store.run(run.id)
        assert {name: getattr(record, name) for name in _ALL_OF_IT} == _ALL_OF_IT

    async def test_inserting_and_starting_is_one_step(self, store: Store, clock: StoreClock) -> None:
        """The run is running at once, under a lease."""
        run = new_run(**_ALL_OF_IT)
        record, lease = await store.add_and_start(run, request(seconds=7))
        assert record == await store.run(run.id)
        assert {name: getattr(record, name) for name in _ALL_OF_IT} == _ALL_OF_IT
        assert (record.status, record.attempt, record.node) == (RunStatus.RUNNING, 1, "node-of-host-a")
        assert (record.queued_at, record.started_at) == (clock.now(), clock.now())
        assert (lease.run_id, lease.attempt, lease.owner) == (run.id, 1, HERE)
        assert lease.expires_at == clock.now() + timedelta(seconds=7)
        assert [found.lease for found in await store.open_leases()] == [lease]

    async def test_the_same_id_again_is_the_same_run(self, store: Store) -> None:
        """An insertion that is repeated inserts nothing and uses no number up."""
        run = new_run()
        first = await store.add_run(run)
        assert await store.add_run(run) == first
        assert (await store.add_run(new_run())).number == 2
        assert len((await store.runs(RunQuery())).runs) == 2

    async def test_the_same_id_again_shows_the_run_as_it_stands(self, store: Store) -> None:
        """An insertion that is repeated late does not set the run back."""
        run = new_run()
        _, lease = await store.add_and_start(run, request())
        finished = await store.finish(lease, outcome())
        assert await store.add_run(run) == finished
        assert await store.run(run.id) == finished

    async def test_the_same_start_again_is_the_same_start(self, store: Store) -> None:
        """Whoever does not know whether its call arrived calls again and gets its lease."""
        run = new_run()
        record, lease = await store.add_and_start(run, request())
        assert await store.add_and_start(run, request()) == (record, lease)
        assert len(await store.attempts(run.id)) == 1

    async def test_a_queued_run_can_be_started_by_its_id(self, store: Store) -> None:
        """Inserted before, never started: then the start is all that is left to do."""
        run = new_run()
        queued = await store.add_run(run)
        record, lease = await store.add_and_start(run, request())
        assert (record.number, record.status) == (queued.number, RunStatus.RUNNING)
        assert lease.fence > 0

    async def test_an_id_that_somebody_else_started_is_refused(self, store: Store) -> None:
        """The run stays with whoever has it."""
        run = new_run()
        record, lease = await store.add_and_start(run, request())
        with pytest.raises(StoreError):
            await store.add_and_start(run, request(THERE))
        assert await store.run(run.id) == record
        await store.finish(lease, outcome())
        with pytest.raises(StoreError):
            await store.add_and_start(run, request())

    async def test_numbers_are_unique_and_without_gaps(self, store: Store) -> None:
        """Inserted at the same time, each run has a number of its own."""
        numbers: list[int | None] = []

        async def add() -> None:
            numbers.append((await store.add_run(new_run())).number)

        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(add)
        assert sorted(number for number in numbers if number is not None) == list(range(1, 31))

    async def test_a_number_is_never_given_again(self, store: Store, clock: StoreClock) -> None:
        """Not even that of the newest run, after it was deleted."""
        record, lease = await started(store)
        await store.finish(lease, outcome())
        await clock.advance(timedelta(days=1))
        assert await store.prune(clock.now()) == 1
        assert record.number == 1
        assert (await store.add_run(new_run())).number == 2

    async def test_a_run_is_found_by_number_and_by_id(self, store: Store) -> None:
        """Both name the same run."""
        await store.add_run(new_run("other"))
        record = await store.add_run(new_run())
        assert record.number is not None
        assert await store.run(record.number) == await store.run(record.id) == record

    @pytest.mark.parametrize("reference", [2, 0, -1, 10**30, "", "1", "no-such-id", "\ud800"])
    async def test_an_unknown_run_is_not_found(self, store: Store, reference: int | str) -> None:
        """Whatever the reference looks like."""
        await store.add_run(new_run())
        with pytest.raises(RunNotFound):
            await store.run(reference)

    async def test_what_is_given_out_is_not_what_is_kept(self, store: Store) -> None:
        """Whoever changes the mapping of a record, or the one that it handed over, changes only that."""
        given = {"list": [1]}
        record = await store.add_run(new_run(parameters=given))
        given["list"].append(2)
        record.parameters["list"].append(3)
        assert (await store.run(record.id)).parameters == {"list": [1]}

    async def test_naive_times_are_refused(self, store: Store) -> None:
        """A time without a zone means nothing to anybody else."""
        with pytest.raises(TypeError):
            await store.add_run(new_run(scheduled_at=START.replace(tzinfo=None)))
        with pytest.raises(TypeError):
            await store.add_run(new_run(not_before=START.replace(tzinfo=None)))
        assert (await store.runs(RunQuery())).runs == ()
