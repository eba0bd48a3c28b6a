"""Dead letters: what was given up, why, and the way back."""

from __future__ import annotations

from typing import get_args

import pytest

from jobkit.stores.base import Store
from jobkit.stores.outbox import DeadLetter, DeathReason, OutboxEntry, OutboxVerdict
from jobkit.testing.conformance.kit import (
    SECOND,
    Cases,
    StoreClock,
    finished,
    registered,
    settled,
    taken,
    waiting,
)


async def _given_up(store: Store, count: int, *sinks: str) -> list[str]:
    """The ids of runs that finished and were given up by each of *sinks*, in order."""
    runs = [(await finished(store)).id for _ in range(count)]
    for sink in sinks:
        entries = await store.outbox(sink)
        verdicts = [OutboxVerdict(entry.id, "dead", reason="rejected") for entry in entries]
        assert await settled(store, await taken(store, sink), *verdicts) is True
    return runs


class DeadLetterCases(Cases):
    """Listing, replaying and dropping them."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("reason", get_args(DeathReason))
    async def test_a_dead_letter_says_why(self, store: Store, clock: StoreClock, reason: DeathReason) -> None:
        """And what it was, when it died, and how often it was tried; what stands behind it goes on."""
        await registered(store, "sink")
        record, other = await finished(store, "job-a"), await finished(store)
        lease = await taken(store)
        entry = (await store.outbox("sink"))[0]
        await settled(store, lease, OutboxVerdict(entry.id, "failed", error="once"))
        await clock.advance(SECOND)
        await settled(store, lease, OutboxVerdict(entry.id, "dead", reason=reason, error="HTTP 400"))
        tried = 1 if reason == "max_age" else 2
        assert await store.dead_letters() == [
            DeadLetter(
                entry.id,
                "sink",
                record.id,
                1,
                "job-a",
                entry.added_at,
                clock.now(),
                failures=tried,
                reason=reason,
                error="HTTP 400",
            )
        ]
        assert await waiting(store) == [other.id]
        [state] = await store.sinks()
        assert (state.waiting, state.dead, state.delivered_at) == (1, 1, None)

    async def test_without_an_error_of_its_own_it_keeps_the_last(self, store: Store) -> None:
        """What had gone wrong before it was too old; and an attempt that does not count does not."""
        await registered(store, "sink")
        await finished(store)
        lease = await taken(store)
        [entry] = await store.outbox("sink")
        await settled(store, lease, OutboxVerdict(entry.id, "failed", error="HTTP 500"))
        await settled(store, lease, OutboxVerdict(entry.id, "dead", reason="failures", counts=False))
        [letter] = await store.dead_letters()
        assert (letter.error, letter.failures) == ("HTTP 500", 1)

    async def test_they_are_read_in_pages(self, store: Store) -> None:
        """By id, of all sinks or of one."""
        await registered(store, "a", "b")
        runs = await _given_up(store, 5, "a", "b")
        everything = await store.dead_letters()
        assert [letter.id for letter in everything] == sorted({letter.id for letter in everything})
        assert len(everything) == 10
        seen, after = [], 0
        while page := await store.dead_letters(sink="b", after=after, limit=2):
            assert {letter.sink for letter in page} == {"b"}
            seen += [letter.run_id for letter in page]
            after = page[-1].id
        assert seen == runs
        assert await store.dead_letters(after=everything[6].id, limit=2) == everything[7:9]
        assert await store.dead_letters(sink="unknown") == []
        assert await store.dead_letters(after=10**30) == []

    async def test_they_are_replayed_behind_what_waits(self, store: Store, clock: StoreClock) -> None:
        """In their order, as entries that nobody has tried, with all of their time before them."""
        await registered(store, "sink")
        runs = await _given_up(store, 3, "sink")
        dead = await store.dead_letters()
        await clock.advance(SECOND)
        fresh = await finished(store)
        await clock.advance(SECOND)
        assert await store.replay() == 3
        assert await store.dead_letters() == []
        entries = await store.outbox("sink")
        assert [entry.run_id for entry in entries] == [fresh.id, *runs]
        assert not {entry.id for entry in entries} & {letter.id for letter in dead}
        assert entries[1] == OutboxEntry(
            entries[1].id, "sink", runs[0], 1, "job", clock.now(), failures=0, not_before=None, error=None
        )
        later = await finished(store)
        assert await waiting(store) == [fresh.id, *runs, later.id]
        assert await store.replay() == 0
        assert len(await waiting(store)) == 5

    async def test_they_can_die_again(self, store: Store) -> None:
        """Under the id that they got by the replay."""
        await registered(store, "sink")
        [run] = await _given_up(store, 1, "sink")
        [before] = await store.dead_letters()
        await store.replay(ids=[before.id])
        lease, [entry] = await taken(store), await store.outbox("sink")
        await settled(store, lease, OutboxVerdict(before.id, "dead", reason="rejected"))
        assert await store.dead_letters() == []
        await settled(store, lease, OutboxVerdict(entry.id, "dead", reason="failures"))
        [after] = await store.dead_letters()
        assert (after.id, after.run_id, after.failures) == (entry.id, run, 1)
        assert after.id > before.id

    @pytest.mark.parametrize("drop", [False, True])
    async def test_some_of_them_can_be_meant(self, store: Store, drop: bool) -> None:
        """Those of a sink, those of some ids, or both; what does not exist is passed over."""
        await registered(store, "a", "b")
        await _given_up(store, 3, "a", "b")
        choose = store.drop_dead_letters if drop else store.replay
        of_a = [letter.id for letter in await store.dead_letters(sink="a")]
        of_b = [letter.id for letter in await store.dead_letters(sink="b")]
        assert await choose(ids=[]) == 0
        assert await choose(ids=[0, -1, 10**30, 10**6]) == 0
        assert await choose(sink="unknown") == 0
        assert await choose(sink="a", ids=of_b) == 0
        assert await choose(sink="a", ids=iter([of_a[2], of_a[0], of_a[0], of_b[0]])) == 2
        assert [letter.id for letter in await store.dead_letters(sink="a")] == [of_a[1]]
        assert await choose(ids=[of_a[1], of_b[1]]) == 2
        assert await choose(sink="b") == 2
        assert await store.dead_letters() == []
        back = [] if drop else [3, 3]
        assert [len(await waiting(store, sink)) for sink in ("a", "b")] == (back or [0, 0])
        if not drop:
            order = [entry.number for entry in await store.outbox("a")]
            assert order == [1, 3, 2]

    async def test_their_runs_stay(self, store: Store) -> None:
        """Whatever becomes of a letter, history is not its business."""
        await registered(store, "sink")
        [run] = await _given_up(store, 1, "sink")
        assert await store.drop_dead_letters() == 1
        assert (await store.run(run)).id == run
        assert await waiting(store) == []
