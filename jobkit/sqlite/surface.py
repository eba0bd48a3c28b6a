"""What databases and transactions have in common: statements, for tasks and for threads.

Texts and parameters are checked when the method is called. The methods for tasks are functions that
return a coroutine, so that in a thread they raise instead of returning something that nobody awaits.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from typing import Any, TypeAlias

from jobkit.sqlite import statements
from jobkit.sqlite.callers import expect_task, expect_thread
from jobkit.sqlite.statements import Parameters, Result, Work

Rows: TypeAlias = list[sqlite3.Row]


class AsyncStatements(ABC):
    """Statements for tasks. Each is committed when its ``await`` returns, unless a transaction is open.

    ``?`` and ``:name`` in a statement are filled from *parameters*; values are never put into its text.
    A statement raises sqlite3's own errors (``IntegrityError``, …), or DatabaseError if the trouble is
    with the file or with how it is used. Cancelled, it has happened or it has not.
    """

    __slots__ = ()

    def execute(self, sql: str, parameters: Parameters = ()) -> Coroutine[Any, Any, Result]:
        """Execute one statement; how many rows it changed, and the rowid of the last one inserted."""
        expect_task("execute")
        return self._write(statements.execute(sql, parameters))

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> Coroutine[Any, Any, Result]:
        """Execute one statement for each of *rows*: for all of them or for none."""
        expect_task("execute_many")
        return self._write(statements.execute_many(sql, rows))

    def script(self, sql: str) -> Coroutine[Any, Any, None]:
        """Execute several statements, without parameters: all of them or none. For tables and indexes."""
        expect_task("script")
        return self._write(statements.script(sql))

    def fetch_all(self, sql: str, parameters: Parameters = ()) -> Coroutine[Any, Any, Rows]:
        """Every row that a statement gives; ``row["title"]``, ``row[0]`` and ``dict(row)`` work."""
        expect_task("fetch_all")
        return self._read(statements.fetch(sql, parameters, statements.all_rows))

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> Coroutine[Any, Any, sqlite3.Row | None]:
        """The first row, or None."""
        expect_task("fetch_one")
        return self._read(statements.fetch(sql, parameters, statements.one_row))

    def fetch_value(self, sql: str, parameters: Parameters = ()) -> Coroutine[Any, Any, Any]:
        """The first value of the first row, or None."""
        expect_task("fetch_value")
        return self._read(statements.fetch(sql, parameters, statements.one_value))

    @abstractmethod
    async def _write(self, work: Work) -> Any:
        """What *work* gives, once it is done."""

    @abstractmethod
    async def _read(self, work: Work) -> Any:
        """The same for what most likely changes nothing."""


class SyncStatements(ABC):
    """The same statements for threads; see :class:`AsyncStatements`. In an event loop they are refused."""

    __slots__ = ()

    def execute(self, sql: str, parameters: Parameters = ()) -> Result:
        """Execute one statement; how many rows it changed, and the rowid of the last one inserted."""
        expect_thread("execute")
        result: Result = self._write(statements.execute(sql, parameters))
        return result

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> Result:
        """Execute one statement for each of *rows*: for all of them or for none."""
        expect_thread("execute_many")
        result: Result = self._write(statements.execute_many(sql, rows))
        return result

    def script(self, sql: str) -> None:
        """Execute several statements, without parameters: all of them or none. For tables and indexes."""
        expect_thread("script")
        self._write(statements.script(sql))

    def fetch_all(self, sql: str, parameters: Parameters = ()) -> Rows:
        """Every row that a statement gives; ``row["title"]``, ``row[0]`` and ``dict(row)`` work."""
        expect_thread("fetch_all")
        rows: Rows = self._read(statements.fetch(sql, parameters, statements.all_rows))
        return rows

    def fetch_one(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        expect_thread("fetch_one")
        row: sqlite3.Row | None = self._read(statements.fetch(sql, parameters, statements.one_row))
        return row

    def fetch_value(self, sql: str, parameters: Parameters = ()) -> Any:
        """The first value of the first row, or None."""
        expect_thread("fetch_value")
        return self._read(statements.fetch(sql, parameters, statements.one_value))

    @abstractmethod
    def _write(self, work: Work) -> Any:
        """What *work* gives, once it is done."""

    @abstractmethod
    def _read(self, work: Work) -> Any:
        """The same for what most likely changes nothing."""
