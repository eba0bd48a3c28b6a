"""How calls to a store in memory take turns, and what they all need: the clock and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import anyio
import anyio.lowlevel

from jobkit.stores import values
from jobkit.stores.kept import Kept
from jobkit.stores.kept_sleepers import Sleeper
from jobkit.stores.refusals import not_open
from jobkit.stores.sqlite.waiting import waiting_here


class Turns:
    """One call at a time, as transactions of a database; refused while the store is not open."""

    def __init__(self, kept: Kept, now: Callable[[], datetime]) -> None:
        self._kept = kept
        self._now = now
        self._open = False
        self._sleeper: Sleeper | None = None

    def _exactly_now(self) -> datetime:
        return values.from_micros(values.to_micros(self._now()))

    async def wait(self, seconds: float) -> bool:
        with await self._turn():
            if self._sleeper is None:
                self._sleeper = Sleeper(waiting_here())
                self._kept.sleepers.append(self._sleeper)
            sleeper, ticket = self._sleeper, self._sleeper.fall_asleep()
        if ticket is None:
            return True
        try:
            with anyio.move_on_after(max(0.0, seconds)):
                await sleeper.sleep(ticket)
        finally:
            with self._kept.lock:
                woken = sleeper.wake_up(ticket)
        return woken

    def _wake_others(self) -> None:
        """In the step that writes what concerns schedulers."""
        for sleeper in self._kept.sleepers:
            if sleeper is not self._sleeper:
                sleeper.wake()

    def _let_sleep(self) -> None:
        """The store is closed: nobody sleeps here any more."""
        if self._sleeper is not None:
            with self._kept.lock:
                self._kept.sleepers.remove(self._sleeper)
        self._sleeper = None

    async def _turn(self) -> AbstractContextManager[None]:
        """A cancellation takes effect here, before anything was done."""
        await anyio.lowlevel.checkpoint()
        return self._lock()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        if not self._open:
            raise not_open()
        with self._kept.lock:
            yield
