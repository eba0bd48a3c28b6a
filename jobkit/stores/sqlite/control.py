"""What people ask of schedulers: to stop a run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from jobkit.stores.rows import Now, Row
from jobkit.stores.sqlite import outbox
from jobkit.stores.sqlite.queue import there
from jobkit.stores.sqlite.runs import by_id, number_of
from jobkit.stores.values import cancelled_message, to_micros

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
WHERE finished_at IS NULL
"""

# A statement of its own, so that it touches those runs and no others.
_REQUESTS_FOR: Final = """
SELECT runs.id, by, cancel_requests.reason, at
FROM json_each(?) AS wanted CROSS JOIN runs ON runs.id = wanted.value
    CROSS JOIN cancel_requests ON run = number
WHERE +finished_at IS NULL
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
    if run_ids is None:
        return connection.execute(_REQUESTS).fetchall()
    return connection.execute(_REQUESTS_FOR, (json.dumps(list(run_ids)),)).fetchall()
