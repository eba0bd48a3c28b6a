"""What keeps virtual time from passing: threads and processes at work.

While a loop runs in virtual time, the places where anyio and jobkit hand work to a thread or process say so
to that loop. Elsewhere they do what they always do.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any
from unittest import mock

from anyio.from_thread import BlockingPortal

from jobkit.testing.virtual_time.asyncio_loop import VirtualLoop, processes
from jobkit.testing.virtual_time.timeline import Hold, Loop


class _Here(threading.local):
    """What the thread that asks keeps standing."""

    hold: Hold | None = None


here = _Here()
_lock = threading.Lock()
_users = 0
_places = ExitStack()


def loop_here() -> Loop | None:
    """The virtual loop that runs in this thread."""
    import asyncio
    import sys

    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return getattr(trio.lowlevel.current_clock(), "virtual", None)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop.virtual if isinstance(loop, VirtualLoop) else None


@contextmanager
def noticed() -> Iterator[None]:
    """Have virtual loops notice work meanwhile; for any number of threads at once."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            for owner, name, wrap in _watched():
                original = getattr(owner, name)
                _places.enter_context(mock.patch.object(owner, name, wrap(original)))
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _places.close()


def _watched() -> list[tuple[Any, str, Callable[[Any], Any]]]:
    from anyio._core._eventloop import get_async_backend

    from jobkit.runner.executors.process import ProcessAttempt
    from jobkit.sinks.calling import Calls
    from jobkit.stores.sqlite.waiting import AsyncioWaiting, TrioWaiting

    places: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (BlockingPortal, "call", _waiting_for_loop),
        (AsyncioWaiting, "wait", partial(_awaited, "the thread of a database")),
        (TrioWaiting, "wait", partial(_awaited, "the thread of a database")),
        (Calls, "_in_thread", partial(_awaited, "the thread of a sink")),
        (ProcessAttempt, "_run_child", _child_of_process),
    ]
    for name in ("asyncio", "trio") if find_spec("trio") is not None else ("asyncio",):
        backend = get_async_backend(name)
        places += [
            (backend, "run_sync_in_worker_thread", _in_worker_thread),
            (backend, "run_async_from_thread", _from_thread),
        ]
        if name == "trio":
            places.append((backend, "open_process", _process))
    return places


def _awaited(what: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    """A coroutine function that awaits a thread of ours."""

    async def awaited(*args: Any, **options: Any) -> Any:
        loop = loop_here()
        if loop is None:
            return await original(*args, **options)
        with loop.held(what):
            return await original(*args, **options)

    return awaited


def _in_worker_thread(original: Callable[..., Awaitable[Any]]) -> Any:
    async def run_sync_in_worker_thread(
        func: Callable[..., Any], args: Any, *more: Any, **options: Any
    ) -> Any:
        loop = loop_here()
        if loop is None:
            return await original(func, args, *more, **options)
        work = _Work(loop, func)
        try:
            return await original(work, args, *more, **options)
        finally:
            work.awaited = False
            if not work.going_on:
                work.hold.release()

    return staticmethod(run_sync_in_worker_thread)


class _Work:
    """A call in a worker thread: at work until it has ended and whoever awaits it has heard of that."""

    def __init__(self, loop: Loop, call: Callable[..., Any]) -> None:
        self.awaited = True
        self.going_on = False
        self.hold = loop.hold(f"a thread that calls {getattr(call, '__qualname__', repr(call))}")
        self._call = call

    def __call__(self, *args: Any) -> Any:
        self.going_on = True
        here.hold = self.hold
        try:
            return self._call(*args)
        finally:
            here.hold = None
            self.going_on = False
            if not self.awaited:  # nobody hears of it
                self.hold.release()


def _from_thread(original: Callable[..., Any]) -> Any:
    """A thread that waits for the loop is not at work, and is again the moment it has its answer."""

    def from_thread(func: Callable[..., Any], args: Any, *more: Any, **options: Any) -> Any:
        if here.hold is not None:
            func = _carried(func, here.hold)
        return original(func, args, *more, **options)

    return staticmethod(from_thread)


def _waiting_for_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(portal: BlockingPortal, func: Callable[..., Any], *args: Any) -> Any:
        if here.hold is not None:
            func = _carried(func, here.hold)
        return original(portal, func, *args)

    return call


def _carried(func: Callable[..., Any], hold: Hold) -> Callable[..., Any]:
    """*func*, called on the loop for a thread that *hold* is about."""
    import inspect

    async def awaited(answer: Awaitable[Any]) -> Any:
        with hold.suspended():
            return await answer

    if not inspect.iscoroutinefunction(getattr(func, "func", func)):

        def call(*args: Any) -> Any:
            answer = func(*args)
            return awaited(answer) if inspect.isawaitable(answer) else answer

        return call

    async def call_and_await(*args: Any) -> Any:
        return await awaited(func(*args))

    return call_and_await


def _child_of_process(original: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """A process that waits for a run here is not at work."""

    async def run_child(attempt: Any, message: Any) -> None:
        hold = processes.get(attempt._process.pid)
        if hold is None:
            return await original(attempt, message)
        with hold.suspended():
            return await original(attempt, message)

    return run_child


def _process(original: Callable[..., Awaitable[Any]]) -> Any:
    """On trio: a process holds the loop until it has ended."""

    async def open_process(*args: Any, **options: Any) -> Any:
        import trio

        loop = loop_here()
        if loop is None:
            return await original(*args, **options)
        with loop.held("a process that starts"):
            process = await original(*args, **options)
            hold = processes[process.pid] = loop.hold(f"process {process.pid}")

        async def watch() -> None:
            try:
                await process.wait()
            finally:
                hold.release()

        trio.lowlevel.spawn_system_task(watch)
        return process

    return staticmethod(open_process)
