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
    ORDER BY queued_at LIMIT ?
)
"""


def prune(connection: sqlite3.Connection, before: int) -> int:
    """Delete one portion of the runs that were over before *before* and wait for no sink; attempts, lines and
    dead letters go with them."""
    return connection.execute(_DELETE, (before, before, PORTION)).rowcount
