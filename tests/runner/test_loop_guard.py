"""A job that blocks the event loop is named, keeps its lease for a while, and does not keep it for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import JobContext, RunStatus
from jobkit.config import Config
from jobkit.runner import Runner, loop_guard
from jobkit.runner.leases import GRACE
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import HandClock, MakeRunner, Seen, SteppedClock, spec_of

GUARD, RENEWALS = "jobkit-loop-guard", "jobkit-leases"


class ByHand(SteppedClock, HandClock):
    """The test's own time, and periodic calls when the test says so."""

    def __init__(self) -> None:
        SteppedClock.__init__(self)
        self.passed = 0.0

    def look(self, seconds: float = 0.5) -> None:
        """Let the guard look after so much time."""
        self.take(seconds)
        self.step(GUARD)


def in_thread(call: Callable[[], None]) -> None:
    """Call it in another thread, and wait here, as a job does that blocks the event loop."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def block(clock: ByHand, looks: int, seconds: float = 0.5) -> None:
    """Hold the event loop while the guard looks so often."""

    def look() -> None:
        for _ in range(looks):
            clock.look(seconds)

    in_thread(look)


@pytest.fixture
def clock() -> ByHand:
    """Time that the test takes."""
    return ByHand()


@pytest.fixture
def seen() -> Seen:
    """What a run was seen to do."""
    return Seen()


def lines_of(seen: Seen, prefix: str = "loop.") -> Iterator[tuple[str, Any]]:
    """What was logged about the loop, for the runs."""
    return ((line.event, line.fields) for line in seen.lines if line.event.startswith(prefix))


async def test_a_job_that_blocks_the_loop_is_named(runner: MakeRunner, clock: ByHand, seen: Seen) -> None:
    """After a second, with the line where it is, among the lines of its run; and how long it was."""

    async def blocker(ctx: JobContext) -> None:
        await anyio.lowlevel.checkpoint()
        block(clock, 5)
        await anyio.sleep(0.01)

    spec = spec_of(blocker)
    async with runner(spec, clock=clock, observer=seen) as here:
        record = await here.run(spec)
    assert record.status is RunStatus.SUCCEEDED
    (blocked, facts), (released, after) = lines_of(seen)
    assert (blocked, released) == ("loop.blocked", "loop.released")
    assert (facts["seconds"], after["seconds"]) == (1.0, 2.0)
    assert "in blocker" in facts["exception"]
    assert "in_thread" in facts["exception"]
    first = facts["exception"].splitlines()[1]
    assert first.endswith("in blocker"), "nothing of what led to the job"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_the_job_started_is_the_job_s(
    runner: MakeRunner, clock: ByHand, seen: Seen
) -> None:
    """On asyncio, where the programs run; elsewhere the stack has to do."""

    async def child() -> None:
        block(clock, 4)

    async def parent(ctx: JobContext) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
        await anyio.sleep(0.01)

    async def other(ctx: JobContext) -> None:
        await go_on.wait()

    go_on = anyio.Event()
    specs = spec_of(parent), spec_of(other)
    async with runner(*specs, clock=clock, observer=seen) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, specs[1])
        await here.run(specs[0])
        go_on.set()
    assert [event for event, _ in lines_of(seen)] == ["loop.blocked", "loop.released"]


async def test_a_loop_that_answers_is_left_alone(
    runner: MakeRunner, clock: ByHand, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """However long a job takes; and once nothing runs, nobody looks any more."""

    async def job(ctx: JobContext) -> None:
        for _ in range(10):
            await anyio.to_thread.run_sync(clock.look)
            await anyio.sleep(0.001)

    spec = spec_of(job)
    async with runner(spec, clock=clock, observer=seen) as here:
        await here.run(spec)
        assert GUARD in clock.calls
        clock.look()
        assert GUARD not in clock.calls, "an idle process does not wake up"
        await here.run(spec)
        assert GUARD in clock.calls
    assert list(lines_of(seen)) == []
    assert "loop." not in caplog.text


async def test_a_blocked_loop_loses_no_lease(runner: MakeRunner, memory: MemoryStore, clock: ByHand) -> None:
    """They are renewed from a thread of their own."""
    expiries: list[Any] = []

    async def job(ctx: JobContext) -> None:
        for _ in range(2):
            held = memory._kept.runs[ctx.run_id].lease
            assert held is not None
            expiries.append(held.expires_at)
            in_thread(lambda: clock.step(RENEWALS))

    spec = spec_of(job)
    async with runner(spec, clock=clock) as here:
        await here.run(spec)
    assert expiries[1] > expiries[0]


@pytest.mark.parametrize(("late", "renewed"), [(-1.0, True), (1.0, False)])
async def test_a_lease_is_not_renewed_far_behind_the_deadline(
    runner: MakeRunner,
    clock: ByHand,
    late: float,
    renewed: bool,
    memory: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A minute after its deadline a job that still blocks the loop is left to others."""
    expiries: list[Any] = []

    async def job(ctx: JobContext) -> None:
        clock.take(10 + GRACE.total_seconds() + late)
        held = memory._kept.runs[ctx.run_id]
        for _ in range(2):
            assert held.lease is not None
            expiries.append(held.lease.expires_at)
            in_thread(lambda: clock.step(RENEWALS))

    spec = spec_of(job, timeout=timedelta(seconds=10))
    async with runner(spec, clock=clock) as here:
        record = await here.run(spec)
    assert record.status is RunStatus.TIMED_OUT
    assert (expiries[1] > expiries[0]) is renewed
    assert caplog.text.count("lease.given_up") == (0 if renewed else 1)


async def test_an_attempt_that_is_over_is_renewed_until_it_is_recorded(
    runner: MakeRunner, clock: ByHand
) -> None:
    """The deadline is that of the job, not of the store that is to keep its result."""
    from jobkit.exceptions import StoreUnavailable

    renewed: list[int] = []

    class Slow(MemoryStore):
        late = False

        def renew(self, leases: Any) -> frozenset[str]:
            leases = tuple(leases)
            renewed.append(len(leases))
            return super().renew(leases)

        async def finish(self, lease: Any, outcome: Any) -> Any:
            if not self.late:
                self.late = True
                clock.take(3600)
                clock.step(RENEWALS)
                raise StoreUnavailable("not now")
            return await super().finish(lease, outcome)

    async def job(ctx: JobContext) -> None:
        """Done at once."""

    spec = spec_of(job, timeout=timedelta(seconds=10))
    async with Slow(project="tests") as store, runner(spec, store=store, clock=clock) as here:
        record = await here.run(spec)
    assert (record.status, renewed) == (RunStatus.SUCCEEDED, [1])


@pytest.mark.parametrize("ours", [True, False])
async def test_a_loop_that_stands_still_ends_the_process(
    runner: MakeRunner,
    config: Config,
    memory: MemoryStore,
    clock: ByHand,
    caplog: pytest.LogCaptureFixture,
    ours: bool,
) -> None:
    """After ``loop_stall``, once, with all stacks; an embedding program only gives its leases up."""
    ended: list[str] = []
    renewed: list[bool] = []

    async def job(ctx: JobContext) -> None:
        held = memory._kept.runs[ctx.run_id]

        def renews() -> bool:
            before = held.lease and held.lease.expires_at
            in_thread(lambda: clock.step(RENEWALS))
            return bool(before != (held.lease and held.lease.expires_at))

        block(clock, 10)
        renewed.append(renews())
        assert ended == []
        block(clock, 4)
        renewed.append(renews())
        await anyio.sleep(0.01)
        renewed.append(renews())

    spec = spec_of(job)
    short = config.with_options({"scheduler.loop_stall": "6s"})
    end = (lambda: ended.append(threading.current_thread().name)) if ours else None
    async with Runner({}, memory, config=short, clock=clock, stalled=end) as here:
        await here.run(spec)
    assert len(ended) == (1 if ours else 0)
    assert renewed == [True, False, True]
    assert caplog.text.count("loop.stalled") == 1
    assert "MainThread" in caplog.text
    assert "in block" in caplog.text


async def test_a_process_that_was_stopped_has_not_stalled(
    config: Config, memory: MemoryStore, clock: ByHand
) -> None:
    """Two looks that lie far apart say that everything stood still, not that the loop did."""
    ended: list[int] = []

    async def job(ctx: JobContext) -> None:
        block(clock, 3, seconds=3600)

    async with Runner({}, memory, config=config, clock=clock, stalled=lambda: ended.append(1)) as here:
        await here.run(spec_of(job))
    assert ended == []


async def test_a_debugger_may_hold_the_loop(runner: MakeRunner, clock: ByHand) -> None:
    """Whoever looks at an exception is no job that blocks."""
    guarded: list[bool] = []

    def look(run: Any, error: BaseException) -> None:
        guarded.append(GUARD in clock.calls)

    async def job(ctx: JobContext) -> None:
        raise ValueError("look at me")

    spec = spec_of(job)
    async with runner(spec, clock=clock, inspect=look) as here:
        await here.run(spec)
    assert guarded == [False]


async def test_the_real_thing_is_noticed(
    runner: MakeRunner, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the machine's clock and threads."""
    monkeypatch.setattr(loop_guard, "BLOCKED", 0.05)
    monkeypatch.setattr(loop_guard, "INTERVAL", timedelta(seconds=0.02))

    async def blocker(ctx: JobContext) -> None:
        time.sleep(0.4)  # noqa: ASYNC251 - what it is about
        await anyio.sleep(0.05)

    spec = spec_of(blocker)
    async with runner(spec, observer=seen) as here:
        await here.run(spec)
    assert [event for event, _ in lines_of(seen)] == ["loop.blocked", "loop.released"]
    assert [name for name in threading.enumerate() if name.name == GUARD] == []
