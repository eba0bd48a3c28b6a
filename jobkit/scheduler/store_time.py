"""The store's clock, as well as this process knows it without asking each time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.stores.base import Store


class StoreTime:
    """What the store's clock shows: this host's, and the difference that was measured last.

    Ticks are judged by it, so that hosts whose clocks differ agree. Belongs to the event loop.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ahead = timedelta(0)

    @property
    def ahead(self) -> timedelta:
        """How far the store's clock is before this host's."""
        return self._ahead

    def now(self) -> datetime:
        """Aware, UTC. From any thread."""
        return self._clock.now() + self._ahead

    async def measure(self) -> timedelta:
        """Ask the store; how far this host's clock is off what it was taken for. StoreUnavailable."""
        before = self._clock.now()
        shown = await self._store.now()
        after = self._clock.now()
        if after < before:  # the host's clock was set meanwhile
            before = after
        doubt = (after - before) / 2
        ahead = shown - (before + doubt)
        change = ahead - self._ahead
        if abs(change) <= doubt:  # an answer that took long says little: it may well be as it was
            return timedelta(0)
        self._ahead = ahead
        return change

    async def sleep_until(self, instant: datetime) -> None:
        """Return once :meth:`now` has reached *instant*, and not before a moment has passed for others."""
        await self._clock.sleep_until(instant - self._ahead)

    def clock(self) -> Clock:
        """A clock that shows it: what is written by it can be compared with what other hosts have written."""
        return _StoreClock(self, self._clock)


class _StoreClock:
    """A host's clock, set right. What else that can do it can too: a virtual one's threads may sleep."""

    def __init__(self, time: StoreTime, host: Clock) -> None:
        self._host = host
        self.now = time.now
        self.sleep_until = time.sleep_until
        self.monotonic = host.monotonic
        self.pause = host.pause
        self.every = host.every

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)
