"""Pauses: times without runs that people asked for."""

from __future__ import annotations

import sqlite3
from typing import Final

from jobkit.stores.control import Pause, paused_event
from jobkit.stores.rows import Now, Row
from jobkit.stores.sqlite import events
from jobkit.stores.sqlite.queue import there
from jobkit.stores.values import from_micros, optional_instant, to_micros

PAUSE: Final = "id, job, since, until, by, reason, resumed_at, resumed_by"

_GOES_ON: Final = "resumed_at IS NULL AND (until IS NULL OR until > :at)"

_END_PAUSE: Final = f"""
UPDATE pauses SET resumed_at = :at, resumed_by = :by WHERE job IS :job AND {_GOES_ON} RETURNING {PAUSE}
"""

_PAUSE: Final = "INSERT INTO pauses (job, since, until, by, reason) VALUES (?, ?, ?, ?, ?)"

_PAUSES: Final = f"""
SELECT {PAUSE} FROM pauses WHERE ({_GOES_ON}) OR (:since IS NOT NULL
    AND (resumed_at IS NULL OR resumed_at > :since) AND (until IS NULL OR until > :since))
ORDER BY id
"""


def pause_of(row: Row) -> Pause:
    """The pause of a row of ``PAUSE``."""
    id_, job, since, until, by, reason, resumed_at, resumed_by = row
    return Pause(
        id_,
        job,
        from_micros(since),
        optional_instant(until),
        by,
        reason,
        optional_instant(resumed_at),
        resumed_by,
    )


def pause(
    connection: sqlite3.Connection, job: str | None, until: int | None, by: str, reason: str | None, now: Now
) -> Row:
    """Pause *job*, or all. A row of ``PAUSE``."""
    at = to_micros(now())
    connection.execute(_END_PAUSE, {"job": job, "by": by, "at": at}).fetchall()
    id_ = connection.execute(_PAUSE, (job, at, until, by, reason)).lastrowid
    row = (id_, job, at, until, by, reason, None, None)
    events.add(connection, [events.values_of(paused_event(pause_of(row)))])
    return row


def resume(connection: sqlite3.Connection, job: str | None, by: str, now: Now) -> Row | None:
    """End the pause of *job*, or of all. A row of ``PAUSE``, None if there is none."""
    at = to_micros(now())
    ended = connection.execute(_END_PAUSE, {"job": job, "by": by, "at": at}).fetchall()
    if not ended:
        return None
    events.add(connection, [(at, "job.resumed", job, by, "{}")])
    row: Row = ended[0]
    return row


def pauses(connection: sqlite3.Connection, since: int | None, at: int) -> list[Row]:
    """Rows of ``PAUSE``, by id."""
    if not there(connection):
        return []
    return connection.execute(_PAUSES, {"since": since, "at": at}).fetchall()
