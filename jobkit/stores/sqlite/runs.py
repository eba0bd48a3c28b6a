"""Runs come into being: inserted, and perhaps started in the same step.

The statements of the common path read nothing back with RETURNING: SQLite sends its rows through a
temporary table, which costs as much as the statement itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Final

from jobkit.stores.refusals import id_taken, not_found
from jobkit.stores.rows import LEASE, NEW_LEASE, NEW_RUN, RUN, Now, Row, started_run
from jobkit.stores.values import to_micros

_HOME, _OVERLAP, _LIMITS = 13, 14, 16  # where they stand in NEW_RUN


def _marks(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(","))


_ADD: Final = f"""
INSERT INTO runs ({NEW_RUN}, status, queued_at, not_before, node)
VALUES ({_marks(NEW_RUN)}, 'queued', ?, ?, ?)
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


_WISH: Final = """
SELECT number, job, home, overlap, limits, EXISTS (SELECT 1 FROM abandoned WHERE run = number)
FROM runs WHERE id = ?
"""

# It has to wait, and nobody else may start it meanwhile.
_KEEP_FOR: Final = """
UPDATE runs SET fence = fence + 1, node = ?, lease_owner = ?, lease_pinned = ?, lease_duration = ?,
    lease_expires_at = ? + ?
WHERE id = ? AND status = 'queued' AND lease_owner IS NULL
"""


def add(connection: sqlite3.Connection, run: Row, not_before: int | None, now: Now) -> Row:
    """Insert *run*, of ``NEW_RUN``, as queued, or find it. A row of ``RUN``. RunInTheWay."""
    _admit(connection, run, not_before, to_micros(now()))
    return by_id(connection, run[0])


def add_and_start(
    connection: sqlite3.Connection, run: Row, lease: Row, limits: Mapping[str, int], now: Now
) -> tuple[Row, Row]:
    """Insert *run*, of ``NEW_RUN``, and start it under *lease*, of ``NEW_LEASE``, or find it as this owner
    started it. Rows of ``RUN`` and ``LEASE``. RunInTheWay."""
    at = to_micros(now())
    judged = run[_OVERLAP] != "allow" or (limits and run[_LIMITS] != "[]")
    if judged and not _is_free(connection, run, limits):
        _admit(connection, run, None, at)
        return _started_before(connection, run[0], lease, limits, at)
    node, owner, pinned, duration = lease
    number = _insert(connection, _ADD_STARTED, (*run, *lease, at, at, at, at + duration))
    if number is None:
        return _started_before(connection, run[0], lease, limits, at)
    return started_run(number, run, lease, at), (run[0], 1, 1, owner, node, duration, pinned, at + duration)


def _is_free(connection: sqlite3.Connection, run: Row, limits: Mapping[str, int]) -> bool:
    """Whether there is nothing that *run* could meet: the common case, which needs no second look."""
    from jobkit.stores.sqlite import overlaps

    if run[_OVERLAP] != "allow" and overlaps.open_runs(connection, run[1], run[_HOME]):
        return False
    return run[_LIMITS] == "[]" or overlaps.full(connection, limits).isdisjoint(json.loads(run[_LIMITS]))


def start_attempt(
    connection: sqlite3.Connection, run_id: str, lease: Row, limits: Mapping[str, int], now: Now
) -> Row | None:
    """Start the next attempt. A row of ``LEASE``, None if the run is not to be had, or has to wait."""
    return _start(connection, run_id, lease, limits, to_micros(now()))


def _start(
    connection: sqlite3.Connection, run_id: str, lease: Row, limits: Mapping[str, int], at: int
) -> Row | None:
    if _must_wait(connection, run_id, limits):
        return None
    node, owner, pinned, duration = lease
    values = {"id": run_id, "at": at, "node": node, "owner": owner, "pinned": pinned, "duration": duration}
    if not connection.execute(_START, values).rowcount:
        return None
    row: Row = connection.execute(_LEASE_OF, (run_id,)).fetchone()
    return row


def _must_wait(connection: sqlite3.Connection, run_id: str, limits: Mapping[str, int]) -> bool:
    """Whether a run may not start yet, though nobody else has it. RunNotFound."""
    wish = connection.execute(_WISH, (run_id,)).fetchone()
    if wish is None:
        raise not_found(run_id)
    from jobkit.stores.sqlite import overlaps

    taken = overlaps.full(connection, limits) if wish[4] != "[]" else frozenset()
    return overlaps.must_wait(connection, wish, taken)


def _admit(connection: sqlite3.Connection, run: Row, not_before: int | None, at: int) -> None:
    """Insert *run* as queued, if its overlap allows that, unless it is there. RunInTheWay."""
    if run[_OVERLAP] == "allow":
        insert(connection, run, not_before, at)
        return
    if connection.execute("SELECT 1 FROM runs WHERE id = ?", (run[0],)).fetchone() is not None:
        return
    from jobkit.stores.sqlite import overlaps

    verdict = overlaps.verdict(connection, run[_OVERLAP], job=run[1], home=run[_HOME])
    if verdict.blocked is not None:
        raise overlaps.in_the_way(connection, verdict.blocked)
    number = insert(connection, run, not_before, at)
    assert number is not None, "the id was looked up under the same lock"
    overlaps.give_way(connection, number, verdict, at)


def insert(connection: sqlite3.Connection, run: Row, not_before: int | None, at: int) -> int | None:
    """Insert *run*, of ``NEW_RUN``, as queued. Its number; None if its id, or its tick, is taken."""
    return _insert(connection, _ADD, (*run, at, not_before, run[_HOME]))


def _insert(connection: sqlite3.Connection, statement: str, values: Row) -> int | None:
    """The number of the new row; None if there is a run of that id. A refusal uses no number up."""
    try:
        return connection.execute(statement, values).lastrowid
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorname != "SQLITE_CONSTRAINT_UNIQUE":
            raise
        return None


def _started_before(
    connection: sqlite3.Connection, run_id: str, lease: Row, limits: Mapping[str, int], at: int
) -> tuple[Row, Row]:
    fresh = "SELECT 1 FROM runs WHERE id = ? AND fence = 0"
    ours = (
        f"{_LEASE_OF} AND fence = 1 AND (status = 'running' OR (status = 'queued' AND attempt = 0))"
        " AND lease_owner = ?"
    )
    if connection.execute(fresh, (run_id,)).fetchone():
        # Inserted just now, or by add_run, and nobody has had it since.
        found = _start(connection, run_id, lease, limits, at)
        if found is None:
            duration = lease[3]
            connection.execute(_KEEP_FOR, (*lease, at, duration, run_id))
            found = connection.execute(ours, (run_id, lease[1])).fetchone()
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
