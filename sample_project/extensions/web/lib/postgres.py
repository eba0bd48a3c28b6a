"""The site's tables on PostgreSQL; imported only where the service ``db`` is a pool of connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import AsyncConnection, Connection, Cursor
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from .tables import Row, Statements, Tables


async def make_tables(connection: AsyncConnection[Any], script: str) -> None:
    """Execute *script* in a transaction; several schedulers that begin together take turns."""
    await connection.execute("select pg_advisory_xact_lock(hashtext('tables of the site'))")
    await connection.execute(script.encode())


class PostgresTables(Tables):
    """In the database of *pool*, which is the service ``db_sync``: connections for threads."""

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        with self._pool.connection() as connection:
            yield _PostgresStatements(connection)

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self.transaction() as tx:
            return tx.fetch_all(sql, values)


class _PostgresStatements:
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._executed(sql, values).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.cursor().executemany(_theirs(sql), list(rows))

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._executed(sql, values).fetchall()

    def fetch_value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self._executed(sql, values).fetchone()
        return next(iter(row.values())) if row else None

    def _executed(self, sql: str, values: Sequence[Any]) -> Cursor[Row]:
        return self._connection.cursor(row_factory=dict_row).execute(_theirs(sql), values)


def _theirs(sql: str) -> bytes:
    """*sql* as psycopg wants it; none of our statements holds another question mark, or a per cent sign."""
    return sql.replace("?", "%s").encode()
