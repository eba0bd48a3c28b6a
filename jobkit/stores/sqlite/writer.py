"""The one thread that writes, and how it commits for many at once.

Whatever waits when the write lock is taken goes into one transaction, in which the failure of one
request takes back nothing but itself, and is answered after the commit: a hundred jobs that finish
together share one flush of the disk, and a single one waits for nobody. A request is a function of the
connection; it may be called again after a rollback, so it changes nothing but the database.
"""

from __future__ import annotations

import copy
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from jobkit.exceptions import StoreError
from jobkit.stores.refusals import not_open
from jobkit.stores.sqlite.errors import concerns_one, is_busy
from jobkit.stores.sqlite.waiting import Waiting

T = TypeVar("T")

MOST_AT_ONCE: Final = 500
"""Requests in one transaction: others, in this process and in others, want their turn."""

# SQLite's own wait grows to a tenth of a second, and a process that looks so seldom never finds the
# short gap between two commits of a busy one.
_SHORTEST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.005
_LEAST_PATIENCE: Final = 0.5


class Request(Generic[T]):
    """One function to be called with the connection, and who waits for what it returns."""

    __slots__ = ("abandoned", "error", "result", "since", "ticket", "waiting", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], waiting: Waiting) -> None:
        self.work = work
        self.waiting = waiting
        self.ticket: Any = waiting.ticket()
        self.since = time.monotonic()
        self.abandoned = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def answer(self) -> T:
        """What the function returned, committed; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # set by the writer; T may include None


class Writer:
    """Owns the connection that writes. :meth:`submit` may be called from any thread."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        check: Callable[[], None],
        explain: Callable[[sqlite3.Error], StoreError],
        *,
        lock_timeout: float,
    ) -> None:
        """*connect* opens the connection, in the thread. *check* is called before each transaction:
        StoreError if the database must not be written to any more. *explain* turns what SQLite says
        into the store's error."""
        self._connect = connect
        self._check = check
        self._explain = explain
        self._lock_timeout = lock_timeout
        self._queue: queue.SimpleQueue[Request[Any] | None] = queue.SimpleQueue()
        self._in_hand: list[Request[Any]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="jobkit-store-writer", daemon=True)

    def start(self, opened: Request[None]) -> None:
        """Start the thread; *opened* is answered when the connection is open, or could not be opened."""
        self._thread.start()
        self._queue.put(opened)

    def submit(self, request: Request[Any]) -> None:
        """Have *request* carried out and answered. StoreError if the writer has been closed."""
        if self._closing:
            raise not_open()
        self._queue.put(request)

    def close(self) -> None:
        """Carry out what waits, then end. Returns at once; the thread ends when that is done."""
        self._closing = True
        self._queue.put(None)

    def join(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        opened = self._queue.get()
        assert opened is not None, "start() submits the first request"
        try:
            connection = self._connect()
        except BaseException as error:
            self._closing = True
            self._fail([opened], error)
            return
        _answer([opened])
        try:
            while self._serve(connection):
                pass
        except BaseException as error:
            # A mistake of ours must not leave anybody waiting for ever.
            self._closing = True
            self._fail([*self._in_hand, *self._drained()], _ended(error))
            raise
        finally:
            connection.close()
            self._fail(self._drained(), not_open())

    def _serve(self, connection: sqlite3.Connection) -> bool:
        """One transaction with all who wait; False when there is nothing more to do."""
        if not self._in_hand:
            first = self._queue.get()
            if first is None:
                return False
            self._in_hand = [first]
        batch = self._in_hand
        try:
            self._check()
            self._begin(connection, batch[0].since)
        except (sqlite3.Error, StoreError) as error:
            batch += self._drained()
            self._in_hand = self._fail_patient(batch, error)
            return True
        batch += self._drained(MOST_AT_ONCE - len(batch))
        try:
            self._execute(connection, batch)
        except sqlite3.Error as error:
            _roll_back(connection)
            if len(batch) == 1:
                self._fail(batch, error)
            else:
                self._each_alone(connection, batch)
        else:
            _answer(batch)
        self._in_hand = []
        return True

    def _drained(self, most: int = MOST_AT_ONCE) -> list[Request[Any]]:
        found: list[Request[Any]] = []
        while len(found) < most:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                # The end comes after everything that is carried out now.
                self._queue.put(None)
                break
            found.append(request)
        return found

    def _begin(self, connection: sqlite3.Connection, since: float) -> None:
        """Take the write lock, from other processes too, for somebody who has waited since *since*."""
        deadline = max(since + self._lock_timeout, time.monotonic() + _LEAST_PATIENCE)
        pause = _SHORTEST_PAUSE
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            # Not in step with the others who wait.
            time.sleep(pause * (0.5 + random.random()))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _execute(self, connection: sqlite3.Connection, batch: list[Request[Any]]) -> None:
        """All of *batch* and the commit. sqlite3.Error if the database as a whole has trouble."""
        try:
            # Nearly always nothing fails: then the savepoints would be a tenth of the work.
            for request in batch:
                if not request.abandoned:
                    request.result = request.work(connection)
        except Exception as error:
            if not concerns_one(error):
                raise
            connection.execute("ROLLBACK")
            self._begin(connection, batch[0].since)
            self._execute_guarded(connection, batch)
        connection.execute("COMMIT")

    def _execute_guarded(self, connection: sqlite3.Connection, batch: list[Request[Any]]) -> None:
        """Each of *batch* in a savepoint of its own, so that its failure takes back nothing but itself."""
        for request in batch:
            if request.abandoned:
                continue
            connection.execute("SAVEPOINT request")
            try:
                request.result = request.work(connection)
            except Exception as error:
                if not concerns_one(error):
                    raise
                request.error = self._explain(error) if isinstance(error, sqlite3.Error) else error
                connection.execute("ROLLBACK TO request")
            connection.execute("RELEASE request")

    def _each_alone(self, connection: sqlite3.Connection, batch: list[Request[Any]]) -> None:
        """Together they failed: a disk that is full for one of them may have room for the others."""
        for request in batch:
            request.error = None
            try:
                self._begin(connection, request.since)
                self._execute(connection, [request])
            except sqlite3.Error as error:
                _roll_back(connection)
                self._fail([request], error)
            else:
                _answer([request])

    def _fail_patient(
        self, batch: list[Request[Any]], error: sqlite3.Error | StoreError
    ) -> list[Request[Any]]:
        """Tell *batch* of *error*; if the lock was not to be had, those who came late may still wait."""
        patient: list[Request[Any]] = []
        if isinstance(error, sqlite3.Error) and is_busy(error):
            enough = time.monotonic() - self._lock_timeout
            patient = [request for request in batch[1:] if request.since > enough]
        self._fail([request for request in batch if request not in patient], error)
        return patient

    def _fail(self, batch: list[Request[Any]], error: BaseException) -> None:
        for request in batch:
            if isinstance(error, sqlite3.Error):
                request.error = self._explain(error)
                request.error.__cause__ = error
            elif isinstance(error, StoreError):
                # Each its own: several tasks raise it, and each adds its frames.
                request.error = copy.copy(error)
                request.error.__cause__ = error.__cause__
            else:
                request.error = error
        _answer(batch)


def _ended(cause: BaseException) -> StoreError:
    error = StoreError(
        f"the thread that writes the run store ended with {type(cause).__name__}",
        help="start jobkit again, and report it",
    )
    error.__cause__ = cause
    return error


def _roll_back(connection: sqlite3.Connection) -> None:
    # After some errors (a full disk) SQLite has rolled back already.
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _answer(batch: list[Request[Any]]) -> None:
    """Wake all who wait for *batch*, with one call for each event loop."""
    groups: dict[Waiting, list[Any]] = {}
    for request in batch:
        groups.setdefault(request.waiting, []).append(request.ticket)
    for waiting, tickets in groups.items():
        waiting.wake(tickets)
