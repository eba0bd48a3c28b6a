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
        """Return once ``now()`` has reached *instant*; at once if it lies in the past."""
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
        # The wall clock may be set while we sleep, and a sleep follows the monotonic clock: look again
        # at least every ten seconds.
        while (remaining := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - nobody can tell us
            await anyio.sleep(min(remaining, 10.0))

    def every(self, interval: timedelta, call: Callable[[], None], *, name: str) -> Ticker:
        return _ThreadTicker(interval.total_seconds(), call, name)


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
