"""A store that answers that it will not, and one that is back before all results are written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit.config import load_config
from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.scheduler.failing import Failing, Failure
from jobkit.scheduler.health import Finding
from jobkit.scheduler.supervision import Supervision
from jobkit.statuses import RunStatus
from jobkit.testing import VirtualClock
from tests.scheduler import ticking
from tests.scheduler.ticking import SECOND, due
from tests.scheduler.whole import START, Folder, Link, World, at, shown, times


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project without jobs."""
    return Folder(tmp_path)


@pytest.fixture
def ticks(tmp_path: Path) -> ticking.World:
    """Ticks with little around them, on a store in memory."""
    (tmp_path / "jobkit.toml").touch()
    return ticking.World(VirtualClock(START), "memory", tmp_path, load_config(tmp_path))


def refusing(link: Link, name: str, seconds: float, clock: VirtualClock) -> None:
    """The store of *link* refuses what it is asked by that name, for so long."""
    until = clock.monotonic() + seconds
    method = getattr(link, name)

    async def asked(*args: object, **options: object) -> Any:
        return denied() if clock.monotonic() < until else await method(*args, **options)

    setattr(link, name, asked)


def denied(*args: object, **options: object) -> Any:
    raise StoreError("permission denied for table runs", code="JK601", help="grant it")


def said(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if event in record.getMessage()]


def refuse(here: ticking.World, raised: Callable[[], Exception | None]) -> list[float]:
    """Have claims raise that, while there is something; the seconds at which they were tried."""
    claim, tried = here.store.store.claim, []

    async def refused(claims: Any) -> Any:
        tried.append((here.clock.now() - START).total_seconds())
        error = raised()
        if error is not None:
            raise error
        return await claim(claims)

    here.store.store.claim = refused
    return tried


def test_rights_that_lack_for_two_seconds_cost_no_tick(
    ticks: ticking.World, caplog: pytest.LogCaptureFixture
) -> None:
    """A claim is tried again after a second, then after two; the log says why, when, and that it works."""
    spec = ticking.job(misfire="all")
    error = StoreError("permission denied for table runs", code="JK601", help="grant it")

    async def main(here: ticking.World) -> None:
        refuse(here, lambda: error if 5.5 < (here.clock.now() - START).total_seconds() < 8 else None)
        await here.replica(spec)
        await here.pass_(20.5)
        assert await here.ran() == due(spec, START, START + 20 * SECOND)
        assert await here.spans() == []

    ticks.run(main)
    [failed] = said(caplog, "tick.failed")
    text = failed.getMessage()
    for part in ("permission denied for table runs", "JK601", "grant it", "retry_in"):
        assert part in text, text
    assert "Traceback" not in caplog.text
    assert len(said(caplog, "tick.recovered")) == 1


def test_what_lasts_is_tried_less_often_and_said_once(
    ticks: ticking.World, caplog: pytest.LogCaptureFixture
) -> None:
    """At most every half minute; what becomes another trouble is said anew."""
    error: list[Exception | None] = [StoreError("permission denied")]

    async def main(here: ticking.World) -> None:
        tried = refuse(here, lambda: error[0])
        await here.replica(ticking.job())
        await here.pass_(240)
        assert tried == [1, 2, 4, 8, 16, 32, 62, 92, 122, 152, 182, 212]
        assert len(said(caplog, "tick.failed")) == 1
        error[0] = StoreError("no such table")
        await here.pass_(40)
        assert len(said(caplog, "tick.failed")) == 2
        error[0] = None
        await here.pass_(40)
        assert len(said(caplog, "tick.recovered")) == 1

    ticks.run(main)


def test_an_error_of_ours_has_its_traceback(ticks: ticking.World, caplog: pytest.LogCaptureFixture) -> None:
    """What is no JobkitError nobody has written help for: a schedule of a plugin, for one."""
    spec = ticking.job()

    async def main(here: ticking.World) -> None:
        replica = await here.replica(spec)
        await here.pass_(2.5)

        def broken(second: int) -> int:
            raise ZeroDivisionError("a plugin's")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(spec.times), "next_epoch", lambda self, second: broken(second))
            await here.pass_(1)
        await here.pass_(3)
        assert sorted(await here.rows(spec)) == due(spec, START, START + 6 * SECOND)
        assert replica.serving

    ticks.run(main)
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text
    assert len(said(caplog, "tick.failed")) == 1


@pytest.mark.parametrize("call", ["claim", "queued"])
def test_three_seconds_of_refusals_stop_nothing_that_runs(folder: Folder, call: str) -> None:
    """Whichever call it is: what runs goes on, and a few seconds later everything is as it was."""
    folder.job("long", "1 0 10 * * *", "await anyio.sleep(30)")
    folder.job("often", "* * * * * *", overlap="queue")
    world = World()

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:02.5"))
        refusing(replica.link, call, 3, world.clock)
        replica.parts.queue.wake()
        await world.until_at(at("10:00:40.5"))
        return replica.parts.supervision.failures, await world.runs("long"), await world.ran("often")

    failures, [long], often = world.run(main)
    assert failures == {}
    assert (long.status, long.attempt, long.duration_ms) == (RunStatus.SUCCEEDED, 1, 30_000)
    assert [tick for tick in often if tick > at("10:00:12")] == [
        at("10:00:12") + timedelta(seconds=second) for second in range(1, 29)
    ]


def test_a_run_that_the_store_refuses_to_begin_is_tried_again_within_seconds(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    """After one and two; each time the log says when, and what to do."""
    folder.job("job", "0 * * * * *")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        refusing(replica.link, "start_attempt", 3.5, world.clock)
        await world.until_at(at("10:00:20"))
        return await world.runs()

    [run] = world.run(main)
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 1)
    assert run.started_at is not None
    assert run.started_at < at("10:00:04.5")
    assert len(said(caplog, "run.unexecuted")) == 2
    assert all("grant it" in record.getMessage() for record in said(caplog, "run.unexecuted"))


@pytest.mark.parametrize(("body", "status"), [("pass", "succeeded"), ("raise RuntimeError", "failed")])
def test_a_result_that_the_store_refuses_is_offered_again(folder: Folder, body: str, status: str) -> None:
    """What a run has come to is not lost to three seconds without a right, nor is an attempt of it."""
    folder.job("job", "0 0 10 * * *", f"await anyio.sleep(5)\n{body}", retries=1)
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:04"))
        refusing(replica.link, "finish", 4, world.clock)
        refusing(replica.link, "retry_later", 4, world.clock)
        await world.until_at(at("10:05:00"))
        [run] = await world.runs()
        return run, [attempt.status.value for attempt in await world.store.attempts(run.id)]

    run, attempts = world.run(main)
    assert run.status.value == status
    assert attempts == ([status] if body == "pass" else [status, status])


def test_who_is_to_be_cancelled_cannot_be_read_for_a_while(folder: Folder) -> None:
    """The request stands, and is heeded as soon as it can be read; no part of the scheduler ends."""
    folder.job("long", "1 0 10 * * *", "await anyio.sleep(300)")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:05"))
        refusing(replica.link, "cancel_requests", 25, world.clock)
        [run] = await world.runs("long")
        await world.store.request_cancel(run.id, by="ada")
        await world.until_at(at("10:00:30"))
        [before] = await world.runs("long")
        await world.until_at(at("10:01:10"))
        return before, (await world.runs("long"))[0], replica.parts.supervision.failures

    before, after, failures = world.run(main)
    assert (before.status, after.status) == (RunStatus.RUNNING, RunStatus.CANCELLED)
    assert failures == {}


def test_a_part_that_the_store_refuses_says_so_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With code and help, and when it begins again."""
    asked = 0

    async def once() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            denied()

    async def serve() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(once)

    async def main() -> None:
        await Supervision().keep("roster", serve)

    VirtualClock(START).run(main)
    [record] = said(caplog, "scheduler.part_failed")
    assert all(part in record.getMessage() for part in ("JK601", "grant it", "retry_in"))
    assert "Traceback" not in caplog.text
    assert asked == 2


# -- results before claims ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lasts", [12, 13, 14, 15])
def test_a_result_that_waited_for_the_store_is_written_before_the_next_claim(
    folder: Folder, lasts: int
) -> None:
    """A run that ended while the store was away is in no tick's way once it is back."""
    folder.job("slow", "*/20 * * * * *", f"await anyio.sleep({lasts})")
    world = World(at("09:59:59"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:02"))
        replica.link.away = True
        await world.until_at(at("10:00:21.2"))
        replica.link.away = False
        await world.until_at(at("10:00:45"))
        return await world.runs("slow"), shown(await world.spans("slow"))

    runs, spans = world.run(main)
    assert spans == []
    assert times([run.scheduled_at for run in runs if run.scheduled_at]) == [
        "10:00:00",
        "10:00:20",
        "10:00:40",
    ]
    assert runs[1].started_at is not None
    assert runs[1].started_at < at("10:00:23")


def test_a_result_that_cannot_be_written_stops_no_claims(folder: Folder) -> None:
    """They wait for it for ten seconds; what the store knows counts then."""
    folder.job("slow", "*/20 * * * * *", "await anyio.sleep(13)")
    folder.job("other", "*/20 * * * * *")
    world = World(at("09:59:59"))

    def away(*args: object) -> Any:
        raise StoreUnavailable("not this one")

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:02"))
        link: Any = replica.link
        link.finish = away
        await world.until_at(at("10:00:29"))
        early = shown(await world.spans("slow"))
        await world.until_at(at("10:00:35"))
        late, others = shown(await world.spans("slow")), await world.ran("other")
        del link.finish
        await world.until_at(at("10:00:41"))
        return early, late, times(others), times(await world.ran("slow"))

    early, late, others, ran = world.run(main)
    assert early == []
    assert late == [("overlap", "10:00:20", "10:00:20", 1)]
    assert others == ["10:00:00", "10:00:20"]
    assert ran == ["10:00:00", "10:00:40"]


# -- what others read of it --------------------------------------------------------------------------------


def told(finding: Finding | None) -> tuple[Any, ...] | None:
    return None if finding is None else (finding.level, finding.message, finding.help, finding.jobs)


def test_claims_that_are_refused_are_told_by_health(folder: Folder) -> None:
    """Within two signs of life, long before jobs are late; and no more once they are not."""
    folder.job("often", "*/5 * * * * *")
    folder.job("other", "*/7 * * * * *")
    world = World(at("09:59:55"))

    async def main() -> Any:
        replica = await world.start(folder)
        await world.until_at(at("10:00:03"))
        refusing(replica.link, "claim", 60, world.clock)
        seen = []
        for instant in ("10:00:04", "10:00:35", "10:02:30"):
            await world.until_at(at(instant))
            seen.append((await world.findings(replica.project)).get("scheduler.failing"))
        return seen

    first, then, last = world.run(main)
    assert (first, last) == (None, None)
    level, message, help, jobs = told(then) or ()
    assert (level, help, jobs) == ("error", "grant it", ("often", "other"))
    assert "cannot make ticks of often, other since 2026-03-02 10:00:" in message
    assert message.endswith(": permission denied for table runs (JK601)")


def test_questions_that_are_refused_are_told_by_health(folder: Folder) -> None:
    """What is asked again and again, such as what stands queued."""
    folder.job()
    world = World(at("09:59:55"))

    async def main() -> Any:
        replica = await world.start(folder)
        refusing(replica.link, "cancel_requests", 300, world.clock)
        await world.until_at(at("10:01:30"))
        return (await world.findings(replica.project)).get("scheduler.failing")

    finding = told(world.run(main))
    assert finding is not None
    assert "cannot read what is to be cancelled since" in finding[1]
    assert finding[3] == ()


@pytest.mark.parametrize(("times", "looks"), [(1, "....."), (5, ".xxx.")])
def test_a_part_that_fails_is_told_until_it_goes_on(times: int, looks: str) -> None:
    """One that fails once has begun again when others look, and is none of their business."""

    async def main() -> list[list[dict[str, Any]]]:
        supervision, failures = Supervision(), [1.0] * times
        failing = Failing([supervision.failing], clock.now, lambda: ["hunter2hunter2"])

        async def serve() -> None:
            while failures:
                await anyio.sleep(failures.pop())
                raise ValueError("no hunter2hunter2")
            await anyio.sleep_forever()

        async def look() -> list[dict[str, Any]]:
            await anyio.sleep(10)
            return failing.look()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervision.keep, "upkeep", serve)
            found = [await look() for _ in looks]
            tasks.cancel_scope.cancel()
        return found

    clock = VirtualClock(START)
    found = clock.run(main)
    assert "".join("x" if look else "." for look in found) == looks
    said = {(each["what"], each["error"]) for look in found for each in look}
    assert said <= {("keep its part 'upkeep' going", "ValueError: no ***")}


def test_what_is_told_is_short_and_shows_no_secret() -> None:
    """Neither the error nor its help; of many jobs some are named, and the others counted."""
    names = tuple(f"job_{number:02}" for number in range(12))
    failure = Failure("make ticks", "no hunter2hunter2", "JK601", "give hunter2hunter2", names)
    failing = Failing([lambda: [failure]], lambda: START, lambda: ["hunter2hunter2"])
    assert failing.look() == []
    [said] = failing.look()
    assert (said["error"], said["help"], said["jobs"], said["more"]) == (
        "no ***",
        "give ***",
        [*names[:10]],
        2,
    )
