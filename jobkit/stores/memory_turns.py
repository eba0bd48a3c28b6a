"""How calls to a store in memory take turns, and what they all need: the clock and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

import anyio.lowlevel

from jobkit.stores import values
from jobkit.stores.kept import Kept
from jobkit.stores.refusals import not_open


class Turns:
    """One call at a time, as transactions of a database; refused while the store is not open."""

    def __init__(self, kept: Kept, now: Callable[[], datetime]) -> None:
        self._kept = kept
        self._now = now
        self._open = False

    def _exactly_now(self) -> datetime:
        return values.from_micros(values.to_micros(self._now()))

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
