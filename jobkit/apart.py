"""A task of its own for each attempt and each service, apart from the one that waits for it.

What runs in it can leave cancel scopes open, cancel its own task or refuse to end: that must happen to
nobody else's task. anyio can only start tasks that someone is bound to wait for, at a third of the cost of
a whole run; on asyncio, where the programs run, a plain task is cheaper and can be left behind. What
happens inside is anyio's on both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import anyio

if TYPE_CHECKING:
    import asyncio

Body = Callable[[], Coroutine[Any, Any, None]]


class Apart(Protocol):
    """A body in a task of its own, from entering to leaving this context."""

    #: What was wrong with the task itself, once it has ended.
    error: BaseException | None

    async def wait(self) -> None:
        """Until the task has ended; may be cancelled and called again."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None: ...


def apart(body: Body, name: str, *, ours: bool = False) -> Apart:
    """*body* in a task of its own, as the running event loop has them.

    A job may cancel its own task; one of *ours* is made by the event loop's task factory, which may keep
    it out of reach.
    """
    # Trio's own loop can run inside asyncio's, so it is asked first; not imported means not running.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return InTaskGroup(body, name)
    return InPlainTask(body, name, ours)


class InPlainTask:
    """On asyncio: nobody has to wait for it."""

    def __init__(self, body: Body, name: str, ours: bool) -> None:
        self.error: BaseException | None = None
        self._body = body
        self._name = name
        self._ours = ours
        self._task: asyncio.Task[None]

    async def wait(self) -> None:
        if not self._task.done():
            ended = self._task.get_loop().create_future()
            self._task.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
            await ended
        if not self._task.cancelled():  # as a job does that cancels its own task
            self.error = self._task.exception()

    async def __aenter__(self) -> Self:
        import asyncio

        loop = asyncio.get_running_loop()
        if self._ours:
            self._task = loop.create_task(self._body(), name=self._name)
        else:
            self._task = asyncio.Task(self._body(), loop=loop, name=self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._task.done():
            # The loop itself does not keep tasks alive.
            _left_behind.add(self._task)
            self._task.add_done_callback(_left_behind.discard)


_left_behind: set[asyncio.Task[None]] = set()


class InTaskGroup:
    """On any event loop: leaving waits for the task."""

    def __init__(self, body: Body, name: str) -> None:
        self.error: BaseException | None = None
        self._body = body
        self._name = name
        self._ended = anyio.Event()
        self._tasks = anyio.create_task_group()

    async def wait(self) -> None:
        await self._ended.wait()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._execute, name=self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return await self._tasks.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            self.error = group.split(anyio.get_cancelled_exc_class())[1]
            if error is not None:
                raise error from None
            return None

    async def _execute(self) -> None:
        try:
            # Only the one that waits is cancelled from outside, here as on asyncio.
            with anyio.CancelScope(shield=True):
                await self._body()
        finally:
            self._ended.set()
