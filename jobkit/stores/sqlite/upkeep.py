"""Forgetting what is old enough."""

from __future__ import annotations

import sqlite3
from typing import Final

PORTION: Final = 100
"""Runs in one transaction: with thousands of log lines each, others must not wait long for the lock."""

# Found through the index of queued_at; one of finished_at would be one more page in every finish.
_DELETE: Final = """
DELETE FROM runs WHERE number IN (
    SELECT number FROM runs WHERE queued_at < ? AND finished_at < ?
        AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = runs.number)
        AND NOT EXISTS (SELECT 1 FROM abandoned WHERE abandoned.run = runs.number)
    ORDER BY queued_at LIMIT ?
)
"""


# A span ends with its last tick, or later: those of an outage are recorded when it is over.
_DELETE_SPANS: Final = """
DELETE FROM spans WHERE id IN (
    SELECT id FROM spans WHERE last < ? AND recorded_at < ? ORDER BY last LIMIT ?
)
"""


_DELETE_EVENTS: Final = """
DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? ORDER BY at LIMIT ?)
"""

_DELETE_PAUSES: Final = "DELETE FROM pauses WHERE until < ? OR resumed_at < ?"

_DELETE_REPLICAS: Final = "DELETE FROM replicas WHERE heartbeat_at < ?"


def prune(connection: sqlite3.Connection, before: int) -> int:
    """Delete one portion of the runs that were over before *before* and wait for no sink; attempts, lines and
    dead letters go with them."""
    return connection.execute(_DELETE, (before, before, PORTION)).rowcount


def prune_ledger(connection: sqlite3.Connection, before: int) -> int:
    """Delete one portion of what explains the time before *before*; how many spans and events.

    Marks stay, for ever.
    """
    connection.execute(_DELETE_PAUSES, (before, before))
    connection.execute(_DELETE_REPLICAS, (before,))
    events = connection.execute(_DELETE_EVENTS, (before, PORTION)).rowcount
    return connection.execute(_DELETE_SPANS, (before, before, PORTION)).rowcount + events
