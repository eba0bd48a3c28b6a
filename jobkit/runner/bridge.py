"""From the threads of a job to the event loop and back."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import anyio
from anyio.from_thread import BlockingPortal

from jobkit.context import RunCancelled
from jobkit.exceptions import RunError

T = TypeVar("T")


class Bridge:
    """Carries the calls of one attempt's threads; made on the event loop.

    ``call`` is for threads, ``cancel`` for the event loop.
    """

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self._loop_thread = threading.get_ident()
        self._calls: set[anyio.CancelScope] = set()
        self._cancelled = False

    def call(self, call: Callable[..., Awaitable[T]], arguments: tuple[Any, ...]) -> T:
        """Await ``call(*arguments)`` on the event loop, and wait for that here.

        Raises RunCancelled once the attempt was cancelled, RunError on the event loop itself.
        """
        if threading.get_ident() == self._loop_thread:
            raise RunError(
                "a method for threads was called on the event loop: waiting there would stop every run",
                code="JK522",
                help="in `async def` jobs, await ctx.service(...) and ctx.run_job(...)",
            )
        try:
            returned, error = self._portal.call(self._carry, call, arguments)
        except RuntimeError:  # the portal was closed: the program is ending
            raise RunCancelled("the run is over") from None
        if error is not None:
            raise error
        return cast("T", returned)

    def cancel(self) -> None:
        """Cancel the calls that are under way, and all that come later."""
        self._cancelled = True
        for scope in self._calls:
            scope.cancel()

    async def _carry(
        self, call: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]
    ) -> tuple[Any, BaseException | None]:
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            if self._cancelled:
                scope.cancel()
            try:
                return await call(*arguments), None
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # it is for the thread that asked
                return None, error
            finally:
                self._calls.discard(scope)
        return None, RunCancelled("the run is to stop")
