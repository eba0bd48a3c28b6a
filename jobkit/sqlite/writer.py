"""The one thread that writes, and whose turn it is.

While a transaction is open its statements are executed, and whoever else wants to write waits in line.
Single statements that come at once share a transaction: fifty tasks wait for the disk once.
Nobody waits for ever: after *patience* seconds in line a request fails, and says which transaction it
waited for. Requests may be handed in from any thread; the thread itself holds the only connection that
writes, so that the order in which they come is the order in which they are done.
"""

from __future__ import annotations

import queue
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from jobkit.sqlite import errors
from jobkit.sqlite.location import DatabaseLocation
from jobkit.sqlite.requests import NOBODY, Request, Turn
from jobkit.sqlite.statements import NO_WORK

T = TypeVar("T")

MOST_AT_ONCE: Final = 500
"""Statements in one transaction: others, in this process and in others, want their turn."""

# SQLite's own wait grows to a tenth of a second, and a process that looks so seldom never finds the
# short gap between two commits of a busy one.
_SHORTEST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.01


class Writer:
    """Owns *connection*, which it closes in the end. *check* is called before anything is written."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        check: Callable[[], None],
        location: DatabaseLocation,
        *,
        patience: float,
    ) -> None:
        self._connection = connection
        self._check = check
        self._location = location
        self._patience = patience
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._line: deque[Request] = deque()
        self._turn: Turn | None = None
        self._closed = False
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="jobkit-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Have *request* done and answered. DatabaseError if the writer has been closed."""
        with self._lock:  # nothing comes after the end
            if self._closed:
                raise errors.not_open(self._location)
            self._inbox.put(request)

    def let_go(self, turn: Turn) -> None:
        """Roll back a transaction that nobody holds any more. From any thread, a finaliser too."""
        # Without the lock, which the very thread that is interrupted by a finaliser may hold.
        self._inbox.put(Request(NO_WORK, NOBODY, kind="rollback", turn=turn))

    def close(self) -> None:
        """Do what was handed in, roll back what was not committed, and end. Waits for that."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._inbox.put(None)
        self._thread.join()

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (request := self._next()) is not None:
                self._serve(request)
        except BaseException as error:
            # A mistake of ours must not leave anybody waiting for ever.
            self._closed = True
            self._fail_all(error)
            raise
        finally:
            self._connection.close()
            self._fail_all(errors.not_open(self._location))

    def _next(self) -> Request | None:
        """What is to be done now; None at the end."""
        while True:
            if self._line and self._turn is None:
                request = self._line.popleft()
                if not (self._ended and request.kind == "begin"):
                    return request
                # Nothing could be handed in any more that would end it.
                request.fail(errors.not_open(self._location))
                continue
            if self._ended and self._turn is None:
                return None
            received = self._received()
            if received is None:
                continue
            if self._turn is None or received.kind not in ("alone", "begin"):
                return received
            self._line.append(received)

    def _received(self) -> Request | None:
        """The next one handed in; None if somebody in line has waited too long, or at the end."""
        self._fail_impatient()
        try:
            request = self._inbox.get(timeout=self._until_impatience())
        except queue.Empty:
            return None
        if request is None:
            self._ended = True
            if self._turn is not None:
                self._end("rollback")
        return request

    def _until_impatience(self) -> float | None:
        if not self._line:
            return None
        return max(0.0, self._line[0].since + self._patience - time.monotonic())

    def _fail_impatient(self) -> None:
        now = time.monotonic()
        while self._line and self._line[0].since + self._patience <= now and self._turn is not None:
            turn = self._turn
            error = errors.kept_waiting(self._location, turn.place, now - turn.since)
            self._line.popleft().fail(error)

    def _serve(self, request: Request) -> None:
        batch = [request, *self._others_like(request)]
        if len(batch) == 1 or not self._together(batch):
            for each in batch:
                self._serve_alone(each)

    def _others_like(self, request: Request) -> Iterator[Request]:
        """Those that come next and may share a transaction with *request*, as long as there is no other."""
        if self._turn is not None or not _may_share(request):
            return
        for _ in range(MOST_AT_ONCE - 1):
            if not self._line:
                try:
                    received = self._inbox.get_nowait()
                except queue.Empty:
                    return
                if received is None:
                    self._ended = True
                    return
                self._line.append(received)
            if not _may_share(self._line[0]):
                return
            yield self._line.popleft()

    def _together(self, batch: list[Request]) -> bool:
        """Do all of *batch* in one transaction, which flushes the disk once. False: none of it was done."""
        connection = self._connection
        try:
            self._check()
            self._patiently(batch[0], lambda: connection.execute("BEGIN IMMEDIATE"))
            for request in batch:
                if not request.abandoned:
                    request.result = request.perform(connection)
            connection.execute("COMMIT")
        except Exception:
            # What was wrong with one of them is found when each is done alone, and told to that one.
            return False
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        for request in batch:
            request.done()
        return True

    def _serve_alone(self, request: Request) -> None:
        try:
            request.result = self._perform(request)
        except sqlite3.Error as error:
            request.error = errors.explained(error, self._location)
        except Exception as error:  # whatever a statement raises is for the one who waits for it
            request.error = error
        request.done()

    def _perform(self, request: Request) -> Any:
        if request.abandoned and request.kind not in ("commit", "rollback"):
            return None
        match request.kind:
            case "alone":
                self._check()
                return self._alone(request)
            case "begin":
                assert request.turn is not None, "the one that it begins"
                self._check()
                self._patiently(request, lambda: self._connection.execute("BEGIN IMMEDIATE"))
                self._turn = request.turn
                self._turn.since = time.monotonic()
                return None
            case "inside":
                self._require(request.turn)
                return self._inside(request)
            case "commit":
                self._require(request.turn)
                return self._end("commit")
            case "rollback":
                return self._end("rollback") if request.turn is self._turn else None

    def _alone(self, request: Request) -> Any:
        """A statement that is whole by itself, or a few in a transaction of their own."""
        connection = self._connection
        try:
            if not request.work.in_transaction:
                return self._patiently(request, lambda: request.perform(connection))
            self._patiently(request, lambda: connection.execute("BEGIN IMMEDIATE"))
            result = request.perform(connection)
            connection.execute("COMMIT")
            return result
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _inside(self, request: Request) -> Any:
        try:
            return request.perform(self._connection)
        finally:
            turn = self._turn
            if turn is not None and not self._connection.in_transaction:
                # A full disk, or ON CONFLICT ROLLBACK: nothing is left of it.
                turn.undone = turn.over = True
                self._turn = None

    def _end(self, how: str) -> None:
        turn, self._turn = self._turn, None
        assert turn is not None, "somebody's"
        turn.over = True
        try:
            if how == "commit":
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _require(self, turn: Turn | None) -> None:
        assert turn is not None, "its own"
        if turn.undone:
            raise errors.rolled_back()
        if turn is not self._turn:
            raise errors.over()

    def _patiently(self, request: Request, call: Callable[[], T]) -> T:
        """*call*, again and again while another process holds the lock."""
        # Time in line was another's doing; the other process gets the whole of it.
        deadline = time.monotonic() + self._patience
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if not errors.is_busy(error) or request.abandoned or time.monotonic() >= deadline:
                    raise
            # Not in step with the others who wait.
            time.sleep(pause * (0.5 + random.random()))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _fail_all(self, error: BaseException) -> None:
        """Whoever waits still."""
        while self._line:
            self._line.popleft().fail(error)
        while True:
            try:
                request = self._inbox.get_nowait()
            except queue.Empty:
                return
            if request is not None:
                request.fail(error)


def _may_share(request: Request) -> bool:
    return request.kind == "alone" and request.work.may_share
