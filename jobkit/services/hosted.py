"""A service that is held open by a task of its own.

Cancel scopes and task groups inside a service must be left in the task that entered them, and that
cannot be a run's: the service outlives it. With one task for each, a service that hangs while it is
opened, or whose own background task fails, harms nobody but those who asked for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from jobkit.exceptions import ServiceError
from jobkit.services.graph import ServiceNode
from jobkit.services.opening import OpenService, not_opened


class HostedService:
    """One service and the task that holds it; start :meth:`hold` as a task, then ask for :meth:`value`."""

    def __init__(
        self,
        node: ServiceNode,
        values: Callable[[HostedService], Awaitable[dict[str, Any]]],
        ended: Callable[[HostedService, BaseException | None], None],
    ) -> None:
        self.node = node
        #: Services that were made with this one.
        self.users: list[HostedService] = []
        #: Nobody waited for it any more while it was opened: ask for a new one.
        self.given_up = False
        self._values = values
        self._ended = ended
        self._opened = anyio.Event()
        self._release = anyio.Event()
        self._over = anyio.Event()
        self._scope = anyio.CancelScope()
        self._waiting = 0
        self._failure: ServiceError | None = None
        self._thrown: BaseException | None = None
        self._closing_error: BaseException | None = None
        self._service: Any = None

    async def value(self) -> Any:
        """The open service; waits for it. Raises ServiceError if it cannot be opened.

        When nobody waits any more for an opening that hangs, it is given up.
        """
        self._waiting += 1
        try:
            await self._opened.wait()
        finally:
            self._waiting -= 1
            if not self._waiting and not self._opened.is_set():
                self.given_up = True
                self._scope.cancel()
        if self._failure is not None:
            raise self._failure
        return self._service

    async def close(self, error: BaseException | None = None) -> BaseException | None:
        """Close it, with *error* thrown in, and wait for that; what went wrong in closing."""
        self.release(error)
        if not self._opened.is_set():
            self._scope.cancel()
        try:
            await self._over.wait()
        except BaseException:
            self._scope.cancel()
            raise
        return self._closing_error

    def release(self, error: BaseException | None = None) -> None:
        """Let it close without waiting."""
        if not self._release.is_set():
            self._thrown = error
            self._release.set()

    async def hold(self) -> None:
        """Open it, keep it until it is released, close it. The body of the task; raises only cancellation."""
        unexpected: BaseException | None = None
        try:
            with self._scope:
                unexpected = await self._hold()
        finally:
            if not self._opened.is_set():
                self._failure = not_opened(self.node, TimeoutError("nobody waited for it any more"))
                self._opened.set()
            self._ended(self, unexpected)
            self._over.set()

    async def _hold(self) -> BaseException | None:
        service = await self._enter()
        if service is None:
            return None
        self._service = service.value
        self._opened.set()
        cancelled = anyio.get_cancelled_exc_class()
        thrown: BaseException | None = None
        try:
            await self._release.wait()
            thrown = self._thrown
        except cancelled as cancellation:
            # Either everything ends, or a task group inside the service does because a task of it failed.
            thrown = cancellation
        raised = await service.leave(thrown)
        if isinstance(thrown, cancelled) and (raised is None or isinstance(raised, cancelled)):
            raise thrown
        self._closing_error = raised
        return None if self._release.is_set() else raised

    async def _enter(self) -> OpenService | None:
        try:
            service = OpenService(self.node, await self._values(self))
            await service.enter()
            return service
        except anyio.get_cancelled_exc_class():
            raise
        except ServiceError as failure:  # most likely of a service that this one needs, and it says so
            self._failure = failure
        except BaseException as error:  # a factory may raise anything; it is for those who asked
            self._failure = not_opened(self.node, error)
        self._opened.set()
        return None
