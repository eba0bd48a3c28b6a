"""``sys.exit()`` in a task that a job started, kept from ending the process.

asyncio lets SystemExit and KeyboardInterrupt of any task out of its event loop, which ends every run there
is. In the job's own task we catch them; the tasks that a job starts with ``asyncio.create_task`` or
``gather`` are made through a task factory that turns them into an ordinary error of that task.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio

#: True in the tasks of a job; tasks that it starts inherit it.
inside_run: ContextVar[bool] = ContextVar("jobkit_inside_run", default=False)

_guarded: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


@contextmanager
def guarded_subtasks() -> Iterator[None]:
    """Guard the tasks that jobs start on this event loop; leaves a task factory of somebody else alone."""
    loop = _asyncio_loop()
    if loop is None or loop.get_task_factory() not in (None, make_task):
        yield
        return
    loop.set_task_factory(make_task)
    _guarded[loop] = _guarded.get(loop, 0) + 1
    try:
        yield
    finally:
        _guarded[loop] -= 1
        if not _guarded[loop] and loop.get_task_factory() is make_task:
            loop.set_task_factory(None)


def make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """The task factory: what a job starts is guarded, anything else as usual."""
    import asyncio

    if inside_run.get():
        coroutine = _Guarded(coroutine)
    return asyncio.Task(coroutine, loop=loop, **options)


class _Guarded(Coroutine[Any, Any, Any]):
    """A coroutine whose exit is an error like any other."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __getattr__(self, name: str) -> Any:  # `cr_frame` and its like: how a task is looked into
        return getattr(self._coroutine, name)

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        try:
            return self._coroutine.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise _as_error(error) from error

    def throw(self, error: Any, value: Any = None, traceback: Any = None, /) -> Any:
        try:
            return self._coroutine.throw(error if value is None else value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise _as_error(error) from error

    def close(self) -> None:
        self._coroutine.close()


def _as_error(error: BaseException) -> RuntimeError:
    return RuntimeError(f"a task that the job started raised {type(error).__name__}({error})")


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.get_running_loop()  # type: ignore[no-any-return]
    except RuntimeError:  # another event loop than asyncio's
        return None
