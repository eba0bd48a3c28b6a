"""What a reload costs does not depend on how many jobs there are, only on how many have changed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobkit.scheduler import fingerprints
from jobkit.stores.ledger import JobKey
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import Replica
from jobkit.testing import VirtualClock
from tests.scheduler.posts import World, job

COUNT = 3000


@pytest.fixture
def world(virtual_clock: VirtualClock, tmp_path: Path) -> World:
    """One store in memory."""
    return World(virtual_clock, "memory", "asyncio", tmp_path)


class Work:
    """Counts hashes, and what the store is asked to write or to read of jobs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: Counter[str] = Counter()
        self._count(monkeypatch, fingerprints, "options_hash", "hashes", lambda given: 1)
        self._count(monkeypatch, fingerprints, "schedule_hash", "schedules", lambda given: 1)
        self._count(monkeypatch, MemoryStore, "register_jobs", "registered", lambda given: len(given[1]))
        self._count(monkeypatch, MemoryStore, "add_events", "events", lambda given: len(given[1]))
        self._count(monkeypatch, MemoryStore, "register_replica", "announced", lambda given: 1)
        self._count(monkeypatch, MemoryStore, "job_states", "read", lambda given: _read(*given[1:]))

    def _count(self, monkeypatch: pytest.MonkeyPatch, home: Any, name: str, what: str, many: Any) -> None:
        real = getattr(home, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.done[what] += many(given)
            return real(*given, **named)

        monkeypatch.setattr(home, name, counted)

    def taken(self) -> dict[str, int]:
        """What was done since it was last asked."""
        done, self.done = dict(+self.done), Counter()
        return done


def _read(keys: list[JobKey] | None = None) -> int:
    return COUNT if keys is None else len(keys)


def test_a_reload_of_nothing_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is hashed anew, none is read, and nothing is written; the beginning does each thing once."""

    async def main() -> None:
        work = Work(monkeypatch)
        one = await world.replica(*(job(f"job{number}") for number in range(COUNT))).enter()
        assert work.taken() == {
            "hashes": COUNT,
            "schedules": COUNT,
            "registered": COUNT,
            "read": COUNT,
            "announced": 1,
            "events": 1,
        }
        before = dict(one.register.states)
        await one.register.refresh()
        await one.roster.announce()
        assert work.taken() == {}
        assert one.register.states == before

    world.run(main)


def test_a_reload_of_one_job_costs_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of very many jobs has another schedule, one is gone, one is new: nothing else is touched."""

    async def main() -> None:
        work, specs = Work(monkeypatch), [job(f"job{number}") for number in range(COUNT)]
        one = await world.replica(*specs).enter()
        specs = [*one.post.jobs.values()]
        work.taken()
        one.post.jobs = {spec.name: spec for spec in (*specs[1:-1], job("job0", "30 * * * * *"), job("new"))}
        await one.register.refresh()
        await one.roster.announce()
        assert work.taken() == {
            "hashes": 2,
            "schedules": 2,
            "registered": 3,
            "read": 3,
            "announced": 1,
            "events": 3,
        }
        assert one.register.states.keys() == {JobKey(name) for name in one.post.jobs}
        [kept] = await world.store.replicas()
        assert kept.replica.schedules.keys() == one.post.jobs.keys()

    world.run(main)


def test_another_replica_makes_all_jobs_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others may have changed is looked at, however little has changed here."""

    async def main() -> None:
        work, specs = Work(monkeypatch), [job(f"job{number}") for number in range(COUNT)]
        one = await world.replica(*specs).enter()
        work.taken()
        await world.replica(job("another"), node="there").enter()
        await one.roster.look()
        work.taken()
        await one.register.refresh()
        assert work.taken() == {"read": COUNT}

    world.run(main)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_replica_may_have_very_many_jobs(virtual_clock: VirtualClock, tmp_path: Path, kind: str) -> None:
    """More hashes than any value that is stored may have members: none is cut off."""
    world = World(virtual_clock, kind, "asyncio", tmp_path)

    async def main() -> None:
        hashes = {f"job{number}": "0123456789abcdef" for number in range(100_010)}
        post = world.replica().post
        await world.store.register_replica(
            Replica(
                id="many",
                kind="scheduler",
                owner=post.identity,
                node="here",
                interval=world.replica().roster.interval,
                jobs=hashes,
                schedules=hashes,
            )
        )
        [kept] = await world.store.replicas()
        assert (kept.replica.jobs, kept.replica.schedules) == (hashes, hashes)

    world.run(main)
