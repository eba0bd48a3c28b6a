"""Forgetting what is old enough."""

from __future__ import annotations

from typing import Final

from jobkit_postgres.transaction import Transaction

PORTION: Final = 100
"""Runs, or spans, in one transaction: with thousands of log lines each, it must not take long."""

# SKIP LOCKED: several replicas prune at the same time, and none waits for another.
_DELETE: Final = """
DELETE FROM jobkit.runs WHERE number IN (
    SELECT number FROM jobkit.runs AS runs WHERE queued_at < %s AND finished_at < %s
        AND NOT EXISTS (SELECT 1 FROM jobkit.outbox WHERE outbox.run = runs.number)
        AND NOT EXISTS (SELECT 1 FROM jobkit.abandoned WHERE abandoned.run = runs.number)
    ORDER BY queued_at, number LIMIT %s FOR UPDATE OF runs SKIP LOCKED
)
"""

# A span ends with its last tick, or later: those of an outage are recorded when it is over.
_DELETE_SPANS: Final = """
DELETE FROM jobkit.spans WHERE id IN (
    SELECT id FROM jobkit.spans WHERE last < %s AND recorded_at < %s ORDER BY last, id LIMIT %s
        FOR UPDATE SKIP LOCKED
)
"""

_DELETE_EVENTS: Final = """
DELETE FROM jobkit.events WHERE id IN (
    SELECT id FROM jobkit.events WHERE at < %s ORDER BY at, id LIMIT %s FOR UPDATE SKIP LOCKED
)
"""

_DELETE_PAUSES: Final = "DELETE FROM jobkit.pauses WHERE until < %s OR resumed_at < %s"

_DELETE_REPLICAS: Final = "DELETE FROM jobkit.replicas WHERE heartbeat_at < %s"


async def prune(tx: Transaction, before: int) -> int:
    """Delete one portion of the runs that were over before *before* and wait for no sink; attempts, lines and
    dead letters go with them."""
    return await tx.run(_DELETE, (before, before, PORTION))


async def prune_ledger(tx: Transaction, before: int) -> int:
    """Delete one portion of what explains the time before *before*; how many spans and events.

    Marks stay, for ever.
    """
    await tx.run(_DELETE_PAUSES, (before, before))
    await tx.run(_DELETE_REPLICAS, (before,))
    events = await tx.run(_DELETE_EVENTS, (before, PORTION))
    return await tx.run(_DELETE_SPANS, (before, before, PORTION)) + events
