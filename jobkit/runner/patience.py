"""Waiting for a store that does not answer: as long as it takes, until somebody wants to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from math import inf
from typing import TypeVar

import anyio

from jobkit.exceptions import RunNotFound, StoreError, StoreUnavailable
from jobkit.logs import get_logger

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
#: Seconds for the record of what took all of its time to clean up.
_MOMENT = 0.5
#: For so many seconds a result is offered to a store that answers that it will not have it.
_REFUSED = 60.0


class Patience:
    """The calls of one run to its store, each one that may be made twice. Belongs to the task of that run.

    *last_tries* is how long it still tries once it was interrupted. ``interrupted`` is the cancellation
    that arrived meanwhile: it does not stop a call half-way, it only ends the patience, and is to be
    raised again once all is recorded. *naps* are the pauses of all runs: whoever knows that the store is back
    ends them.
    """

    def __init__(self, last_tries: timedelta, naps: set[anyio.CancelScope] | None = None) -> None:
        self.interrupted: BaseException | None = None
        self._last_tries = last_tries.total_seconds()
        self._until: float | None = None
        self._naps = set() if naps is None else naps

    def end_soon(self) -> None:
        """The process ends: what cannot be recorded in the time for cleaning up, and a moment, is left to
        others."""
        self._try_for(self._last_tries + _MOMENT)

    def _try_for(self, seconds: float) -> None:
        if self._until is None:
            self._until = anyio.current_time() + seconds

    async def ask(self, call: Callable[[], Awaitable[T]], what: str, *, result: bool = False) -> T:
        """The answer of *call*, tried again while the store is unavailable.

        A *result* cannot be had again: its call is repeated for a minute whatever the store raises, as when a
        right was revoked and is granted again. Raises StoreUnavailable once the run was cancelled, or is to
        end soon, and has tried for some seconds more.
        """
        pause, refused_at = 0.0, inf
        while True:
            try:
                if self.interrupted is None:
                    return await call()
                with anyio.CancelScope(shield=True):
                    return await call()
            except anyio.get_cancelled_exc_class() as cancellation:
                # Whether the call has happened is unknown; made again, it comes to its end.
                self.interrupted = cancellation
                continue
            except StoreError as error:
                if not isinstance(error, StoreUnavailable):
                    refused_at = min(refused_at, anyio.current_time())
                    over = anyio.current_time() >= refused_at + _REFUSED
                    if over or not result or isinstance(error, RunNotFound):
                        raise
                if not pause:
                    get_logger().warning(
                        "store.unavailable", waiting_to=what, error=str(error), code=error.code
                    )
                if self._exhausted():
                    raise
            pause = min(pause * 2, _LONGEST_PAUSE) or _FIRST_PAUSE
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        try:
            now, shield = anyio.current_time(), self.interrupted is not None
            left = inf if self._until is None else max(0.0, self._until - now)
            with anyio.CancelScope(deadline=now + min(seconds, left), shield=shield) as nap:
                self._naps.add(nap)
                try:
                    await anyio.sleep_forever()
                finally:
                    self._naps.discard(nap)
        except anyio.get_cancelled_exc_class() as cancellation:
            self.interrupted = cancellation

    def _exhausted(self) -> bool:
        if self.interrupted is not None:
            self._try_for(self._last_tries)
        return self._until is not None and anyio.current_time() >= self._until
