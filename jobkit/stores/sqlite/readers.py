"""Reading: short transactions in threads, on connections that do nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from jobkit.exceptions import StoreError

T = TypeVar("T")

AT_ONCE: Final = 4
"""Reads at the same time; further ones wait for their turn."""


class Readers:
    """Connections that read. *fresh* ones are made for one read and closed after it.

    Its threads are counted apart from those of jobs: however many of these hang, reading goes on.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        check: Callable[[], None],
        explain: Callable[[sqlite3.Error], StoreError],
        *,
        fresh: bool,
    ) -> None:
        self._connect = connect
        self._check = check
        self._explain = explain
        self._fresh = fresh
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What *work* finds, all of it in one snapshot. A cancelled read ends first: it is short."""
        return await anyio.to_thread.run_sync(self._read, work, limiter=self._limiter)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._check()
            connection = self._take()
            try:
                connection.execute("BEGIN")
                try:
                    return work(connection)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            finally:
                self._give_back(connection)
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._fresh or self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle now, and the rest as it is given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
