"""What people ask of schedulers: to stop a run, to pause, to resume."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from jobkit.stores.control import Pause
from jobkit.stores.sqlite import events, outbox
from jobkit.stores.sqlite.queue import there
from jobkit.stores.sqlite.rows import Now, Row
from jobkit.stores.sqlite.runs import by_id, number_of
from jobkit.stores.values import cancelled_message, from_micros, optional_instant, paused_event, to_micros

_ASK: Final = """
INSERT INTO cancel_requests (run, by, reason, at) SELECT number, ?, ?, ? FROM runs
WHERE id = ? AND finished_at IS NULL
ON CONFLICT (run) DO NOTHING
"""

_ASKED: Final = """
SELECT number, by, cancel_requests.reason FROM cancel_requests JOIN runs ON number = run
WHERE id = ? AND status = 'queued' AND lease_owner IS NULL
"""

_CANCEL: Final = """
UPDATE runs SET status = 'cancelled', finished_at = ?, message = ?, not_before = NULL WHERE number = ?
"""

_REQUESTS: Final = """
SELECT id, by, cancel_requests.reason, at FROM cancel_requests JOIN runs ON number = run
WHERE finished_at IS NULL AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
"""


def request_cancel(connection: sqlite3.Connection, run_id: str, by: str, reason: str | None, now: Now) -> Row:
    """Ask for the end of a run. A row of ``RUN``. RunNotFound."""
    number_of(connection, run_id)
    at = to_micros(now())
    connection.execute(_ASK, (by, reason, at, run_id))
    heed(connection, run_id, at)
    return by_id(connection, run_id)


def heed(connection: sqlite3.Connection, run_id: str, at: int) -> None:
    """End a run that waits, and nobody has, if it was asked for."""
    asked = connection.execute(_ASKED, (run_id,)).fetchone()
    if asked is not None:
        number, by, reason = asked
        connection.execute(_CANCEL, (at, cancelled_message(by, reason), number))
        outbox.add(connection, number, at)


def cancel_requests(connection: sqlite3.Connection, run_ids: Sequence[str] | None) -> list[Row]:
    """Id, by, reason and time of the requests for runs that have not ended."""
    if not there(connection):
        return []
    ids = None if run_ids is None else json.dumps(list(run_ids))
    return connection.execute(_REQUESTS, {"ids": ids}).fetchall()


# -- pauses -----------------------------------------------------------------------------------------

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
