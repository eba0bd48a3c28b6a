"""An event loop of asyncio that jobs share with each other and with us, and cannot take away.

A job may call ``loop.stop()``, cancel every task there is, or fork: only its own run should notice.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

from jobkit.subtasks import inside_run, make_task

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Ends a process that was forked by a job, and comes back to the event loop as if it were ours.

    It would take what is meant for us: both listen to the same descriptors.
    """

    def __init__(self) -> None:
        super().__init__()
        self._home = os.getpid()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if os.getpid() != self._home:
            os._exit(1)
        return super().select(timeout)


if sys.platform == "win32":
    _Loop = asyncio.ProactorEventLoop
else:

    class _Loop(asyncio.SelectorEventLoop):
        def __init__(self) -> None:
            super().__init__(_Selector())


class SteadyLoop(_Loop):
    """Stops when what it was started for has ended, and not before: RuntimeError for whoever wants it to.

    For ``loop_factory``. What is not a job's task, the very first one included, is an :class:`OwnTask`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._awaited: asyncio.Future[Any] | None = None
        self.set_task_factory(_make_task)

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        awaited: asyncio.Future[T] = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
        self._awaited = awaited
        return super().run_until_complete(awaited)

    def stop(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            raise RuntimeError("a job cannot stop the event loop that it shares with other runs")
        super().stop()


class OwnTask(asyncio.Task[T]):
    """A task of ours: jobs find it in ``asyncio.all_tasks()``, but what they cancel are their own."""

    def cancel(self, msg: Any | None = None) -> bool:
        return False if inside_run.get() else super().cancel(msg)


def _make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    if inside_run.get():
        return make_task(loop, coroutine, **options)
    return OwnTask(coroutine, loop=loop, **options)
