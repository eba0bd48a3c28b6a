"""The places for runs in one process (``max_concurrent_runs``)."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio


class Place:
    """One of the *places*, taken by entering. A run that waits for others leaves it to those meanwhile."""

    __slots__ = ("_places", "_taken")

    def __init__(self, places: anyio.Semaphore) -> None:
        self._places = places
        self._taken = False

    async def __aenter__(self) -> Self:
        await self.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    async def take(self) -> None:
        """Have it, once there is one. Idempotent."""
        if not self._taken:
            await self._places.acquire()
            self._taken = True

    def leave(self) -> None:
        """Let somebody else have it. Idempotent."""
        if self._taken:
            self._taken = False
            self._places.release()
