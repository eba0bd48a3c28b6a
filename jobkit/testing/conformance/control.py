"""Pauses: what people ask of all schedulers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jobkit.stores.base import Store
from jobkit.stores.control import Pause
from jobkit.stores.replicas import Event, EventQuery
from jobkit.testing.conformance.kit import DAY, SECOND, START, Cases, OpenStore, StoreClock


async def _happened(store: Store) -> list[Event]:
    """The events, oldest first."""
    return [record.event for record in reversed((await store.events(EventQuery())).events)]


class PauseCases(Cases):
    """Pausing and resuming."""

    pytestmark = pytest.mark.anyio

    async def test_a_pause_goes_on_until_it_is_ended(self, open_store: OpenStore, clock: StoreClock) -> None:
        """Every replica sees it: who, when, why."""
        async with open_store() as one, open_store() as other:
            assert await one.pauses() == []
            paused = await one.pause("job", by="ops@x\0", reason="migration")
            assert paused == Pause(paused.id, "job", START, None, "ops@x\ufffd", "migration")
            assert await other.pauses() == [paused]
            await clock.advance(DAY)
            ended = await other.resume("job", by="dev@x")
            assert ended == replace(paused, resumed_at=START + DAY, resumed_by="dev@x")
            assert await one.pauses() == []
            assert await one.resume("job", by="dev@x") is None

    async def test_a_pause_can_end_by_itself(self, store: Store, clock: StoreClock) -> None:
        """By the store's clock; then there is nothing to resume."""
        paused = await store.pause(None, until=START + 5 * SECOND, by="ops")
        await clock.advance(5 * SECOND - timedelta(microseconds=1))
        assert await store.pauses() == [paused]
        await clock.advance(timedelta(microseconds=1))
        assert await store.pauses() == []
        assert await store.resume(None, by="ops") is None

    async def test_a_job_and_all_jobs_are_paused_apart(self, store: Store) -> None:
        """Ending the one leaves the other."""
        everything = await store.pause(None, by="ops")
        job = await store.pause("job", by="ops")
        other = await store.pause("other", by="ops")
        assert await store.pauses() == [everything, job, other]
        await store.resume("job", by="ops")
        assert await store.pauses() == [everything, other]
        await store.resume(None, by="ops")
        assert await store.pauses() == [other]

    async def test_a_new_pause_takes_the_place_of_the_old(self, store: Store, clock: StoreClock) -> None:
        """There is one of a kind at a time, and the time before stays explained by the old one."""
        old = await store.pause("job", by="ops", reason="one")
        await clock.advance(SECOND)
        new = await store.pause("job", until=START + DAY, by="dev", reason="two")
        assert await store.pauses() == [new]
        ended = Pause(old.id, "job", START, None, "ops", "one", START + SECOND, "dev")
        assert await store.pauses(since=START) == [ended, new]

    async def test_pauses_of_the_past_can_be_asked_for(self, store: Store, clock: StoreClock) -> None:
        """Those that ended after an instant: ticks that fell into them are accounted for later."""
        short = await store.pause("a", until=START + 5 * SECOND, by="ops")
        await store.pause("b", by="ops")
        await clock.advance(10 * SECOND)
        resumed = await store.resume("b", by="ops")
        assert resumed is not None
        assert await store.pauses(since=START + 4 * SECOND) == [short, resumed]
        assert await store.pauses(since=START + 5 * SECOND) == [resumed]
        assert await store.pauses(since=START + 10 * SECOND) == []
        assert (short.end, resumed.end) == (START + 5 * SECOND, START + 10 * SECOND)
        assert short.covers(START)
        assert not short.covers(START + 5 * SECOND)
        assert not short.covers(START - SECOND)

    async def test_pauses_are_events(self, store: Store, clock: StoreClock) -> None:
        """Written in the same step, for whoever asks why nothing ran."""
        await store.pause("job", until=START + DAY, by="ops", reason="migration")
        await clock.advance(SECOND)
        await store.resume("job", by="dev")
        await store.resume("job", by="dev")
        data = {"until": "2026-03-02T12:00:00.250000Z", "reason": "migration"}
        assert await _happened(store) == [
            Event("job.paused", START, "job", "ops", data),
            Event("job.resumed", START + SECOND, "job", "dev"),
        ]

    async def test_pruning_leaves_what_goes_on(self, store: Store, clock: StoreClock) -> None:
        """However old it is."""
        await store.pause("a", until=START + SECOND, by="ops")
        lasting = await store.pause("b", by="ops")
        await clock.advance(400 * DAY)
        await store.prune(clock.now())
        assert await store.pauses(since=START) == [lasting]
        assert await _happened(store) == []
