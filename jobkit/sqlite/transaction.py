"""Transactions: several statements that happen together or not at all.

A transaction belongs to the task, or thread, that has entered it: there also the database's own methods
go into it, and one entered inside is a savepoint. Everybody else's statements wait until it is left. A
task that was started inside it is refused at once, because whoever started it may well be waiting.
"""

from __future__ import annotations

import logging
import sqlite3
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import anyio

from jobkit.exceptions import DatabaseError
from jobkit.sqlite import errors
from jobkit.sqlite.callers import Caller, caller, expect_task, expect_thread, place
from jobkit.sqlite.file import DatabaseFile
from jobkit.sqlite.requests import Kind, Request, Turn
from jobkit.sqlite.statements import NO_WORK, Work
from jobkit.sqlite.surface import AsyncStatements, SyncStatements
from jobkit.stores.sqlite.waiting import ThreadWaiting, Waiting, waiting_here

#: The transactions that were entered here and not left, of all databases, the outermost first.
_entered: ContextVar[tuple[_Entered, ...]] = ContextVar("jobkit_sqlite_transactions", default=())


class _Entered:
    """One transaction, for tasks or for threads; *outer* is the one whose savepoint it is."""

    __slots__ = ("__weakref__", "_file", "_open", "_outer", "_owner", "_savepoint", "_turn")

    def __init__(self, file: DatabaseFile, outer: _Entered | None = None) -> None:
        self._file = file
        self._outer = outer
        self._owner: Caller | None = None
        self._open = False
        self._savepoint = ""
        self._turn: Turn | None = None

    # -- what is asked of the writer, in this order -----------------------------------------------

    def _beginning(self, waiting: Waiting) -> Request:
        """The request that begins it. DatabaseError if it cannot be begun here."""
        if self._turn is not None:
            raise errors.misused(
                "this transaction was entered before", "make a new one each time: `db.transaction()`"
            )
        outer = innermost(self._file)
        if self._outer is not None and self._outer is not outer:
            raise errors.over() if not self._outer._open else _foreign(self._outer)
        self._outer = outer
        self._owner = caller()
        if outer is None:
            self._turn = Turn(place(self._file.location.root))
            return Request(NO_WORK, waiting, kind="begin", turn=self._turn)
        self._turn = outer._turn
        self._savepoint = f"inner_{len(_entered.get())}"
        return Request(_control(f"SAVEPOINT {self._savepoint}"), waiting, kind="inside", turn=self._turn)

    def _begun(self) -> None:
        self._open = True
        _entered.set((*_entered.get(), self))

    def _statement(self, work: Work, waiting: Waiting) -> Request:
        if self._turn is None:
            raise errors.misused("this transaction was not entered", "write `async with` or `with` before it")
        if self._turn.undone:
            raise errors.rolled_back()
        if not self._open:
            raise errors.over()
        return Request(work, waiting, kind="inside", turn=self._turn)

    def _ending(self, waiting: Waiting, *, keep: bool) -> Request:
        """The request that ends it."""
        self._open = False
        _entered.set(tuple(other for other in _entered.get() if other is not self))
        if self._savepoint:
            names = [f"RELEASE {self._savepoint}"]
            if not keep:
                names.insert(0, f"ROLLBACK TO {self._savepoint}")
            return Request(_control(*names), waiting, kind="inside", turn=self._turn)
        kind: Kind = "commit" if keep else "rollback"
        return Request(NO_WORK, waiting, kind=kind, turn=self._turn)

    def __del__(self) -> None:
        if self._open and not self._savepoint and self._turn is not None:
            try:
                self._file.writer.let_go(self._turn)
            except DatabaseError:
                return  # the database was closed, and has rolled it back
            logging.getLogger("jobkit.sqlite").error(
                "the transaction begun at %s was never left, and is rolled back", self._turn.place
            )


class Transaction(_Entered, AsyncStatements):
    """A transaction of a task: ``async with db.transaction() as tx:``.

    Committed at the end of the block; rolled back if the block raises, or is cancelled. ``tx`` itself
    may be passed to tasks that are started inside the block.
    """

    __slots__ = ()

    def transaction(self) -> Transaction:
        """A part of this one that can be undone alone: a savepoint."""
        expect_task("transaction")
        return Transaction(self._file, self)

    async def __aenter__(self) -> Self:
        request = self._beginning(waiting_here())
        try:
            await self._file.write(request).answer()
        except BaseException:
            # It may have been begun just when the wait for it was cut off.
            await self._leave(keep=False)
            raise
        self._begun()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(keep=error is None)

    async def _leave(self, *, keep: bool) -> None:
        request = self._ending(waiting_here(), keep=keep)
        try:
            self._file.write(request)  # before anything that a cancellation could cut off
            with anyio.CancelScope(shield=True):
                await request.answer()
        except (DatabaseError, sqlite3.Error):
            # What was to be undone is, whatever else happened; the error that led here says more.
            if keep:
                raise

    async def _write(self, work: Work) -> Any:
        return await self._file.write(self._statement(work, waiting_here())).answer()

    _read = _write


class SyncTransaction(_Entered, SyncStatements):
    """A transaction of a thread: ``with db.sync.transaction() as tx:``. See :class:`Transaction`."""

    __slots__ = ()

    def transaction(self) -> SyncTransaction:
        """A part of this one that can be undone alone: a savepoint."""
        expect_thread("transaction")
        return SyncTransaction(self._file, self)

    def __enter__(self) -> Self:
        request = self._beginning(ThreadWaiting())
        try:
            self._file.write(request).answer_in_thread()
        except BaseException:
            self._leave(keep=False)
            raise
        self._begun()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(keep=error is None)

    def _leave(self, *, keep: bool) -> None:
        try:
            self._file.write(self._ending(ThreadWaiting(), keep=keep)).answer_in_thread()
        except (DatabaseError, sqlite3.Error):
            if keep:  # otherwise see above
                raise

    def _write(self, work: Work) -> Any:
        return self._file.write(self._statement(work, ThreadWaiting())).answer_in_thread()

    _read = _write


def innermost(file: DatabaseFile) -> _Entered | None:
    """The transaction on *file* that was entered last by whoever calls, None if there is none.

    DatabaseError for a task, or thread, that was started inside the transaction of another.
    """
    for transaction in reversed(_entered.get()):
        if transaction._file is file and transaction._open:
            if transaction._owner != caller():
                raise _foreign(transaction)
            return transaction
    return None


def _foreign(transaction: _Entered) -> DatabaseError:
    assert transaction._turn is not None, "it was begun"
    return errors.misused(
        f"the transaction begun at {transaction._turn.place} belongs to the task that entered it, and this"
        " task was started inside it",
        "pass the transaction on (`async with db.transaction() as tx`, then tx.execute(…)), or start the"
        " task outside of it",
    )


def _control(*texts: str) -> Work:
    def call(connection: sqlite3.Connection) -> None:
        for text in texts:
            connection.execute(text)

    return Work(call, "; ".join(texts))
