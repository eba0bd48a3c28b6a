"""One transaction: what the statements of the store are carried out in."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import sql

from jobkit_postgres.connection import AsyncLink, Row

WORD: Final = "jobkit."
"""How statements name the schema; it is replaced by the name of the store's own."""

STATEMENT_LIMIT: Final = 10.0
"""Seconds that one statement may take on the server."""

LOCK_LIMIT: Final = 5.0
"""Seconds that a statement waits for a lock."""

IDLE_LIMIT: Final = 3.0
"""Seconds that the server waits for the next statement of a transaction.

Where a job keeps the event loop, or the process stands still, others must not wait for the rows that it
holds; the transaction is carried out again."""

TIME_LIMIT: Final = 20.0
"""Seconds after which a transaction's connection is given up, whatever the server does."""

Values = Sequence[Any] | Mapping[str, Any]


@functools.lru_cache(maxsize=1024)
def qualified(statement: str, schema: str) -> bytes:
    """*statement* with the store's schema in the place of ``jobkit.``."""
    return statement.replace(WORD, f"{sql.Identifier(schema).as_string()}.").encode()


@functools.lru_cache(maxsize=64)
def beginning(schema: str, mode: str) -> bytes:
    """Begin a transaction with its time limits, and ask the store's clock: one journey to the server.

    ``SET LOCAL`` ends with the transaction: behind a pooler nothing is left to others.
    """
    return qualified(
        f"BEGIN ISOLATION LEVEL {mode};"
        f" SET LOCAL statement_timeout = {int(STATEMENT_LIMIT * 1000)};"
        f" SET LOCAL lock_timeout = {int(LOCK_LIMIT * 1000)};"
        f" SET LOCAL idle_in_transaction_session_timeout = {int(IDLE_LIMIT * 1000)};"
        f" SELECT jobkit.instant()",
        schema,
    )


@functools.lru_cache(maxsize=64)
def ending(schema: str, sender: str | None) -> bytes:
    """Commit a transaction, and with it wake all who listen, but for *sender*."""
    if sender is None:
        return b"COMMIT"
    words = ", ".join(sql.Literal(word).as_string() for word in (channel(schema), sender))
    return f"SELECT pg_notify({words}); COMMIT".encode()


class Transaction:
    """Statements in one transaction on *connection*; *at* is the store's clock when it began."""

    __slots__ = ("_connection", "_schema", "_sender", "at")

    def __init__(self, connection: AsyncLink, schema: str, at: int) -> None:
        self._connection = connection
        self._schema = schema
        self._sender: str | None = None
        self.at = at

    async def all(self, statement: str, values: Values = ()) -> list[Row]:
        """The rows that *statement* finds, or returns of what it has written."""
        cursor = await self._connection.execute(qualified(statement, self._schema), values)
        return await cursor.fetchall()

    async def one(self, statement: str, values: Values = ()) -> Row | None:
        """The first row."""
        cursor = await self._connection.execute(qualified(statement, self._schema), values)
        return await cursor.fetchone()

    async def run(self, statement: str, values: Values = ()) -> int:
        """How many rows *statement* has written."""
        cursor = await self._connection.execute(qualified(statement, self._schema), values)
        return cursor.rowcount

    async def clock(self) -> int:
        """The store's clock now: after a lock was waited for it is not *at* any more."""
        row = await self.one("SELECT jobkit.instant()")
        assert row is not None, "a function has one result"
        self.at = row[0]
        return self.at

    async def lock(self, purpose: str) -> None:
        """Hold the lock of that name, of this store, until the transaction ends."""
        await self.one(LOCK, (f"{self._schema}/{purpose}",))

    async def lock_by(self, statement: str, purpose: str, *values: Any) -> bool:
        """Hold it for each row of *statement*, which selects :data:`LOCKING`; whether there is one."""
        return await self.one(statement, (f"{self._schema}/{purpose}", *values)) is not None

    def notify(self, sender: str) -> None:
        """Wake all who listen, but for *sender*, when this is committed."""
        self._sender = sender

    @property
    def ending(self) -> bytes:
        """What ends it: one journey to the server."""
        return ending(self._schema, self._sender)


# Locks of this kind are shared by all programs on a database: the class keeps ours apart from theirs.
LOCKING: Final = "pg_advisory_xact_lock(1785684587, hashtext(%s))"
LOCK: Final = f"SELECT {LOCKING}"


def channel(schema: str) -> str:
    """What is listened to; PostgreSQL cuts longer names, and two schemas must not share one."""
    name = f"jobkit:{schema}"
    if len(name.encode()) < 64:
        return name
    import hashlib

    return f"jobkit:{hashlib.sha256(schema.encode()).hexdigest()[:40]}"


def given(columns: Mapping[str, str]) -> str:
    """Arrays as rows: a table ``given`` with *columns*, names and types, of which each is a parameter.

    Texts travel in binary form (``b``): escaping twenty megabytes in an array takes seconds.
    """
    arrays = ", ".join(
        f"%({name}){'b' if kind == 'text' else 's'}::{kind}[]" for name, kind in columns.items()
    )
    return f"unnest({arrays}) WITH ORDINALITY AS given ({', '.join(columns)}, place)"


def columns_of(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    """*rows* as the values of :func:`given`."""
    return {name: [row[number] for row in rows] for number, name in enumerate(names)}
