"""Awaiting a coroutine that can be cut off, whatever it does with cancellation.

Cancellation is a request: code that catches everything, or shields itself, can refuse it for ever.
Here the steps of the coroutine pass through our hands, so that it can be left behind: from then on it
is not resumed any more.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Severed(Exception):
    """The coroutine was cut off before its end."""


class Severable(Generic[T]):
    """``await Severable(coroutine)`` is ``await coroutine``, until :meth:`sever` is called.

    Belongs to one task; :meth:`sever` may be called from any task of the same event loop.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._severed = False
        self._task: asyncio.Task[Any] | None = None

    def sever(self) -> None:
        """Cut the coroutine off when it is to be resumed next; the one that awaits it gets Severed.

        On asyncio that is now, shielded or not. On trio, code that shields itself is cut off once it is
        resumed, for nothing but its own event resumes it.
        """
        self._severed = True
        if self._task is not None:
            self._task.cancel()

    def __await__(self) -> Generator[Any, Any, T]:
        self._task = running_asyncio_task()
        step: partial[Any] = partial(self._coroutine.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            try:
                step = partial(self._coroutine.send, (yield awaited))
            except BaseException as error:
                step = partial(self._coroutine.throw, error)
            if self._severed:
                _keep_for_ever(self._coroutine)
                raise Severed


def _keep_for_ever(coroutine: Coroutine[Any, Any, Any]) -> None:
    # To destroy a coroutine is to resume it with GeneratorExit. One that catches everything could go on
    # for ever then, at the latest at the end of the interpreter: it is never destroyed.
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def running_asyncio_task() -> asyncio.Task[Any] | None:
    """The task that runs, None on other event loops than asyncio's."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()  # type: ignore[no-any-return]
    except RuntimeError:  # another event loop than asyncio's
        return None
