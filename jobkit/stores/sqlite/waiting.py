"""How a task, or a thread, waits until the writer's thread is done with its request.

Nothing polls: the event loop's own thread-safe call wakes the tasks, one call for a whole group of
them. Whoever stopped waiting meanwhile is passed over.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any, Protocol


class Waiting(Protocol):
    """One side of the wait is :meth:`wait`; the other, from any thread, is :meth:`wake`."""

    def ticket(self) -> Any:
        """Something to wait for, for one wait."""
        ...

    async def wait(self, ticket: Any) -> None:
        """Until *ticket* was woken, also if that has happened already."""
        ...

    async def rest(self, ticket: Any) -> None:
        """Until *ticket* was woken, which nobody is at work for: virtual time passes meanwhile."""
        ...

    def wake(self, tickets: list[Any]) -> None:
        """End the waits for *tickets*. Thread-safe; nothing happens if the loop has ended."""
        ...


def waiting_here() -> Waiting:
    """How tasks of the running event loop wait."""
    # Trio's own loop can run inside asyncio's, so it is asked first; not imported means not running.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return TrioWaiting()
    return AsyncioWaiting()


class AsyncioWaiting:
    """Tasks of one asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def ticket(self) -> asyncio.Future[None]:
        return self._loop.create_future()

    async def wait(self, ticket: asyncio.Future[None]) -> None:
        await ticket

    async def rest(self, ticket: asyncio.Future[None]) -> None:
        await ticket

    def wake(self, tickets: list[asyncio.Future[None]]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake, tickets)
        except RuntimeError:
            return  # the loop was closed, and with it everybody who waited

    @staticmethod
    def _wake(tickets: list[asyncio.Future[None]]) -> None:
        for ticket in tickets:
            if not ticket.done():  # its task may have been cancelled
                ticket.set_result(None)


class TrioWaiting:
    """Tasks of one trio run."""

    def __init__(self) -> None:
        import trio

        self._ended = trio.RunFinishedError
        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event

    def ticket(self) -> Any:
        return self._event()

    async def wait(self, ticket: Any) -> None:
        await ticket.wait()

    async def rest(self, ticket: Any) -> None:
        await ticket.wait()

    def wake(self, tickets: list[Any]) -> None:
        try:
            self._token.run_sync_soon(self._wake, tickets)
        except self._ended:
            return  # and with it everybody who waited

    @staticmethod
    def _wake(tickets: list[Any]) -> None:
        for ticket in tickets:
            ticket.set()


class ThreadWaiting:
    """Threads; they wait with :meth:`wait_for`."""

    def ticket(self) -> threading.Event:
        return threading.Event()

    async def wait(self, ticket: threading.Event) -> None:
        raise TypeError("a task must not wait as a thread does: it would stop its loop")

    async def rest(self, ticket: threading.Event) -> None:
        await self.wait(ticket)

    def wait_for(self, ticket: threading.Event, seconds: float) -> bool:
        """Whether *ticket* was woken within *seconds*."""
        return ticket.wait(seconds)

    def wake(self, tickets: list[threading.Event]) -> None:
        for ticket in tickets:
            ticket.set()
