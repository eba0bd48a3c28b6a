"""A scheduler that serves notices late jobs: when it can be, once, whoever else watches."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest

from jobkit.config import Config, load_config
from jobkit.job import JobSpec
from jobkit.plugins.provided import Provided
from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.scheduler.lateness_watch import APART, LATE_AGAIN, LatenessWatch
from jobkit.scheduler.post import Post
from jobkit.scheduler.standing import job_key, schedule_hash
from jobkit.schedules import parse_schedule
from jobkit.sinks.delivery import Delivery
from jobkit.sinks.notices import LateJob
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome
from jobkit.stores.ledger import Claim
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import EventQuery
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of

START = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def job(ctx: Any) -> None:
    """Never executed here: its ticks are written."""


def hourly(name: str = "hourly", text: str = "0 0 * * * *", **options: Any) -> JobSpec:
    """Grace is the distance to the following tick: an hour."""
    times = parse_schedule(text, timezone="UTC")
    return spec_of(job, name, schedule=(text,), times=times, timezone="UTC", **options)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute, second, tzinfo=UTC)


class Asked(MemoryStore):
    """A store that counts how often it is asked for what makes jobs late."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked = 0

    async def punctuality(self, keys: Any) -> Any:
        self.asked += 1
        return await super().punctuality(keys)


@dataclass
class World:
    """Replicas that watch the same jobs, in virtual time."""

    clock: VirtualClock
    config: Config
    specs: dict[str, JobSpec]
    told: list[tuple[str, LateJob]] = field(default_factory=list)
    refuse: int = 0

    def __post_init__(self) -> None:
        self.store = Asked(project="tests", now=self.clock.now)

    def replica(self, name: str, node: str = "") -> LatenessWatch:
        """Another one that watches; what it tells stands under its *name*."""

        async def tell(notice: LateJob, sinks: Collection[str] | None) -> Collection[str]:
            if self.refuse:
                self.refuse -= 1
                return ["hook"]
            self.told.append((name, notice))
            return ()

        identity = ProcessIdentity.current()
        post = Post(self.store, self.clock, self.config, self.specs, None, identity, node or name)
        return LatenessWatch(post, tell)

    async def register(self) -> None:
        for spec in self.specs.values():
            key = job_key(spec, "")
            await self.store.register_job(
                key, schedule_hash(spec, ""), mark=self.clock.now(), expected_hash=None
            )

    async def tick(self, name: str, tick: datetime, status: RunStatus = RunStatus.SUCCEEDED) -> None:
        """The run of *tick* has ended so, now."""
        spec = self.specs[name]
        key = job_key(spec, "")
        mark = (await self.store.job_states([key]))[key].mark
        run = NewRun(
            id=new_run_id(tick), job=name, extension="tests", trigger=Trigger.SCHEDULE, scheduled_at=tick
        )
        await self.store.claim([Claim(key, mark, schedule_hash(spec, ""), tick, run=run, tick=tick)])
        lease = await self.store.start_attempt(run.id, LeaseRequest(ProcessIdentity.current(), "here"))
        assert lease is not None
        ended = Outcome(status=status, finished_at=self.clock.now(), duration_ms=1000)
        await self.store.finish(lease, ended)

    async def events(self) -> list[tuple[str, str]]:
        """Kind and tick of the events about lateness, the oldest first."""
        page = await self.store.events(EventQuery(kinds=["job.late", "job.on_time"]))
        return [(each.event.kind, str(each.event.data["tick"])[11:16]) for each in reversed(page.events)]

    async def until(self, instant: datetime) -> None:
        await self.clock.sleep_until(instant)
        await anyio.lowlevel.checkpoint()

    @property
    def ticks(self) -> list[str]:
        """The ticks that were told of."""
        return [f"{notice.tick:%H:%M}" for _, notice in self.told]


@pytest.fixture(params=["asyncio", "trio"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., World]:
    """Let a story go on beside the watches of *replicas* (name → node), of the jobs that are given."""
    backend: Literal["asyncio", "trio"] = request.param

    def play(story: Any, *specs: JobSpec, replicas: tuple[str, ...] = ("one",)) -> World:
        (tmp_path / "jobkit.toml").touch()
        clock = VirtualClock(START)
        world = World(clock, load_config(tmp_path), {spec.name: spec for spec in specs or (hourly(),)})

        async def main() -> None:
            async with world.store, anyio.create_task_group() as tasks:
                await world.register()
                watches = [world.replica(name) for name in replicas]
                for watch in watches:
                    tasks.start_soon(watch.serve)
                await story(world, *watches)
                tasks.cancel_scope.cancel()

        clock.run(main, backend=backend)
        return world

    return play


def test_a_late_job_is_told_once_for_each_tick(play: Any) -> None:
    """The moment that its time is over, with what is known; and that it is on time again."""

    async def story(world: World, watch: LatenessWatch) -> None:
        await world.until(at(1, 0, 5))
        await world.tick("hourly", at(1))
        await world.until(at(3))
        assert world.told == []
        await world.until(at(3, 0, 15))
        [(_, notice)] = world.told
        assert notice == LateJob("hourly", "tests", at(2), at(3), at(1))
        assert watch.late.keys() == {"hourly"}
        await world.until(at(5, 30))
        assert world.ticks == ["02:00", "03:00", "04:00"]
        await world.tick("hourly", at(5))
        await world.until(at(5, 32))
        assert watch.late == {}
        expected = [
            ("job.late", "02:00"),
            ("job.late", "03:00"),
            ("job.late", "04:00"),
            ("job.on_time", "05:00"),
        ]
        assert await world.events() == expected

    play(story)


def test_a_job_that_succeeds_is_not_told(play: Any) -> None:
    """And is looked at about once for each of its ticks, not all the time."""

    async def story(world: World, watch: LatenessWatch) -> None:
        for hour in range(1, 11):
            await world.until(at(hour, 0, 1))
            await world.tick("hourly", at(hour))
        assert world.told == []
        assert 1 <= world.store.asked <= 11

    play(story)


def test_frequent_jobs_are_looked_at_together(play: Any) -> None:
    """A job of every second may be late each second; it is asked for as often as its grace says."""
    often = hourly("often", "* * * * * *")

    async def story(world: World, watch: LatenessWatch) -> None:
        await world.until(START + 10 * MINUTE)
        assert world.ticks[0] == "00:30"
        assert world.store.asked <= 10 * MINUTE / min(APART, LATE_AGAIN) + 1

    play(story, often)


def test_of_several_replicas_one_tells(play: Any) -> None:
    """And all of them know."""

    async def story(world: World, *watches: LatenessWatch) -> None:
        await world.until(at(4, 30))
        assert world.ticks == ["01:00", "02:00", "03:00"]
        kinds = {kind for kind, _ in await world.events()}
        assert kinds == {"job.late"}
        assert [len(watch.late) for watch in watches] == [1, 1, 1]

    play(story, replicas=("one", "two", "three"))


def test_a_restart_tells_again_what_has_no_end(play: Any) -> None:
    """On the same node: what was told before it died may not have arrived. Another node leaves it alone."""

    async def story(world: World, watch: LatenessWatch) -> None:
        await world.until(at(2, 30))
        assert [name for name, _ in world.told] == ["one"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.replica("elsewhere").serve)
            tasks.start_soon(world.replica("again", node="one").serve)
            await world.until(at(2, 40))
            tasks.cancel_scope.cancel()
        assert [name for name, _ in world.told] == ["one", "again"]
        assert await world.events() == [("job.late", "01:00")]

    play(story)


def test_who_could_not_be_told_is_told_later(play: Any) -> None:
    """Again and again, each time later, until it was taken."""

    async def story(world: World, watch: LatenessWatch) -> None:
        world.refuse = 3
        await world.until(at(2, 1))
        assert (world.told, world.refuse) == ([], 0)
        await world.until(at(2, 2))
        assert world.ticks == ["01:00"]
        await world.until(at(2, 50))
        assert world.ticks == ["01:00"]

    play(story)


def test_a_pause_that_begins_is_heard_of(play: Any) -> None:
    """Woken, it looks again: its ticks count no more, and nothing was done in time."""

    async def story(world: World, watch: LatenessWatch) -> None:
        await world.until(at(0, 59))
        await world.store.pause("hourly", by="ops")
        watch.wake()
        await world.until(at(6))
        assert world.told == []
        await world.store.resume("hourly", by="ops")
        watch.wake()
        await world.until(at(8, 30))
        assert world.ticks == ["06:00", "07:00"]
        assert all(kind == "job.late" for kind, _ in await world.events())

    play(story)


def test_a_run_that_ends_here_is_heard_of_at_once(play: Any) -> None:
    """Not a minute later."""

    async def story(world: World, watch: LatenessWatch) -> None:
        await world.until(at(2, 30, 30))
        assert watch.late.keys() == {"hourly"}
        await world.tick("hourly", at(2))
        watch.ended((await world.store.last_runs())["hourly"])
        await world.until(at(2, 30, 45))
        assert watch.late == {}

    play(story)


def test_jobs_that_are_not_scheduled_are_left_alone(play: Any) -> None:
    """By hand, disabled, or registered otherwise; a reload that brings one is heard of."""

    async def story(world: World, watch: LatenessWatch) -> None:
        await world.until(at(3, 30))
        assert world.told == []
        spec = hourly("off")
        world.specs["off"] = spec
        watch.wake()
        await world.until(at(4, 30))
        assert world.ticks == ["02:00", "03:00"]

    play(story, spec_of(job, "by_hand"), hourly("off", enabled=False))


# -- what sinks are told ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_sinks_that_want_to_know_are_told() -> None:
    """In a thread or not; one that fails is named, and no other suffers."""
    heard: list[tuple[str, str]] = []

    class Runs:
        name = "runs"
        timeout = 5.0

        async def emit(self, run: Any) -> None: ...

    class Waits(Runs):
        name = "waits"

        async def emit_late(self, job: LateJob) -> None:
            heard.append(("waits", job.job))

    class Blocks(Runs):
        name = "blocks"

        def emit_late(self, job: LateJob) -> None:
            heard.append(("blocks", job.job))

    class Fails(Runs):
        name = "fails"

        def emit_late(self, job: LateJob) -> None:
            raise ValueError("no")

    class Wrong(Runs):
        name = "wrong"
        emit_late = "no function"

    failed: list[str] = []

    class Hooks:
        def failed(self, plugin: str, hook: str, error: BaseException, *, run: str | None = None) -> None:
            failed.append(str(error))

    store = MemoryStore(project="tests")
    sinks = [Provided(made(), plugin="test") for made in (Runs, Waits, Blocks, Fails, Wrong)]
    notice = LateJob("hourly", "tests", START, START)
    async with store, Delivery(sinks, store, hooks=Hooks()) as delivery:
        assert await delivery.tell_late(notice) == ["fails"]
        assert sorted(heard) == [("blocks", "hourly"), ("waits", "hourly")]
        assert await delivery.tell_late(notice, ["blocks"]) == []
        assert len(heard) == 3
    [error] = failed
    assert "emit_late is 'no function', which cannot be called" in error
