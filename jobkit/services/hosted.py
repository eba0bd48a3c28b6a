"""A service that is held open by a task of its own.

Cancel scopes and task groups inside a service must be left in the task that entered them, and that
cannot be a run's: the service outlives it. With one task for each, a service that hangs while it is
opened or closed, or whose own background task fails, harms nobody but those who asked for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from jobkit.apart import Apart, apart
from jobkit.exceptions import ServiceError
from jobkit.services.graph import ServiceNode
from jobkit.services.opening import OpenService, Watch, not_opened, unwatched
from jobkit.severable import Severable, Severed


class HostedService:
    """One service and the task that holds it; start :meth:`hold` as a task, then ask for :meth:`value`.

    *patience* is how long it may go on once it was given up, in seconds; then it is cut off.
    """

    def __init__(
        self,
        node: ServiceNode,
        values: Callable[[HostedService], Awaitable[dict[str, Any]]],
        ended: Callable[[HostedService, BaseException | None], None],
        *,
        patience: float,
        watch: Watch = unwatched,
    ) -> None:
        self.node = node
        #: Services that were made with this one.
        self.users: list[HostedService] = []
        #: It did not end when it was cancelled, and was cut off.
        self.left_behind = False
        self._values = values
        self._ended = ended
        self._patience = patience
        self._watch = watch
        self._opened = anyio.Event()
        self._release = anyio.Event()
        self._over = anyio.Event()
        #: It was given up, or has ended.
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._steps: Severable[None] | None = None
        self._waiting = 0
        self._failure: ServiceError | None = None
        self._thrown: BaseException | None = None
        self._closing_error: BaseException | None = None
        self._unexpected: BaseException | None = None
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
                self._give_up()
        if self._failure is not None:
            raise self._failure
        return self._service

    async def close(self, error: BaseException | None = None) -> BaseException | None:
        """Close it, with *error* thrown in, and wait for that; what went wrong in closing.

        If whoever waits is cancelled, it is given up.
        """
        self.release(error)
        if not self._opened.is_set():
            self._give_up()
        try:
            await self._over.wait()
        except BaseException:
            self._give_up()
            raise
        return self._closing_error

    @property
    def usable(self) -> bool:
        """False once it has ended or failed, or nobody waits for it any more: ask for a new one."""
        return not self._done.is_set()

    @property
    def released(self) -> bool:
        """Whether it was open, and somebody wanted it to close."""
        return self._service is not None and self._release.is_set()

    async def wait(self) -> None:
        """Until it is over; not long, if it was given up."""
        await self._over.wait()

    def release(self, error: BaseException | None = None) -> None:
        """Let it close without waiting."""
        if not self._release.is_set():
            self._thrown = error
            self._release.set()

    def _give_up(self) -> None:
        # Not cancelled here: this may be the task of a job, which cannot cancel a task of ours.
        self._done.set()

    async def hold(self) -> None:
        """Open it, keep it until it is released, close it. The body of a task; raises only cancellation."""
        cancellation: BaseException | None = None
        task = apart(self._serve, f"service {self.node.spec.name}", ours=True)
        try:
            async with task:
                try:
                    await self._done.wait()
                except anyio.get_cancelled_exc_class() as everything_ends:
                    cancellation = everything_ends
                with anyio.CancelScope(shield=True):
                    await self._end(task)
        finally:
            if not self._opened.is_set():
                self._failure = not_opened(self.node, TimeoutError("nobody waited for it any more"))
                self._opened.set()
            error = None if self.left_behind else self._unexpected or task.error
            self._ended(self, error)
            self._over.set()
        if cancellation is not None:
            raise cancellation

    async def _end(self, task: Apart) -> None:
        """See it to its end, within limits: it may catch every cancellation."""
        self._scope.cancel()
        with anyio.move_on_after(self._patience):
            return await task.wait()
        self.left_behind = True
        if self._steps is not None:
            self._steps.sever()
        return await task.wait()

    async def _serve(self) -> None:
        try:
            with self._scope:
                self._steps = Severable(self._hold())
                await self._steps
        except Severed:
            return
        finally:
            self._done.set()

    async def _hold(self) -> None:
        service = await self._enter()
        if service is None:
            return
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
        self._unexpected = None if self._release.is_set() else raised

    async def _enter(self) -> OpenService | None:
        try:
            service = OpenService(self.node, await self._values(self), self._watch)
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
