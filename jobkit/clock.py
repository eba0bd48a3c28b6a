"""Time, asked of an object, so that tests can hold it.

All code asks a :class:`Clock`; nothing else in jobkit reads the system's clocks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import anyio

#: Two clocks that are read one after the other differ by less, unless they are different ones.
_SAME = timedelta(milliseconds=1)


class Ticker(Protocol):
    """A running periodic call; ``stop()`` ends it and waits for a call in progress (idempotent)."""

    def stop(self) -> None: ...


class Clock(Protocol):
    """Where the time comes from. ``now``, ``monotonic`` and ``every`` may be called from any thread."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of the event loop's own time: never goes back, its origin means nothing."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return once ``now()`` has reached *instant*; at once if it lies in the past.

        It follows the wall clock when that is set: forward, so that *instant* has passed, it returns within
        ten seconds (on Linux at once); back, it waits on.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Sleep between two rounds of periodic work that nobody waits for."""
        ...

    def every(self, interval: timedelta, call: Callable[[], None], *, name: str) -> Ticker:
        """Call *call* each *interval* until stopped: from a thread in reality, a step in tests.

        *call* must be thread-safe. What it raises ends nothing: it is given to
        ``threading.excepthook`` and the next call comes as planned.
        """
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, instant: datetime) -> None:
        if instant > self.now():
            from jobkit import wall_clock

            await wall_clock.sleep_until(instant.timestamp(), lambda: self.now().timestamp())

    async def pause(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    def every(self, interval: timedelta, call: Callable[[], None], *, name: str) -> Ticker:
        return _ThreadTicker(interval.total_seconds(), call, name)


class _ShiftedClock(SystemClock):
    """The machine's clocks, the wall clock set to another time."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by

    async def sleep_until(self, instant: datetime) -> None:
        await SystemClock().sleep_until(instant - self._by)


def ahead_of_machine(clock: Clock) -> timedelta:
    """By how much *clock* is ahead of the machine's: a process on it that is told so can have the same."""
    return clock.now() - SystemClock().now()


def clock_ahead(by: timedelta) -> Clock:
    """A clock that is ahead of the machine's."""
    return SystemClock() if abs(by) < _SAME else _ShiftedClock(by)


class _ThreadTicker:
    def __init__(self, seconds: float, call: Callable[[], None], name: str) -> None:
        self._seconds = seconds
        self._call = call
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self._call()
            except Exception as error:  # one failed renewal must not end the renewals
                threading.excepthook(
                    threading.ExceptHookArgs((type(error), error, error.__traceback__, self._thread))
                )
