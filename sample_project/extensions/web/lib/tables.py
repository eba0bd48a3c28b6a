"""The site's tables, wherever they lie: in a SQLite file, or on a PostgreSQL server.

Which of the two is a matter of configuration: it decides what jobkit's service ``db`` is. The jobs write each
statement once, in words that both understand, with a ``?`` for each value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from jobkit.sqlite import Database, SyncTransaction

Row = dict[str, Any]


class Statements(Protocol):
    """What can be done inside of a transaction."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Change something; how many rows it was."""
        ...

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...

    def fetch_value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first value of the first row, or None."""
        ...


class Tables(ABC):
    """The service ``tables``. For plain functions, which run in a thread: it would hold the event loop up."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Statements]:
        """A block that happens as a whole, or not at all if it raises."""

    @abstractmethod
    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What is there, outside of a transaction."""


class SqliteTables(Tables):
    """In the file that ``[plugins.sqlite] url`` names."""

    def __init__(self, db: Database) -> None:
        self._db = db.sync

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        with self._db.transaction() as tx:
            yield _SqliteStatements(tx)

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return [dict(row) for row in self._db.fetch_all(sql, values)]


class _SqliteStatements:
    def __init__(self, tx: SyncTransaction) -> None:
        self._tx = tx

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._tx.execute(sql, values).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._tx.execute_many(sql, list(rows))

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return [dict(row) for row in self._tx.fetch_all(sql, values)]

    def fetch_value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        return self._tx.fetch_value(sql, values)
