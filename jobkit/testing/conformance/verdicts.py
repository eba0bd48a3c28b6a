"""Settling the outbox: what became of entries, and how a sink stands, under its lease."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from jobkit.stores.base import Store
from jobkit.stores.outbox import OutboxVerdict
from jobkit.stores.outbox_store import ERROR_LIMIT
from jobkit.testing.conformance.kit import (
    DAY,
    SECOND,
    START,
    THERE,
    Cases,
    OpenStore,
    StoreClock,
    finished,
    registered,
    settled,
    sink_state,
    taken,
    waiting,
)


class VerdictCases(Cases):
    """What a sink's owner reports, once or twice, and when it no longer is the owner."""

    pytestmark = pytest.mark.anyio

    async def test_a_fenced_settlement_changes_nothing(self, store: Store, clock: StoreClock) -> None:
        """Somebody else delivers now: neither entries nor the sink's standing are the old one's business."""
        await registered(store, "sink")
        for _ in range(4):
            await finished(store)
        old = await taken(store)
        await clock.advance(10 * SECOND)
        new = await taken(store, owner=THERE)
        entries, state = await store.outbox("sink"), await store.sinks()
        verdicts = [
            OutboxVerdict(entries[0].id, "delivered"),
            OutboxVerdict(entries[1].id, "refused"),
            OutboxVerdict(entries[2].id, "failed", error="x", not_before=START),
            OutboxVerdict(entries[3].id, "dead", reason="rejected"),
        ]
        suspended = START + DAY
        assert await settled(store, old, *verdicts, failures=9, suspended_until=suspended, error="x") is False
        assert await store.outbox("sink") == entries
        assert await store.sinks() == state
        assert await store.dead_letters() == []
        assert await settled(store, new, *verdicts) is True
        assert [entry.id for entry in await store.outbox("sink")] == [entries[2].id]

    async def test_what_is_delivered_or_refused_is_gone(self, store: Store, clock: StoreClock) -> None:
        """The rest stays where it was; the sink says when it was last given something."""
        await registered(store, "sink")
        runs = [(await finished(store)).id for _ in range(4)]
        lease = await taken(store)
        entries = await store.outbox("sink")
        await clock.advance(SECOND)
        assert await settled(store, lease, OutboxVerdict(entries[2].id, "refused")) is True
        assert (await sink_state(store)).delivered_at is None
        assert await settled(store, lease, OutboxVerdict(entries[1].id, "delivered")) is True
        assert (await sink_state(store)).delivered_at == clock.now()
        assert await waiting(store) == [runs[0], runs[3]]

    async def test_what_failed_stays_in_its_place(self, store: Store, clock: StoreClock) -> None:
        """With what was said, and a failure more unless that was nobody's fault."""
        await registered(store, "sink")
        runs = [(await finished(store)).id for _ in range(2)]
        lease = await taken(store)
        first = (await store.outbox("sink"))[0].id
        later = clock.now() + SECOND
        verdict = OutboxVerdict(first, "failed", error="HTTP 500", not_before=later)
        assert await settled(store, lease, verdict) is True
        entry = (await store.outbox("sink"))[0]
        assert (entry.failures, entry.error, entry.not_before) == (1, "HTTP 500", later)
        verdict = OutboxVerdict(first, "failed", error="down", not_before=later + SECOND, counts=False)
        await settled(store, lease, verdict)
        entry = (await store.outbox("sink"))[0]
        assert (entry.failures, entry.error, entry.not_before) == (1, "down", later + SECOND)
        for _ in range(2):
            await settled(store, lease, OutboxVerdict(first, "failed"))
        entry = (await store.outbox("sink"))[0]
        assert (entry.failures, entry.error, entry.not_before) == (3, None, None)
        assert await waiting(store) == runs

    async def test_the_same_settlement_again_is_the_same(self, store: Store, clock: StoreClock) -> None:
        """Whoever does not know whether its call arrived calls again."""
        await registered(store, "sink")
        for _ in range(4):
            await finished(store)
        lease = await taken(store)
        entries = await store.outbox("sink")
        later = clock.now() + SECOND
        verdicts = [
            OutboxVerdict(entries[0].id, "delivered"),
            OutboxVerdict(entries[1].id, "dead", reason="failures", error="no"),
            OutboxVerdict(entries[2].id, "failed", error="x", not_before=later),
            OutboxVerdict(entries[3].id, "refused"),
            OutboxVerdict(10**30, "delivered"),
        ]
        assert await settled(store, lease, *verdicts, failures=1, error="x") is True
        seen = await store.outbox("sink"), await store.dead_letters(), await store.sinks()
        await clock.advance(SECOND)
        assert await settled(store, lease, *verdicts, failures=1, error="x") is True
        assert (await store.outbox("sink"), await store.dead_letters(), await store.sinks()) == seen
        assert seen[0][0].failures == 1

    async def test_how_a_sink_stands_is_kept(self, open_store: OpenStore, clock: StoreClock) -> None:
        """For whoever delivers next; the newest word replaces what was said before."""
        until = clock.now() + 300 * SECOND
        async with open_store() as store:
            await registered(store, "sink")
            lease = await taken(store)
            assert await settled(store, lease, failures=12, suspended_until=until, error="refused") is True
        async with open_store() as store:
            state = await sink_state(store)
            assert (state.failures, state.suspended_until, state.error) == (12, until, "refused")
            await store.release_sink(lease)
            lease = await taken(store, owner=THERE)
            state = await sink_state(store)
            assert (state.failures, state.suspended_until, state.error) == (12, until, "refused")
            assert await settled(store, lease) is True
            state = await sink_state(store)
            assert (state.failures, state.suspended_until, state.error) == (0, None, None)

    async def test_a_settlement_is_one_step(self, store: Store) -> None:
        """Calls that are cut off have told all of it or nothing."""
        await registered(store, "sink")
        runs = [(await finished(store)).id for _ in range(40)]
        lease = await taken(store)
        entries = await store.outbox("sink")
        told = [entries[start : start + 5] for start in range(0, 40, 5)]
        async with anyio.create_task_group() as tasks:
            for some in told:
                done = [OutboxVerdict(entry.id, "delivered") for entry in some]
                tasks.start_soon(settled, store, lease, *done)
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        left = set(await waiting(store))
        assert left <= set(runs)
        for some in told:
            assert len({entry.run_id for entry in some} & left) in {0, 5}

    async def test_errors_are_bounded(self, store: Store) -> None:
        """Twenty megabytes said by a server are cut, and say so."""
        large = "ä\0" * (10 * 1024 * 1024)
        await registered(store, "sink")
        for _ in range(2):
            await finished(store)
        lease = await taken(store)
        one, other = await store.outbox("sink")
        verdicts = [
            OutboxVerdict(one.id, "failed", error=large),
            OutboxVerdict(other.id, "dead", error=large, reason="rejected"),
        ]
        assert await settled(store, lease, *verdicts, error=large) is True
        kept = [
            (await store.outbox("sink"))[0].error,
            (await store.dead_letters())[0].error,
            (await sink_state(store)).error,
        ]
        for error in kept:
            assert error is not None
            assert len(error) <= ERROR_LIMIT
            assert error.startswith("ä\ufffdä\ufffd")
            assert "more characters" in error

    async def test_naive_times_of_a_settlement_are_refused(self, store: Store) -> None:
        """A time without a zone means nothing to anybody else."""
        await registered(store, "sink")
        await finished(store)
        lease = await taken(store)
        [entry] = await store.outbox("sink")
        naive = START.replace(tzinfo=None)
        with pytest.raises(TypeError):
            await settled(store, lease, suspended_until=naive, failures=1)
        with pytest.raises(TypeError):
            await settled(store, lease, OutboxVerdict(entry.id, "failed", not_before=naive), failures=1)
        assert await store.outbox("sink") == [entry]
        assert (await sink_state(store)).failures == 0
