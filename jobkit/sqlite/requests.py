"""One thing that a thread with a connection is asked to do, and who waits for the answer."""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import Any, Final, Literal

from jobkit.sqlite.statements import Work
from jobkit.stores.sqlite.waiting import ThreadWaiting, Waiting

Kind = Literal["alone", "begin", "inside", "commit", "rollback"]


class Turn:
    """A transaction as the writer sees it: while one is begun, nobody else writes."""

    __slots__ = ("over", "place", "since", "undone")

    def __init__(self, place: str) -> None:
        #: File and line where it was begun, for those who wait.
        self.place = place
        self.since = time.monotonic()
        #: It was left, or could not be begun.
        self.over = False
        #: SQLite rolled it back by itself.
        self.undone = False


class Request:
    """A call of *work* with the connection. Made by the one who waits: a task, or a thread.

    *kind* says how it stands to transactions: ``alone``, or that of *turn*, which it begins, belongs to,
    or ends.
    """

    __slots__ = (
        "_connection",
        "_lock",
        "abandoned",
        "error",
        "kind",
        "result",
        "since",
        "ticket",
        "turn",
        "waiting",
        "work",
    )

    def __init__(
        self,
        work: Work,
        waiting: Waiting,
        *,
        kind: Kind = "alone",
        turn: Turn | None = None,
    ) -> None:
        self.work = work
        self.kind: Kind = kind
        self.turn = turn
        self.waiting = waiting
        self.ticket: Any = waiting.ticket()
        self.since = time.monotonic()
        #: Nobody waits for it any more: if it was not begun, it need not be.
        self.abandoned = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    # -- the thread that does it ----------------------------------------------------------------

    def perform(self, connection: sqlite3.Connection) -> Any:
        """Do it; it can be interrupted meanwhile."""
        with self._lock:
            self._connection = connection
        try:
            return self.work(connection)
        finally:
            with self._lock:
                self._connection = None

    def fail(self, error: BaseException) -> None:
        """Tell whoever waits that it went wrong."""
        self.error = error
        self.done()

    def done(self) -> None:
        """Wake whoever waits."""
        self.waiting.wake([self.ticket])

    # -- the one who waits ----------------------------------------------------------------------

    async def answer(self) -> Any:
        """What came of it; raises what it raised. Cancelled: it is interrupted, or never begun."""
        try:
            await self.waiting.wait(self.ticket)
        except BaseException:
            self.abandon()
            raise
        return self._outcome()

    def answer_in_thread(self) -> Any:
        """The same, for a thread that has nothing else to do."""
        assert isinstance(self.waiting, ThreadWaiting), "made by a thread"
        try:
            self.waiting.wait_for(self.ticket, threading.TIMEOUT_MAX)
        except BaseException:
            self.abandon()
            raise
        return self._outcome()

    def abandon(self) -> None:
        """Stop it, wherever it is."""
        self.abandoned = True
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()

    def _outcome(self) -> Any:
        error, self.error = self.error, None
        if error is None:
            return self.result
        try:
            raise error
        finally:
            del error  # it knows this frame, and would keep everything in it


class Nobody:
    """Waits for nothing: a request that is only to be done."""

    def ticket(self) -> None:
        return None

    async def wait(self, ticket: None) -> None:
        return None

    async def rest(self, ticket: None) -> None:
        return None

    def wake(self, tickets: list[None]) -> None:
        return None


NOBODY: Final = Nobody()
