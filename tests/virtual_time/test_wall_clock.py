"""The system's clock: sleeps follow the wall clock, and nobody is woken for nothing."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from jobkit import wall_clock
from jobkit.clock import SystemClock

needs_timers = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="timers of the wall clock: Linux"
)


class Shifted(SystemClock):
    """Its wall clock can be set."""

    by = timedelta(hours=5)

    def now(self) -> datetime:
        return super().now() + self.by


async def test_it_returns_at_the_instant() -> None:
    """Not before; an instant in the past is no wait at all."""
    clock = SystemClock()
    instant = clock.now() + timedelta(seconds=0.03)
    with anyio.fail_after(10):
        await clock.sleep_until(instant)
        assert clock.now() >= instant
        await clock.sleep_until(instant)
        await clock.sleep_until(datetime(1970, 1, 1, tzinfo=UTC))


async def test_compared_clocks_notice_a_step_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the platform does not tell, the next comparison does."""
    monkeypatch.setattr(wall_clock, "COMPARED_EVERY", 0.02)
    clock = Shifted()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, clock.now() + timedelta(hours=1))
        await anyio.sleep(0.01)
        clock.by = timedelta(hours=7)


async def test_compared_clocks_wait_on_after_a_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The instant has to come by the wall clock."""
    monkeypatch.setattr(wall_clock, "COMPARED_EVERY", 0.01)
    clock = Shifted()
    instant = clock.now() + timedelta(seconds=0.02)
    clock.by -= timedelta(hours=1)
    with anyio.move_on_after(0.05) as scope:
        await clock.sleep_until(instant)
    assert scope.cancelled_caught


def _is_timer(path: Path) -> bool:
    try:
        return "settime flags: 03" in path.read_text(encoding="utf-8")
    except OSError:  # it was closed meanwhile
        return False


@needs_timers
async def test_the_platform_is_asked_to_tell() -> None:
    """The timer is absolute and is cancelled when the clock is set: then nobody looks in between."""
    opened: list[str] = []
    async with anyio.create_task_group() as tasks:
        clock = SystemClock()
        tasks.start_soon(clock.sleep_until, clock.now() + timedelta(hours=1))
        while not opened:
            await anyio.sleep(0.001)
            opened += [path.name for path in sorted(Path("/proc/self/fdinfo").iterdir()) if _is_timer(path)]
        tasks.cancel_scope.cancel()
    assert wall_clock._open_timers == 0


@needs_timers
async def test_timers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an open file: those that find no room compare clocks."""
    monkeypatch.setattr(wall_clock, "MOST_TIMERS", 1)
    clock = SystemClock()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(clock.sleep_until, clock.now() + timedelta(hours=1))
        await anyio.wait_all_tasks_blocked()
        assert wall_clock._open_timers == 1
        soon = clock.now() + timedelta(seconds=0.03)
        await clock.sleep_until(soon)
        assert clock.now() >= soon
        tasks.cancel_scope.cancel()


async def test_a_sleep_leaves_no_file_open() -> None:
    """Cancelled or not."""
    before = wall_clock._open_timers
    with anyio.move_on_after(0.01):
        await SystemClock().sleep_until(SystemClock().now() + timedelta(hours=1))
    assert wall_clock._open_timers == before
