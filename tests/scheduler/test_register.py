"""From when on a replica makes ticks: at first sight, after reloads, and beside replicas that differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.scheduler.marks import UNSCHEDULED
from jobkit.stores.ledger import JobKey
from jobkit.testing import VirtualClock
from tests.scheduler.posts import ELSEWHERE, World, job

NEW = "30 * * * * *"


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Both event loops."""
    return request.param


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, virtual_clock: VirtualClock, backend: Any, tmp_path: Path) -> World:
    """Both embedded stores."""
    return World(virtual_clock, request.param, backend, tmp_path)


def test_a_restart_goes_on_from_the_mark(world: World) -> None:
    """A job starts at its first sight; a day without a scheduler moves nothing."""

    async def main() -> None:
        first = world.clock.now()
        one = await world.replica(job()).enter()
        assert one.mark() == first
        await one.roster.leave()
        await world.passes(86_400)
        again = await world.replica(job()).enter()
        assert again.mark() == first
        assert await world.events("job.changed") == []

    world.run(main)


@pytest.mark.parametrize("how", ["disabled", "gone", "unlisted", "broken"])
def test_what_was_prevented_is_not_made_up(world: World, how: str) -> None:
    """Scheduled again it starts at now, and other jobs keep their marks; both changes are written down."""

    async def main() -> None:
        first, other = world.clock.now(), job("other")
        config = world.config("[jobs.job]\n[jobs.other]\n")
        one = await world.replica(job(), other, config=config).enter()
        await world.passes(60)
        listed = '[scheduler]\nunlisted = "ignore"\n[jobs.other]\n' if how == "unlisted" else None
        prevented = {
            "disabled": [job(enabled=False), other],
            "gone": [other],
            "unlisted": [job(), other],
            "broken": [job(schedule="never"), other],
        }[how]
        await one.reload(*prevented, config=world.config(listed) if listed else None)
        assert one.state() is None
        assert (await world.store.job_states())[JobKey("job")].hash == UNSCHEDULED
        await world.passes(60)
        await one.reload(job(), other, config=config)
        assert (one.mark(), one.mark("other")) == (world.clock.now(), first)
        said = [(each.job, each.data["scheduled"]) for each in await world.events("job.changed")]
        assert said == [("job", False), ("job", True)]

    world.run(main)


def test_a_changed_schedule_starts_now(world: World) -> None:
    """The only replica reloads: at once; an option that is no schedule leaves the mark and says nothing."""

    async def main() -> None:
        first = world.clock.now()
        one = await world.replica(job()).enter()
        await world.passes(60)
        await one.reload(job(priority=7))
        assert one.mark() == first
        assert await world.events("job.changed") == []
        await one.reload(job(schedule=NEW))
        assert one.mark() == world.clock.now()
        [event] = await world.events("job.changed")
        assert (event.job, event.data["schedule"]) == ("job", NEW)

    world.run(main)


@pytest.mark.parametrize(("how", "after"), [("stops", 3), ("reloads", 3), ("vanishes", 62)])
def test_a_rolling_deploy(world: World, how: str, after: float) -> None:
    """The new schedule waits for the last that has the old one: to stop or reload, or a minute of silence."""

    async def main() -> None:
        old = await world.replica(job(), node="old", identity=ELSEWHERE).enter()
        new = await world.replica(job(schedule=NEW)).enter()
        assert (new.state(), new.register.superseded) == (None, {"job": None})
        async with world.serving(old, new) as scopes:
            await world.passes(120)
            assert new.state() is None
            if how == "stops":
                scopes[0].cancel()
                await old.roster.leave()
            elif how == "reloads":
                await old.reload(job(schedule=NEW))
            else:
                scopes[0].cancel()
                await world.passes(45)
                assert new.state() is None
            await world.passes(after if how != "vanishes" else after - 45)
            new.roster.news()
            await world.passes(after if how != "vanishes" else 1)
            assert new.state() is not None
            assert new.register.superseded == {}

    world.run(main)


def test_a_living_replica_keeps_what_another_lacks(world: World) -> None:
    """A job of another replica is not taken from it; once that has stopped, nobody schedules it."""

    async def main() -> None:
        have = await world.replica(job(), node="b", identity=ELSEWHERE).enter()
        lack = await world.replica(job("other")).enter()
        key = JobKey("job")
        assert (await world.store.job_states())[key].hash != UNSCHEDULED
        async with world.serving(lack):
            await have.roster.leave()
            lack.roster.news()
            await world.passes(3)
        assert (await world.store.job_states())[key].hash == UNSCHEDULED

    world.run(main)


def test_a_node_s_job_is_registered_for_each(world: World) -> None:
    """Each replica has its own mark, and does not touch that of a node which is down."""

    async def main() -> None:
        one = await world.replica(job(scope="node"), node="a").enter()
        first = one.mark(node="a")
        await one.roster.leave()
        await world.passes(60)
        two = await world.replica(job(scope="node"), node="b").enter()
        assert two.mark(node="b") == world.clock.now()
        assert (await world.store.job_states())[JobKey("job", "a")].mark == first

    world.run(main)


def test_a_change_is_told_once(world: World) -> None:
    """Of three replicas that are deployed one after the other, the first says what is another."""

    async def main() -> None:
        olds = [await world.replica(job(), node=str(number)).enter() for number in range(3)]
        for number, old in enumerate(olds):
            await world.passes(5)
            await old.roster.leave()
            await world.replica(job(enabled=False), node=str(number)).enter()
        assert [each.job for each in await world.events("job.changed")] == ["job"]

    world.run(main)


def test_a_killed_process_with_the_same_jobs(world: World) -> None:
    """Its successor on this host goes on from the mark."""

    async def main() -> None:
        dead = replace(ProcessIdentity.current(), started="0")
        first = (await world.replica(job(), identity=dead).enter()).mark()
        await world.passes(5)
        assert (await world.replica(job()).enter()).mark() == first

    world.run(main)
