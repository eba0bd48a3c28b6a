"""A task of its own for what a plugin does on the event loop: what it does to its task hits nobody else."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from jobkit.plugins.failures import NonsenseError
from jobkit.severable import Severable, running_asyncio_task
from jobkit.subtasks import inside_run

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

#: How long one that is told to end may take to notice, in seconds; then it is left behind.
GRACE = 1.0
_MISSING = object()


async def in_own_task(body: Callable[[], Coroutine[Any, Any, T]], timeout: float | None) -> T:
    """The answer of *body*, in a task of its own on asyncio; within *timeout* seconds.

    It sees the context variables of the caller, and the caller those that it sets. Raises what it raises,
    TimeoutError, NonsenseError if it has cancelled its own task, and the cancellation of the caller.
    """
    if running_asyncio_task() is None:  # on trio, a task has no means to cancel itself
        with anyio.move_on_after(timeout) as scope:
            answer = await body()
        if scope.cancel_called:  # whether or not the plugin has let the cancellation through
            raise _late(timeout)
        return answer
    return await _OwnTask(body).ended_within(timeout)


class _OwnTask(Generic[T]):
    def __init__(self, body: Callable[[], Coroutine[Any, Any, T]]) -> None:
        import asyncio

        self._scope = anyio.CancelScope()
        self._severable = Severable(body())
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self._cancelled_itself = False
        self._context = contextvars.copy_context()
        # Not by the loop's factory, whose tasks may be out of reach for plugins: this one it may cancel.
        loop = asyncio.get_running_loop()
        self._task = asyncio.Task(self._execute(), loop=loop, context=self._context)

    async def _execute(self) -> None:
        inside_run.set(True)
        try:
            with self._scope:
                try:
                    self._answer.append(await self._severable)
                finally:
                    self._look()
        except BaseException as error:  # asyncio lets some of them out of its loop
            self._error = error
            self._look()

    def _look(self) -> None:
        task = running_asyncio_task()
        if task is not None and task.cancelling() and not self._scope.cancel_called:
            self._cancelled_itself = True

    async def ended_within(self, timeout: float | None) -> T:
        interrupted: BaseException | None = None
        try:
            with anyio.move_on_after(timeout) as limit:
                await _end_of(self._task)
        except anyio.get_cancelled_exc_class() as cancellation:
            interrupted = cancellation
        late = limit.cancel_called
        if not self._task.done():
            with suppress(anyio.get_cancelled_exc_class()):  # a second one: it is being ended already
                await self._be_ended()
        self._take_over_variables()
        if interrupted is not None:
            raise interrupted
        if late:
            raise _late(timeout)
        if self._cancelled_itself or self._task.cancelled():
            raise NonsenseError("it cancelled the task that it was called in") from self._error
        if self._error is not None:
            raise self._error
        return self._answer[0]

    async def _be_ended(self) -> None:
        self._scope.cancel()
        with anyio.move_on_after(GRACE, shield=True):
            await _end_of(self._task)
        if not self._task.done():
            self._severable.sever()
            _left_behind.add(self._task)  # the loop itself does not keep tasks alive
            self._task.add_done_callback(_left_behind.discard)

    def _take_over_variables(self) -> None:
        for variable, value in self._context.items():
            if variable is not inside_run and variable.get(_MISSING) is not value:
                variable.set(value)


_left_behind: set[asyncio.Task[None]] = set()


async def _end_of(task: asyncio.Task[None]) -> None:
    if not task.done():
        ended = task.get_loop().create_future()
        task.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
        await ended


def _late(timeout: float | None) -> TimeoutError:
    return TimeoutError(f"it did not end within {timeout:g} s")


class OwnCancellations:
    """Around what a plugin does in a task that is not its own: what it cancels of that is taken back."""

    def __init__(self) -> None:
        self._task = running_asyncio_task()
        self._before = self._task.cancelling() if self._task is not None else 0

    async def taken_back(self) -> NonsenseError | None:
        """What is to be said of the plugin, if it has cancelled the task; it is then as if it had not."""
        task = self._task
        if task is None or task.cancelling() <= self._before:
            return None
        if anyio.current_effective_deadline() <= anyio.current_time():
            return None  # somebody else has
        while task.cancelling() > self._before:
            task.uncancel()
        with suppress(BaseException):
            # Before Python 3.13, one that was not delivered yet still comes.
            await anyio.lowlevel.checkpoint()
        return NonsenseError("it cancelled the task that it was called in")
