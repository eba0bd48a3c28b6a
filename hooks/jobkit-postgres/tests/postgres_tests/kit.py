"""What the tests are made with: tables in a schema, and a server's clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import anyio
import psycopg
from jobkit_postgres.store import PostgresStore
from postgres_tests.server import Server
from psycopg import sql

from jobkit.exceptions import StoreUnavailable
from jobkit.stores.values import to_micros
from jobkit.testing.conformance.kit import START


def made(server: Server, schema: str, project: str = "conformance") -> None:
    """Make the tables of a store."""
    asyncio.run(_upgrade(PostgresStore(server.url, project=project, schema=schema)))


async def _upgrade(store: PostgresStore) -> None:
    await store.upgrade()


class SharedTables:
    """The tables of a store in a schema that tests have one after the other, each of them empty.

    To make them takes longer than most cases do. Numbers that PostgreSQL gives go on, as in a real database.
    """

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self.connection = connection
        self.schema = schema
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
        names = {name for (name,) in found} - {"migrations"}
        deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, name)) for name in sorted(names)]
        insert = sql.SQL("INSERT INTO {} (name) VALUES ({})")
        self._statement = sql.SQL("; ").join(
            [
                sql.SQL("SET LOCAL lock_timeout = 10000"),  # the test before left nothing to wait for
                sql.SQL("SET LOCAL session_replication_role = replica"),  # all goes, whatever refers to it
                *deletes,
                insert.format(sql.Identifier(schema, "project"), sql.Literal("conformance")),
            ]
        )

    def emptied(self) -> None:
        """Leave nothing of the test before but the tables and what made them."""
        with self.connection.transaction():
            self.connection.execute(self._statement)


async def sooner_or_later(call: Callable[[], Awaitable[Any]]) -> Any:
    """What *call* answers when it does; until then it says that it may succeed later, and nothing else."""
    with anyio.fail_after(30):
        while True:
            try:
                return await call()
            except StoreUnavailable:
                await anyio.sleep(0.05)


class ServerClock:
    """The clock of a schema, which stands still until it is advanced."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str, start: datetime = START) -> None:
        self._connection = connection
        self._function = sql.Identifier(schema, "instant")
        self._now = start
        self._set()

    def now(self) -> datetime:
        return self._now

    async def advance(self, by: timedelta) -> None:
        self._now += by
        self._set()

    def _set(self) -> None:
        statement = sql.SQL(
            "CREATE OR REPLACE FUNCTION {}() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT {}::bigint'"
        )
        micros = sql.SQL(str(to_micros(self._now)))
        self._connection.execute(statement.format(self._function, micros))
