"""How users of a store wake each other: LISTEN on a connection of its own, NOTIFY by whoever writes.

Behind a transaction pooler nobody can listen, so this connection goes to the server itself where an address
of its own is given. Where there is none, or it is lost, whoever waits looks every second. A pooler agrees to
LISTEN, and nothing is ever heard; it is known by the server process that it names in the beginning, which is
not the one that answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import Final

import anyio
import psycopg
from psycopg import Notify, sql

from jobkit.plugin.stores import not_open
from jobkit_postgres.connection import Address, AsyncLink, deadline
from jobkit_postgres.errors import translated
from jobkit_postgres.transaction import channel

POLL: Final = 1.0
"""Seconds after which a wait ends where nobody can be heard."""

_LIMIT: Final = 5.0
_REST: Final = 2.0
"""Seconds before a connection is tried again that could not be had."""

_log: Final = logging.getLogger("jobkit.postgres")


class Wakes:
    """What one store object hears. *address* is None where it must not listen."""

    def __init__(self, address: Address | None, schema: str) -> None:
        self._address = address
        self._channel = channel(schema)
        self.name = secrets.token_hex(8)  # who sends hears nothing of it
        self._connection: AsyncLink | None = None
        self._lock = asyncio.Lock()
        self._closed = True
        self._silent_until = 0.0
        self._deaf = False
        self._heard = 0
        self._pending = False
        self._news: anyio.Event | None = None

    @property
    def listening(self) -> bool:
        """Whether others are heard at once."""
        return self._connection is not None and not self._connection.closed

    def open(self) -> None:
        """From now on it may be used; it is connected when somebody waits."""
        self._closed, self._pending, self._deaf, self._silent_until = False, False, False, 0.0
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Stop listening. Idempotent."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            with contextlib.suppress(OSError, ValueError, psycopg.Error):
                anyio.notify_closing(connection.fileno())
            await connection.close()

    async def wait(self, seconds: float) -> bool:
        """Until somebody has sent something; see :meth:`jobkit.stores.waking.WakingStore.wait`."""
        if self._closed:
            raise not_open()
        end = anyio.current_time() + max(0.0, seconds)
        heard = self._heard
        if not await self._look():
            return await self._poll(seconds)
        if self._pending:
            self._pending = False
            return True
        with anyio.move_on_after(max(0.0, end - anyio.current_time())):
            while self._heard == heard:
                # Only one task at a time may ask the loop about a socket; it tells the others.
                if self._news is None:
                    await self._hear()
                else:
                    await self._news.wait()
        if self._heard != heard:
            self._pending = False
        return self._heard != heard

    async def _hear(self) -> None:
        """Until something was sent, or the connection is lost. Whoever waits for the news then goes on."""
        self._news = news = anyio.Event()
        try:
            connection = self._connection
            if connection is not None:
                await anyio.wait_readable(connection.fileno())
            if not await self._ask_whole():
                # Nobody knows what was sent meanwhile: a wait that ends for nothing harms nobody.
                self._heard += 1
        except (anyio.ClosedResourceError, psycopg.OperationalError, OSError, ValueError):
            if self._closed:
                raise not_open() from None
            self._heard += 1
        finally:
            self._news = None
            news.set()

    async def _look(self) -> bool:
        """Take note of what was sent until now, connecting if need be; False if it cannot be heard.

        The journey to the server and back brings along whatever was committed before. While somebody waits
        for the socket to become readable nobody else may use it: who listens takes note for all.
        """
        async with self._lock:
            return True if self._news is not None else await self._ask_whole()

    async def _ask_whole(self) -> bool:
        """A journey that was begun ends: whoever waits for it may be cancelled."""
        task = asyncio.create_task(self._ask(), name="jobkit-store-wakes")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
            raise

    async def _ask(self) -> bool:
        connection = await self._connected()
        if connection is None:
            return False
        try:
            with deadline(connection, _LIMIT):
                await connection.execute("")
        except psycopg.Error as error:
            self._lost(error)
            return False
        return True

    async def _connected(self) -> AsyncLink | None:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._address is None or self._closed or time.monotonic() < self._silent_until:
            return None
        try:
            connection = await self._address.connect()
        except psycopg.Error as error:
            self._lost(error)
            return None
        connection.add_notify_handler(self._take)
        try:
            with deadline(connection, _LIMIT):
                answers = await connection.execute("SELECT pg_backend_pid()")
                direct = await answers.fetchone() == (connection.info.backend_pid,)
                if direct:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        except psycopg.Error as error:
            await connection.close()
            self._lost(error)
            return None
        if not direct:
            await connection.close()
            self._give_up()
            return None
        self._connection = connection
        if self._deaf:
            # What was sent meanwhile nobody knows.
            self._deaf, self._pending, self._heard = False, True, self._heard + 1
        return connection

    def _lost(self, error: psycopg.Error) -> None:
        told, self._connection, self._deaf = self._deaf, None, True
        self._silent_until = time.monotonic() + _REST
        if self._address is not None and not told:  # once, however long it lasts
            _log.warning("cannot listen: %s", translated(error, self._address.shown, connecting=True).message)

    def _give_up(self) -> None:
        """Somebody stands between us and the server: it is no use to try again."""
        assert self._address is not None, "there was one to connect to"
        _log.warning(
            "cannot listen through the pooler at %s, so that others are looked for every second:"
            " name the server itself in [plugins.postgres] direct_url, or say listen = false there",
            self._address.shown,
        )
        self._address = None

    def _take(self, notify: Notify) -> None:
        if notify.payload != self.name:
            self._heard += 1
            self._pending = True

    async def _poll(self, seconds: float) -> bool:
        await anyio.sleep(max(0.0, min(seconds, POLL)))
        return seconds > POLL
