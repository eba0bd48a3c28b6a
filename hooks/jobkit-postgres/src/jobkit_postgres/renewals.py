"""Renewals of leases: from a thread of their own, on a connection of their own.

A busy pool, and an event loop that stands still, keep no lease from being renewed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

import psycopg

from jobkit.plugin.stores import Lease, StoreUnavailable, duration_micros, not_open
from jobkit_postgres.connection import Address, Link, Row, deadline_here
from jobkit_postgres.errors import is_lost, translated, worth_another_try
from jobkit_postgres.leases import HOLD
from jobkit_postgres.transaction import qualified

LIMIT: Final = 4.0
"""Seconds after which a renewal is given up: with a lease of ten seconds there is time for another."""

_CONNECT_LIMIT: Final = 3
_PAUSE: Final = 0.2
"""Seconds between attempts: a server that starts again refuses connections at once."""

LOCK_LIMIT: Final = 2.0
"""Seconds that a renewal waits for a lock."""

_BEGIN: Final = f"""
BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 3000;
SET LOCAL lock_timeout = {int(LOCK_LIMIT * 1000)}; SET LOCAL idle_in_transaction_session_timeout = 3000
"""

_GIVEN: Final = "unnest(%b::text[], %s::bigint[], %s::bigint[]) AS given (run_id, fence, duration)"

_RENEW: Final = f"""
UPDATE jobkit.runs AS runs SET lease_expires_at = jobkit.instant() + duration
FROM {_GIVEN} WHERE id = run_id AND runs.fence = given.fence AND lease_owner IS NOT NULL
RETURNING id
"""

_RENEW_ABANDONED: Final = f"""
UPDATE jobkit.abandoned AS abandoned SET expires_at = jobkit.instant() + given.duration
FROM {_GIVEN} JOIN jobkit.runs AS runs ON id = run_id
WHERE run = number AND abandoned.fence = given.fence
RETURNING id
"""


class Renewals:
    """The connection that renews. :meth:`renew` may be called from any thread."""

    def __init__(self, address: Address, schema: str) -> None:
        self._address = address
        self._schema = schema
        self._lock = threading.Lock()
        self._connection: Link | None = None
        self._closed = True

    def open(self) -> None:
        """From now on it may be used; it is connected when it is."""
        self._closed = False

    def close(self) -> None:
        """Idempotent; waits for a renewal that is under way."""
        self._closed = True
        with self._lock:
            self._drop()

    def renew(self, leases: Sequence[Lease]) -> frozenset[str]:
        """Extend what still stands of *leases*; the ids of those runs. StoreUnavailable after a few
        seconds."""
        end = time.monotonic() + LIMIT
        if not self._lock.acquire(timeout=LIMIT):
            raise StoreUnavailable(f"the run store {self._address.shown} did not answer in time")
        try:
            while True:
                if self._closed:
                    raise not_open()
                try:
                    return self._carry_out(leases, end)
                except psycopg.Error as error:
                    again = is_lost(error) or worth_another_try(error)
                    if is_lost(error) or not again:
                        self._drop()
                    # Renewing twice harms nobody, so a commit that was lost is repeated too.
                    if not again or time.monotonic() + _PAUSE >= end:
                        raise translated(error, self._address.shown, lock_limit=LOCK_LIMIT) from error
                time.sleep(_PAUSE)
        finally:
            self._lock.release()

    def _carry_out(self, leases: Sequence[Lease], end: float) -> frozenset[str]:
        connection = self._connected()
        with deadline_here(connection, max(_PAUSE, end - time.monotonic())):
            connection.execute(_BEGIN)
            try:
                standing = self._statements(connection, leases)
            except BaseException:
                if not connection.closed:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        return standing

    def _statements(self, connection: Link, leases: Sequence[Lease]) -> frozenset[str]:
        rows: list[Row] = [(one.run_id, one.fence, duration_micros(one.duration)) for one in leases]
        columns = list(map(list, zip(*rows, strict=True)))
        connection.execute(qualified(HOLD, self._schema), columns[:1])
        standing: set[str] = set()
        for statement in (_RENEW, _RENEW_ABANDONED):
            cursor = connection.execute(qualified(statement, self._schema), columns)
            standing |= {id_ for (id_,) in cursor.fetchall()}
        return frozenset(standing)

    def _connected(self) -> Link:
        if self._connection is None or self._connection.closed:
            self._connection = self._address.connect_here(_CONNECT_LIMIT)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
