"""Who sleeps until somebody else writes to a store in memory."""

from __future__ import annotations

from typing import Any

from jobkit.stores.sqlite.waiting import Waiting


class Sleeper:
    """One store object; its methods are called by whoever has the store's lock."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._tickets: list[Any] = []
        self._pending = False

    def fall_asleep(self) -> Any | None:
        """A ticket to wait for; None if something was written before."""
        if self._pending:
            self._pending = False
            return None
        ticket = self._waiting.ticket()
        self._tickets.append(ticket)
        return ticket

    async def sleep(self, ticket: Any) -> None:
        await self._waiting.rest(ticket)

    def wake_up(self, ticket: Any) -> bool:
        """Whether somebody has woken it."""
        if ticket not in self._tickets:
            return True
        self._tickets.remove(ticket)
        return False

    def wake(self) -> None:
        if self._tickets:
            self._waiting.wake(self._tickets)
            self._tickets = []
        else:
            self._pending = True
