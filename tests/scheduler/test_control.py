"""What people ask of a replica that serves: it knows the pauses, and ends the runs that it is asked to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit import JobContext, RunStatus
from jobkit.runner import Runner
from jobkit.scheduler.cancelling import IDLE_POLL, CancelWatch, watched
from jobkit.scheduler.control import Control
from jobkit.stores.control import Pause
from jobkit.stores.replicas import Event
from jobkit.testing import VirtualClock
from tests.runner.conftest import spec_of
from tests.scheduler.desk import Desk

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


async def long(ctx: JobContext) -> None:
    """An hour's work."""
    await anyio.sleep(3600)


async def other(ctx: JobContext) -> None:
    """An hour's work."""
    await anyio.sleep(3600)


async def untidy(ctx: JobContext) -> None:
    """Needs a while to clean up."""
    try:
        await anyio.sleep(3600)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(3)


LONG, OTHER, UNTIDY = spec_of(long), spec_of(other), spec_of(untidy)


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Both embedded stores."""
    return request.param


@pytest.fixture(params=["asyncio", "trio"])
def desk(virtual_clock: VirtualClock, kind: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    """A place on either store, and on either event loop."""
    return Desk(virtual_clock, kind, request.param, tmp_path)


def soon(desk: Desk) -> timedelta:
    """Within a second where what others write is heard in virtual time; else at the next look."""
    return SECOND if desk.kind == "memory" else timedelta(seconds=IDLE_POLL + 1)


# -- pauses -------------------------------------------------------------------------------------------


def test_the_pauses_of_a_job_are_its_own_and_those_of_all(desk: Desk) -> None:
    """With whose they are, and why; nothing is known before the first look."""

    async def main() -> None:
        control = Control(desk.post, desk.runner)
        start = desk.clock.now()
        await desk.theirs.pause("long", by="ada", until=start + HOUR, reason="the mail server moves")
        assert control.pauses_of("long") == ()
        await control.refresh()
        [own] = control.pauses_of("long")
        assert (own.since, own.until) == (start, start + HOUR)
        assert own.cause == "paused by ada: the mail server moves"
        assert control.pauses_of("other") == ()
        await desk.theirs.pause(None, by="bob")
        await control.refresh()
        assert [pause.cause for pause in control.pauses_of("other")] == ["paused by bob"]
        assert [pause.cause for pause in control.pauses_of("long")] == [own.cause, "paused by bob"]

    desk(main)


def test_a_pause_that_has_ended_still_counts_for_ticks_in_it(desk: Desk) -> None:
    """As far back as there may be ticks to account for; further back it is not asked for."""

    async def main() -> None:
        start = desk.clock.now()
        await desk.theirs.pause("long", by="ada")
        await anyio.sleep(60)
        await desk.theirs.resume("long", by="ada")
        await anyio.sleep(60)
        control = Control(desk.post, desk.runner, lambda: start)
        await control.refresh()
        [pause] = control.pauses_of("long")
        assert (pause.since, pause.until) == (start, start + 60 * SECOND)
        for since in (None, desk.clock.now()):
            control = Control(desk.post, desk.runner, lambda since=since: since)  # type: ignore[misc]
            await control.refresh()
            assert control.pauses_of("long") == ()

    desk(main)


def test_a_pause_that_was_replaced_ends_where_the_next_begins(desk: Desk) -> None:
    """No tick is held by both, or by neither."""

    async def main() -> None:
        start = desk.clock.now()
        control = Control(desk.post, desk.runner, lambda: start)
        await desk.theirs.pause("long", by="ada", until=start + HOUR)
        await anyio.sleep(60)
        await desk.theirs.pause("long", by="bob")
        await control.refresh()
        first, second = control.pauses_of("long")
        assert (first.until, second.since, second.until) == (start + 60 * SECOND, start + 60 * SECOND, None)

    desk(main)


def test_what_is_written_elsewhere_is_heard(desk: Desk) -> None:
    """Who listens for pauses is told of those, once each; who listens for news of everything."""

    async def main() -> None:
        control = Control(desk.post, desk.runner)
        pauses, news = [], []
        control.on_pauses.append(lambda: pauses.append(desk.clock.now()))
        control.on_news.append(lambda: news.append(desk.clock.now()))
        desk.tasks.start_soon(control.serve)
        await anyio.sleep(60)
        assert pauses == []
        paused = desk.clock.now()
        await desk.theirs.pause("long", by="ada")
        await anyio.sleep(60)
        [heard] = pauses
        assert heard - paused <= soon(desk)
        assert control.pauses_of("long")
        before, written = len(news), desk.clock.now()
        await desk.theirs.add_events([Event("scheduler.started", written)])
        await anyio.sleep(20)
        assert news[before] - written <= soon(desk)
        assert len(pauses) == 1
        await desk.theirs.resume("long", by="ada")
        await anyio.sleep(20)
        assert len(pauses) == 2
        assert control.pauses_of("long") == ()

    desk(main)


def test_of_two_looks_at_a_time_the_later_counts(desk: Desk) -> None:
    """An answer that was long on its way does not undo what is known by now."""

    async def main() -> None:
        control = Control(desk.post, desk.runner)
        late, store = anyio.Event(), desk.watched.store

        async def slow(**options: Any) -> list[Pause]:
            found = await store.pauses(**options)
            desk.watched.instead.clear()
            await late.wait()
            return found

        desk.watched.instead["pauses"] = slow
        desk.tasks.start_soon(control.refresh)
        await anyio.sleep(1)
        await desk.theirs.pause("long", by="ada")
        await control.refresh()
        late.set()
        await anyio.sleep(1)
        assert control.pauses_of("long")

    desk(main)


# -- runs that are to end -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "why", "reason", "message"),
    [
        ("ada@host-a", "wrong month", None, ["ada@host-a", "wrong month"]),
        ("run 7", None, "superseded", ["run 7 of the same job took its place"]),
        ("run amok", None, None, ["run amok"]),
    ],
)
def test_a_run_that_is_asked_to_end_ends(
    desk: Desk, by: str, why: str | None, reason: str | None, message: list[str]
) -> None:
    """By people, in their words; by a newer run of the job; the other run goes on."""

    async def main() -> None:
        control = Control(desk.post, desk.runner)
        desk.tasks.start_soon(control.serve)
        wanted, left = await desk.begin("long"), await desk.begin("other")
        await anyio.sleep(30)
        asked = desk.clock.now()
        await desk.theirs.request_cancel(wanted, by=by, reason=why)
        run = await desk.over(wanted)
        assert run.finished_at is not None
        assert run.finished_at - asked <= soon(desk)
        assert (run.status, run.reason) == (RunStatus.CANCELLED, reason)
        assert all(part in (run.message or "") for part in message)
        await anyio.sleep(30)
        assert (await desk.theirs.run(left)).status is RunStatus.RUNNING

    desk(main, LONG, OTHER)


def test_without_a_watch_it_goes_on(desk: Desk) -> None:
    """The control of the above: nobody else ends it."""

    async def main() -> None:
        wanted = await desk.begin("long")
        await desk.theirs.request_cancel(wanted, by="ada")
        await anyio.sleep(600)
        assert (await desk.theirs.run(wanted)).status is RunStatus.RUNNING

    desk(main, LONG)


def test_a_run_is_told_once(desk: Desk) -> None:
    """However long it cleans up, and however often somebody looks."""

    async def main() -> None:
        told = []

        class Counting(Runner):
            def cancel(self, run_id: str, *args: Any, **options: Any) -> bool:
                told.append(run_id)
                return super().cancel(run_id, *args, **options)

        async with Counting(desk.post.jobs, desk.theirs, config=desk.post.config, clock=desk.clock) as runner:
            control = Control(desk.post, runner)
            wanted = await desk.begin("untidy", runner)
            await desk.theirs.request_cancel(wanted, by="ada")
            for _ in range(5):
                await control.refresh()
                await anyio.sleep(0.1)
            assert (await desk.over(wanted)).status is RunStatus.CANCELLED
        assert told == [wanted]

    desk(main, UNTIDY)


def test_each_process_ends_its_own_runs(desk: Desk) -> None:
    """Two watches on one store, as `jobkit run` has them: both hear of both requests."""

    async def main() -> None:
        async with (
            desk.store() as second,
            Runner(desk.post.jobs, second, config=desk.post.config, clock=desk.clock) as theirs,
        ):
            mine = CancelWatch(desk.post.store, desk.runner)
            desk.tasks.start_soon(mine.serve)
            desk.tasks.start_soon(CancelWatch(second, theirs).serve)
            here, there = await desk.begin("long"), await desk.begin("other", theirs)
            await anyio.sleep(30)
            await desk.theirs.request_cancel(there, by="ada")
            await desk.over(there)
            await anyio.sleep(15)
            assert desk.runner.going_on == {here}
            await desk.theirs.request_cancel(here, by="ada")
            await desk.over(here)

    desk(main, LONG, OTHER)


def test_a_watch_rests_while_a_control_serves(desk: Desk) -> None:
    """One of them waits for news; once nothing serves any more the watch goes on by itself."""

    async def main() -> None:
        watch = CancelWatch(desk.post.store, desk.runner, desk.post.connection)
        desk.tasks.start_soon(watch.serve)
        await anyio.sleep(IDLE_POLL + 5)
        first = await desk.begin("long")
        await desk.theirs.request_cancel(first, by="ada")
        await desk.over(first)
        control = Control(desk.post, desk.runner, watch=watch)
        async with anyio.create_task_group() as serving:
            serving.start_soon(control.serve)
            await anyio.sleep(IDLE_POLL + 5)
            desk.watched.most_waiting = desk.watched.waiting
            second = await desk.begin("long")
            await desk.theirs.request_cancel(second, by="ada")
            await desk.over(second)
            await anyio.sleep(IDLE_POLL + 5)
            assert desk.watched.most_waiting == 1
            serving.cancel_scope.cancel()
        third = await desk.begin("long")
        await desk.theirs.request_cancel(third, by="ada")
        await desk.over(third)

    desk(main, LONG)


def test_while_work_goes_on_and_no_longer(desk: Desk) -> None:
    """`watched`: what is asked meanwhile is heeded, and nothing waits for the store afterwards."""

    async def main() -> None:
        ended = []

        async def work() -> None:
            wanted = await desk.begin("long")
            await anyio.sleep(10)
            await desk.theirs.request_cancel(wanted, by="ada")
            ended.append(await desk.over(wanted))

        await watched(CancelWatch(desk.post.store, desk.runner), work)
        assert [run.status for run in ended] == [RunStatus.CANCELLED]
        assert desk.watched.waiting == 0

    desk(main, LONG)


# -- a store that is away -----------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["control", "watch", "watch of a run"])
def test_what_was_asked_before_the_store_went_away_is_heeded_when_it_is_back(desk: Desk, who: str) -> None:
    """Nothing ends because it is away; a replica says so, a single run leaves that to its runner."""

    async def main() -> None:
        post = desk.post
        made: Any = {
            "control": lambda: Control(post, desk.runner),
            "watch": lambda: CancelWatch(post.store, desk.runner, post.connection),
            "watch of a run": lambda: CancelWatch(post.store, desk.runner),
        }
        desk.tasks.start_soon(made[who]().serve)
        await anyio.sleep(30)
        wanted = await desk.begin("long")
        desk.watched.away = True
        await desk.theirs.request_cancel(wanted, by="ada")
        await anyio.sleep(120)
        assert (await desk.theirs.run(wanted)).status is RunStatus.RUNNING
        assert (post.connection.error is not None) == (who != "watch of a run")
        back = desk.clock.now()
        desk.watched.away = False
        run = await desk.over(wanted)
        assert run.finished_at is not None
        assert run.finished_at - back <= timedelta(seconds=IDLE_POLL + 6)

    desk(main, LONG)


def test_an_idle_replica_hardly_asks(desk: Desk) -> None:
    """In ten minutes in which nothing happens: no more often than the slowest poll."""

    async def main() -> None:
        desk.tasks.start_soon(Control(desk.post, desk.runner).serve)
        await anyio.sleep(600)
        assert len(desk.watched.times("pauses")) <= 600 / IDLE_POLL + 2

    desk(main)
