"""The services `db` and `db_sync`: connections for jobs, apart from those of the run store.

However many jobs wait for a connection, and whatever they do with theirs, the store keeps its own.
"""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NoReturn

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from jobkit import ServiceError
from jobkit_postgres.connection import Address, AsyncLink, Link, deadline, deadline_here
from jobkit_postgres.refused import refusal, said_by

NAMES: Final = ("jobkit-db", "jobkit-db-sync")

_CHECK_LIMIT: Final = 3
"""Seconds in which a server answers that is not away."""

_PREPARED_NEVER: Final[dict[str, Any]] = {"prepare_threshold": None}
"""Behind a transaction pooler nothing prepared is found again."""


@dataclass(frozen=True, slots=True)
class JobsDatabase:
    """Where the database of the jobs is, and which *setting* says so."""

    address: Address
    setting: str

    @classmethod
    def at(cls, url: str, setting: str) -> JobsDatabase:
        """StoreError for what is no address."""
        address = Address.parse(url)
        if "application_name" not in conninfo_to_dict(url):
            conninfo = make_conninfo(address.conninfo, application_name="jobkit jobs")
            address = Address(conninfo, address.shown, setting)
        return cls(address, setting)

    async def check(self) -> None:
        """ServiceError if it gives no connection. Takes a few seconds at most."""
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.address.conninfo, connect_timeout=_CHECK_LIMIT
            )
        except psycopg.Error as error:
            raise self.unusable(error) from error
        await connection.close()

    def unusable(self, error: psycopg.Error) -> ServiceError:
        """What *error*, of an attempt to connect, means."""
        name = f"the database of the jobs {self.address.shown}"
        refused = refusal(error, name, self.setting)
        if refused is not None:
            found = ServiceError(refused.message, code=refused.code, help=refused.help)
        else:
            found = ServiceError(
                f"{name} does not answer: {said_by(error)}",
                help=f"see that the server that {self.setting} names runs, and can be reached from here",
            )
        found.without_frames = True
        return found


class JobsPool(AsyncConnectionPool[AsyncLink]):
    """At most *size* connections to *database*; whoever gets none in time is told why."""

    def __init__(self, database: JobsDatabase, size: int) -> None:
        _hush()
        self._database = database
        super().__init__(
            database.address.conninfo,
            kwargs=_PREPARED_NEVER,
            min_size=0,
            max_size=size,
            open=False,
            name=NAMES[0],
            check=_check,
            reset=_reset,
            reconnect_timeout=float(_CHECK_LIMIT),
        )

    # Callers know it by what it is entered with; the class that the other one names is contextlib's own.
    def connection(self, timeout: float | None = None) -> Borrowed:  # type: ignore[override]
        """As that of any pool; who is in a thread, and cannot wait for it, is told what to take instead."""
        return Borrowed(super().connection(timeout))

    async def getconn(self, timeout: float | None = None) -> AsyncLink:
        """As that of any pool."""
        try:
            return await super().getconn(timeout)
        except PoolTimeout as error:
            raise PoolTimeout(f"{error}: {await self._why()}") from None

    async def _why(self) -> str:
        try:
            await self._database.check()
        except ServiceError as error:
            return error.message
        return _all_in_use(self.max_size)


class Borrowed:
    """A connection for as long as ``async with`` lasts."""

    def __init__(self, manager: AbstractAsyncContextManager[AsyncLink]) -> None:
        self._manager = manager

    async def __aenter__(self) -> AsyncLink:
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, traceback)

    def __enter__(self) -> NoReturn:
        raise ServiceError(
            "the connections of `db` are for `async with`, and this is `with`",
            code="JK418",
            help="take a pool for threads: a parameter `db_sync`, or one of the type ConnectionPool"
            " of psycopg_pool; in a coroutine write `async with`",
        )

    def __exit__(self, *_: object) -> None:
        """Never reached: it is here so that ``with`` gets as far as to be told."""


class ThreadPool(ConnectionPool[Link]):
    """The same for jobs in threads."""

    def __init__(self, database: JobsDatabase, size: int) -> None:
        _hush()
        self._database = database
        super().__init__(
            database.address.conninfo,
            kwargs=_PREPARED_NEVER,
            min_size=0,
            max_size=size,
            open=False,
            name=NAMES[1],
            check=_check_here,
            reset=_reset_here,
            reconnect_timeout=float(_CHECK_LIMIT),
        )

    def getconn(self, timeout: float | None = None) -> Link:
        """As that of any pool."""
        try:
            return super().getconn(timeout)
        except PoolTimeout as error:
            raise PoolTimeout(f"{error}: {self._why()}") from None

    def _why(self) -> str:
        try:
            self._database.address.connect_here(_CHECK_LIMIT).close()
        except psycopg.Error as error:
            return self._database.unusable(error).message
        return _all_in_use(self.max_size)


def _all_in_use(size: int) -> str:
    return f"all {size} are in use ([plugins.postgres] jobs_pool_size)"


# -- what jobs have done to a connection ----------------------------------------------------------------


async def _check(connection: AsyncLink) -> None:
    with deadline(connection, _CHECK_LIMIT):
        await JobsPool.check_connection(connection)


def _check_here(connection: Link) -> None:
    with deadline_here(connection, _CHECK_LIMIT):
        ThreadPool.check_connection(connection)


async def _reset(connection: AsyncLink) -> None:
    """As new: settings, temporary tables, LISTEN and locks of the session are no business of the next job."""
    connection.row_factory = tuple_row
    await connection.set_isolation_level(None)
    await connection.set_read_only(None)
    await connection.set_deferrable(None)
    await connection.set_autocommit(True)
    with deadline(connection, _CHECK_LIMIT):
        await connection.execute("DISCARD ALL")
    await connection.set_autocommit(False)


def _reset_here(connection: Link) -> None:
    connection.row_factory = tuple_row
    connection.set_isolation_level(None)
    connection.set_read_only(None)
    connection.set_deferrable(None)
    connection.set_autocommit(True)
    with deadline_here(connection, _CHECK_LIMIT):
        connection.execute("DISCARD ALL")
    connection.set_autocommit(False)


def _hush() -> None:
    """Of each attempt to connect, several a second, the pools log what whoever asks is told in the end."""
    logging.getLogger("psycopg.pool").addFilter(_untold)


def _untold(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not (message.startswith("error connecting") and any(f"'{name}'" in message for name in NAMES))
