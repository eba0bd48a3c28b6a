"""Sinks: which there are, and which process delivers to them."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from jobkit.processes import ProcessIdentity
from jobkit.stores.base import Store
from jobkit.stores.outbox import OutboxVerdict, SinkLease, SinkRegistration, SinkState
from jobkit.testing.conformance.kit import (
    DAY,
    HERE,
    SECOND,
    START,
    THERE,
    Cases,
    StoreClock,
    finished,
    registered,
    settled,
    sink_state,
    taken,
    waiting,
)


class SinkCases(Cases):
    """Registration, and leases of sinks."""

    pytestmark = pytest.mark.anyio

    # -- which there are --------------------------------------------------------------------------

    async def test_registered_sinks_are_listed(self, store: Store, clock: StoreClock) -> None:
        """By name, with how many wait and since when."""
        assert await store.sinks() == []
        await registered(store, "b", "a")
        await store.register_sinks([])
        added = clock.now()
        await finished(store)
        await clock.advance(SECOND)
        await finished(store)
        await store.register_sinks([SinkRegistration("c", timedelta(hours=1))])
        expected = [
            SinkState(name, 2, added, 0, 0, None, None, None, None, added, 7 * DAY) for name in ("a", "b")
        ]
        hour = timedelta(hours=1)
        expected.append(SinkState("c", 0, None, 0, 0, None, None, None, None, clock.now(), hour))
        assert await store.sinks() == expected

    async def test_registering_again_only_says_that_it_is_wanted(
        self, store: Store, clock: StoreClock
    ) -> None:
        """What waits, who delivers and how it stands remain; its newest age counts."""
        await registered(store, "sink")
        await finished(store)
        lease = await taken(store)
        await settled(store, lease, failures=3, suspended_until=START + DAY, error="down")
        before = await sink_state(store)
        await clock.advance(SECOND)
        await store.register_sinks([SinkRegistration("sink", DAY), SinkRegistration("sink", 2 * DAY)])
        after = await sink_state(store)
        assert (after.seen_at, after.max_age) == (clock.now(), 2 * DAY)
        assert (after.waiting, after.failures, after.suspended_until) == (1, 3, START + DAY)
        assert (after.error, after.owner, after.oldest) == ("down", HERE, before.oldest)
        assert await settled(store, lease) is True

    async def test_ages_beyond_any_database(self, store: Store) -> None:
        """They are cut to the largest that is kept."""
        await store.register_sinks([SinkRegistration("sink", timedelta.max)])
        assert (await sink_state(store)).max_age > 100_000_000 * DAY

    @pytest.mark.parametrize(
        ("name", "kept"),
        [("ünï 日本 🎉", "ünï 日本 🎉"), ("a\0b", "a\ufffdb"), ("\ud800", "\ufffd"), ("", "")],
    )
    async def test_a_sink_of_any_name(self, store: Store, name: str, kept: str) -> None:
        """Every method means the same sink by it."""
        await registered(store, name)
        await finished(store)
        lease = await taken(store, name)
        assert lease.sink == kept
        [entry] = await store.outbox(name)
        assert entry.sink == kept
        dead = OutboxVerdict(entry.id, "dead", reason="rejected", error=name)
        assert await settled(store, SinkLease(name, HERE, lease.fence, lease.expires_at), dead) is True
        [letter] = await store.dead_letters(sink=name)
        assert (letter.sink, letter.error) == (kept, kept)
        assert await store.replay(sink=name) == 1
        await settled(store, lease, OutboxVerdict((await store.outbox(name))[0].id, "failed", error=name))
        assert (await store.outbox(name))[0].error == kept
        await store.release_sink(lease)
        assert [state.name for state in await store.sinks()] == [kept]
        assert await store.drop_dead_letters(sink=name) == 0
        assert await store.remove_sink(name) is True
        assert await store.sinks() == []

    async def test_a_removed_sink_is_gone(self, store: Store) -> None:
        """With what waits for it and its dead letters; others keep theirs."""
        await registered(store, "sink", "other")
        await finished(store)
        second = await finished(store)
        for name in ("sink", "other"):
            lease = await taken(store, name)
            entry = (await store.outbox(name))[0]
            await settled(store, lease, OutboxVerdict(entry.id, "dead", reason="rejected"), failures=2)
        assert await store.remove_sink("sink") is True
        assert await store.remove_sink("sink") is False
        assert await store.remove_sink("unknown") is False
        assert [state.name for state in await store.sinks()] == ["other"]
        assert await waiting(store) == []
        assert await store.dead_letters(sink="sink") == []
        assert len(await store.dead_letters()) == 1
        later = await finished(store)
        assert await waiting(store) == []
        assert await waiting(store, "other") == [second.id, later.id]
        assert await store.take_sink("sink", HERE, 10 * SECOND) is None

    async def test_a_sink_that_comes_back_begins_anew(self, store: Store, clock: StoreClock) -> None:
        """As if it had never been, but that leases from before stay fenced, also its own process's."""
        await registered(store, "sink")
        old = await taken(store)
        await settled(store, old, failures=5, suspended_until=START + DAY, error="down")
        await store.remove_sink("sink")
        await registered(store, "sink")
        await finished(store)
        assert await settled(store, old) is False
        new = await taken(store)
        assert new.fence > old.fence
        assert await settled(store, old, failures=1) is False
        await store.release_sink(old)
        expected = SinkState("sink", 1, clock.now(), 0, 0, None, None, None, HERE, clock.now(), 7 * DAY)
        assert await store.sinks() == [expected]

    # -- who delivers -----------------------------------------------------------------------------

    async def test_one_process_has_a_sink(self, store: Store, clock: StoreClock) -> None:
        """Until its lease has run out by the store's clock; then another may take it."""
        await registered(store, "sink")
        lease = await taken(store, seconds=5)
        assert lease == SinkLease("sink", HERE, lease.fence, clock.now() + 5 * SECOND)
        assert (await sink_state(store)).owner == HERE
        await clock.advance(5 * SECOND - timedelta(microseconds=1))
        assert await store.take_sink("sink", THERE, SECOND) is None
        await clock.advance(timedelta(microseconds=1))
        other = await taken(store, owner=THERE)
        assert other.fence > lease.fence
        assert (await sink_state(store)).owner == THERE
        assert await store.take_sink("sink", HERE, SECOND) is None

    @pytest.mark.parametrize("passed", [4 * SECOND, DAY])
    async def test_whoever_has_it_gets_it_renewed(
        self, store: Store, clock: StoreClock, passed: timedelta
    ) -> None:
        """From now on and under the same fence, also an expired one that nobody took."""
        await registered(store, "sink")
        lease = await taken(store, seconds=5)
        await clock.advance(passed)
        renewed = await taken(store, seconds=7)
        assert (renewed.fence, renewed.expires_at) == (lease.fence, clock.now() + 7 * SECOND)
        assert await settled(store, lease) is True
        assert await store.take_sink("sink", THERE, SECOND) is None

    async def test_only_one_of_many_gets_a_sink(self, store: Store) -> None:
        """Ten processes ask at once; nine are told None."""
        await registered(store, "sink")
        owners = [ProcessIdentity("host", "boot", "", pid, "1") for pid in range(10)]
        leases: list[SinkLease | None] = []

        async def ask(owner: ProcessIdentity) -> None:
            leases.append(await store.take_sink("sink", owner, 10 * SECOND))

        async with anyio.create_task_group() as tasks:
            for owner in owners:
                tasks.start_soon(ask, owner)
        assert sum(lease is not None for lease in leases) == 1

    async def test_a_dead_process_has_nothing(self, store: Store) -> None:
        """Whoever knows that the owner is gone does not wait; it is asked about nobody else."""
        await registered(store, "sink")
        asked: list[ProcessIdentity] = []

        def dead(owner: ProcessIdentity) -> bool:
            asked.append(owner)
            return owner == HERE

        assert await store.take_sink("sink", HERE, 10 * SECOND, dead=dead) is not None
        assert await store.take_sink("sink", HERE, 10 * SECOND, dead=dead) is not None
        assert asked == []
        assert await store.take_sink("sink", THERE, 10 * SECOND, dead=lambda owner: False) is None
        lease = await store.take_sink("sink", THERE, 10 * SECOND, dead=dead)
        assert lease is not None
        assert asked == [HERE]
        assert await store.take_sink("sink", HERE, 10 * SECOND, dead=dead) is None
        assert asked == [HERE, THERE]

    async def test_a_released_sink_is_free(self, store: Store) -> None:
        """At once, and its last owner may take it again; what was released settles nothing."""
        await registered(store, "sink")
        lease = await taken(store)
        await store.release_sink(lease)
        assert (await sink_state(store)).owner is None
        assert await settled(store, lease, failures=7) is False
        other = await taken(store, owner=THERE)
        await store.release_sink(lease)
        assert (await sink_state(store)).owner == THERE
        await store.release_sink(other)
        again = await taken(store)
        assert lease.fence < other.fence < again.fence
        assert (await sink_state(store)).failures == 0

    async def test_sinks_have_leases_of_their_own(self, store: Store) -> None:
        """One is slow, the other goes on elsewhere; an unknown one is nobody's."""
        await registered(store, "a", "b")
        await finished(store)
        one, other = await taken(store, "a", HERE), await taken(store, "b", THERE)
        assert await store.take_sink("unknown", HERE, SECOND, dead=lambda owner: True) is None
        [entry] = await store.outbox("a")
        assert await settled(store, other, OutboxVerdict(entry.id, "delivered")) is True
        assert await store.outbox("a") == [entry]
        assert await settled(store, SinkLease("unknown", HERE, 1, one.expires_at)) is False
        assert await settled(store, one, OutboxVerdict(entry.id, "delivered")) is True
        assert await waiting(store, "a") == []
        assert len(await waiting(store, "b")) == 1

    async def test_having_a_sink_counts_as_registering_it(self, store: Store, clock: StoreClock) -> None:
        """A process that serves for months need not say so again; to ask in vain is nothing."""
        await registered(store, "sink", "other")
        for _ in range(3):
            await clock.advance(6 * DAY)
            await taken(store)
            assert await store.take_sink("sink", THERE, SECOND) is None
        assert (await sink_state(store)).seen_at == clock.now()
        await clock.advance(6 * DAY)
        record = await finished(store)
        assert await waiting(store) == [record.id]
        assert await waiting(store, "other") == []
