"""What a replica does for the store: it settles what others left, forgets what is old, and keeps the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from jobkit import RunStatus
from jobkit.exceptions import StoreError
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.scheduler.upkeep import JITTER, Upkeep
from jobkit.statuses import Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Outcome, RunQuery
from jobkit.testing import VirtualClock
from tests.runner.test_settling import owner
from tests.scheduler.desk import Desk
from tests.scheduler.test_control import LONG

LEASE, MINUTE, HOUR = timedelta(seconds=10), timedelta(minutes=1), timedelta(hours=1)
ELSEWHERE = owner("another-host")


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Both embedded stores."""
    return request.param


@pytest.fixture(params=["asyncio", "trio"])
def desk(virtual_clock: VirtualClock, kind: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    """A place on either store, and on either event loop."""
    return Desk(virtual_clock, kind, request.param, tmp_path)


class Kept:
    """Upkeep at work, and what it has told: what, and when in seconds of the clock."""

    def __init__(self, desk: Desk, draw: float = 0.0) -> None:
        self.settled: list[tuple[float, RunRecord]] = []
        self.stepped: list[tuple[float, float]] = []
        self.upkeep = Upkeep(desk.post, desk.runner, draw=lambda: draw)
        clock = desk.clock
        self.upkeep.settled.append(lambda run: self.settled.append((clock.monotonic(), run)))
        self.upkeep.stepped.append(lambda by: self.stepped.append((clock.monotonic(), by.total_seconds())))
        desk.tasks.start_soon(self.upkeep.serve)


async def left(
    desk: Desk, by: ProcessIdentity = ELSEWHERE, *, duration: timedelta = LEASE, attempts: int = 1
) -> Lease:
    """A run that *by* has begun, and does nothing more about."""
    id = new_run_id(desk.clock.now())
    new = NewRun(id=id, job="long", extension="tests", trigger=Trigger.API, attempts=attempts)
    _, lease = await desk.theirs.add_and_start(new, LeaseRequest(by, "node", duration))
    return lease


async def finished(desk: Desk) -> str:
    """A run that ends now."""
    lease = await left(desk, desk.post.identity)
    outcome = Outcome(status=RunStatus.SUCCEEDED, finished_at=await desk.theirs.now(), duration_ms=1)
    await desk.theirs.finish(lease, outcome)
    return lease.run_id


# -- leases -------------------------------------------------------------------------------------------


def test_what_the_dead_of_this_host_left_is_settled_at_the_start(desk: Desk) -> None:
    """And told once."""

    async def main() -> None:
        await left(desk, owner())
        kept = Kept(desk)
        await anyio.sleep(60)
        [(at, run)] = kept.settled
        assert (at, run.status) == (0.0, RunStatus.LOST)

    desk(main)


def test_a_lost_attempt_is_followed_by_another(desk: Desk) -> None:
    """Where there are attempts left the run waits for the next one."""

    async def main() -> None:
        await left(desk, owner(), attempts=2)
        kept = Kept(desk)
        await anyio.sleep(60)
        [(_, run)] = kept.settled
        assert (run.status, run.attempt) == (RunStatus.QUEUED, 1)

    desk(main)


def test_the_silent_are_settled_after_their_lease(desk: Desk) -> None:
    """But only once this replica has been connected for a lease itself, and not much later."""

    async def main() -> None:
        await left(desk)
        await anyio.sleep(300)  # expired long ago, when this replica comes
        kept = Kept(desk)
        await anyio.sleep(60)
        [(at, run)] = kept.settled
        assert 310 <= at <= 312
        assert run.status is RunStatus.LOST

    desk(main)


def test_an_own_long_lease_is_waited_for(desk: Desk) -> None:
    """`lease = "60s"`: a replica that has it settles nobody before that."""
    desk.settings = 'lease = "60s"'

    async def main() -> None:
        await left(desk)
        kept = Kept(desk)
        await anyio.sleep(300)
        [(at, _)] = kept.settled
        assert 60 <= at <= 62

    desk(main)


def test_a_longer_lease_of_somebody_else_is_waited_for(desk: Desk) -> None:
    """To the second, and not to the next look."""

    async def main() -> None:
        await left(desk, duration=1.5 * LEASE)
        await anyio.sleep(300)
        kept = Kept(desk)
        await anyio.sleep(60)
        [(at, _)] = kept.settled
        assert 315 <= at <= 316

    desk(main)


def test_who_renews_is_left_alone(desk: Desk) -> None:
    """However long it takes; a run of this process too."""

    async def main() -> None:
        kept = Kept(desk)
        await desk.begin("long")
        lease = await left(desk, replace(ELSEWHERE, host="a-third-host"))
        for _ in range(40):
            await anyio.sleep(3)
            await anyio.to_thread.run_sync(desk.theirs.renew, [lease])
        assert kept.settled == []
        await anyio.sleep(30)
        [(at, run)] = kept.settled
        assert run.id == lease.run_id
        assert 130 <= at <= 142

    desk(main, LONG)


def test_an_outage_kills_nothing(desk: Desk) -> None:
    """Nobody could renew while the store was away: everybody has a lease's time once it is back."""

    async def main() -> None:
        kept = Kept(desk)
        await anyio.sleep(5)
        lease = await left(desk)
        desk.watched.away = True
        await anyio.sleep(55)
        desk.watched.away = False
        back = desk.clock.monotonic()
        await anyio.sleep(6)
        assert (await desk.theirs.run(lease.run_id)).status is RunStatus.RUNNING
        await anyio.sleep(60)
        [(at, _)] = kept.settled
        assert back + 10 <= at <= back + 22

    desk(main)


def test_an_outage_that_somebody_else_has_noticed_counts(desk: Desk) -> None:
    """Whichever part of the replica was not answered."""

    async def main() -> None:
        kept = Kept(desk)
        await left(desk)
        await anyio.sleep(9)

        async def away() -> None:
            desk.watched.away = desk.clock.monotonic() < 9.05
            try:
                await desk.post.store.now()
            finally:
                desk.watched.away = False

        await desk.post.connection.ask(away, "anything")
        await anyio.sleep(60)
        [(at, _)] = kept.settled
        assert at >= 19

    desk(main)


def test_one_that_is_gone_is_looked_for_at_once_when_somebody_knows(desk: Desk) -> None:
    """Without that an idle replica looks within half a minute."""

    async def main() -> None:
        kept = Kept(desk)
        await anyio.sleep(3)
        await left(desk, owner())
        kept.upkeep.wake()
        await anyio.sleep(1)
        assert [at for at, _ in kept.settled] == [3.0]
        await left(desk, owner())
        await anyio.sleep(30)
        assert len(kept.settled) == 2
        assert 4 < kept.settled[1][0] <= 34

    desk(main)


def test_an_idle_replica_hardly_asks(desk: Desk) -> None:
    """In ten minutes: for leases and for the time each half minute; each lease while a run goes on."""

    async def main() -> None:
        Kept(desk)
        await anyio.sleep(605)
        assert len(desk.watched.times("open_leases")) == len(desk.watched.times("now")) == 21
        await desk.begin("long")
        await anyio.sleep(40)
        desk.watched.asked.clear()
        await anyio.sleep(600)
        assert 59 <= len(desk.watched.times("open_leases")) <= 61
        assert 59 <= len(desk.watched.times("now")) <= 61

    desk(main, LONG)


# -- pruning ------------------------------------------------------------------------------------------


def test_what_is_older_than_the_retention_is_forgotten(desk: Desk) -> None:
    """Soon after the start, and each hour; what is younger stays."""
    desk.settings = 'retention = "90m"'

    async def main() -> None:
        old = await finished(desk)
        await anyio.sleep(HOUR.total_seconds())
        young = await finished(desk)
        Kept(desk)
        await anyio.sleep(60)
        assert (await desk.theirs.run(old)).status is RunStatus.SUCCEEDED
        await anyio.sleep(HOUR.total_seconds())
        assert [run.id for run in await runs(desk)] == [young]
        await anyio.sleep(HOUR.total_seconds())
        assert await runs(desk) == []

    desk(main)


async def runs(desk: Desk) -> list[RunRecord]:
    """What there is."""
    return list((await desk.theirs.runs(RunQuery())).runs)


@pytest.mark.parametrize("draw", [0.0, 1.0])
def test_replicas_that_began_together_prune_apart(desk: Desk, draw: float) -> None:
    """Each adds up to a quarter to the ten seconds, and to each hour."""

    async def main() -> None:
        Kept(desk, draw)
        await anyio.sleep(4 * HOUR.total_seconds())
        longer = 1 + JITTER * draw
        first = 10 * longer
        expected = [first + 3600 * longer * number for number in range(4)]
        times = desk.watched.times("prune")
        assert times == pytest.approx([at for at in expected if at <= 4 * 3600])

    desk(main)


def test_the_stores_clock_says_what_is_old(desk: Desk) -> None:
    """Not that of this host."""
    desk.ahead = -timedelta(hours=5)
    asked: list[datetime] = []

    async def main() -> None:
        async def prune(before: datetime) -> int:
            asked.append(before)
            return 0

        desk.watched.instead["prune"] = prune
        Kept(desk)
        first = desk.clock.now() + timedelta(seconds=10)
        await anyio.sleep(11)
        assert asked == [first - timedelta(hours=5) - timedelta(days=30)]

    desk(main)


@pytest.mark.parametrize("away", [False, True])
def test_a_store_that_cannot_forget_is_asked_again(desk: Desk, away: bool) -> None:
    """In an hour if it refuses, when it is back if it was away; the rest of the upkeep goes on."""

    async def main() -> None:
        async def refuse(before: datetime) -> int:
            raise StoreError("no room", code="JK601")

        kept = Kept(desk)
        desk.watched.away = away
        if not away:
            desk.watched.instead["prune"] = refuse
        await anyio.sleep(60)
        desk.watched.away = False
        desk.watched.instead.clear()
        await left(desk, owner())
        await anyio.sleep(60)
        assert len(kept.settled) == 1
        before = len(desk.watched.times("prune"))
        assert before == 1 or away
        await anyio.sleep(HOUR.total_seconds())
        assert len(desk.watched.times("prune")) == before + 1

    desk(main)


def test_a_store_that_cannot_settle_is_asked_again(desk: Desk) -> None:
    """Nothing that is wrong with it ends the upkeep."""

    async def main() -> None:
        async def refuse() -> Any:
            raise StoreError("it is damaged", code="JK601")

        desk.watched.instead["open_leases"] = refuse
        kept = Kept(desk)
        await left(desk, owner())
        await anyio.sleep(65)
        assert kept.settled == []
        desk.watched.instead.clear()
        await anyio.sleep(30)
        assert len(kept.settled) == 1

    desk(main)


# -- the time -----------------------------------------------------------------------------------------


def test_the_stores_time_is_known_from_the_start(desk: Desk) -> None:
    """However far it is off; that is no step."""
    desk.ahead = timedelta(hours=3)

    async def main() -> None:
        kept = Kept(desk)
        await kept.upkeep.begin()
        assert desk.post.time.now() == desk.clock.now() + timedelta(hours=3)
        await anyio.sleep(60)
        assert kept.stepped == []

    desk(main)


@pytest.mark.parametrize(("by", "told"), [(5.0, True), (-3600.0, True), (0.9, False), (0.0, False)])
def test_a_clock_that_steps_is_noticed(desk: Desk, by: float, told: bool) -> None:
    """The store's against this host's, in half a minute; a small drift is followed silently."""

    async def main() -> None:
        kept = Kept(desk)
        await anyio.sleep(45)
        desk.ahead = timedelta(seconds=by)
        await anyio.sleep(31)
        assert desk.post.time.ahead == timedelta(seconds=by)
        await anyio.sleep(120)
        assert [step for _, step in kept.stepped] == ([by] if told else [])

    desk(main)


def test_this_hosts_clock_that_steps_is_noticed_too(desk: Desk) -> None:
    """Only the one of the host is set: what the store shows goes on as before."""

    async def main() -> None:
        kept = Kept(desk)
        await anyio.sleep(45)
        desk.clock.step(HOUR)
        desk.ahead = -HOUR
        await anyio.sleep(31)
        assert [step for _, step in kept.stepped] == [-3600.0]
        assert desk.post.time.now() == desk.clock.now() - HOUR

    desk(main)


def test_a_store_that_is_away_at_the_start_is_waited_for(desk: Desk) -> None:
    """Nothing is done before its time is known."""

    async def main() -> None:
        await left(desk, owner())
        desk.watched.away = True
        kept = Kept(desk)
        await anyio.sleep(60)
        assert {name for name, _ in desk.watched.asked} == {"now"}
        desk.watched.away = False
        await anyio.sleep(6)
        assert len(kept.settled) == 1

    desk(main)
