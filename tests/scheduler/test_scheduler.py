"""The whole scheduler in virtual time: clocks that are set, and the nights on which they change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus
from tests.scheduler.whole import Folder, Row, World, at, rows, shown, times

Misfire = Literal["latest", "all", "none"]

MISFIRES: list[Misfire] = ["latest", "all", "none"]
HOUR = timedelta(hours=1)
SOON = timedelta(seconds=0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project without jobs."""
    return Folder(tmp_path)


# -- the wall clock is set -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misfire", "grace", "made", "passed"),
    [
        ("latest", "auto", [("11:00:00", "catchup", 4)], [("misfire", "10:15:00", "10:45:00", 3)]),
        ("all", "auto", [("11:00:00", "catchup", 1)], [("misfire", "10:15:00", "10:45:00", 3)]),
        ("none", "auto", [], [("misfire", "10:15:00", "11:00:00", 4)]),
        ("latest", "5m", [], [("misfire", "10:15:00", "11:00:00", 4)]),
        (
            "all",
            "2h",
            [(f"{hour}:00", "catchup", 1) for hour in ("10:15", "10:30", "10:45", "11:00")],
            [],
        ),
    ],
)
def test_an_hour_forward_misses_what_it_jumped_over(
    folder: Folder, misfire: Misfire, grace: str, made: list[Row], passed: list[Any]
) -> None:
    """An interval job: misfire decides about the ticks of the hour; those before and after are as ever."""
    folder.job(schedule="0 */15 * * * *", misfire=misfire, misfire_grace=grace)
    world = World(at("09:59:59"))

    async def main() -> tuple[list[Row], list[Any]]:
        await world.start(folder)
        await world.until_at(at("10:10:00.5"))
        world.clock.step(HOUR)
        await world.until_at(at("11:16:00"))
        return rows(await world.runs()), shown(await world.spans())

    found, spans = world.run(main)
    assert found == [("10:00:00", "schedule", 1), *made, ("11:15:00", "schedule", 1)]
    assert spans == passed


@pytest.mark.parametrize(
    ("misfire", "made", "passed"),
    [
        ("latest", [("10:30:00", "catchup", 1)], []),
        ("all", [("10:30:00", "catchup", 1)], []),
        ("none", [], [("misfire", "10:30:00", "10:30:00", 1)]),
    ],
)
def test_a_time_of_the_day_that_was_jumped_over(
    folder: Folder, misfire: Misfire, made: list[Row], passed: list[Any]
) -> None:
    """A fixed-time job is at most a day late: it is made up unless nothing is."""
    folder.job(schedule="0 30 10 * * *", misfire=misfire)
    world = World()

    async def main() -> tuple[list[Row], list[Any], datetime | None]:
        await world.start(folder)
        await world.until_at(at("10:10:00.5"))
        world.clock.step(HOUR)
        await world.until_at(at("11:10:05"))
        runs = await world.runs()
        began = runs[0].started_at if runs else None
        await world.until_at(at("11:20:00"))
        return rows(await world.runs()), shown(await world.spans()), began

    found, spans, began = world.run(main)
    assert (found, spans) == (made, passed)
    assert began is None or began - at("11:10:00.5") < timedelta(seconds=1)


def test_an_hour_back_repeats_nothing(folder: Folder) -> None:
    """The marks are pulled back, with an event and a red health; ticks that had their run have no other."""
    folder.job(schedule="0 */15 * * * *")
    folder.job("daily", "0 30 10 * * *")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("11:05:00"))
        before = await world.runs()
        world.clock.step(-HOUR)
        await anyio.sleep(10.5)  # a step is noticed within ten seconds
        mark, stepped = await world.mark(), await world.events("clock.stepped")
        red = await world.findings(replica.project)
        await world.until_at(at("11:20:00"))
        every = await world.rows(replica)
        return before, await world.runs(), await world.ran("daily"), mark, stepped, red, every

    before, after, daily, mark, stepped, red, every = world.run(main)
    assert times([run.scheduled_at for run in before]) == [
        "10:00:00", "10:15:00", "10:30:00", "10:45:00", "11:00:00",
    ]  # fmt: skip
    assert rows(after)[5:] == [("11:15:00", "schedule", 1)]
    assert times(daily) == ["10:30:00"]
    assert mark is not None
    assert at("10:05:00") <= mark <= at("10:05:10")
    assert {event.job for event in stepped} == {"job", "daily"}
    assert red["clock.stepped"].level == "error"
    assert set(every.values()) == {1}


def test_some_minutes_back_are_waited_for(folder: Folder) -> None:
    """Up to ten the mark stays where it is: nothing is repeated, nothing is new until the time has come."""
    folder.job(schedule="0 * * * * *")
    world = World(at("09:59:59"))

    async def main() -> tuple[list[datetime], list[datetime], list[Any]]:
        await world.start(folder)
        await world.until_at(at("10:07:30"))
        world.clock.step(timedelta(minutes=-5))
        await world.until_at(at("10:07:59"))
        meanwhile = await world.ran()
        await world.until_at(at("10:10:00"))
        return meanwhile, await world.ran(), await world.events("clock.stepped")

    meanwhile, after, stepped = world.run(main)
    assert times(meanwhile) == [f"10:{minute:02}:00" for minute in range(8)]
    assert times(after) == [f"10:{minute:02}:00" for minute in range(11)]
    assert stepped == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_runs_is_not_harmed_by_steps(folder: Folder, backend: str) -> None:
    """Neither leases nor timeouts: a run goes on for as long as it takes."""
    folder.job(schedule="0 0 * * * *", body="await anyio.sleep(1200)", timeout="30m")
    world = World(at("09:59:59"))

    async def main() -> RunRecord:
        await world.start(folder, node="a")
        await world.start(folder, node="b")
        await world.until_at(at("10:05:00"))
        world.clock.step(HOUR)
        await anyio.sleep(240)
        world.clock.step(-2 * HOUR)
        await anyio.sleep(1000)
        return (await world.runs())[0]

    run = world.run(main, backend=backend)
    assert (run.status, run.duration_ms) == (RunStatus.SUCCEEDED, 1_200_000)


# -- the nights on which clocks change -------------------------------------------------------------------

SPRING = datetime(2026, 3, 28, 23, 29, 59, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 23, 29, 59, tzinfo=UTC)

#: By the start of the night: schedules of Berlin, the ticks of the night in UTC, and, for each misfire, what
#: becomes of them if the night was slept through.
_QUARTERS = ["00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45"]
NIGHTS: dict[datetime, dict[str, tuple[list[str], dict[Misfire, tuple[list[Row], list[Any]]]]]] = {
    SPRING: {
        "0 30 2 * * *": (
            ["01:00"],  # the time is not there: the first instant after the gap
            {
                "latest": ([("01:00:00", "catchup", 1)], []),
                "all": ([("01:00:00", "catchup", 1)], []),
                "none": ([], [("misfire", "01:00:00", "01:00:00", 1)]),
            },
        ),
        "0 0,30 2 * * *": (["01:00"], {"latest": ([("01:00:00", "catchup", 1)], [])}),
        "0 30 * * * *": (
            ["23:30", "00:30", "01:30"],  # 03:30 follows 01:30
            {
                "latest": ([("01:30:00", "catchup", 3)], [("misfire", "23:30:00", "00:30:00", 2)]),
                "all": ([("01:30:00", "catchup", 1)], [("misfire", "23:30:00", "00:30:00", 2)]),
                "none": ([], [("misfire", "23:30:00", "01:30:00", 3)]),
            },
        ),
        "0 */15 2 * * *": ([], {"all": ([], [])}),  # nothing is invented in the gap
    },
    AUTUMN: {
        "0 30 2 * * *": (["00:30"], {"latest": ([("00:30:00", "catchup", 1)], [])}),  # the first of two
        "0 30 * * * *": (["23:30", "00:30", "01:30"], {}),
        "0 */15 2 * * *": (
            _QUARTERS,  # both hours
            {
                "latest": ([("01:45:00", "catchup", 8)], [("misfire", "00:00:00", "01:30:00", 7)]),
                "all": ([("01:45:00", "catchup", 1)], [("misfire", "00:00:00", "01:30:00", 7)]),
                "none": ([], [("misfire", "00:00:00", "01:45:00", 8)]),
            },
        ),
    },
}


def berlin(folder: Folder, start: datetime) -> dict[str, tuple[str, Misfire]]:
    """Jobs with all schedules of that night, each with every misfire; what they are, by name."""
    folder.settings('[scheduler]\ntimezone = "Europe/Berlin"\n')
    named: dict[str, tuple[str, Misfire]] = {}
    for number, schedule in enumerate(NIGHTS[start]):
        for misfire in MISFIRES:
            name = f"{misfire}_{number}"
            folder.job(name, schedule, misfire=misfire)
            named[name] = schedule, misfire
    return named


@pytest.mark.parametrize("start", NIGHTS, ids=["spring", "autumn"])
def test_a_night_on_which_clocks_change(folder: Folder, start: datetime) -> None:
    """While a scheduler runs, each tick has its run at its instant; misfire has nothing to say."""
    jobs = berlin(folder, start)
    world = World(start)

    async def main() -> dict[str, tuple[list[RunRecord], list[Any]]]:
        await world.start(folder)
        await world.clock.sleep_until(start + timedelta(hours=2, minutes=50))
        return {name: (await world.runs(name), await world.spans(name)) for name in jobs}

    found = world.run(main)
    for name, (schedule, _) in jobs.items():
        runs, spans = found[name]
        assert rows(runs) == [(f"{tick}:00", "schedule", 1) for tick in NIGHTS[start][schedule][0]], schedule
        assert spans == []
        assert all(run.started_at - run.scheduled_at < SOON for run in runs)  # type: ignore[operator]


@pytest.mark.parametrize("start", NIGHTS, ids=["spring", "autumn"])
def test_a_night_that_was_slept_through(folder: Folder, start: datetime) -> None:
    """Stopped in the evening, started in the morning: the ticks of the night are missed, as they were."""
    jobs = berlin(folder, start)
    world = World(start)

    async def main() -> dict[str, tuple[list[Row], list[Any]]]:
        await (await world.start(folder)).end()
        await world.clock.sleep_until(start + timedelta(hours=2, minutes=20))
        await world.start(folder)
        await anyio.sleep(30)
        return {name: (rows(await world.runs(name)), shown(await world.spans(name))) for name in jobs}

    found = world.run(main)
    for name, (schedule, misfire) in jobs.items():
        expected = NIGHTS[start][schedule][1].get(misfire)
        assert expected is None or found[name] == expected, (schedule, misfire)
