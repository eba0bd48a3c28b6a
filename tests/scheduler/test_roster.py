"""A replica among others: signs of life, who has vanished, who is told, and in what they differ."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.exceptions import StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.testing import VirtualClock
from tests.scheduler.posts import ELSEWHERE, World, job

WORDS = ("scheduler.started", "scheduler.stopped", "scheduler.vanished")


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Both event loops."""
    return request.param


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, virtual_clock: VirtualClock, backend: Any, tmp_path: Path) -> World:
    """Both embedded stores."""
    return World(virtual_clock, request.param, backend, tmp_path)


def test_it_comes_and_goes_with_a_word(world: World) -> None:
    """Registered between the two events, which say who it is; a late word does not bring it back."""

    async def main() -> None:
        one = await world.replica(job(), job("manual", "")).enter()
        assert await world.live() == [one.post.replica_id]
        await one.roster.leave()
        await one.roster.announce()
        assert await world.live() == []
        started, stopped = await world.events(*WORDS)
        assert (started.kind, stopped.kind) == WORDS[:2]
        assert started.data["replica"] == stopped.data["replica"] == one.post.replica_id
        assert (started.data["jobs"], started.data["scheduled"], started.data["node"]) == (2, 1, "here")

    world.run(main)


@pytest.mark.parametrize("busy", [True, False])
def test_it_lives_while_it_gives_signs_of_life(world: World, busy: bool) -> None:
    """Idle on SQLite it gives fewer of them, and the interval that is registered is its own."""

    async def main() -> None:
        one = world.replica(job())
        one.roster.busy = lambda: busy
        await one.enter()
        async with world.serving(one):
            await world.passes(300)
            assert await world.live() == [one.post.replica_id]
            [state] = await world.store.replicas()
        slow = world.kind == "sqlite" and not busy
        assert state.replica.interval == timedelta(seconds=30 if slow else 10)

    world.run(main)


def test_who_is_silent_has_vanished_and_one_says_so(world: World) -> None:
    """After three heartbeats that did not come; of two who see it, one writes it down."""

    async def main() -> None:
        lost = await world.replica(job("theirs"), node="b", identity=ELSEWHERE).enter()
        one, two = await world.replica(job()).enter(), await world.replica(job(), node="c").enter()
        async with world.serving(one, two):
            await world.passes(25)
            assert one.roster.knows("theirs")
            assert await world.events("scheduler.vanished") == []
            await world.passes(20)
            assert [event.data["replica"] for event in await world.events("scheduler.vanished")] == [
                lost.post.replica_id
            ]
            assert not one.roster.knows("theirs")
            assert one.roster.knows("job")

    world.run(main)


def test_a_dead_process_of_this_host_is_seen_at_once(world: World) -> None:
    """However fresh its heartbeat; one that lives is left alone."""

    async def main() -> None:
        dead = replace(ProcessIdentity.current(), started="0")
        await world.replica(job(), node="b", identity=dead).enter()
        one = await world.replica(job()).enter()
        [event] = await world.events("scheduler.vanished")
        assert event.data["found_dead"] is True
        assert await world.live() == [one.post.replica_id]
        assert one.roster.peers == ()

    world.run(main)


def test_who_was_taken_for_dead_comes_back(world: World) -> None:
    """It registers again with its jobs, and says so."""

    async def main() -> None:
        one = await world.replica(job()).enter()
        await world.store.deregister(one.post.replica_id)
        async with world.serving(one):
            await world.passes(1)
        [state] = await world.store.replicas()
        assert state.live
        assert state.replica.jobs.keys() == {"job"}
        *_, again = await world.events(*WORDS)
        assert (again.kind, again.data["returned"]) == ("scheduler.started", True)

    world.run(main)


def test_jobs_that_differ_are_named(world: World) -> None:
    """Options that differ, and a job that only one has; after a reload to the same, none."""

    async def main() -> None:
        one = await world.replica(job(), job("same"), job("slow", timeout=timedelta(1))).enter()
        two = await world.replica(job(), job("same"), job("slow"), job("new"), node="b").enter()
        await one.roster.look()
        assert one.roster.differs() == two.roster.differs() == {"slow", "new"}
        await two.reload(job(), job("same"), job("slow", timeout=timedelta(1)))
        await one.roster.look()
        assert one.roster.differs() == two.roster.differs() == frozenset()

    world.run(main)


@contextmanager
def another_process() -> Iterator[ProcessIdentity]:
    """Who a process of this host is, as long as it lives."""
    code = (
        "import json; from jobkit.processes import ProcessIdentity;"
        "print(json.dumps(ProcessIdentity.current().to_json()), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield ProcessIdentity.from_json(json.loads(process.stdout.readline()))
        process.kill()


def shares_with(replicas: list[Any], one: Any) -> Any:
    """Whom *one* says that it shares its node with."""
    [state] = [each for each in replicas if each.replica.id == one.post.replica_id]
    return state.replica.details.get("node_shared_with", [])


def test_two_of_one_node_are_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Each by the other, once each in the log; not before it is known that the other lives."""

    async def main() -> None:
        one = await world.replica(job(), identity=ELSEWHERE).enter()
        two = await world.replica(job()).enter()
        third = await world.replica(job(), node="c").enter()
        assert shares_with(await world.store.replicas(), two) == []
        async with world.serving(one, two, third):
            await world.passes(65)
            seen = await world.store.replicas()
        assert shares_with(seen, two) == [one.post.replica_id]
        assert shares_with(seen, one) == [two.post.replica_id]
        assert shares_with(seen, third) == []

    world.run(main)
    assert caplog.text.count("node.shared") == 2


def test_one_of_this_host_is_known_to_live(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It is told at the start; when it has gone, nothing is shared any more."""

    async def main() -> None:
        one = await world.replica(job(), identity=neighbour).enter()
        two = await world.replica(job()).enter()
        assert shares_with(await world.store.replicas(), two) == [one.post.replica_id]
        await one.roster.leave()
        await two.roster.look()
        assert shares_with(await world.store.replicas(), two) == []

    with another_process() as neighbour:
        world.run(main)
    assert caplog.text.count("node.shared") == 1


@pytest.mark.parametrize("before", [ELSEWHERE, None])
def test_the_row_of_one_that_was_killed_shares_nothing(
    world: World, before: ProcessIdentity | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever comes after it under the same name, in another container or as the same process with another
    program, gives no false alarm."""

    async def main() -> None:
        await world.replica(job(scope="node"), identity=before).enter()
        one = await world.replica(job(scope="node")).enter()
        async with world.serving(one):
            await world.passes(65)
            assert await world.live() == [one.post.replica_id]

    world.run(main)
    assert "replica.vanished" in caplog.text
    assert "node.shared" not in caplog.text


@pytest.mark.parametrize("comes_back", [True, False])
def test_after_an_outage_everybody_has_time_for_a_sign_of_life(world: World, comes_back: bool) -> None:
    """As long as ever, from when the store answers again; who gives none until then has vanished."""

    async def main() -> None:
        other = await world.replica(job(), node="b", identity=ELSEWHERE).enter()
        one = await world.replica(job()).enter()
        for _ in range(9):
            await world.passes(5)
            one.post.connection.failed(StoreUnavailable("away"), "it")
        await world.store.heartbeat(one.post.replica_id)
        async with world.serving(one):
            await world.passes(25)
            assert await world.events("scheduler.vanished") == []
            assert [peer.replica.id for peer in one.roster.peers] == [other.post.replica_id]
            if comes_back:
                await world.store.heartbeat(other.post.replica_id)
            await world.passes(20)
        vanished = [event.data["replica"] for event in await world.events("scheduler.vanished")]
        assert vanished == ([] if comes_back else [other.post.replica_id])

    world.run(main)
