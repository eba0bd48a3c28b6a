"""The virtual clock: who keeps it standing, what its steps do, and who is told when it cannot go on."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from jobkit.testing import VirtualClock, VirtualTimeError

HOUR = timedelta(hours=1)


def at(hour: int, minute: int = 0) -> datetime:
    """On the first day that the clock knows."""
    return datetime(2026, 1, 1, hour, minute, tzinfo=UTC)


def test_time_passes_only_in_sleeps(virtual_clock: VirtualClock, backend: Any) -> None:
    """What computes takes none; sleeps end in their order."""
    order: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await anyio.sleep(seconds)
        order.append((seconds, anyio.current_time()))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for seconds in (86400, 0.001, 60):
                tasks.start_soon(sleeper, seconds)

    virtual_clock.run(main, backend=backend)
    assert order == [(0.001, 0.001), (60, 60), (86400, 86400)]
    assert virtual_clock.now() == at(0) + timedelta(days=1)


def test_a_step_forward_ends_sleeps_until(virtual_clock: VirtualClock, backend: Any) -> None:
    """At once, and the event loop's own time does not move."""

    async def main() -> tuple[datetime, float]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(virtual_clock.sleep_until, at(3))
            await anyio.sleep(60)
            virtual_clock.step(3 * HOUR)
        return virtual_clock.now(), anyio.current_time()

    assert virtual_clock.run(main, backend=backend) == (at(3, 1), 60)


def test_a_step_back_makes_it_wait_on(virtual_clock: VirtualClock, backend: Any) -> None:
    """Until the wall clock shows the instant."""

    async def main() -> tuple[datetime, float]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(virtual_clock.sleep_until, at(3))
            await anyio.sleep(60)
            virtual_clock.step(-HOUR)
        return virtual_clock.now(), anyio.current_time()

    assert virtual_clock.run(main, backend=backend) == (at(3), 4 * 3600)


def test_timeouts_do_not_notice_steps(virtual_clock: VirtualClock, backend: Any) -> None:
    """They are the event loop's."""

    async def main() -> float:
        with anyio.move_on_after(60):
            virtual_clock.step(HOUR)
            await anyio.sleep_forever()
        return anyio.current_time()

    assert virtual_clock.run(main, backend=backend) == 60


@pytest.mark.parametrize("how", ["process", "thread", "thread left behind", "held"])
def test_what_is_at_work_keeps_it_standing(virtual_clock: VirtualClock, backend: Any, how: str) -> None:
    """While it works no timer rings, although there is nothing else to do."""
    rings: list[float] = []
    done = threading.Event()

    def work() -> None:
        time.sleep(0.03)
        rings.append(virtual_clock.monotonic())
        done.set()

    async def at_work() -> None:
        if how == "process":
            await anyio.run_process([sys.executable, "-c", "import time; time.sleep(0.03)"])
            rings.append(virtual_clock.monotonic())
        elif how == "thread":
            await anyio.to_thread.run_sync(work)
        elif how == "thread left behind":
            with anyio.CancelScope() as scope:
                tasks_of[0].start_soon(anyio.lowlevel.checkpoint)
                scope.deadline = anyio.current_time()
                await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        else:
            thread = threading.Thread(target=work)
            with virtual_clock.held():
                thread.start()
                while not done.is_set():
                    await anyio.lowlevel.checkpoint()

    tasks_of: list[Any] = []

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks_of.append(tasks)
            tasks.start_soon(at_work)
            await anyio.sleep(1)
            rings.append(virtual_clock.monotonic())

    virtual_clock.run(main, backend=backend)
    assert rings[-1] == 1.0
    assert rings[:-1] in ([0.0], []) if how == "thread left behind" else rings == [0.0, 1.0]


def test_threads_of_asyncio_count_too(virtual_clock: VirtualClock) -> None:
    """``asyncio.to_thread``, and processes that asyncio itself has started."""

    async def main() -> list[float]:
        timer = asyncio.get_running_loop().call_later(5, lambda: None)
        await asyncio.to_thread(time.sleep, 0.02)
        seen = [virtual_clock.monotonic()]
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(0.02)")
        await process.wait()
        timer.cancel()
        return [*seen, virtual_clock.monotonic()]

    assert virtual_clock.run(main) == [0.0, 0.0]


def test_a_loop_with_nothing_left_says_so(virtual_clock: VirtualClock, backend: Any) -> None:
    """JK890, and tasks may clean up; with the event set, as its page says, it goes on."""
    cleaned: list[str] = []

    async def main(event: anyio.Event) -> None:
        try:
            await event.wait()
        finally:
            cleaned.append("up")

    async def alone() -> None:
        await main(anyio.Event())

    async def set_by_a_thread() -> None:
        event = anyio.Event()
        thread = threading.Thread(target=anyio.from_thread.run_sync, args=(event.set,))
        token = anyio.lowlevel.current_token()
        thread = threading.Thread(target=lambda: anyio.from_thread.run_sync(event.set, token=token))
        with virtual_clock.held():
            thread.start()
            await main(event)
        thread.join()

    with pytest.raises(VirtualTimeError) as caught:
        virtual_clock.run(alone, backend=backend)
    assert caught.value.code == "JK890"
    assert caught.value.help is not None
    assert "clock.held()" in caught.value.help
    virtual_clock.run(set_by_a_thread, backend=backend)
    assert cleaned == ["up", "up"]


def test_a_thread_that_passes_the_time_for_real_is_named(backend: Any) -> None:
    """JK891, after the clock's patience; sleeping by the clock, as its page says, mends it."""
    clock = VirtualClock(patience=timedelta(seconds=0.05))

    def passes_the_time(sleep: Any) -> None:
        sleep(0.3)

    async def main(sleep: Any) -> float:
        await anyio.to_thread.run_sync(passes_the_time, sleep, abandon_on_cancel=True)
        return clock.monotonic()

    with pytest.raises(VirtualTimeError, match="passes_the_time") as caught:
        clock.run(main, time.sleep, backend=backend)
    assert caught.value.code == "JK891"
    assert caught.value.help is not None
    assert "clock.sleep(seconds)" in caught.value.help
    assert clock.run(main, clock.sleep, backend=backend) == 0.3


def test_a_pause_is_nothing_to_wait_for(virtual_clock: VirtualClock, backend: Any) -> None:
    """Periodic work goes on as long as anything else does, and keeps nobody from hearing of the end."""
    rounds: list[float] = []

    async def periodic() -> None:
        while True:
            await virtual_clock.pause(10)
            rounds.append(virtual_clock.monotonic())

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(periodic)
            await anyio.sleep(35)
            await anyio.Event().wait()

    with pytest.raises(VirtualTimeError, match="nothing is left"):
        virtual_clock.run(main, backend=backend)
    assert rounds == [10, 20, 30]


def test_periodic_calls_are_steps(virtual_clock: VirtualClock, backend: Any) -> None:
    """In another thread, each at its instant, the time standing; an error ends none of them."""
    calls: list[tuple[float, bool]] = []
    errors: list[str] = []

    def call() -> None:
        time.sleep(0.001)
        calls.append((virtual_clock.monotonic(), threading.current_thread() is threading.main_thread()))
        if len(calls) == 2:
            raise RuntimeError("once")

    async def main() -> None:
        ticker = virtual_clock.every(timedelta(seconds=3), call, name="test")
        await anyio.sleep(10)
        ticker.stop()
        await anyio.sleep(10)

    hook, threading.excepthook = threading.excepthook, lambda args: errors.append(str(args.exc_value))
    try:
        virtual_clock.run(main, backend=backend)
    finally:
        threading.excepthook = hook
    assert calls == [(3, False), (6, False), (9, False)]
    assert errors == ["once"]


def test_errors_are_the_callers(virtual_clock: VirtualClock, backend: Any) -> None:
    """What the coroutine raises comes out as it is, and afterwards the clock can be used again."""

    async def fails() -> None:
        await anyio.sleep(5)
        raise KeyError("mine")

    async def works(value: int) -> int:
        await anyio.sleep(5)
        return value

    with pytest.raises(KeyError, match="mine"):
        virtual_clock.run(fails, backend=backend)
    assert virtual_clock.run(works, 7, backend=backend) == 7
    assert virtual_clock.monotonic() == 10


def test_sleep_is_for_threads(virtual_clock: VirtualClock, backend: Any) -> None:
    """On the event loop it would wait for itself."""

    async def main() -> None:
        virtual_clock.sleep(1)

    with pytest.raises(RuntimeError, match="is for threads"):
        virtual_clock.run(main, backend=backend)


def test_a_start_has_a_zone() -> None:
    """A naive one is refused; any zone will do."""
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(datetime(2026, 3, 29))
    assert VirtualClock(at(5).astimezone()).now() == at(5)
