"""Runs come into being: inserted, and perhaps started in the same step.

The statements of the common path read nothing back with RETURNING: SQLite sends its rows through a
temporary table, which costs as much as the statement itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Final

from jobkit.stores.refusals import id_taken, not_found
from jobkit.stores.sqlite.rows import LEASE, NEW_LEASE, NEW_RUN, RUN, Row, started_run
from jobkit.stores.values import to_micros

Now = Callable[[], datetime]


def _marks(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(","))


_ADD: Final = f"""
INSERT INTO runs ({NEW_RUN}, status, queued_at, not_before) VALUES ({_marks(NEW_RUN)}, 'queued', ?, ?)
"""

_ADD_STARTED: Final = f"""
INSERT INTO runs (
    status, attempt, fence, {NEW_RUN}, {NEW_LEASE}, queued_at, started_at, attempt_since, lease_expires_at
) VALUES ('running', 1, 1, {_marks(NEW_RUN)}, {_marks(NEW_LEASE)}, ?, ?, ?, ?)
"""

_START: Final = """
UPDATE runs SET status = 'running', attempt = attempt + 1, fence = fence + 1,
    started_at = coalesce(started_at, :at), attempt_since = :at, not_before = NULL, progress = NULL,
    node = :node, lease_owner = :owner, lease_pinned = :pinned, lease_duration = :duration,
    lease_expires_at = :at + :duration
WHERE id = :id AND status = 'queued' AND (lease_owner IS NULL OR lease_owner = :owner)
"""

_LEASE_OF: Final = f"SELECT {LEASE} FROM runs WHERE id = ?"


def add(connection: sqlite3.Connection, run: Row, not_before: int | None, now: Now) -> Row:
    """Insert *run*, of ``NEW_RUN``, as queued, or find it. A row of ``RUN``."""
    _insert(connection, _ADD, (*run, to_micros(now()), not_before))
    return by_id(connection, run[0])


def add_and_start(connection: sqlite3.Connection, run: Row, lease: Row, now: Now) -> tuple[Row, Row]:
    """Insert *run*, of ``NEW_RUN``, and start it under *lease*, of ``NEW_LEASE``, or find it as this owner
    started it. Rows of ``RUN`` and ``LEASE``."""
    at = to_micros(now())
    node, owner, pinned, duration = lease
    number = _insert(connection, _ADD_STARTED, (*run, *lease, at, at, at, at + duration))
    if number is None:
        return _started_before(connection, run[0], lease, now)
    return started_run(number, run, lease, at), (run[0], 1, 1, owner, node, duration, pinned, at + duration)


def start_attempt(connection: sqlite3.Connection, run_id: str, lease: Row, now: Now) -> Row | None:
    """Start the next attempt. A row of ``LEASE``, None if the run is not to be had."""
    node, owner, pinned, duration = lease
    values = {"id": run_id, "at": to_micros(now()), "node": node, "owner": owner, "pinned": pinned}
    if not connection.execute(_START, {**values, "duration": duration}).rowcount:
        number_of(connection, run_id)
        return None
    row: Row = connection.execute(_LEASE_OF, (run_id,)).fetchone()
    return row


def _insert(connection: sqlite3.Connection, statement: str, values: Row) -> int | None:
    """The number of the new row; None if there is a run of that id. A refusal uses no number up."""
    try:
        return connection.execute(statement, values).lastrowid
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname != "SQLITE_CONSTRAINT_UNIQUE":
            raise
        return None


def _started_before(connection: sqlite3.Connection, run_id: str, lease: Row, now: Now) -> tuple[Row, Row]:
    fresh = "SELECT 1 FROM runs WHERE id = ? AND fence = 0"
    ours = f"{_LEASE_OF} AND fence = 1 AND status = 'running' AND lease_owner = ?"
    if connection.execute(fresh, (run_id,)).fetchone():
        # Inserted by add_run, and nobody has had it since.
        found = start_attempt(connection, run_id, lease, now)
    else:
        found = connection.execute(ours, (run_id, lease[1])).fetchone()
    row = by_id(connection, run_id)
    if found is None:
        raise id_taken(run_id, row[0])
    return row, found


def by_id(connection: sqlite3.Connection, run_id: str) -> Row:
    """A row of ``RUN``. RunNotFound."""
    row: Row | None = connection.execute(f"SELECT {RUN} FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise not_found(run_id)
    return row


def number_of(connection: sqlite3.Connection, run_id: str) -> int:
    """The number of a run, which is its key in other tables. RunNotFound."""
    row = connection.execute("SELECT number FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise not_found(run_id)
    number: int = row[0]
    return number
