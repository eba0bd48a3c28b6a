"""The time that an attempt has: until when, what rings then, and what does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from jobkit.runner.executors.around_call import allowance
from jobkit.runner.outcome import Stop
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.runner.alarms import Alarm
    from jobkit.runner.orders import Order
    from jobkit.runner.site import Site

#: A timer may ring a moment before its time.
_TIMER_SLACK = 0.001


class Countdown:
    """Of one attempt. ``late`` may be asked from any thread, everything else belongs to the event loop."""

    def __init__(self, site: Site, order: Order) -> None:
        self._alarms = site.alarms
        self._clock = site.clock
        self._order = order
        self._allowance = 0.0
        self._alarm: Alarm | None = None

    @property
    def late(self) -> bool:
        """Whether its limit has passed."""
        limit = self._order.limit
        if limit is None:
            return False
        return self._clock.monotonic() >= limit.monotonic + self._allowance - _TIMER_SLACK

    @property
    def left(self) -> float | None:
        """Seconds until its limit, None without one."""
        limit = self._order.limit
        return None if limit is None else limit.monotonic + self._allowance - self._clock.monotonic()

    def overdue(self) -> Stop:
        """What becomes of an attempt that is late."""
        assert self._order.limit is not None
        return Stop(RunStatus.TIMED_OUT, self._order.limit.words)

    def ring_at_limit(self, call: Callable[[], None]) -> None:
        """Have *call* called at the limit, if there is one, and not at the one there was before."""
        self.put_off()
        if (left := self.left) is not None:
            self._alarm = self._alarms.set(anyio.current_time() + left, call)

    def ring_after(self, seconds: float, call: Callable[[], None]) -> None:
        """Have *call* called so much later, and nothing at the limit."""
        self.put_off()
        self._alarm = self._alarms.set(anyio.current_time() + seconds, call)

    def put_off(self) -> None:
        """Let nothing ring. Idempotent."""
        if self._alarm is not None:
            self._alarms.put_off(self._alarm)

    def pause(self) -> None:
        """Plugins begin with something: their time is not the job's, up to what they are allowed."""
        self._allowance = allowance()

    def resume(self, seconds: float) -> None:
        """That took them so long: the attempt has that much longer."""
        self._allowance = 0.0
        self._order.postpone(seconds)
