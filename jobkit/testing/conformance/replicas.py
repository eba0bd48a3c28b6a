"""Replicas and events: who serves, and what happened to the schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobkit.exceptions import StoreError
from jobkit.stores.base import Store
from jobkit.stores.replicas import Event, EventPage, EventQuery, EventRecord, Replica, ReplicaState
from jobkit.testing.conformance.kit import DAY, HERE, SECOND, START, THERE, Cases, OpenStore, StoreClock


def _replica(id: str = "one", **options: Any) -> Replica:
    return Replica(
        id=id,
        **{"kind": "scheduler", "owner": HERE, "node": "node-1", "interval": 10 * SECOND, **options},
    )


async def _live(store: Store) -> list[str]:
    return [state.replica.id for state in await store.replicas() if state.live]


class ReplicaCases(Cases):
    """Registration and heartbeats."""

    pytestmark = pytest.mark.anyio

    async def test_a_replica_says_what_it_is(self, open_store: OpenStore, clock: StoreClock) -> None:
        """All of it is seen by the others, in the order in which they came."""
        schedules, details = {"a@node-1": "3"}, {"version": "1.0", "tzdata": None}
        full = _replica(jobs={"a": "1", "b\0": "2"}, schedules=schedules, details=details)
        async with open_store() as one, open_store() as other:
            assert await one.replicas() == []
            await one.register_replica(full)
            await clock.advance(SECOND)
            await other.register_replica(_replica("a", kind="worker", owner=THERE, node="node-2"))
            first, second = await other.replicas()
        kept = _replica(jobs={"a": "1", "b\ufffd": "2"}, schedules=schedules, details=details)
        assert first == ReplicaState(kept, START, START, None, live=True)
        assert second.replica == _replica("a", kind="worker", owner=THERE, node="node-2")

    async def test_a_replica_lives_as_long_as_it_says_so(self, store: Store, clock: StoreClock) -> None:
        """Three heartbeats missed, by the store's clock, each of its own length, and it does not."""
        await store.register_replica(_replica("fast", interval=10 * SECOND))
        await store.register_replica(_replica("slow", interval=30 * SECOND))
        await clock.advance(30 * SECOND - timedelta(microseconds=1))
        assert await _live(store) == ["fast", "slow"]
        await clock.advance(timedelta(microseconds=1))
        assert await _live(store) == ["slow"]
        assert await store.heartbeat("fast") is True
        assert await _live(store) == ["fast", "slow"]
        [fast, _] = await store.replicas()
        assert (fast.registered_at, fast.heartbeat_at) == (START, START + 30 * SECOND)
        await clock.advance(60 * SECOND)
        assert await _live(store) == []

    async def test_a_replica_that_stops_is_gone_at_once(self, store: Store, clock: StoreClock) -> None:
        """Of all who say so one is told that it did; a heartbeat does not bring it back."""
        await store.register_replica(_replica())
        await clock.advance(SECOND)
        assert [await store.deregister("one") for _ in range(2)] == [True, False]
        [state] = await store.replicas()
        assert (state.live, state.stopped_at, state.heartbeat_at) == (False, START + SECOND, START)
        assert await store.heartbeat("one") is False
        assert await store.heartbeat("unknown") is False
        assert await store.deregister("unknown") is False
        assert await _live(store) == []

    async def test_registering_again_says_what_has_changed(self, store: Store, clock: StoreClock) -> None:
        """It is a heartbeat too, and a stopped one is back."""
        await store.register_replica(_replica(jobs={"a": "1"}))
        await store.register_replica(_replica("two"))
        await clock.advance(25 * SECOND)
        await store.deregister("one")
        changed = _replica(jobs={"b": "2"}, node="node-9", interval=SECOND)
        await store.register_replica(changed)
        first, _ = await store.replicas()
        assert first == ReplicaState(changed, START, clock.now(), None, live=True)

    async def test_a_heartbeat_can_set_the_distance_to_the_next(
        self, store: Store, clock: StoreClock
    ) -> None:
        """It lives by the one that it said last, and a heartbeat without one keeps that."""
        await store.register_replica(_replica(interval=10 * SECOND, jobs={"a": "1"}))
        assert await store.heartbeat("one", interval=30 * SECOND) is True
        assert await store.heartbeat("one") is True
        await clock.advance(60 * SECOND)
        [state] = await store.replicas()
        assert state.live
        assert state.replica == _replica(interval=30 * SECOND, jobs={"a": "1"})
        await store.heartbeat("one", interval=10 * SECOND)
        await clock.advance(30 * SECOND)
        assert await _live(store) == []
        with pytest.raises(ValueError, match="replica"):
            await store.heartbeat("one", interval=timedelta(0))

    async def test_replicas_are_read_in_part(self, store: Store) -> None:
        """Some of them, or what they are without the hashes of their jobs."""
        for id_ in ("one", "two", "three"):
            await store.register_replica(
                _replica(id_, jobs={id_: "1"}, schedules={id_: "2"}, details={"v": 1})
            )
        found = await store.replicas(["three", "one", "nobody's"])
        assert [state.replica.jobs for state in found] == [{"one": "1"}, {"three": "1"}]
        assert await store.replicas([]) == []
        [brief] = await store.replicas(["two"], hashes=False)
        assert brief.replica == _replica("two", details={"v": 1})
        assert len(await store.replicas(hashes=False)) == 3

    async def test_pruning_forgets_the_dead(self, store: Store, clock: StoreClock) -> None:
        """Those that were last heard of before."""
        await store.register_replica(_replica("old", jobs={"a": "1"}))
        await clock.advance(DAY)
        await store.register_replica(_replica("new"))
        await store.prune(clock.now())
        assert [state.replica.id for state in await store.replicas()] == ["new"]
        assert await store.heartbeat("old") is False

    @pytest.mark.parametrize("wrong", [{"kind": "boss"}, {"interval": timedelta(0)}])
    async def test_a_replica_that_is_none_is_refused(self, wrong: dict[str, Any]) -> None:
        """Where it is made."""
        with pytest.raises(ValueError, match="replica"):
            _replica(**wrong)


def _event(second: int, kind: str = "job.changed", job: str | None = "job", **options: Any) -> Event:
    return Event(kind, START + second * SECOND, job, **options)


class EventCases(Cases):
    """What is remembered to explain things."""

    pytestmark = pytest.mark.anyio

    async def test_events_come_back(self, store: Store) -> None:
        """Newest first, whatever the order in which they were told."""
        first = _event(2, actor="ops\0", data={"path": "a.py", "line": 3, "at": START})
        await store.add_events([first, _event(1, "scheduler.started", None)])
        await store.add_events([])
        await store.add_events([_event(2)])
        page = await store.events(EventQuery())
        data = {"path": "a.py", "line": 3, "at": "2026-03-01T12:00:00.250000Z"}
        assert [record.event for record in page.events] == [
            _event(2),
            _event(2, actor="ops\ufffd", data=data),
            _event(1, "scheduler.started", None),
        ]
        assert page.next is None
        assert page.events[0].id > page.events[1].id

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [5, 4, 3, 2, 1]),
            ({"kinds": ["a"]}, [5, 3, 1]),
            ({"kinds": []}, []),
            ({"jobs": ["x"]}, [4, 1]),
            ({"jobs": ["x", "y", "z"]}, [5, 4, 2, 1]),
            ({"jobs": []}, []),
            ({"jobs": ["x"], "kinds": ["b"]}, [4]),
            ({"since": START + 2 * SECOND, "until": START + 4 * SECOND}, [3, 2]),
            ({"limit": 2}, [5, 4]),
        ],
    )
    async def test_a_query_selects_events(
        self, store: Store, query: dict[str, Any], expected: list[int]
    ) -> None:
        """What meets all of its conditions."""
        jobs = ["x", "y", None, "x", "y"]
        await store.add_events([_event(n + 1, "ab"[n % 2], job) for n, job in enumerate(jobs)])
        page = await store.events(EventQuery(**query))
        assert [(record.event.at - START) // SECOND for record in page.events] == expected

    async def test_pages_show_every_event_once(self, store: Store) -> None:
        """Also those of the same instant; anything but the next of a page is refused."""
        await store.add_events([_event(number // 3, data={"number": number}) for number in range(7)])
        seen: list[EventRecord] = []
        page = EventPage((), "")
        while page.next is not None:
            page = await store.events(EventQuery(limit=2, after=page.next or None))
            seen += page.events
        assert [record.event.data["number"] for record in seen] == [6, 5, 4, 3, 2, 1, 0]
        with pytest.raises(StoreError):
            await store.events(EventQuery(after="x"))
        with pytest.raises(ValueError, match="10,000"):
            EventQuery(limit=0)

    async def test_events_go_with_the_runs_of_their_time(self, store: Store) -> None:
        """Ids are not given again."""
        await store.add_events([_event(number) for number in range(250)])
        newest = (await store.events(EventQuery(limit=1))).events[0].id
        await store.prune(START + 249 * SECOND)
        page = await store.events(EventQuery())
        assert [record.id for record in page.events] == [newest]
        await store.prune(START + DAY)
        await store.add_events([_event(1)])
        assert (await store.events(EventQuery())).events[0].id > newest

    async def test_naive_events_are_refused(self, store: Store) -> None:
        """A time without a zone means nothing to anybody else."""
        with pytest.raises(TypeError):
            await store.add_events([_event(1), Event("a", START.replace(tzinfo=None))])
        assert (await store.events(EventQuery())).events == ()
