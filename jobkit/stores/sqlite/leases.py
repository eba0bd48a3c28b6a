"""Leases: who may execute a run, until when, and how an attempt ends.

Every statement that acts for an owner says ``fence = ? AND lease_owner IS NOT NULL``: the fence grows
whenever a run is started or settled, so an owner that lost its right matches nothing any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from jobkit.stores.base import Lease, Outcome
from jobkit.stores.rows import ENDED, LEASE, OUTCOME, RUN, Now, Row, ended_values
from jobkit.stores.sqlite import control, outbox, queue
from jobkit.stores.sqlite.runs import by_id
from jobkit.stores.values import duration_micros, encode_outcome, lost_message, optional_micros, to_micros

_HELD: Final = "id = ? AND fence = ? AND lease_owner IS NOT NULL"

_LET_GO: Final = "lease_owner = NULL, lease_pinned = 0, lease_duration = NULL, lease_expires_at = NULL"

_RENEW: Final = f"UPDATE runs SET lease_expires_at = ? + ? WHERE {_HELD}"

_END_ATTEMPT: Final = f"""
INSERT INTO attempts (run, number, started_at, node, {ENDED})
SELECT number, attempt, attempt_since, node, ?, ?, ?, ?, ?, ? FROM runs WHERE {_HELD} AND status = 'running'
"""

_FINISH: Final = f"""
UPDATE runs SET ({OUTCOME}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?), not_before = NULL, {_LET_GO} WHERE {_HELD}
"""

_FINISHED_BEFORE: Final = f"""
SELECT {RUN} FROM runs WHERE id = ? AND fence = ? AND status NOT IN ('queued', 'running')
"""

_ENDED: Final = f"SELECT {RUN}, limits <> '[]' OR overlap IN ('queue', 'cancel') FROM runs WHERE id = ?"

_KEEP_LATE: Final = "UPDATE runs SET late_outcome = ? WHERE id = ?"

_REQUEUE: Final = f"""
UPDATE runs SET status = 'queued', not_before = ?,
    lease_owner = iif(lease_pinned, lease_owner, NULL),
    lease_duration = iif(lease_pinned, lease_duration, NULL),
    lease_expires_at = iif(lease_pinned, lease_expires_at, NULL)
WHERE {_HELD} AND status = 'running'
"""

_REQUEUED_BEFORE: Final = """
SELECT 1 FROM runs WHERE id = ? AND fence = ? AND (status = 'queued'
    OR (status = 'cancelled' AND EXISTS (SELECT 1 FROM cancel_requests WHERE run = number)))
"""

_TO_SETTLE: Final = f"SELECT lease_pinned FROM runs WHERE {_HELD} AND (? OR lease_expires_at <= ?)"

_LOSE: Final = f"""
UPDATE runs SET fence = fence + 1, status = 'lost', finished_at = ?, message = ?, not_before = NULL, {_LET_GO}
WHERE {_HELD}
"""

_TRY_AGAIN: Final = f"""
UPDATE runs SET fence = fence + 1, status = 'queued', not_before = ?, {_LET_GO} WHERE {_HELD}
"""

_PROGRESS: Final = f"UPDATE runs SET progress = ? WHERE {_HELD} AND status = 'running'"

# A running run has a lease, a queued one only if it is pinned: two short indexes hold them all.
_OPEN: Final = f"""
SELECT {LEASE}, job, status, attempts, 0 FROM runs WHERE status = 'running'
UNION ALL
SELECT {LEASE}, job, status, attempts, 0 FROM runs WHERE status = 'queued' AND lease_owner IS NOT NULL
"""


def renew(connection: sqlite3.Connection, leases: Sequence[Lease], now: Now) -> frozenset[str]:
    """Extend what still stands of *leases*; the ids of those runs."""
    at = to_micros(now())
    standing = set()
    for lease in leases:
        renewal = (at, duration_micros(lease.duration), *_key(lease))
        renewed = connection.execute(_RENEW, renewal).rowcount
        if queue.renew_abandoned(connection, renewal) or renewed:
            standing.add(lease.run_id)
    return frozenset(standing)


def finish(
    connection: sqlite3.Connection, lease: Lease, outcome: Row, late: Outcome, now: Now
) -> tuple[Row | None, bool]:
    """End the run, and with it its last attempt, with *outcome*, of ``OUTCOME``.

    A row of ``RUN``, and whether another run may have waited for it; None if *lease* was fenced, and *late*
    is kept.
    """
    held = _key(lease)
    if connection.execute(_FINISH, (*outcome, *held)).rowcount:
        return _ended(connection, lease, to_micros(now()))
    row: Row | None = connection.execute(_FINISHED_BEFORE, held).fetchone()
    if row is None:
        connection.execute(_KEEP_LATE, (encode_outcome(late), lease.run_id))
    return row, False


def retry_later(
    connection: sqlite3.Connection, lease: Lease, outcome: Row, not_before: int, now: Now
) -> bool:
    """End the attempt with *outcome*, of ``OUTCOME``, and queue the run again; False if fenced."""
    held = _key(lease)
    connection.execute(_END_ATTEMPT, (*ended_values(outcome), *held))
    if connection.execute(_REQUEUE, (not_before, *held)).rowcount:
        control.heed(connection, lease.run_id, to_micros(now()))
        return True
    return connection.execute(_REQUEUED_BEFORE, held).fetchone() is not None


def settle(
    connection: sqlite3.Connection, lease: Lease, *, dead: bool, retry_at: datetime | None, now: Now
) -> Row | None:
    """End a lease for its owner. A row of ``RUN``, None if there is nothing to settle."""
    at, held = to_micros(now()), _key(lease)
    found = connection.execute(_TO_SETTLE, (*held, dead, at)).fetchone()
    if found is None:
        gone = queue.settle_abandoned(connection, held, dead=dead, at=at)
        return by_id(connection, lease.run_id) if gone else None
    (pinned,) = found
    queue.release_abandoned(connection, lease)
    message = lost_message(lease, dead=dead)
    if retry_at is None or pinned:
        connection.execute(_LOSE, (at, message, *held))
        return _ended(connection, lease, at)[0]
    connection.execute(_END_ATTEMPT, ("lost", at, None, None, message, None, *held))
    connection.execute(_TRY_AGAIN, (optional_micros(retry_at), *held))
    control.heed(connection, lease.run_id, at)
    return by_id(connection, lease.run_id)


def _ended(connection: sqlite3.Connection, lease: Lease, at: int) -> tuple[Row, bool]:
    """The row of ``RUN`` of a run that has just ended, and whether another may have waited for it.

    From now on it waits for the sinks.
    """
    *row, frees = connection.execute(_ENDED, (lease.run_id,)).fetchone()
    outbox.add(connection, row[0], at)
    return tuple(row), bool(frees)


def set_progress(connection: sqlite3.Connection, lease: Lease, progress: str) -> None:
    connection.execute(_PROGRESS, (progress, *_key(lease)))


def open_leases(connection: sqlite3.Connection) -> list[Row]:
    """Rows of ``LEASE, job, status, attempts`` and whether it is abandoned."""
    rows = {row[0]: row for row in connection.execute(_OPEN)}
    for row in queue.abandoned(connection):
        # A pinned run that waits for its next attempt is listed once, by the lease that it has.
        rows[row[0]] = (*rows.get(row[0], row)[:-1], 1)
    return list(rows.values())


def _key(lease: Lease) -> tuple[str, int]:
    """The values of ``_HELD``: they match the run as long as it still is this lease's."""
    return lease.run_id, lease.fence
