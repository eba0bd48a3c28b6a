"""The site's tables on PostgreSQL; imported only where the service ``db`` is a pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from .tables import Row, Statements, Tables

T = TypeVar("T")


class PostgresTables(Tables):
    """In the database of *pool*. The pool belongs to the event loop, and the jobs that ask are in threads."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def made(cls, pool: AsyncConnectionPool[Any], script: str) -> PostgresTables:
        """Execute *script* first; several replicas that begin together take turns."""
        async with pool.connection() as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtext('tables of the site'))")
            await connection.execute(script.encode())
        return cls(pool)

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        connection = self._wait(self._pool.getconn())
        try:
            try:
                yield _PostgresStatements(self, connection)
            except BaseException:
                self._wait(connection.rollback())
                raise
            self._wait(connection.commit())
        finally:
            self._wait(self._pool.putconn(connection))

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self.transaction() as tx:
            return tx.fetch_all(sql, values)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the event loop do *work*, and wait for it in this thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _PostgresStatements:
    def __init__(self, tables: PostgresTables, connection: AsyncConnection[Any]) -> None:
        self._wait = tables._wait
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._wait(self._asked(sql, values)).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        cursor = self._connection.cursor()
        self._wait(cursor.executemany(_theirs(sql), list(rows)))

    def fetch_all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._wait(self._fetched(sql, values))

    def fetch_value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        rows = self.fetch_all(sql, values)
        return next(iter(rows[0].values())) if rows else None

    async def _asked(self, sql: str, values: Sequence[Any]) -> AsyncCursor[Row]:
        cursor = self._connection.cursor(row_factory=dict_row)
        return await cursor.execute(_theirs(sql), values)

    async def _fetched(self, sql: str, values: Sequence[Any]) -> list[Row]:
        return await (await self._asked(sql, values)).fetchall()


def _theirs(sql: str) -> bytes:
    """*sql* as psycopg wants it; none of our statements holds another question mark, or a per cent sign."""
    return sql.replace("?", "%s").encode()
