"""The outbox: what ends a run writes down, in the same step, who has yet to be told."""

from __future__ import annotations

from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

from jobkit.exceptions import RunNotFound
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, RunQuery, Store
from jobkit.stores.outbox import OutboxEntry, OutboxVerdict
from jobkit.testing.conformance.kit import (
    DAY,
    HERE,
    SECOND,
    THERE,
    Cases,
    OpenStore,
    StoreClock,
    finished,
    new_run,
    outcome,
    registered,
    request,
    settled,
    started,
    taken,
    waiting,
)


class OutboxCases(Cases):
    """Which runs wait, for whom, and in what order."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("status", [status for status in RunStatus if status.finished])
    async def test_a_finished_run_waits_for_every_sink(self, store: Store, status: RunStatus) -> None:
        """However it ended."""
        await registered(store, "one", "two")
        record = await finished(store, status=status)
        assert await waiting(store, "one") == await waiting(store, "two") == [record.id]

    async def test_an_entry_says_what_is_needed_to_deliver_it(self, store: Store, clock: StoreClock) -> None:
        """Which run, of which job, since when by the store's clock, and that nobody has tried."""
        await registered(store, "sink")
        await finished(store)
        await clock.advance(SECOND)
        record = await finished(store, "job-b")
        entry = (await store.outbox("sink"))[1]
        assert record.number == 2
        assert entry == OutboxEntry(
            entry.id, "sink", record.id, 2, "job-b", clock.now(), failures=0, not_before=None, error=None
        )

    async def test_a_lost_run_waits_too(self, store: Store, clock: StoreClock) -> None:
        """Settled by a process that had nothing to do with it, because it is dead or has expired."""
        await registered(store, "sink")
        dead, lease = await started(store, attempts=9)
        await store.settle(lease, dead=True)
        expired, lease = await started(store)
        await clock.advance(lease.duration)
        await store.settle(lease, dead=False)
        assert await waiting(store) == [dead.id, expired.id]

    @pytest.mark.parametrize("tried", [False, True])
    @pytest.mark.parametrize("lost", [False, True])
    async def test_a_pinned_run_waits_once(self, store: Store, tried: bool, lost: bool) -> None:
        """Finished or lost, while it runs or while it waits for its next attempt."""
        await registered(store, "sink")
        record, lease = await started(store, attempts=9, pinned=True)
        if tried:
            await store.retry_later(lease, outcome(RunStatus.FAILED), await store.now())
        assert await waiting(store) == []
        if lost:
            await store.settle(lease, dead=True, retry_at=await store.now())
        else:
            await store.finish(lease, outcome())
        assert await waiting(store) == [record.id]

    async def test_what_goes_on_waits_for_nobody(self, store: Store) -> None:
        """Neither queued nor running, nor tried again, whatever ended the attempt."""
        await registered(store, "sink")
        await store.add_run(new_run())
        await started(store)
        _, failed = await started(store, attempts=2)
        await store.retry_later(failed, outcome(RunStatus.FAILED), await store.now())
        _, lost = await started(store, attempts=2)
        await store.settle(lost, dead=True, retry_at=await store.now())
        assert await waiting(store) == []

    async def test_the_same_finish_again_waits_once(self, store: Store, clock: StoreClock) -> None:
        """Also long after, when the first was delivered; and so does the same settlement."""
        await registered(store, "sink")
        one, lease = await started(store)
        other, gone = await started(store)
        for _ in range(3):
            await store.finish(lease, outcome())
            await store.settle(gone, dead=True)
            await clock.advance(SECOND)
        entries = await store.outbox("sink")
        assert [entry.run_id for entry in entries] == [one.id, other.id]
        done = [OutboxVerdict(entry.id, "delivered") for entry in entries]
        assert await settled(store, await taken(store), *done) is True
        await store.finish(lease, outcome())
        await store.settle(gone, dead=True)
        assert await waiting(store) == []

    async def test_a_fenced_finish_makes_nothing_wait(self, store: Store) -> None:
        """The run has gone on without its owner, or was lost and waits for that already."""
        await registered(store, "sink")
        record, old = await started(store, attempts=3)
        await store.settle(old, dead=True, retry_at=await store.now())
        assert await store.finish(old, outcome()) is None
        again = await store.start_attempt(record.id, request(THERE))
        assert again is not None
        assert await store.finish(old, outcome()) is None
        assert await store.settle(old, dead=True) is None
        assert await waiting(store) == []
        await store.settle(again, dead=True)
        assert await store.finish(again, outcome()) is None
        assert await waiting(store) == [record.id]

    async def test_the_order_is_that_of_the_finishes(self, open_store: OpenStore) -> None:
        """Whatever order the runs began in, and whichever process finished them."""
        async with open_store() as one, open_store() as other:
            await registered(one, "b", "a")
            runs = [await started(one, f"job{number % 2}") for number in range(6)]
            order = [3, 0, 5, 1, 4, 2]
            for position, number in enumerate(order):
                store = (one, other)[position % 2]
                _, lease = runs[number]
                assert await store.finish(lease, outcome()) is not None
            expected = [runs[number][0].id for number in order]
            assert await waiting(one, "a") == await waiting(other, "b") == expected
            for sink in ("a", "b"):
                ids = [entry.id for entry in await one.outbox(sink)]
                assert ids == sorted(set(ids))

    async def test_ids_are_never_given_again(self, store: Store) -> None:
        """What is added when nothing waits any more still stands behind what was."""
        await registered(store, "sink")
        seen: list[int] = []
        lease = await taken(store)
        for kind in ("delivered", "refused", "delivered"):
            await finished(store)
            [entry] = await store.outbox("sink")
            seen.append(entry.id)
            await settled(store, lease, OutboxVerdict(entry.id, kind))
        await store.remove_sink("sink")
        await registered(store, "sink")
        await finished(store)
        seen += [entry.id for entry in await store.outbox("sink")]
        assert len(seen) == 4
        assert seen == sorted(set(seen))

    async def test_what_waits_is_read_in_pages(self, store: Store) -> None:
        """From a place on, as many as were asked for, what is not to be tried yet among them."""
        await registered(store, "sink", "other")
        runs = [(await finished(store)).id for _ in range(5)]
        first = (await store.outbox("sink", limit=2))[1]
        verdict = OutboxVerdict(first.id, "failed", not_before=await store.now() + DAY)
        await settled(store, await taken(store), verdict)
        seen, after = [], 0
        while page := await store.outbox("sink", after=after, limit=2):
            seen += [entry.run_id for entry in page]
            after = page[-1].id
        assert seen == runs
        assert await store.outbox("sink", after=10**30) == []
        assert len(await store.outbox("sink", after=-(10**30))) == 5
        assert await store.outbox("unknown") == []

    @pytest.mark.parametrize("limit", [0, -1, 10_001])
    async def test_a_page_has_a_size(self, store: Store, limit: int) -> None:
        """Whoever wants more asks again."""
        with pytest.raises(ValueError, match="10,000"):
            await store.outbox("sink", limit=limit)
        with pytest.raises(ValueError, match="10,000"):
            await store.dead_letters(limit=limit)

    async def test_a_sink_starts_with_what_finishes_from_then_on(self, store: Store) -> None:
        """What had finished before waits for nobody; what was running then does."""
        _, lease = await started(store)
        await finished(store)
        await registered(store, "sink")
        assert await waiting(store) == []
        await store.finish(lease, outcome())
        assert await waiting(store) == [lease.run_id]

    @pytest.mark.parametrize(
        ("age", "wanted"),
        [(7 * DAY - timedelta(microseconds=1), True), (7 * DAY, False), (400 * DAY, False)],
    )
    async def test_a_sink_that_nobody_registers_is_forgotten(
        self, store: Store, clock: StoreClock, age: timedelta, wanted: bool
    ) -> None:
        """After seven days it gets nothing more; what waits for it waits, and others are not meant."""
        await registered(store, "sink", "living")
        before = await finished(store)
        await clock.advance(age)
        await registered(store, "living")
        record = await finished(store)
        _, lease = await started(store)
        await store.settle(lease, dead=True)
        expected = [record.id, lease.run_id] if wanted else []
        assert await waiting(store) == [before.id, *expected]
        assert await waiting(store, "living") == [before.id, record.id, lease.run_id]
        await registered(store, "sink")
        again = await finished(store)
        assert await waiting(store) == [before.id, *expected, again.id]

    async def test_whoever_finishes_need_not_know_the_sinks(self, open_store: OpenStore) -> None:
        """They are in the data, not in the object that registered them."""
        async with open_store() as store:
            await registered(store, "sink")
        async with open_store() as store:
            record = await finished(store)
        async with open_store() as store:
            assert await waiting(store) == [record.id]

    async def test_finishing_and_waiting_are_one_step(self, store: Store) -> None:
        """A call that is cut off, wherever it is, has done both or neither."""
        await registered(store, "sink")
        leases: list[Lease] = []
        for turns in range(6):
            some = [(await started(store, attempts=9))[1] for _ in range(8)]
            leases += some
            async with anyio.create_task_group() as tasks:
                for number, lease in enumerate(some):
                    if number % 2:
                        tasks.start_soon(store.finish, lease, outcome())
                    else:
                        tasks.start_soon(_settle, store, lease)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        over = {record.id for record in (await store.runs(RunQuery(limit=100))).runs if record.finished_at}
        entries = await waiting(store)
        assert len(entries) == len(set(entries))
        assert set(entries) == over
        # Whoever does not know whether its call arrived calls again.
        for lease in leases:
            await store.finish(lease, outcome())
        assert sorted(await waiting(store)) == sorted(lease.run_id for lease in leases)

    async def test_pruning_leaves_what_waits(self, store: Store, clock: StoreClock) -> None:
        """Until every sink that it waits for has it, or gave it up, or is gone."""
        await registered(store, "a", "b", "c")
        for _ in range(3):
            await finished(store)
        await clock.advance(400 * DAY)
        assert await store.prune(clock.now()) == 0
        first, second, _ = await store.outbox("a")
        await settled(
            store,
            await taken(store, "a"),
            OutboxVerdict(first.id, "delivered"),
            OutboxVerdict(second.id, "dead", reason="max_age"),
        )
        assert await store.prune(clock.now()) == 0
        first, second, _ = await store.outbox("b")
        await settled(
            store,
            await taken(store, "b"),
            OutboxVerdict(first.id, "refused"),
            OutboxVerdict(second.id, "delivered"),
        )
        await store.remove_sink("c")
        assert [letter.run_id for letter in await store.dead_letters()] == [second.run_id]
        assert await store.prune(clock.now()) == 2
        assert await store.dead_letters() == []
        with pytest.raises(RunNotFound):
            await store.run(second.run_id)
        assert await waiting(store, "a") == await waiting(store, "b")
        assert len(await waiting(store, "a")) == 1
        assert len((await store.runs(RunQuery())).runs) == 1

    async def test_entries_of_a_killed_process_are_there(self, open_store: OpenStore) -> None:
        """Its lease of the sink passes on, and with it what it did not deliver."""
        async with open_store() as store:
            await registered(store, "sink")
            record = await finished(store)
            old = await taken(store, owner=HERE)
        async with open_store() as store:
            lease = await store.take_sink("sink", THERE, 10 * SECOND, dead=lambda owner: owner == HERE)
            assert lease is not None
            assert lease.fence > old.fence
            assert await waiting(store) == [record.id]


async def _settle(store: Store, lease: Lease) -> None:
    await store.settle(lease, dead=True)
