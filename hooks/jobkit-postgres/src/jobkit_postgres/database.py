"""One open database: a pool of connections, and transactions on them that happen whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio
import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from jobkit.plugin.stores import StoreError, not_open, open_already
from jobkit_postgres.connection import Address, AsyncLink, Row, deadline, settings
from jobkit_postgres.errors import (
    is_lost,
    none_free,
    only_reads,
    translated,
    unknown_outcome,
    worth_another_try,
)
from jobkit_postgres.transaction import TIME_LIMIT, Transaction, beginning

T = TypeVar("T")
Work = Callable[[Transaction], Awaitable[T]]

_ATTEMPTS: Final = 6
"""So often a transaction is carried out that others got in the way of, or whose connection was dead."""

_FRESH: Final = 2.0
"""A connection that was used so many seconds ago is taken for alive."""

_NAME: Final = "jobkit-store"
_CHECK_LIMIT: Final = 3.0
_WRITING: Final = "READ COMMITTED"
_READING: Final = "REPEATABLE READ READ ONLY"

_ONLY_READS: Final = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean"


class _Pooled(AsyncConnection[Row]):
    """A connection of the pool, which is known by it in what the pool logs."""


class Database:
    """The database of one project; no connection before :meth:`open`.

    *size* is the most connections of the pool. *patience*, in seconds, is how long a call waits for one.
    """

    def __init__(self, address: Address, schema: str, *, size: int, patience: float, read_only: bool) -> None:
        self.address = address
        self.schema = schema
        self.read_only = read_only
        self._size = size
        self._patience = patience
        self._pool: AsyncConnectionPool[_Pooled] | None = None
        self._process = 0
        self._used: dict[int, float] = {}
        self._refuses = False  # the server has taken no writes when it was last asked
        self._under_way: set[asyncio.Task[object]] = set()

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed."""
        return self._pool is not None

    # -- opening and closing --------------------------------------------------------------------

    async def open(self) -> None:
        """Fill the pool. StoreError if it is open, StoreUnavailable if the server does not answer."""
        if self._pool is not None:
            raise open_already()
        self._process = os.getpid()
        logging.getLogger("psycopg.pool").addFilter(_untold)
        self._refuses = False
        self._pool = AsyncConnectionPool(
            self.address.conninfo,
            connection_class=_Pooled,
            kwargs=settings(),
            min_size=1,
            max_size=self._size,
            open=False,
            check=self._check,
            name=_NAME,
            timeout=self._patience,
            max_idle=300.0,
            # Its pauses between attempts double: whoever asks after it gave up begins anew, at once.
            reconnect_timeout=3.0,
        )
        try:
            await self._pool.open(wait=True, timeout=self._patience)
        except psycopg.Error as error:
            await self.close()
            raise none_free(self.address.shown, await self._why()) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Carry out what is under way, then let go of everything. Idempotent; not cut short by a
        cancellation."""
        pool, self._pool = self._pool, None
        if pool is None or os.getpid() != self._process:
            return
        with anyio.CancelScope(shield=True):
            if self._under_way:
                await asyncio.wait(self._under_way)
            await pool.close()
        self._used.clear()

    # -- using it -------------------------------------------------------------------------------

    def check_open(self) -> None:
        """StoreError if it is not open, or was opened by another process."""
        if self._pool is None:
            raise not_open()
        if os.getpid() != self._process:
            raise StoreError(
                "the run store was opened before this process was forked",
                code="JK618",
                help="open a store of its own in the child process",
            )

    def check_writing(self) -> None:
        """StoreError also if it is for reading only."""
        if self.read_only:
            raise StoreError(
                f"the run store {self.address.shown} was opened for reading only",
                code="JK617",
                help="run the command as a user who may write to it",
            )
        self.check_open()

    async def write(self, work: Work[T]) -> T:
        """What *work* returns, after its commit. If the caller is cancelled it happens or it does not.

        *work* may be called again, after a rollback: it changes nothing but the database.
        """
        self.check_writing()
        return await self._whole(work, _WRITING)

    async def read(self, work: Work[T]) -> T:
        """What *work* finds in one snapshot; it must not write."""
        self.check_open()
        return await self._whole(work, _READING)

    async def check_taken(self) -> None:
        """StoreUnavailable if the server has refused a write because it can only be read, and still does."""
        if self._refuses:
            await self.read(_nothing)

    async def _whole(self, work: Work[T], mode: str) -> T:
        """Carry it out in a task of its own: a cancellation in the middle of a journey to the server would
        leave nobody knowing where it ended."""
        begun = asyncio.Event()
        task = asyncio.create_task(self._carry_out(work, mode, begun), name="jobkit-store")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not begun.is_set():
                task.cancel()
            await _ended(task)
            raise

    async def _carry_out(self, work: Work[T], mode: str, begun: asyncio.Event) -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            connection = await self._borrow()
            begun.set()
            try:
                with deadline(connection, TIME_LIMIT):
                    return await self._transaction(connection, work, mode)
            except psycopg.Error as error:
                self._refuses = self._refuses or only_reads(error)
                if is_lost(error):
                    await connection.close()
                again = worth_another_try(error) or is_lost(error)
                if not again or attempt == _ATTEMPTS:
                    raise translated(error, self.address.shown) from error
            finally:
                await self._give_back(connection)
            await asyncio.sleep(random.uniform(0.0, 0.01) * attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _transaction(self, connection: AsyncLink, work: Work[T], mode: str) -> T:
        cursor = await connection.execute(beginning(self.schema, mode))
        while cursor.nextset():
            pass
        row = await cursor.fetchone()
        assert row is not None, "the clock was asked last"
        transaction = Transaction(connection, self.schema, row[0])
        try:
            if self._refuses:
                await self._check_server(transaction)
            result = await work(transaction)
        except BaseException:
            if not connection.closed:
                await connection.execute("ROLLBACK")
            raise
        try:
            await connection.execute(transaction.ending)
        except psycopg.Error as error:
            if connection.info.transaction_status == TransactionStatus.INERROR:
                await connection.execute("ROLLBACK")  # what comes before the commit was refused
            # Only a commit that was refused is known not to have happened.
            if is_lost(error) and mode == _WRITING:
                raise unknown_outcome(error, self.address.shown) from error
            raise
        return result

    async def _check_server(self, tx: Transaction) -> None:
        """Whoever writes is not served by halves: what reads would find answers as if all were well."""
        if await tx.one(_ONLY_READS) == (True,):
            raise psycopg.errors.ReadOnlySqlTransaction("the server can only be read")
        self._refuses = False

    async def _borrow(self) -> _Pooled:
        pool = self._pool
        if pool is None:
            raise not_open()
        try:
            return await pool.getconn()
        except PoolClosed:
            raise not_open() from None
        except PoolTimeout:
            raise none_free(self.address.shown, await self._why()) from None
        except psycopg.Error as error:
            raise translated(error, self.address.shown) from error

    async def _why(self) -> psycopg.Error | None:
        """Why the pool has no connections: it keeps that to itself. None if the server gives us one."""
        try:
            connection = await self.address.connect()
        except psycopg.Error as error:
            return error
        await connection.close()
        return None

    async def _give_back(self, connection: _Pooled) -> None:
        if connection.closed:
            self._used.pop(id(connection), None)
        else:
            self._used[id(connection)] = time.monotonic()
        pool = self._pool
        if pool is None:
            await connection.close()
        else:
            await pool.putconn(connection)

    async def _check(self, connection: AsyncLink) -> None:
        """Whether a connection that rested is still alive: after a restart of the server none is."""
        if time.monotonic() - self._used.get(id(connection), 0.0) < _FRESH:
            return
        with deadline(connection, _CHECK_LIMIT):
            await AsyncConnectionPool.check_connection(connection)


def _untold(record: logging.LogRecord) -> bool:
    """Whether *record* of the pools is not about ours: of each attempt to connect, several a second, it says
    what the store tells its callers."""
    # Some of what it says of a connection names no pool.
    ours = any(isinstance(value, _Pooled) for value in record.args or ())
    return not ours and f"'{_NAME}'" not in record.getMessage()


async def _nothing(tx: Transaction) -> int:
    return tx.at


async def _ended(task: asyncio.Task[T]) -> None:
    """Wait for the end of *task*, however often the waiting is cancelled, and take note of its error."""
    while not task.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        except asyncio.CancelledError:
            continue  # the caller raises the first one
    if not task.cancelled():
        task.exception()


def check_loop() -> None:
    """StoreError unless the event loop is asyncio's: psycopg knows no other."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        raise StoreError(
            "the run store on PostgreSQL needs asyncio, and this event loop is trio's",
            code="JK626",
            help="run the program on asyncio; jobkit's own commands do",
        )
