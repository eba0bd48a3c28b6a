"""Opening, closing, sharing, and calls that are cancelled."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from jobkit.exceptions import RunNotFound, StoreError
from jobkit.stores.base import RunQuery, Store
from jobkit.testing.conformance.kit import SECOND, Cases, OpenStore, StoreClock, new_run, outcome, started


class LifetimeCases(Cases):
    """What holds for the store as a whole."""

    pytestmark = pytest.mark.anyio

    async def test_what_was_written_is_there_when_it_is_opened_again(self, open_store: OpenStore) -> None:
        """Closing loses nothing."""
        async with open_store() as store:
            written = await store.add_run(new_run())
        async with open_store() as store:
            assert await store.run(written.id) == written

    async def test_one_object_can_be_opened_again(self, open_store: OpenStore) -> None:
        """A store that was closed can be entered once more."""
        store = open_store()
        async with store:
            written = await store.add_run(new_run())
        async with store:
            assert await store.run(written.id) == written

    async def test_a_store_that_is_not_open_says_so(self, open_store: OpenStore) -> None:
        """Before it is entered, and after it was left, every call is refused."""
        store = open_store()
        with pytest.raises(StoreError):
            await store.add_run(new_run())
        async with store:
            record, lease = await started(store)
        with pytest.raises(StoreError):
            await store.run(record.id)
        with pytest.raises(StoreError):
            store.renew([lease])

    async def test_entering_twice_at_a_time_is_refused(self, open_store: OpenStore) -> None:
        """And the store that is open stays open."""
        async with open_store() as store:
            with pytest.raises(StoreError):
                await store.__aenter__()
            await store.add_run(new_run())

    async def test_leaving_twice_is_harmless(self, open_store: OpenStore) -> None:
        """``__aexit__`` can be called again."""
        async with open_store() as store:
            pass
        await store.__aexit__(None, None, None)

    async def test_another_project_is_refused(self, open_store: OpenStore) -> None:
        """A store belongs to one project name, and says which."""
        async with open_store() as store:
            written = await store.add_run(new_run())
        with pytest.raises(StoreError, match="conformance"):
            async with open_store(project="another"):
                pytest.fail("it was opened")
        async with open_store() as store:
            assert await store.run(written.id) == written

    async def test_two_stores_share_their_runs(self, open_store: OpenStore) -> None:
        """What one has written the other reads, and numbers go on."""
        async with open_store() as one, open_store() as other:
            first = await one.add_run(new_run())
            second = await other.add_run(new_run())
            assert await other.run(first.id) == first
            assert (first.number, second.number) == (1, 2)

    async def test_a_lease_is_kept_whichever_store_is_asked(self, open_store: OpenStore) -> None:
        """The right to a run is in the data, not in the object that handed it out."""
        async with open_store() as one, open_store() as other:
            record, lease = await started(one)
            assert other.renew([lease]) == {record.id}
            assert await other.finish(lease, outcome()) is not None
            assert await one.finish(lease, outcome()) == await other.run(record.id)

    async def test_the_clock_is_the_stores(self, store: Store, clock: StoreClock) -> None:
        """``now`` is what instants of the store come from."""
        await clock.advance(SECOND)
        record = await store.add_run(new_run())
        assert await store.now() == clock.now()
        assert record.queued_at == clock.now()

    async def test_nothing_waits_to_be_migrated(self, store: Store) -> None:
        """An open store has all its tables, and upgrading it again changes nothing."""
        before = await store.schema()
        assert before.pending == ()
        assert (await store.upgrade()).applied == before.applied

    async def test_schema_can_be_asked_before_it_is_opened(self, open_store: OpenStore) -> None:
        """``schema`` and ``upgrade`` work on a store that was not entered."""
        store = open_store()
        waiting = (await store.schema()).pending
        done = await store.upgrade()
        assert set(waiting) <= set(done.applied)
        assert done.pending == ()

    async def test_its_address_can_be_shown(self, store: Store) -> None:
        """A store has an address, and one that was opened for writing says so."""
        assert "://" in store.url
        assert store.read_only is False

    async def test_many_calls_at_once_are_all_answered(self, store: Store) -> None:
        """A hundred tasks write and read at the same time."""
        found: dict[str, int | None] = {}

        async def work() -> None:
            record, lease = await started(store)
            await store.finish(lease, outcome())
            found[record.id] = (await store.run(record.id)).number

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(work)
        assert sorted(number for number in found.values() if number is not None) == list(range(1, 101))

    async def test_cancelled_calls_happen_whole_or_not_at_all(self, store: Store) -> None:
        """Tasks cancelled in the middle of writing harm neither the store nor each other."""
        wanted = [new_run() for _ in range(50)]
        kept = new_run("kept")
        async with anyio.create_task_group() as tasks, anyio.create_task_group() as cancelled:
            for run in wanted:
                cancelled.start_soon(store.add_run, run)
            tasks.start_soon(store.add_run, kept)
            await anyio.lowlevel.checkpoint()
            cancelled.cancel_scope.cancel()
        assert (await store.run(kept.id)).job == "kept"
        listed = {record.id for record in (await store.runs(RunQuery(limit=100))).runs}
        for run in wanted:
            if run.id in listed:
                assert (await store.run(run.id)).job == "job"
            else:
                with pytest.raises(RunNotFound):
                    await store.run(run.id)
        assert (await store.add_run(new_run())).number == len(listed) + 1
