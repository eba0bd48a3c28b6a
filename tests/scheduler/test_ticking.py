"""Ticks are claimed when they are due, each of them, once: exactly, across clocks, nights and outages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.config import load_config
from jobkit.exceptions import StoreError
from jobkit.statuses import Trigger
from jobkit.stores.ledger import JobKey
from jobkit.stores.replicas import EventQuery
from jobkit.testing import VirtualClock
from tests.scheduler.ledger import utc
from tests.scheduler.ticking import SECOND, World, due, job, shown

START = utc("2026-05-01T10:00:00")
HOUR = timedelta(hours=1)

MakeWorld = Callable[..., World]


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Both embedded stores."""
    return request.param


@pytest.fixture
def world(tmp_path: Path, kind: Any) -> MakeWorld:
    """A world whose clock begins at a given instant."""
    (tmp_path / "jobkit.toml").touch()

    def make(start: datetime = START) -> World:
        return World(VirtualClock(start), kind, tmp_path, load_config(tmp_path))

    return make


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_second_of_an_hour_has_its_run(world: MakeWorld, kind: str, backend: str) -> None:
    """Exactly those ticks, each at its instant and on time, with its window."""
    length = 3600 if (kind, backend) == ("memory", "asyncio") else 60

    async def main(here: World) -> None:
        replica = await here.replica(job())
        await here.pass_(length + 0.5)
        assert await here.ran() == due(job(), START, START + length * SECOND)
        assert [at for at, _ in replica.submitted] == await here.ran()
        assert await here.spans() == []
        for run in await here.runs():
            assert (run.trigger, run.scheduled_at) == (Trigger.SCHEDULE, run.queued_at)
            assert run.scheduled_at is not None
            assert run.window == (run.scheduled_at - SECOND, run.scheduled_at)
            assert run.covers is not None
            assert (run.covers.first, run.covers.count) == (run.scheduled_at, 1)

    world().run(main, backend=backend)


def test_the_wall_clock_goes_an_hour_forward(world: MakeWorld) -> None:
    """Those in between were missed: within a minute of grace one is made up, the others are in a span."""

    async def main(here: World) -> None:
        await here.replica(job(overlap="allow"))
        await here.pass_(10.5)
        here.clock.step(HOUR)
        await here.pass_(10)
        rows = await here.rows(job())
        assert sorted(rows) == due(job(), START, START + HOUR + 20 * SECOND)
        assert set(rows.values()) == {1}
        [missed] = [run for run in await here.runs() if run.trigger is Trigger.CATCHUP]
        assert missed.covers is not None
        assert shown(await here.spans()) == [
            ("misfire", "10:00:11", f"{missed.covers.last - SECOND:%H:%M:%S}", 3597)
        ]

    world().run(main)


def test_the_wall_clock_goes_an_hour_back(world: MakeWorld) -> None:
    """Marks are pulled back, which is on record; what has run does not run again, and ticks go on."""

    spec = job(text="*/5 * * * * *")

    async def main(here: World) -> None:
        await here.replica(spec)
        await here.pass_(5.5)
        here.clock.step(-HOUR)
        await here.pass_(12 + 3600)
        ran = await here.ran()
        assert len(ran) == len(set(ran))
        assert max(ran) >= START + 10 * SECOND
        # Noticed within ten seconds; from then on each tick has its run again.
        seconds = due(spec, START - HOUR + 16 * SECOND, START + 10 * SECOND)
        assert set(seconds) <= set(ran)
        [event] = [record.event for record in (await here.store.events(EventQuery())).events]
        assert (event.kind, event.job, event.data["mark"]) == ("clock.stepped", "job", "2026-05-01T10:00:05Z")

    world().run(main)


def test_a_few_minutes_back_are_waited_for(world: MakeWorld) -> None:
    """No tick is repeated, none is lost, and the mark stays."""

    async def main(here: World) -> None:
        await here.replica(job())
        await here.pass_(5.5)
        here.clock.step(timedelta(minutes=-5))
        await here.pass_(300 + 10)
        assert await here.ran() == due(job(), START, START + 15 * SECOND)
        assert (await here.store.events(EventQuery())).events == ()

    world().run(main)


NIGHTS = [
    # The clock goes from 02:00 to 03:00, at 01:00 UTC.
    ("2026-03-28T23:30:00", "0 30 2 * * *", ["01:00:00"]),
    ("2026-03-28T23:30:00", "0 */30 * * * *", ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]),
    # The clock goes from 03:00 to 02:00, at 01:00 UTC.
    ("2026-10-24T23:30:00", "0 30 2 * * *", ["00:30:00"]),
    ("2026-10-24T23:30:00", "0 */30 * * * *", ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]),
    ("2026-10-24T23:30:00", "0 */30 2 * * *", ["00:00", "00:30", "01:00", "01:30"]),
]


@pytest.mark.parametrize(("start", "text", "expected"), NIGHTS)
def test_the_nights_on_which_clocks_change(
    world: MakeWorld, start: str, text: str, expected: list[str]
) -> None:
    """A fixed-time job runs once, in a gap at its end; an interval job at every real instant."""
    spec = job(text=text, zone="Europe/Berlin")

    async def main(here: World) -> None:
        await here.replica(spec)
        await here.pass_(3 * 3600 + 1)
        ran = await here.ran()
        assert [f"{tick:%H:%M:%S}"[: len(expected[0])] for tick in ran] == expected
        assert [run.queued_at for run in await here.runs()] == ran

    world(utc(start)).run(main)


def test_a_tick_waits_for_the_store(world: MakeWorld) -> None:
    """When it is back, the misfire policy decides; nothing is lost, nothing twice."""

    async def main(here: World) -> None:
        minutes, seconds = job("minutes", "0 * * * * *"), job("seconds", misfire="none")
        replica = await here.replica(minutes, seconds)
        await here.pass_(5.5)
        here.store.away = True
        await here.pass_(200)
        assert replica.post.connection.age > 190
        assert here.store.asked < 120  # it was not asked all the time
        here.store.away = False
        await here.pass_(60)
        for spec in (minutes, seconds):
            rows = await here.rows(spec)
            assert sorted(rows) == due(spec, START, START + 265 * SECOND)
            assert set(rows.values()) == {1}
        assert [run.trigger.value for run in await here.runs("minutes")] == ["catchup", "schedule"]
        assert replica.post.connection.error is None

    world().run(main)


def test_a_claim_whose_outcome_is_unknown_is_looked_up(world: MakeWorld) -> None:
    """It was carried out, and the answer was lost: the run is found, and submitted."""

    async def main(here: World) -> None:
        replica = await here.replica(job(text="*/10 * * * * *"))
        await here.pass_(9.5)
        here.store.away = here.store.commits = True
        await here.pass_(1)
        assert (await here.ran(), replica.submitted) == ([START + 10 * SECOND], [])
        here.store.away = False
        await here.pass_(6)
        [(_, record)] = replica.submitted
        assert (record.scheduled_at, record.trigger) == (START + 10 * SECOND, Trigger.SCHEDULE)
        await here.pass_(10)
        assert await here.ran() == [START + 10 * SECOND, START + 20 * SECOND]

    world().run(main)


def test_three_replicas_share_the_ticks(world: MakeWorld) -> None:
    """Each tick has one run, submitted by the one that claimed it; each of them has some."""
    specs = [job(f"job{number}") for number in range(6)]

    async def main(here: World) -> None:
        replicas = [await here.replica(*specs) for _ in range(3)]
        await here.pass_(60.5)
        expected = due(specs[0], START, START + 60 * SECOND)
        for spec in specs:
            assert await here.ran(spec.name) == expected
            assert await here.spans(spec.name) == []
        submitted = [record.id for replica in replicas for _, record in replica.submitted]
        assert sorted(submitted) == sorted([run.id for spec in specs for run in await here.runs(spec.name)])

    world().run(main)


def test_the_ticks_of_one_that_dies_are_made_by_others(world: MakeWorld) -> None:
    """Without anybody being asked."""

    async def main(here: World) -> None:
        first = await here.replica(job())
        await here.pass_(5.5)
        second = await here.replica(job())
        await here.pass_(5)
        first.scope.cancel()
        await here.pass_(5)
        assert await here.ran() == due(job(), START, START + 15 * SECOND)
        assert len(second.submitted) >= 5

    world().run(main)


def test_another_schedule_makes_no_more_ticks(world: MakeWorld) -> None:
    """The register is told, and nothing is claimed until it has the job again."""
    spec = job()

    async def main(here: World) -> None:
        replica = await here.replica(spec)
        await here.pass_(5.5)
        key = JobKey("job")
        await here.store.register_job(key, "other", mark=here.clock.now(), expected_hash=spec.schedule_text)
        await here.pass_(10)
        assert [state.hash for state in replica.register.superseded] == ["other"]
        assert await here.ran() == due(spec, START, START + 5 * SECOND)
        assert len(replica.ticks) == 0
        state = await here.store.register_job(
            key, spec.schedule_text, mark=here.clock.now(), expected_hash="other"
        )
        replica.register.states[key] = state
        replica.ticks.wake()
        await here.pass_(5)
        assert (await here.ran())[5:] == due(spec, START + 15 * SECOND, START + 20 * SECOND)

    world().run(main)


def test_a_replica_whose_clock_is_ahead_measures(world: MakeWorld) -> None:
    """The store says that it is too early; from then on it is asked on time."""

    async def main(here: World) -> None:
        replica = await here.replica(job(text="*/5 * * * * *"))
        await here.pass_(2)
        replica.post.time._ahead = 3 * SECOND  # what was measured is wrong
        replica.ticks.wake()
        await here.pass_(10)
        assert replica.post.time.ahead == timedelta(0)
        assert [run.queued_at for run in await here.runs()] == [START + 5 * SECOND, START + 10 * SECOND]

    world().run(main)


def test_nothing_is_claimed_after_the_stop(world: MakeWorld) -> None:
    """Serving ends by itself, and the ticks are left to others."""

    async def main(here: World) -> None:
        replica = await here.replica(job())
        await here.pass_(5.5)
        replica.ticks.stop_claiming()
        await here.pass_(5)
        assert await here.ran() == due(job(), START, START + 5 * SECOND)
        assert len(replica.submitted) == 5
        await here.replica(job())
        await here.pass_(5)
        assert (await here.ran())[-1] == START + 15 * SECOND

    world().run(main)


def test_it_stops_while_the_store_is_away(world: MakeWorld) -> None:
    """Nothing has to come back for that; the tick is left to others."""

    async def main(here: World) -> None:
        replica = await here.replica(job(text="*/10 * * * * *"))
        await here.pass_(5)
        here.store.away = True
        await here.pass_(8)
        assert replica.serving
        replica.ticks.stop_claiming()
        await here.pass_(0.01)
        assert not replica.serving
        asked = here.store.asked
        await here.pass_(20)
        assert here.store.asked == asked
        here.store.away = False

    world().run(main)


def test_what_a_store_refuses_is_one_jobs_trouble(world: MakeWorld) -> None:
    """The others of the same slice have their ticks; that one is tried again in a minute."""
    specs = [job(f"job{number}", "*/10 * * * * *") for number in range(5)]

    async def main(here: World) -> None:
        claim = here.store.store.claim

        async def refuse(claims: Any) -> Any:
            if here.clock.now() < START + timedelta(minutes=1) and "job3" in {one.key.job for one in claims}:
                raise StoreError("it does not want job3")
            return await claim(claims)

        here.store.store.claim = refuse
        await here.replica(*specs)
        await here.pass_(31)
        for spec in specs:
            assert len(await here.ran(spec.name)) == (0 if spec.name == "job3" else 3)
        await here.pass_(60)
        assert sorted(await here.rows(specs[3])) == due(specs[3], START, START + 90 * SECOND)

    world().run(main)


def test_jobs_come_and_go_with_the_register(world: MakeWorld) -> None:
    """One that is gone has no ticks, one that came has some from its mark on."""
    one, two = job("one"), job("two")

    async def main(here: World) -> None:
        replica = await here.replica(one, two)
        states = dict(replica.register.states)
        del replica.register.states[JobKey("two")]
        await here.pass_(5.5)
        assert (len(await here.ran("one")), await here.ran("two")) == (5, [])
        replica.register.states = {JobKey("two"): states[JobKey("two")]}
        replica.ticks.wake()
        await here.pass_(5)
        assert len(await here.ran("one")) == 5
        assert sorted(await here.rows(two)) == due(two, START, START + 10 * SECOND)

    world().run(main)


def test_an_idle_replica_asks_the_store_for_nothing(world: MakeWorld) -> None:
    """From its start to its next tick."""

    async def main(here: World) -> None:
        replica = await here.replica(job(text="0 0 * * * *"))
        await here.pass_(1)
        here.store.away = True
        for _ in range(100):
            replica.ticks.wake()
            await here.pass_(10)
        assert here.store.asked == 0

    world().run(main)
