"""A SQLite database as jobs use it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.to_thread

from jobkit.durations import parse_duration
from jobkit.sqlite.callers import expect_task, expect_thread
from jobkit.sqlite.file import DatabaseFile
from jobkit.sqlite.location import DatabaseLocation
from jobkit.sqlite.readers import WriteRefused
from jobkit.sqlite.requests import Request
from jobkit.sqlite.statements import Work
from jobkit.sqlite.surface import AsyncStatements, SyncStatements
from jobkit.sqlite.transaction import SyncTransaction, Transaction, innermost
from jobkit.stores.sqlite.waiting import ThreadWaiting, waiting_here


class Database(AsyncStatements):
    """A SQLite file for any number of tasks and threads; jobs get it as the service ``db``.

    Enter it to use it: ``async with Database(path) as db``, or ``with`` where no event loop runs. The
    file is made if it is not there, and the last folder on the way to it. *path* is absolute or relative
    to *root*, by default the working directory. *busy_timeout* is how long a statement waits while
    others write. *allow_network* accepts network file systems, *trust_permissions* files and folders
    that every user may write to.

    Methods may be called from any task; from threads those of :attr:`sync`. Statements that change
    something are executed one after another by one thread; reading outside of transactions goes on
    beside them, and sees what was committed before it began.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        root: Path | None = None,
        busy_timeout: timedelta | str | float = 30.0,
        allow_network: bool = False,
        trust_permissions: bool = False,
    ) -> None:
        root = Path.cwd() if root is None else root.absolute()
        place = Path(os.path.normpath(root / path))
        location = DatabaseLocation(place, root, allow_network, trust_permissions)
        self._file = DatabaseFile(location, patience=parse_duration(busy_timeout).total_seconds())
        self._sync = SyncDatabase(self._file)

    def __repr__(self) -> str:
        return f"<Database {self.path}>"

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.location.path

    @property
    def sync(self) -> SyncDatabase:
        """The same database for threads: jobs that are a plain ``def`` use this."""
        return self._sync

    def transaction(self) -> Transaction:
        """Several statements that happen together or not at all: ``async with db.transaction() as tx:``.

        Others who want to write wait until it is left, at most their ``busy_timeout``. Entered inside
        another one of the same task it is a savepoint.
        """
        expect_task("transaction")
        return Transaction(self._file)

    async def ping(self) -> None:
        """Raise DatabaseError if the file is gone, or does not answer."""
        self._file.check()
        await self.fetch_value("select count(*) from sqlite_schema")

    # -- opening and closing --------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await _in_thread(self._file.open)
        except BaseException:
            self._file.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What was handed over is done, also if whoever closes is cancelled.
        with anyio.CancelScope(shield=True):
            await _in_thread(self._file.close)

    def __enter__(self) -> Self:
        self._file.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    # -- statements -----------------------------------------------------------------------------

    async def _write(self, work: Work) -> Any:
        transaction = innermost(self._file)
        if isinstance(transaction, Transaction):
            return await transaction._write(work)
        return await self._file.write(Request(work, waiting_here())).answer()

    async def _read(self, work: Work) -> Any:
        transaction = innermost(self._file)
        if isinstance(transaction, Transaction):
            return await transaction._write(work)
        try:
            return await self._file.read(Request(work, waiting_here())).answer()
        except WriteRefused:  # such as `insert … returning`
            return await self._file.write(Request(work, waiting_here())).answer()


class SyncDatabase(SyncStatements):
    """A database as threads use it: ``db.sync``. It is opened and closed where it comes from."""

    __slots__ = ("_file",)

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    def __repr__(self) -> str:
        return f"<SyncDatabase {self._file.location.path}>"

    def transaction(self) -> SyncTransaction:
        """Several statements that happen together or not at all: ``with db.sync.transaction() as tx:``.

        Others who want to write wait until it is left, at most their ``busy_timeout``. Entered inside
        another one of the same thread it is a savepoint.
        """
        expect_thread("transaction")
        return SyncTransaction(self._file)

    def _write(self, work: Work) -> Any:
        transaction = innermost(self._file)
        if isinstance(transaction, SyncTransaction):
            return transaction._write(work)
        return self._file.write(Request(work, ThreadWaiting())).answer_in_thread()

    def _read(self, work: Work) -> Any:
        transaction = innermost(self._file)
        if isinstance(transaction, SyncTransaction):
            return transaction._write(work)
        try:
            return self._file.read(Request(work, ThreadWaiting())).answer_in_thread()
        except WriteRefused:
            return self._file.write(Request(work, ThreadWaiting())).answer_in_thread()


async def _in_thread(call: Callable[[], None]) -> None:
    # Not one of the threads that jobs share: those may all be busy, and some of them for ever.
    await anyio.to_thread.run_sync(call, limiter=anyio.CapacityLimiter(1))
