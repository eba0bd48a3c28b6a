"""What a job says about its ticks is done: misfire, overlap, pauses, jitter, and what plugins have to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit import JobContext, Retry, Secret
from jobkit.config import load_config
from jobkit.plugin import Defer, Skip
from jobkit.plugins.facade import Hooks
from jobkit.plugins.values import RunRequest
from jobkit.scheduler import accounting
from jobkit.scheduler.policies import Pause
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome
from jobkit.testing import VirtualClock
from tests.plugins.conftest import Plugins
from tests.scheduler.ledger import utc
from tests.scheduler.ticking import SECOND, World, due, job, shown

START = utc("2026-05-01T10:00:00")
LATER = START + timedelta(minutes=5, seconds=30)

MakeWorld = Callable[..., World]


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Both embedded stores."""
    return request.param


@pytest.fixture
def world(tmp_path: Path, kind: Any) -> MakeWorld:
    """A world whose clock begins at a given instant."""
    (tmp_path / "jobkit.toml").touch()

    def make(start: Any = START, plugins: Plugins | None = None) -> World:
        made = World(VirtualClock(start), kind, tmp_path, load_config(tmp_path))
        made.hooks = None if plugins is None else Hooks(plugins)
        return made

    return make


@pytest.fixture
def plugins() -> Plugins:
    """A registry in which a test puts functions together as plugins."""
    return Plugins()


class Logger:
    """Remembers what is logged."""

    def __init__(self, lines: list[dict[str, Any]] | None = None, **bound: Any) -> None:
        self.lines: list[dict[str, Any]] = [] if lines is None else lines
        self._bound = bound

    def bind(self, **fields: Any) -> Logger:
        return Logger(self.lines, **self._bound, **fields)

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, **fields: self.lines.append(
            {"event": event, "level": level, **self._bound, **fields}
        )


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Logger:
    """What accounting says."""
    logger = Logger()
    monkeypatch.setattr(accounting, "get_logger", lambda: logger)
    return logger


# -- what a run is made with --------------------------------------------------------------------------


def test_a_run_has_what_its_job_says(world: MakeWorld) -> None:
    """Owner, consent, attempts, limits, queue, priority, node; parameters without secrets."""

    async def function(ctx: JobContext, *, days: int, token: Secret, to: str = "ops") -> None: ...

    spec = job(
        text="0 * * * * *",
        function=function,
        owner="finance",
        enforce=True,
        retries=Retry(2),
        limits=("db",),
        queue="slow",
        priority=7,
        scope="node",
        parameters={"days": 3, "token": "hunter2hunter2"},
    )

    async def main(here: World) -> None:
        await here.replica(spec, seconds=None)
        await here.pass_(61)
        [run] = await here.store.queued(node="node-0")
        assert (run.actor, run.enforce, run.attempts, run.node) == ("finance", True, 3, "node-0")
        assert run.parameters == {"days": 3, "token": {"secret": "token"}, "to": "ops"}
        assert (run.scheduled_at, run.extension) == (START + 60 * SECOND, "tests")
        assert await here.store.queued(node="node-1") == []

    world().run(main)


def test_parameters_that_do_not_fit_stop_no_tick(world: MakeWorld) -> None:
    """The run is there, and fails when it is executed."""

    async def function(ctx: JobContext, *, days: int) -> None: ...

    spec = job(text="*/10 * * * * *", function=function, parameters={"days": "many"})

    async def main(here: World) -> None:
        await here.replica(spec)
        await here.pass_(21)
        assert [run.parameters for run in await here.runs()] == [{}, {}]

    world().run(main)


def test_jitter_is_when_a_run_may_begin(world: MakeWorld) -> None:
    """The tick is claimed at its instant; whoever executes is told when it may begin."""

    async def main(here: World) -> None:
        replica = await here.replica(job(text="0 * * * * *", jitter=timedelta(seconds=30)), seconds=None)
        await here.pass_(61)
        [(not_before, run)] = replica.later
        assert run.queued_at == run.scheduled_at == START + 60 * SECOND
        assert START + 60 * SECOND < not_before < START + 90 * SECOND
        assert await here.store.next_queued() == not_before

    world().run(main)


# -- misfire ------------------------------------------------------------------------------------------


def test_the_latest_missed_tick_is_made_up(world: MakeWorld) -> None:
    """After five minutes down: one run, for all that is not older than the grace."""
    spec = job(text="0 * * * * *", misfire_grace=timedelta(minutes=10))

    async def main(here: World) -> None:
        await here.replica(spec, mark=START)
        await here.pass_(1)
        [run] = await here.runs()
        assert (run.trigger, run.scheduled_at) == (Trigger.CATCHUP, START + 300 * SECOND)
        assert run.covers is not None
        assert run.covers.count == 5
        assert shown(await here.spans()) == [("misfire", "10:01:00", "10:04:00", 4)]

    world(LATER).run(main)


def test_none_is_made_up(world: MakeWorld, log: Logger) -> None:
    """A span says so, and so does the log."""

    async def main(here: World) -> None:
        await here.replica(job(text="0 * * * * *", misfire="none"), mark=START)
        await here.pass_(31)
        assert shown(await here.spans()) == [("misfire", "10:01:00", "10:05:00", 5)]
        assert await here.ran() == [START + 360 * SECOND]

    world(LATER).run(main)
    assert log.lines == [
        {
            "event": "run.skipped",
            "level": "info",
            "job": "job",
            "reason": "misfire",
            "cause": None,
            "count": 5,
            "first": "2026-05-01T10:01:00Z",
            "last": "2026-05-01T10:05:00Z",
        }
    ]


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("overlap", ["skip", "queue", "cancel", "allow"])
def test_all_are_made_up_one_at_a_time(world: MakeWorld, replicas: int, overlap: Any) -> None:
    """What falls due meanwhile joins: no overlap, no span, oldest first, whoever claims them."""
    spec = job(text="0 * * * * *", misfire="all", misfire_grace=timedelta(hours=1), overlap=overlap)

    async def main(here: World) -> None:
        for _ in range(replicas):
            await here.replica(spec, mark=START, seconds=40)
        await here.pass_(900)
        runs = await here.runs()
        expected = due(spec, START, here.clock.now())
        assert [run.scheduled_at for run in runs] == expected[: len(runs)]
        assert len(expected) - len(runs) <= 1
        assert await here.spans() == []
        began = [(run.started_at, run.finished_at) for run in runs if run.finished_at is not None]
        for (_, end), (start, _) in pairwise(began):
            assert start is not None
            assert end is not None
            assert start >= end
        assert Counter(run.trigger for run in runs)[Trigger.CATCHUP] > 5
        assert runs[-1].trigger is Trigger.SCHEDULE
        assert {run.status for run in runs[:-1]} == {RunStatus.SUCCEEDED}

    world(LATER).run(main)


@pytest.mark.parametrize("replicas", [1, 2])
def test_the_end_of_a_backlog_is_no_overlap(world: MakeWorld, replicas: int) -> None:
    """What fell due while it was worked off joins it, however little too late it is."""
    spec = job(text="* * * * * *", misfire="all", misfire_grace=timedelta(hours=1))

    async def main(here: World) -> None:
        for _ in range(replicas):
            await here.replica(spec, mark=LATER - 10 * SECOND, seconds=0.75)
        await here.pass_(60.25)
        runs = await here.runs()
        assert await here.spans() == []
        assert [run.scheduled_at for run in runs] == due(spec, LATER - 10 * SECOND, here.clock.now())
        assert runs[-1].trigger is Trigger.SCHEDULE

    world(LATER).run(main)


def test_a_backlog_goes_on_as_soon_as_a_run_ends_here(world: MakeWorld) -> None:
    """Without waiting for the next look; a run that ends elsewhere is noticed within five seconds."""
    spec = job(text="0 * * * * *", misfire="all", misfire_grace=timedelta(hours=1))

    async def main(here: World) -> None:
        await here.replica(spec, mark=START, seconds=7)
        await here.pass_(28.5)
        began = [run.started_at for run in await here.runs()]
        assert began == [LATER + number * 7 * SECOND for number in range(5)]

    world(LATER).run(main)


def test_a_backlog_waits_for_a_run_by_hand(world: MakeWorld) -> None:
    """That one ends elsewhere: the store is asked every five seconds."""
    spec = job(text="0 * * * * *", misfire="all", misfire_grace=timedelta(hours=1))

    async def main(here: World) -> None:
        by_hand = NewRun(id="by-hand", job="job", extension="tests", trigger=Trigger.MANUAL)
        await here.store.add_run(by_hand)
        await here.replica(spec, mark=START)
        await here.pass_(12)
        assert await here.ran() == []
        await here.store.request_cancel("by-hand", by="ops")
        await here.pass_(5)
        assert await here.ran() == due(spec, START, LATER)

    world(LATER).run(main)


# -- overlap, pauses ----------------------------------------------------------------------------------

OVERLAPS = [
    ("skip", [1, 4, 7], [("overlap", "10:00:02", "10:00:03", 2), ("overlap", "10:00:05", "10:00:06", 2)]),
    ("allow", [1, 2, 3, 4, 5, 6, 7], []),
]


@pytest.mark.parametrize(("overlap", "ran", "spans"), OVERLAPS)
def test_overlap(world: MakeWorld, overlap: Any, ran: list[int], spans: Any) -> None:
    """A run of two and a half seconds is in the way of two ticks, if it is."""

    async def main(here: World) -> None:
        await here.replica(job(overlap=overlap), seconds=2.5)
        await here.pass_(7.2)
        assert await here.ran() == [START + second * SECOND for second in ran]
        assert shown(await here.spans()) == spans

    world().run(main)


def test_what_gives_way_is_told(world: MakeWorld, log: Logger) -> None:
    """The running one is asked to stop, which this process hears of; the waiting one ends."""
    heard: list[Any] = []

    async def main(here: World) -> None:
        replica = await here.replica(job(overlap="cancel"), seconds=100)
        replica.ticks.on_cancel.append(lambda run: heard.append(run.scheduled_at))
        await here.pass_(3.5)
        assert [run.status.value for run in await here.runs()] == ["running", "skipped", "queued"]

    world().run(main)
    assert heard == [START + SECOND] * 2
    assert log.lines == [
        {
            "event": "run.skipped",
            "level": "info",
            "run": 2,
            "job": "job",
            "reason": "superseded",
            "cause": "run 3",
        }
    ]


def test_a_run_that_waits_for_its_next_attempt_gives_way_in_one_line(world: MakeWorld, log: Logger) -> None:
    """It has ended, and the one line that each run has says with what, and for which run."""

    async def main(here: World) -> None:
        replica = await here.replica(job(retries=Retry(2)), seconds=None)
        await here.pass_(1.2)
        [first] = await here.runs()
        lease = await here.store.start_attempt(first.id, LeaseRequest(replica.post.identity, "node-0"))
        assert lease is not None
        now = replica.post.clock.now()
        failed = Outcome(status=RunStatus.FAILED, finished_at=now, duration_ms=3, message="no route")
        assert await here.store.retry_later(lease, failed, now + 60 * SECOND)
        await here.pass_(1)
        assert [run.status.value for run in await here.runs()] == ["failed", "queued"]

    world().run(main)
    [line] = log.lines
    assert (line["event"], line["level"], line["run"], line["extension"]) == (
        "run.finished",
        "error",
        1,
        "tests",
    )
    assert (line["status"], line["reason"], line["cause"]) == ("failed", "superseded", "run 2")
    assert (line["attempt"], line["attempts"], line["message"]) == (1, 3, "no route")


def test_ticks_in_a_pause_have_no_run(world: MakeWorld) -> None:
    """One span, never made up; what comes after it runs."""

    async def main(here: World) -> None:
        replica = await here.replica(job(misfire="all"))
        await here.pass_(5.5)
        pause = Pause(here.clock.now(), None, "paused by ops")
        replica.control.pauses.append(pause)
        await here.pass_(60)
        replica.control.pauses[:] = [Pause(pause.since, here.clock.now(), pause.cause)]
        await here.pass_(5)
        assert shown(await here.spans()) == [("paused", "10:00:06", "10:01:05", 60)]
        assert [span.cause for span in await here.spans()] == ["paused by ops"]
        assert len(await here.ran()) == 10

    world().run(main)


# -- admission ----------------------------------------------------------------------------------------


def test_a_plugin_skips_a_tick(world: MakeWorld, plugins: Plugins) -> None:
    """It sees the tick, the trigger and the parameters; a span says who was against it, and why."""
    asked: list[RunRequest] = []

    def refuse(request: RunRequest) -> Skip:
        asked.append(request)
        return Skip("month-end freeze of " + str(request.parameters["token"]))

    plugins.add("freeze", jobkit_run_admit=refuse)

    async def function(ctx: JobContext, *, token: str) -> None: ...

    spec = job(function=function, owner="finance", parameters={"token": "hunter2hunter2"})

    async def main(here: World) -> None:
        await here.replica(spec)
        await here.pass_(3.5)
        assert shown(await here.spans()) == [("admission", "10:00:01", "10:00:03", 3)]
        assert [span.cause for span in await here.spans()] == ["freeze: month-end freeze of ***"]
        assert await here.ran() == []

    world(plugins=plugins).run(main)
    assert [request.scheduled_at for request in asked] == due(spec, START, START + 3 * SECOND)
    assert (asked[0].trigger, asked[0].actor) == (Trigger.SCHEDULE, "finance")


def test_a_plugin_defers_a_tick(world: MakeWorld, plugins: Plugins) -> None:
    """It is claimed at its instant, and begins then."""
    until = START + timedelta(minutes=10)
    plugins.add("quota", jobkit_run_admit=lambda request: Defer(until, "quota"))

    async def main(here: World) -> None:
        replica = await here.replica(job(text="0 * * * * *"), seconds=None)
        await here.pass_(61)
        [(not_before, run)] = replica.later
        assert (not_before, run.queued_at) == (until, START + 60 * SECOND)

    world(plugins=plugins).run(main)


def test_a_plugin_that_hangs_delays_no_other_tick(world: MakeWorld, plugins: Plugins) -> None:
    """Its tick has no run, once its time is over; the others have theirs on time."""

    async def hangs(request: RunRequest) -> None:
        if request.job == "slow":
            await anyio.sleep_forever()

    plugins.add("hangs", jobkit_run_admit=hangs)
    slow, others = job("slow", "0 * * * * *"), [job(f"job{number}") for number in range(5)]

    async def main(here: World) -> None:
        await here.replica(slow, *others)
        await here.pass_(90.5)
        for spec in others:
            assert [run.queued_at for run in await here.runs(spec.name)] == due(
                spec, START, START + 90 * SECOND
            )
        [span] = await here.spans("slow")
        assert (span.reason, span.count) == ("admission", 1)
        assert "hangs" in (span.cause or "")

    world(plugins=plugins).run(main)


def test_a_schedule_that_fails_is_one_jobs_trouble(world: MakeWorld) -> None:
    """The others have their ticks."""

    class Broken:
        """A plugin's kind of schedule with an error in it."""

        text = timezone = "broken"

        def next_epoch(self, second: int) -> int:
            raise ZeroDivisionError

    broken: Any = replace(job("broken"), times=Broken())  # type: ignore[arg-type]

    async def main(here: World) -> None:
        await here.replica(broken, job())
        await here.pass_(5.5)
        assert await here.ran() == due(job(), START, START + 5 * SECOND)

    world().run(main)


def test_an_engine_that_fails_delays_nothing(world: MakeWorld) -> None:
    """The runs stay queued, for whoever looks for them."""

    async def main(here: World) -> None:
        replica = await here.replica(job(overlap="allow"), seconds=None)

        async def fails(*args: Any, **options: Any) -> None:
            raise OSError("no route")

        replica.submit = fails  # type: ignore[method-assign]
        await here.pass_(5.5)
        assert len(await here.store.queued()) == 5

    world().run(main)


def test_many_of_one_second_do_not_delay_the_next(world: MakeWorld) -> None:
    """Each slice takes from every second that has something due."""
    many, few = [job(f"many{number:04}", "10 * * * * *") for number in range(450)], job("few")

    async def main(here: World) -> None:
        replica = await here.replica(*many, few, seconds=None)
        claim, slices = here.store.store.claim, []

        async def slow(claims: Any) -> Any:
            slices.append(Counter(one.key.job[:3] for one in claims))
            await anyio.sleep(0.6)
            return await claim(claims)

        here.store.store.claim = slow
        await here.pass_(9)
        slices.clear()
        await here.pass_(6)
        queued = [run for _, run in replica.submitted if run.job == "few" and run.scheduled_at is not None]
        late = [run.queued_at - run.scheduled_at for run in queued if run.queued_at and run.scheduled_at]
        assert max(late) < 2 * SECOND
        # And yet most of what is claimed is theirs.
        assert max(each["man"] for each in slices) >= 75

    world().run(main)
