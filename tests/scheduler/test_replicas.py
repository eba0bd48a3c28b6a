"""Several whole schedulers on one store in virtual time; changes of files and settings; starts; rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit.scheduler.marks import UNSCHEDULED
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.ledger import JobKey
from jobkit.stores.memory import MemoryStore
from jobkit.stores.replicas import Event
from tests.scheduler.whole import Folder, World, at, facts, seconds, several_hosts, times

EVERY_TEN = "*/10 * * * * *"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project without jobs."""
    return Folder(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Folder:
    """The same project, on another host."""
    return Folder(tmp_path / "two", extension="web2")


@pytest.fixture(autouse=True)
def hosts() -> Iterator[None]:
    with several_hosts():
        yield


def changes(events: list[Event]) -> list[tuple[Any, ...]]:
    return facts(events, "scheduled", "enabled", "cause", "layer", "place", "schedule", "timezone")


# -- what a change begins anew ---------------------------------------------------------------------------


def test_a_job_starts_when_it_is_first_seen_and_a_restart_changes_nothing(folder: Folder) -> None:
    """The ticks of the time without a scheduler are missed ones; nothing is written of it."""
    folder.job(schedule="0 * * * * *", misfire="all", misfire_grace="1h")
    world = World(at("10:00:30"))

    async def main() -> Any:
        replica = await world.start(folder)
        first = await world.mark()
        await world.until_at(at("10:02:30"))
        await replica.end()
        await world.until_at(at("10:05:30"))
        await world.start(folder)
        await world.until_at(at("10:06:30"))
        return first, await world.runs(), await world.events("job.changed")

    first, runs, events = world.run(main)
    assert first is not None
    assert at("10:00:30") <= first < at("10:00:31")
    assert times([run.scheduled_at for run in runs if run.scheduled_at]) == [
        f"10:0{minute}:00" for minute in range(1, 7)
    ]
    assert [run.trigger for run in runs[2:5]] == [Trigger.CATCHUP] * 3
    assert events == []


def _reschedule(folder: Folder) -> None:
    folder.job(schedule="*/7 * * * * *", misfire="all")


def _rezone(folder: Folder) -> None:
    folder.job(schedule=EVERY_TEN, misfire="all", timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("change", "first", "said"),
    [
        (_reschedule, "10:30:07", ("*/7 * * * * *", "UTC")),
        (_rezone, "10:30:10", (EVERY_TEN, "Europe/Berlin")),
    ],
)
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_another_schedule_starts_now(folder: Folder, change: Any, first: str, said: Any, how: str) -> None:
    """Nothing of the time before it is made up, with a reload or a restart; one event says so."""
    folder.job(schedule=EVERY_TEN, misfire="all")
    world = World(at("10:00:05"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:25"))
        if how == "restart":
            await replica.end()
            await world.until_at(at("10:30:02"))
            change(folder)
            await world.start(folder)
        else:
            async with world.new_store() as somebody:
                await somebody.pause("job", by="ops", until=at("10:29:59"))
            await world.until_at(at("10:30:02"))
            change(folder)
            await replica.scheduler.reload()
        await world.until_at(at("10:30:30"))
        return await world.ran(), await world.events("job.changed")

    ran, events = world.run(main)
    before = ["10:00:10", "10:00:20", *(["10:30:00"] if how == "reload" else [])]
    assert times(ran)[: len(before) + 1] == [*before, first]
    place = "extensions/web/jobs/job.py:6"
    assert changes(events) == [(True, True, "enabled", "code", place, *said)] or changes(events) == [
        (True, True, "enabled", "default", place, *said)
    ]


def test_what_was_prevented_is_not_made_up(folder: Folder) -> None:
    """Disabled and enabled, unlisted and listed, the file gone and back, the scheduler off and on."""
    folder.job(schedule=EVERY_TEN, misfire="all", misfire_grace="1h")
    world = World(at("10:00:05"))
    toml = "services/scheduler/config.toml"

    async def main() -> Any:
        replica = await world.start(folder)
        reload = replica.scheduler.reload
        hashes = []
        minute = 0

        async def apart(off: Any, on: Any) -> None:
            nonlocal minute
            minute += 1
            await world.until_at(at(f"10:{minute:02}:05"))
            off()
            await reload()
            hashes.append((await world.store.job_states())[JobKey("job")].hash)
            minute += 1
            await world.until_at(at(f"10:{minute:02}:05"))
            on()
            await reload()

        await apart(
            lambda: folder.settings("[jobs.job]\nenabled = false\n"), lambda: folder.settings("[jobs.job]\n")
        )
        await apart(
            lambda: folder.settings('[scheduler]\nunlisted = "ignore"\n'),
            lambda: folder.settings('[scheduler]\nunlisted = "ignore"\n[jobs.job]\n'),
        )
        folder.settings("\n")
        await reload()
        await apart(
            lambda: folder.remove("job"),
            lambda: folder.job(schedule=EVERY_TEN, misfire="all", misfire_grace="1h"),
        )
        await apart(lambda: folder.settings("[scheduler]\nenabled = false\n"), lambda: folder.settings("\n"))
        await world.until_at(at("10:08:35"))
        await reload()
        return hashes, await world.ran(), await world.spans(), await world.events("job.changed")

    hashes, ran, spans, events = world.run(main)
    assert hashes == [UNSCHEDULED] * 4
    on = [instant for instant in seconds("10:00:06", "10:08:35") if instant.second % 10 == 0]
    away = [(f"10:0{minute}:05", f"10:0{minute + 1}:05") for minute in (1, 3, 5, 7)]
    expected = [tick for tick in on if not any(at(first) < tick < at(last) for first, last in away)]
    assert ran == expected
    assert spans == []
    said = facts(events, "scheduled", "cause", "place")
    code = "extensions/web/jobs/job.py:6"
    assert said == [
        (False, "disabled", f"{toml}:2"),
        (True, "enabled", code),
        (False, "unlisted", f"{toml}:2"),
        (True, "enabled", code),
        (False, None, None),
        (True, "enabled", code),
        (False, "off", f"{toml}:2"),
        (True, "enabled", code),
    ]


def test_nothing_is_written_when_nothing_has_changed(folder: Folder) -> None:
    """A reload, a moved line, another docstring: the mark stays, and so do the events."""
    folder.job(schedule=EVERY_TEN, misfire="all", misfire_grace="1h")
    world = World(at("10:00:05"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:25"))
        before = (await world.store.job_states())[JobKey("job")]
        await replica.scheduler.reload()
        path = folder.root / "extensions/web/jobs/job.py"
        path.write_text("# a comment\n\n" + path.read_text())
        await replica.scheduler.reload()
        replica.link.calls.clear()
        await replica.scheduler.reload()
        calls = Counter(replica.link.calls)
        after = (await world.store.job_states())[JobKey("job")]
        return before, after, await world.events("job.changed"), calls

    before, after, events, calls = world.run(main)
    assert before == after
    assert events == []
    assert not calls.keys() & {"register_jobs", "register_replica", "add_events"}


# -- several replicas ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_tick_runs_once_whoever_claims_it(folder: Folder, backend: str) -> None:
    """Three replicas that start and stop: each second has one run."""
    folder.job()
    world = World(at("09:59:59"))

    async def main() -> Any:
        first = await world.start(folder, node="a", host="a")
        second = await world.start(folder, node="b", host="b")
        await world.until_at(at("10:00:20.5"))
        await first.end()
        await world.start(folder, node="c", host="c")
        await world.until_at(at("10:00:40.5"))
        await second.end()
        await world.until_at(at("10:01:00.5"))
        return await world.runs(), await world.spans(), await world.events("job.changed")

    runs, spans, changed = world.run(main, backend=backend)
    assert [run.scheduled_at for run in runs] == seconds("10:00:00", "10:01:00")
    assert {run.status for run in runs} == {RunStatus.SUCCEEDED}
    assert spans == changed == []


def test_a_rolling_deployment(folder: Folder, other: Folder) -> None:
    """The new schedule waits for the last that has the old one, and is in force at once when that stops."""
    folder.job(schedule=EVERY_TEN)
    other.job(schedule="5/10 * * * * *")
    world = World(at("09:59:55"))

    async def main() -> Any:
        olds = [await world.start(folder, node=node, host=node) for node in "ab"]
        await anyio.sleep(1)
        new = await world.start(other, node="c", host="c")
        await world.until_at(at("10:00:32"))
        superseded, findings = new.superseded, await world.findings(new.project)
        await olds[0].end()
        await world.until_at(at("10:01:02"))
        still = new.superseded
        await olds[1].end()
        await world.until_at(at("10:01:04"))
        agreed = new.superseded
        await world.until_at(at("10:01:31"))
        return superseded, still, agreed, findings, await world.ran(), await world.events("job.changed")

    superseded, still, agreed, findings, ran, events = world.run(main)
    assert superseded == still == {"job"}
    assert agreed == set()
    assert findings["job.superseded"].jobs == ("job",)
    before = [f"10:00:{second:02}" for second in range(0, 60, 10)] + ["10:01:00"]
    assert times(ran) == [*before, "10:01:05", "10:01:15", "10:01:25"]
    assert [event.data["schedule"] for event in events] == ["5/10 * * * * *"]


def test_the_last_that_has_the_old_schedule_reloads(folder: Folder, other: Folder) -> None:
    """The new one is in force at once, on both."""
    folder.job(schedule=EVERY_TEN)
    other.job(schedule="5/10 * * * * *")
    world = World(at("09:59:55"))

    async def main() -> Any:
        loaded = world.load(other, "b")
        old = await world.start(folder, node="a", host="a")
        new = await world.start(loaded, host="b")
        await world.until_at(at("10:00:12"))
        before = new.superseded, old.superseded
        folder.job(schedule="5/10 * * * * *")
        await old.scheduler.reload()
        await world.until_at(at("10:00:14"))
        after = new.superseded, old.superseded
        await world.until_at(at("10:00:40"))
        return before, after, await world.ran()

    before, after, ran = world.run(main)
    assert before == ({"job"}, set())
    assert after == (set(), set())
    assert times(ran) == ["10:00:00", "10:00:10", "10:00:15", "10:00:25", "10:00:35"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_replica_that_vanishes(folder: Folder, other: Folder, backend: str) -> None:
    """Told once; its ticks go on elsewhere; a schedule that only it had is replaced after a minute."""
    folder.job(schedule=EVERY_TEN)
    folder.job("shared")
    other.job(schedule="5/10 * * * * *")
    other.job("shared")
    world = World(at("09:59:55"))

    async def main() -> Any:
        old = await world.start(folder, node="a", host="a")
        new = await world.start(other, node="b", host="b")
        third = await world.start(other, node="c", host="c")
        await world.until_at(at("10:00:12.5"))
        last = next(state for state in await world.store.replicas() if state.replica.id == old.id)
        old.link.cut()
        await world.until_at(last.heartbeat_at + timedelta(seconds=58))
        waiting = new.superseded, third.superseded
        await world.until_at(last.heartbeat_at + timedelta(seconds=63))
        agreed = new.superseded, third.superseded
        await world.until_at(at("10:02:00.5"))
        vanished = await world.events("scheduler.vanished")
        return last, waiting, agreed, vanished, await world.ran(), await world.ran("shared")

    last, waiting, agreed, vanished, ran, shared = world.run(main, backend=backend)
    assert waiting == ({"job"}, {"job"})
    assert agreed == (set(), set())
    assert [event.data["replica"] for event in vanished] == [last.replica.id]
    assert times(ran)[:2] == ["10:00:00", "10:00:10"]
    assert ran[2] > last.heartbeat_at + timedelta(minutes=1)
    assert {instant.second % 10 for instant in ran[2:]} == {5}
    assert shared == seconds("09:59:56", "10:02:00")


def test_an_outage_of_the_store_makes_nobody_vanish(folder: Folder) -> None:
    """It was longer than a replica may be silent, and each finds the way back at another moment."""
    folder.job(schedule=EVERY_TEN)
    world = World(at("09:59:55"))

    async def main() -> Any:
        replicas = [await world.start(folder, node=name, host=name) for name in "abc"]
        await world.until_at(at("10:00:12.5"))
        for replica in replicas:
            replica.link.away = True
        for second, replica in zip((50, 53, 58), replicas, strict=True):
            await world.until_at(at(f"10:00:{second}"))
            replica.link.away = False
        await world.until_at(at("10:02:00"))
        vanished = await world.events("scheduler.vanished")
        started = await world.events("scheduler.started")
        return vanished, len(started), await world.findings(replicas[0].project)

    vanished, started, findings = world.run(main)
    assert (vanished, started) == ([], 3)
    assert "scheduler.none" not in findings


def test_what_was_running_on_one_that_vanished_is_lost_or_tried_again(folder: Folder) -> None:
    """By the others, once its lease is over."""
    folder.job("once", "0 0 10 * * *", "await anyio.sleep(3600)")
    folder.job("again", "0 0 10 * * *", "await anyio.sleep(30)", retries=1)
    world = World(at("09:59:59"))

    async def main() -> Any:
        old = await world.start(folder, node="a", host="a")
        await world.until_at(at("10:00:03"))
        await world.start(folder, node="b", host="b")
        old.link.cut()
        await world.until_at(at("10:02:00"))
        return (await world.runs("once"))[0], (await world.runs("again"))[0]

    once, again = world.run(main)
    assert once.status is RunStatus.LOST
    assert (again.status, again.attempt) == (RunStatus.SUCCEEDED, 2)


def test_jobs_of_each_node(folder: Folder) -> None:
    """Each has its own mark and its own runs; one name for two nodes is warned of."""
    folder.job(schedule=EVERY_TEN, scope="node")
    world = World(at("09:59:55"))

    async def main() -> Any:
        first = await world.start(folder, node="a", host="a")
        await world.start(folder, node="b", host="b")
        await world.until_at(at("10:00:25"))
        runs = await world.runs()
        keys = set(await world.store.job_states())
        fine = await world.findings(first.project)
        await world.start(folder, node="a", host="c")
        await world.until_at(at("10:00:45"))
        return runs, keys, fine, await world.findings(first.project)

    runs, keys, fine, red = world.run(main)
    ticks = ["10:00:00", "10:00:10", "10:00:20"]
    for node in ("a", "b"):
        assert times([run.scheduled_at for run in runs if run.node == node and run.scheduled_at]) == ticks
    assert keys == {JobKey("job", "a"), JobKey("job", "b")}
    assert "node.shared" not in fine
    assert red["node.shared"].nodes == ("a",)


class Microseconds(World):
    """Its store never sees the same instant twice, as stores of the real world."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._looks = count()

    def new_store(self) -> MemoryStore:
        def now() -> datetime:
            return self.clock.now() + timedelta(microseconds=next(self._looks))

        return MemoryStore(project="shop", now=now, kept=self.kept)


def test_replicas_that_start_together_say_a_change_once(folder: Folder) -> None:
    """It is the change of all of them."""
    folder.job(schedule=EVERY_TEN)
    world = Microseconds(at("09:59:55"))

    async def main() -> Any:
        for replica in [await world.start(folder, node=node, host=node) for node in "ab"]:
            await replica.end()
        folder.job(schedule="5/10 * * * * *")
        for node in "abc":
            await world.start(folder, node=node, host=node, wait=False)
        await anyio.sleep(30)
        return await world.events("job.changed")

    assert len(world.run(main)) == 1


# -- starting --------------------------------------------------------------------------------------------


def test_the_startup_list_comes_before_the_first_tick(folder: Folder) -> None:
    """One after another, then the jobs with both layers, in the background; what fails stops nobody."""
    folder.job("first", None, "await anyio.sleep(5)")
    folder.job("broken", None, "await anyio.sleep(1)\nraise ValueError('no')")
    folder.job("off", None, enabled=False)
    folder.job("warm", None, "await anyio.sleep(30)", run_on_startup=True)
    folder.job("cold", None, run_on_startup=True)
    folder.job("ticks")
    folder.settings(
        '[scheduler]\nstartup = ["broken", "off", "first"]\n[jobs.warm]\nenabled = true\n[jobs.off]\n'
    )
    world = World(at("09:59:58.5"))

    async def main() -> Any:
        replica = await world.start(folder, wait=False)
        other = await world.start(folder, node="b", host="b", wait=False)
        await world.until_at(at("10:00:02"))
        early = replica.scheduler.state, other.scheduler.state, await world.ran("ticks")
        await replica.serving()
        await other.serving()
        began = world.clock.now()
        await world.until_at(at("10:00:10.5"))
        names = ("broken", "first", "off", "warm", "cold", "ticks")
        return early, began, {name: await world.runs(name) for name in names}

    early, began, runs = world.run(main)
    assert early == ("starting", "starting", [])
    assert [len(runs[name]) for name in ("first", "off", "warm", "cold")] == [1, 0, 1, 0]
    # What has failed is tried by each replica.
    assert {run.status for run in runs["broken"]} == {RunStatus.FAILED}
    [first] = runs["first"]
    assert first.started_at is not None
    assert first.started_at >= runs["broken"][0].finished_at
    assert began >= first.finished_at
    [warm] = runs["warm"]
    assert (warm.status, warm.trigger) == (RunStatus.RUNNING, Trigger.STARTUP)
    ticks = runs["ticks"]
    assert all(run.started_at >= first.finished_at for run in ticks)
    # Due from its registration on: what was missed meanwhile is made up once.
    assert ticks[0].trigger is Trigger.CATCHUP
    assert ticks[-1].scheduled_at == at("10:00:10")


def test_a_scheduler_that_is_off_executes_what_is_queued(folder: Folder) -> None:
    """``[scheduler] enabled = false``: no ticks."""
    folder.job()
    folder.job("asked", None)
    folder.settings("[scheduler]\nenabled = false\n")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        queued = await replica.scheduler.enqueue("asked")
        await world.until_at(at("10:00:10"))
        run, states = await world.store.run(queued.id), await world.store.job_states()
        return run, await world.runs(), states, await world.events("job.changed", job="job")

    run, runs, states, events = world.run(main)
    assert run.status is RunStatus.SUCCEEDED
    assert runs == []
    assert states == {}
    assert facts(events, "scheduled", "cause", "place") == [
        (False, "off", "services/scheduler/config.toml:2")
    ]


# -- rest ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "beats"), [("memory://", 10), ("sqlite:///a.db", 30)])
def test_a_scheduler_that_has_nothing_to_do_rests(folder: Folder, url: str, beats: int) -> None:
    """Heartbeats and the looks that go with them; each half minute one for whatever a hint was lost of."""
    folder.job(schedule="0 0 3 * * *")
    world = World()

    async def main() -> Counter[str]:
        replica = await world.start(folder)
        replica.link.url = url
        await anyio.sleep(600)
        replica.link.calls.clear()
        await anyio.sleep(1800)
        return Counter(replica.link.calls)

    calls = world.run(main)
    assert calls.pop("prune", 0) <= 1
    assert dict(calls) == {
        name: pytest.approx(1800 / beats, abs=2) for name in ("heartbeat", "replicas", "now")
    } | {
        name: pytest.approx(1800 / 30, abs=2)
        for name in ("wait", "pauses", "cancel_requests", "open_leases", "next_queued")
    } | {"queued": pytest.approx(2 * 1800 / 30, abs=4)}  # what may start, and whether anything waits
