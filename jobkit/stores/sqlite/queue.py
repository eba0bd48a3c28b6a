"""Queued runs that could be started, and leases of abandoned threads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Final

from jobkit.stores.base import Lease
from jobkit.stores.rows import OUTCOME, RUN, Now, Row
from jobkit.stores.sqlite import outbox
from jobkit.stores.sqlite.runs import by_id
from jobkit.stores.values import to_micros

_QUEUED: Final = f"""
SELECT {RUN}, home, overlap, limits, EXISTS (SELECT 1 FROM abandoned WHERE run = number)
FROM runs INDEXED BY runs_queue
WHERE status = 'queued' AND lease_owner IS NULL AND (not_before IS NULL OR not_before <= :now)
    AND (:node IS NULL OR home IN ('', :node))
    AND (:jobs IS NULL OR job IN (SELECT value FROM json_each(:jobs)))
    AND (:queues IS NULL OR queue IN (SELECT value FROM json_each(:queues)))
ORDER BY priority DESC, number
"""
_NUMBER, _JOB = 0, 2  # where they stand in RUN

_NEXT: Final = """
SELECT not_before FROM runs INDEXED BY runs_not_before
WHERE status = 'queued' AND not_before > ? AND lease_owner IS NULL ORDER BY not_before LIMIT 1
"""

_END: Final = f"""
UPDATE runs SET ({OUTCOME}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?), not_before = NULL
WHERE id = ? AND status = 'queued' AND lease_owner IS NULL
"""

_ABANDON: Final = """
INSERT OR REPLACE INTO abandoned
    (run, job, home, limits, fence, attempt, owner, node, pinned, duration, expires_at)
SELECT number, job, home, limits, fence, attempt, lease_owner, node, lease_pinned, lease_duration,
    lease_expires_at
FROM runs WHERE id = ? AND fence = ? AND lease_owner IS NOT NULL AND status = 'running'
"""

_OF: Final = "run = (SELECT number FROM runs WHERE id = ?) AND fence = ?"

_RENEW: Final = f"UPDATE abandoned SET expires_at = ? + ? WHERE {_OF}"

_RELEASE: Final = f"DELETE FROM abandoned WHERE {_OF}"

_SETTLE: Final = f"""
{_RELEASE} AND (? OR expires_at <= ?)
    AND NOT EXISTS (SELECT 1 FROM runs WHERE number = run AND runs.fence = abandoned.fence
        AND lease_owner IS NOT NULL)
"""

# The members of LEASE, then job, status, attempts and a one.
_ABANDONED: Final = """
SELECT runs.id, abandoned.fence, abandoned.attempt, owner, abandoned.node, duration, pinned, expires_at,
    runs.job, status, attempts, 1
FROM abandoned JOIN runs ON number = run
"""


def waiting(
    connection: sqlite3.Connection,
    *,
    jobs: Collection[str] | None,
    queues: Collection[str] | None,
    node: str | None,
    at: int,
    limits: Mapping[str, int],
    limit: int,
) -> list[Row]:
    """Rows of ``RUN``: what could be started at *at*, in order."""
    if not there(connection):
        return []
    from jobkit.stores.sqlite import overlaps

    values = {"now": at, "node": node, "jobs": _listed(jobs), "queues": _listed(queues)}
    found: list[Row] = []
    taken = overlaps.full(connection, limits)
    for *row, home, overlap, names, abandoned in connection.execute(_QUEUED, values):
        wish = (row[_NUMBER], row[_JOB], home, overlap, names, abandoned)
        if not overlaps.must_wait(connection, wish, taken):
            found.append(tuple(row))
            if len(found) == limit:
                break
    return found


def next_queued(connection: sqlite3.Connection, at: int) -> int | None:
    """When the next run that waits for its time may start."""
    row = connection.execute(_NEXT, (at,)).fetchone() if there(connection) else None
    return None if row is None else row[0]


def end(connection: sqlite3.Connection, run_id: str, outcome: Row, now: Now) -> Row | None:
    """End a queued run with *outcome*, of ``OUTCOME``. A row of ``RUN``, None if somebody has it.

    RunNotFound.
    """
    ended = connection.execute(_END, (*outcome, run_id)).rowcount
    row = by_id(connection, run_id)
    if ended:
        outbox.add(connection, row[_NUMBER], to_micros(now()))
    return row if row[4] not in ("queued", "running") else None


# -- abandoned leases -------------------------------------------------------------------------------


def abandon(connection: sqlite3.Connection, lease: Lease) -> bool:
    return connection.execute(_ABANDON, (lease.run_id, lease.fence)).rowcount > 0


def release_abandoned(connection: sqlite3.Connection, lease: Lease) -> None:
    connection.execute(_RELEASE, (lease.run_id, lease.fence))


def renew_abandoned(connection: sqlite3.Connection, renewal: Row) -> bool:
    """*renewal* is now, a duration, and the id and fence of a lease."""
    return connection.execute(_RENEW, renewal).rowcount > 0


def settle_abandoned(connection: sqlite3.Connection, held: tuple[str, int], *, dead: bool, at: int) -> bool:
    """End the abandoned lease of a run's id and fence, unless the run goes on under it; whether it did."""
    return connection.execute(_SETTLE, (*held, dead, at)).rowcount > 0


def abandoned(connection: sqlite3.Connection) -> list[Row]:
    """Rows of ``LEASE, job, status, attempts`` and a one."""
    return connection.execute(_ABANDONED).fetchall() if there(connection) else []


def _listed(names: Collection[str] | None) -> str | None:
    return None if names is None else json.dumps(list(names))


def there(connection: sqlite3.Connection) -> bool:
    """Whether the tables of the ledger are there: an older store that may only be read has none of it."""
    row = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'job_states'").fetchone()
    return row is not None
