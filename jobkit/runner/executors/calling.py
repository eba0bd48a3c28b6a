"""Calling a job in this process: on the event loop, or in a worker thread."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio

from jobkit.runner.executors.forked import at_home
from jobkit.runner.executors.thread import ThreadCall
from jobkit.runner.outcome import is_cancellation
from jobkit.signature import bind

if TYPE_CHECKING:
    from jobkit.context import JobContext
    from jobkit.job import JobSpec
    from jobkit.runner.executors.around_call import AroundCall
    from jobkit.runner.executors.thread import Threads


def executor_of(spec: JobSpec) -> Literal["async", "thread", "process"]:
    """Where *spec* is executed, with ``auto`` decided by the kind of its callable."""
    if spec.executor == "auto":
        return "async" if spec.signature.is_async else "thread"
    return spec.executor


def is_called_in_thread(spec: JobSpec) -> bool:
    """Whether the process that executes *spec* calls it in a worker thread rather than on the event loop."""
    return spec.executor == "thread" or (spec.executor != "async" and not spec.signature.is_async)


async def call_on_loop(context: JobContext, services: tuple[Any, ...]) -> object:
    """What the job returns; a plain function given ``executor="async"`` holds the event loop meanwhile."""
    with at_home():
        return await _awaited(_call(context, services))


class ThreadedCall:
    """A job's call in a worker thread.

    Once it was cancelled, *where* is what it was doing, and *left_behind* whether the thread would not end.
    *around* is what plugins do in the thread before and after it.
    """

    def __init__(
        self,
        threads: Threads,
        context: JobContext,
        services: tuple[Any, ...],
        around: AroundCall | None = None,
    ) -> None:
        self._threads = threads
        self._around = around
        self._label = f"{context.job.name} (run {context.run_number})"
        self._job = partial(_call_at_home, context, services)
        self.call = ThreadCall(self._job if around is None else lambda: around.call(self._job), self._label)
        self.left_behind = False
        self.where: traceback.StackSummary | None = None

    async def wait(self, grace: Callable[[], float]) -> object:
        """What the job returns. Cancelled: the thread has *grace* seconds to notice."""
        try:
            await self._execute()
        except anyio.get_cancelled_exc_class():
            self.where = self.call.stack()
            self.left_behind = not await self._threads.wind_up(self.call, grace())
            if self.call.raised is not None and not is_cancellation(self.call.raised):
                raise self.call.raised from None
            raise
        # A lambda that gives a coroutine looks like any plain function from outside.
        return await _awaited(self._outcome())

    async def _execute(self) -> None:
        around = self._around
        if around is None:
            await self._threads.execute(self.call)
        elif not await around.execute(self._threads, self.call):
            # A plugin's code did not come back, and its thread with it.
            self._around, self.call = None, ThreadCall(self._job, self._label)
            await self._threads.execute(self.call)
        else:
            self.left_behind = not self.call.over

    def _outcome(self) -> Any:
        return self.call.outcome() if self._around is None else self._around.outcome(self.call)


def _call_at_home(context: JobContext, services: tuple[Any, ...]) -> object:
    with at_home():
        return _call(context, services)


def _call(context: JobContext, services: tuple[Any, ...]) -> object:
    return bind(context.job.target)(context, *services, **context.parameters)


async def _awaited(returned: object) -> object:
    if returned is not None and inspect.isawaitable(returned):
        return await returned
    return returned
