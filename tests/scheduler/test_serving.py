"""The whole scheduler in virtual time: outages, its end, pauses, late jobs, parts that fail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus, Trigger
from tests.scheduler.whole import Folder, World, at, rows, seconds, several_hosts, shown, times

SOON = timedelta(seconds=0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project without jobs."""
    return Folder(tmp_path)


# -- the store is away -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_five_minutes_without_the_store(
    folder: Folder, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What runs goes on and is recorded; misfire decides about the ticks; no part of the scheduler ends."""
    folder.job("long", "0 1 10 * * *", "await anyio.sleep(150)")
    folder.job("all", "0 * * * * *", misfire="all", misfire_grace="1h")
    folder.job("latest", "0 * * * * *")
    folder.job("none", "0 * * * * *", misfire="none")
    world = World()

    async def main() -> Any:
        replica = await world.start(folder)
        other = await world.start(folder, node="b", host="host-1")
        await world.until_at(at("10:01:30"))
        replica.link.away = other.link.away = True
        await world.until_at(at("10:06:25"))
        age = replica.parts.post.connection.age
        replica.link.away = other.link.away = False
        await world.until_at(at("10:07:30"))
        failures = [each.parts.supervision.failures for each in (replica, other)]
        names = ("long", "all", "latest", "none")
        vanished = await world.events("scheduler.vanished")
        live = [state.live for state in await world.store.replicas()]
        marks = [await world.rows(replica, name) for name in names[1:]]
        runs = {name: await world.runs(name) for name in names}
        spans = {name: shown(await world.spans(name)) for name in names}
        return age, failures, runs, spans, marks, live, vanished, replica.parts.post.connection.age

    with several_hosts():
        age, failures, runs, spans, marks, live, vanished, after = world.run(main, backend=backend)
    assert 290 < age < 296
    assert after == 0
    assert failures == [{}, {}]
    for event in ("store.unreachable", "store.reached"):
        assert sum(event in record.getMessage() for record in caplog.records) == 2, event
    assert live == [True, True]
    assert vanished == []
    [long] = runs["long"]
    assert (long.status, long.attempt, long.duration_ms) == (RunStatus.SUCCEEDED, 1, 150_000)
    missed = [f"10:0{minute}:00" for minute in range(2, 7)]
    expected = [("10:01:00", "schedule", 1), *((tick, "catchup", 1) for tick in missed)]
    assert rows(runs["all"]) == [*expected, ("10:07:00", "schedule", 1)]
    assert rows(runs["latest"])[1:-1] == [("10:06:00", "catchup", 5)]
    assert spans["latest"] == [("misfire", "10:02:00", "10:05:00", 4)]
    assert len(runs["none"]) == 2
    assert spans["none"] == [("misfire", "10:02:00", "10:06:00", 5)]
    assert all(set(found.values()) == {1} and len(found) == 7 for found in marks)
    assert all(run.status is RunStatus.SUCCEEDED for name in runs for run in runs[name])


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_host_whose_clock_is_wrong(folder: Folder, ahead: timedelta) -> None:
    """Ticks and retries come by the store's clock, and what is written shows its time."""
    folder.job("job", "0 1 10 * * *", "print('tried')\nraise RuntimeError", retries=1)
    world = World(ahead=ahead)

    async def main() -> Any:
        await world.start(folder)
        await world.until_at(at("10:02:30"))
        [run] = await world.runs()
        lines = [line.at for line in await world.store.log_lines(run.id)]
        return run, lines, await world.store.attempts(run.id)

    run, lines, attempts = world.run(main)
    assert (run.status, run.attempt, run.trigger) == (RunStatus.FAILED, 2, Trigger.SCHEDULE)
    instants = [run.queued_at, run.started_at, run.finished_at, *lines]
    instants += [instant for attempt in attempts for instant in (attempt.started_at, attempt.finished_at)]
    assert len(instants) > 6
    assert at("10:01:00") <= min(instants)
    assert max(instants) < at("10:02:00")


def test_an_answer_about_the_time_that_takes_long(folder: Folder) -> None:
    """What the store's clock showed is old when it comes: ticks are at their instants nevertheless."""
    folder.job()
    world = World(at("09:59:59"))

    async def main() -> list[RunRecord]:
        replica = await world.start(folder)
        replica.link.slow["now"] = 9
        await world.until_at(at("10:01:00.5"))
        return await world.runs()

    runs = world.run(main)
    assert [run.scheduled_at for run in runs] == seconds("10:00:00", "10:01:00")
    assert all(run.started_at - run.scheduled_at < SOON for run in runs)  # type: ignore[operator]


# -- stopping --------------------------------------------------------------------------------------------

SHIELDED = """
with anyio.CancelScope(shield=True):
    await anyio.sleep(3600)
"""
SWALLOWS = """
for _ in range(1000):
    try:
        await anyio.sleep(3600)
    except BaseException:
        pass
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_end_is_within_28_seconds(folder: Folder, backend: str) -> None:
    """Whatever the jobs do: what ends within the grace succeeds, the rest is cancelled, all is recorded."""
    at_ten = "0 0 10 * * *"
    folder.job("quick", at_ten, "await anyio.sleep(20)")
    folder.job("endless", at_ten, "await anyio.sleep(3600)")
    folder.job("cleans", at_ten, "try:\n    await anyio.sleep(3600)\nfinally:\n    ctx.log.info('clean')")
    folder.job("swallows", at_ten, SWALLOWS)
    # On trio nobody can leave a task behind.
    folder.job("shielded", at_ten, SHIELDED if backend == "asyncio" else SWALLOWS)
    folder.job("thread", at_ten, "ctx.clock.sleep(3600)", kind="def")
    folder.job("ticks")
    folder.settings("[scheduler]\nmax_concurrent_runs = 7\n")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:05.5"))
        took = await replica.end()
        names = ("quick", "endless", "cleans", "swallows", "shielded", "thread")
        runs = {name: (await world.runs(name))[0] for name in names}
        stopped = [state.stopped_at for state in await world.store.replicas()]
        ran = times(await world.ran("ticks"))
        await anyio.sleep(60)
        return took, runs, ran, await world.ran("ticks"), stopped, await world.events("scheduler.stopped")

    took, runs, ran, later, stopped, events = world.run(main, backend=backend)
    assert 20 <= took <= 28
    assert runs.pop("quick").status is RunStatus.SUCCEEDED
    assert {name: (run.status, run.reason) for name, run in runs.items()} == dict.fromkeys(
        runs, (RunStatus.CANCELLED, "shutdown")
    )
    assert ran == [f"10:00:0{second}" for second in range(6)] == times(later)
    assert None not in stopped
    assert len(events) == 1


def test_what_is_queued_stays_queued(folder: Folder) -> None:
    """It is executed by whoever comes next; one that is not a tick's, however late."""
    folder.job("busy", "0 0 10 * * *", "await anyio.sleep(10)")
    folder.job("asked", None)
    folder.settings("[scheduler]\nmax_concurrent_runs = 1\n")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:01"))
        queued = await replica.scheduler.enqueue("asked")
        took = await replica.end()
        left = await world.store.run(queued.id)
        await anyio.sleep(7200)
        await world.start(folder)
        await anyio.sleep(1)
        return took, left, await world.store.run(queued.id), (await world.runs("busy"))[0]

    took, left, after, busy = world.run(main)
    assert took == pytest.approx(9, abs=0.5)
    assert (left.status, after.status, busy.status) == (
        RunStatus.QUEUED,
        RunStatus.SUCCEEDED,
        RunStatus.SUCCEEDED,
    )


def test_hurrying_gives_no_time(folder: Folder) -> None:
    """The second signal: what runs is cancelled at once, and recorded."""
    folder.job("endless", "0 0 10 * * *", "await anyio.sleep(3600)")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:01"))
        replica.stop.set()
        await anyio.sleep(3)
        began = anyio.current_time()
        replica.scheduler.hurry()
        await replica.stopped.wait()
        return anyio.current_time() - began, (await world.runs("endless"))[0], replica.scheduler.state

    took, run, state = world.run(main)
    assert took < 1
    assert (run.status, run.reason, state) == (RunStatus.CANCELLED, "shutdown", "stopped")


def test_the_end_without_a_store(folder: Folder) -> None:
    """It cannot be recorded: 28 seconds all the same, and the next one finds what is left."""
    folder.job("endless", "0 0 10 * * *", "await anyio.sleep(3600)")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:01"))
        replica.link.away = True
        took = await replica.end()
        return took, (await world.runs("endless"))[0].status

    took, status = world.run(main)
    assert took <= 28
    assert status is RunStatus.RUNNING


# -- what people ask for ---------------------------------------------------------------------------------


def test_a_pause_by_another_process_is_obeyed_at_once(folder: Folder) -> None:
    """And its end; nothing of it is caught up, one span says by whom."""
    folder.job(misfire="all", misfire_grace="1h")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        async with world.new_store() as other:
            await world.until_at(at("10:00:05.5"))
            await other.pause("job", by="ada@host-b", reason="the mail server moves")
            await world.until_at(at("10:01:05.5"))
            assert await other.resume("job", by="ada@host-b") is not None
        await world.until_at(at("10:01:10.5"))
        return (
            await world.ran(),
            await world.spans(),
            await world.rows(replica),
            await world.events(job="job"),
        )

    ran, spans, every, events = world.run(main)
    assert ran == [*seconds("10:00:00", "10:00:05"), *seconds("10:01:06", "10:01:10")]
    [span] = spans
    assert (span.reason, span.cause) == ("paused", "paused by ada@host-b: the mail server moves")
    assert (span.count, set(every.values()), len(every)) == (60, {1}, 71)
    assert [(event.kind, event.actor) for event in events] == [
        ("job.paused", "ada@host-b"),
        ("job.resumed", "ada@host-b"),
    ]


def test_a_pause_that_ends_by_itself(folder: Folder) -> None:
    """``--for 30s``, of everything: the first tick after it has a run at its instant."""
    folder.job()
    world = World(at("09:59:59"))

    async def main() -> Any:
        await world.start(folder)
        async with world.new_store() as other:
            await world.until_at(at("10:00:05.5"))
            await other.pause(None, by="ops", until=at("10:00:35.5"))
        await world.until_at(at("10:00:40.5"))
        return await world.runs(), shown(await world.spans())

    runs, spans = world.run(main)
    assert [run.scheduled_at for run in runs][6:] == seconds("10:00:36", "10:00:40")
    assert {run.trigger for run in runs} == {Trigger.SCHEDULE}
    assert spans == [("paused", "10:00:06", "10:00:35", 30)]


def test_a_run_is_cancelled_by_another_process(folder: Folder) -> None:
    """Within a moment, in the words of whoever asked."""
    folder.job("endless", "0 0 10 * * *", "await anyio.sleep(3600)")
    world = World(at("09:59:59"))

    async def main() -> RunRecord:
        await world.start(folder)
        await world.until_at(at("10:00:30"))
        [run] = await world.runs("endless")
        async with world.new_store() as other:
            await other.request_cancel(run.id, by="ada@host-b")
            await anyio.sleep(1)
        return (await world.runs("endless"))[0]

    run = world.run(main)
    assert run.status is RunStatus.CANCELLED
    assert "ada@host-b" in (run.message or "")


# -- late ------------------------------------------------------------------------------------------------


def test_a_late_job_is_told_once(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """Of two replicas one says so, once; then that it is on time again."""
    flag = folder.root / "works"
    body = f"import pathlib\nassert pathlib.Path({str(flag)!r}).exists()"
    folder.job(schedule="0 */20 * * * *", body=body, misfire_grace="1m")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder, node="a")
        await world.start(folder, node="b")
        await world.until_at(at("10:01:30"))
        late, red = await world.events("job.late"), await world.findings(replica.project)
        await world.until_at(at("10:10:00"))
        once = await world.events("job.late")
        flag.touch()
        await world.until_at(at("10:22:00"))
        green = await world.findings(replica.project)
        return late, once, red, green, await world.events("job.on_time")

    late, once, red, green, on_time = world.run(main)
    # Of two that look at the same instant both may write it down; the first one tells.
    assert {event.data["tick"] for event in late} == {"2026-03-02T10:00:00Z"}
    assert once == late
    assert sum("job.late" in record.getMessage() for record in caplog.records) == 1
    assert red["job.late"].level == "error"
    assert "job.late" not in green
    assert len(on_time) == 1


# -- supervision -----------------------------------------------------------------------------------------


def test_a_part_that_fails_begins_again(folder: Folder) -> None:
    """Alone, after a moment: meanwhile all ticks have their runs."""
    folder.job()
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        parts = replica.parts
        await world.until_at(at("10:00:02.5"))
        # What each of them does when it is woken, or after a while.
        for part, method in (
            (parts.roster, "look"),
            (parts.control, "refresh"),
            (parts.upkeep, "_settled"),
            (parts.lateness, "_tell_untold"),
            (parts.register, "_settle"),
        ):
            break_once(part, method)
        parts.lateness.wake()
        parts.register.superseded["nobody"] = None
        parts.register.news()
        async with world.new_store() as other:
            await other.resume("job", by="nobody")
            await other.pause("another", by="somebody")
        await world.until_at(at("10:01:00.5"))
        failures = dict(parts.supervision.failures)
        ran = await world.ran()
        await replica.end()
        return failures, ran

    failures, ran = world.run(main)
    assert failures.keys() == {"roster", "control", "upkeep", "lateness", "register"}
    assert ran == seconds("10:00:00", "10:01:00")


def test_a_reload_that_fails_half_way_is_done_again(folder: Folder) -> None:
    """It harms nothing else, and is in force a moment later."""
    folder.job()
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:02.5"))
        folder.job("added")
        break_once(replica.parts.register, "refresh")
        await replica.scheduler.reloader.reload()
        await world.until_at(at("10:00:10.5"))
        return dict(replica.parts.supervision.failures), await world.ran(), await world.ran("added")

    failures, ran, added = world.run(main)
    assert failures == {"register": 1}
    assert ran == seconds("10:00:00", "10:00:10")
    assert added == seconds("10:00:04", "10:00:10")


def break_once(part: Any, method: str) -> None:
    """Have *method* of *part* fail the next time."""
    sound = getattr(part, method)

    async def broken(*args: Any, **options: Any) -> Any:
        setattr(part, method, sound)
        raise ArithmeticError(f"{method} is broken")

    setattr(part, method, broken)


@pytest.mark.parametrize("part", ["ticks", "queue"])
def test_the_heart_of_it_begins_again(folder: Folder, part: str) -> None:
    """The loop of the ticks, or of the queue: a second later it goes on, and nothing is lost."""
    folder.job(schedule="*/10 * * * * *", misfire="all")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:09.5"))
        if part == "ticks":
            break_once(replica.parts.ticks, "_slice")
        else:
            break_once(replica.parts.queue, "_look")
            replica.parts.queue.wake()
        await world.until_at(at("10:00:35"))
        return dict(replica.parts.supervision.failures), await world.runs(), await world.rows(replica)

    failures, runs, every = world.run(main)
    assert failures == {part: 1}
    assert times([run.scheduled_at for run in runs if run.scheduled_at]) == [
        "10:00:00", "10:00:10", "10:00:20", "10:00:30",
    ]  # fmt: skip
    assert all(run.status is RunStatus.SUCCEEDED for run in runs)
    assert set(every.values()) == {1}
