"""Leases: who may execute a run, until when, and how an attempt ends.

Every statement that acts for an owner says ``fence = … AND lease_owner IS NOT NULL``: the fence grows
whenever a run is started or settled, so an owner that lost its right matches nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from jobkit.plugin.rows import ENDED, LEASE, RUN, ended_values
from jobkit.plugin.stores import Lease, Outcome, encode_outcome, lost_message, optional_micros
from jobkit_postgres import control, outbox, queue
from jobkit_postgres.connection import Row
from jobkit_postgres.runs import by_id
from jobkit_postgres.transaction import Transaction, columns_of, given

_HELD: Final = "id = %s AND fence = %s AND lease_owner IS NOT NULL"

_LET_GO: Final = "lease_owner = NULL, lease_pinned = false, lease_duration = NULL, lease_expires_at = NULL"

HOLD: Final = """
SELECT 1 FROM jobkit.runs AS runs WHERE id = ANY(%b::text[])
ORDER BY job, home, number FOR NO KEY UPDATE OF runs
"""

_END_ATTEMPT: Final = f"""
INSERT INTO jobkit.attempts (run, number, started_at, node, {ENDED})
SELECT number, attempt, attempt_since, node, %s, %s::bigint, %s::bigint, %s, %s, %s
FROM jobkit.runs WHERE {_HELD} AND status = 'running'
"""

_FINISHES: Final = {
    "g_id": "text", "g_fence": "bigint", "g_status": "text", "g_finished_at": "bigint",
    "g_duration_ms": "bigint", "g_processed": "bigint", "g_errors": "bigint", "g_reason": "text",
    "g_message": "text", "g_error": "text", "g_cleanup_errors": "text", "g_data": "text",
}  # fmt: skip

_FINISH: Final = f"""
UPDATE jobkit.runs AS runs SET status = g_status, finished_at = g_finished_at, duration_ms = g_duration_ms,
    processed = g_processed, errors = g_errors, reason = g_reason, message = g_message, error = g_error,
    cleanup_errors = g_cleanup_errors, data = g_data, not_before = NULL, {_LET_GO}
FROM {given(_FINISHES)}
WHERE id = g_id AND fence = g_fence AND lease_owner IS NOT NULL
RETURNING place, {RUN}, limits <> '[]' OR overlap IN ('queue', 'cancel')
"""

_FINISHED_BEFORE: Final = f"""
SELECT {RUN} FROM jobkit.runs WHERE id = %s AND fence = %s AND status NOT IN ('queued', 'running')
"""

_KEEP_LATE: Final = "UPDATE jobkit.runs SET late_outcome = %s WHERE id = %s"

_REQUEUE: Final = f"""
UPDATE jobkit.runs SET status = 'queued', not_before = %s,
    lease_owner = CASE WHEN lease_pinned THEN lease_owner END,
    lease_duration = CASE WHEN lease_pinned THEN lease_duration END,
    lease_expires_at = CASE WHEN lease_pinned THEN lease_expires_at END
WHERE {_HELD} AND status = 'running'
"""

_REQUEUED_BEFORE: Final = """
SELECT 1 FROM jobkit.runs WHERE id = %s AND fence = %s AND (status = 'queued'
    OR (status = 'cancelled' AND EXISTS (SELECT 1 FROM jobkit.cancel_requests WHERE run = number)))
"""

_TO_SETTLE: Final = f"""
SELECT lease_pinned FROM jobkit.runs WHERE {_HELD} AND (%s OR lease_expires_at <= %s) FOR NO KEY UPDATE
"""

_LOSE: Final = f"""
UPDATE jobkit.runs SET fence = fence + 1, status = 'lost', finished_at = %s, message = %s, not_before = NULL,
    {_LET_GO}
WHERE {_HELD} RETURNING {RUN}
"""

_TRY_AGAIN: Final = f"""
UPDATE jobkit.runs SET fence = fence + 1, status = 'queued', not_before = %s, {_LET_GO} WHERE {_HELD}
"""

_PROGRESS: Final = """
UPDATE jobkit.runs SET progress = given.progress
FROM unnest(%b::text[], %s::bigint[], %b::text[]) AS given (run, fence, progress)
WHERE id = given.run AND runs.fence = given.fence AND lease_owner IS NOT NULL AND status = 'running'
"""

# A running run has a lease, a queued one only if it is pinned.
_OPEN: Final = f"""
SELECT {LEASE}, job, status, attempts, false FROM jobkit.runs
WHERE status = 'running' OR (status = 'queued' AND lease_owner IS NOT NULL)
"""

Finish = tuple[Lease, Outcome, Row]
"""A lease, how its run ended, and the same as ``OUTCOME``."""


async def finish(tx: Transaction, finishes: Sequence[Finish]) -> tuple[list[Row | None], bool]:
    """End runs, each of them another one, and with them their last attempts.

    For each a row of ``RUN``, or None if its lease was fenced and the outcome is kept as a late one; then
    whether other runs may have waited for one of them.
    """
    if len(finishes) > 1:  # one alone holds its row by changing it
        await tx.all(HOLD, ([lease.run_id for lease, _, _ in finishes],))
    rows = [(*_key(lease), *values) for lease, _, values in finishes]
    ended = {row[0] - 1: row[1:] for row in await tx.all(_FINISH, columns_of(list(_FINISHES), rows))}
    answers: list[Row | None] = []
    for place, (lease, outcome, _) in enumerate(finishes):
        if place in ended:
            answers.append(ended[place][:-1])
            continue
        before = await tx.one(_FINISHED_BEFORE, _key(lease))
        if before is None:
            await tx.run(_KEEP_LATE, (encode_outcome(outcome), lease.run_id))
        answers.append(before)
    await outbox.add(tx, [ended[place][0] for place in sorted(ended)], tx.at)
    return answers, any(row[-1] for row in ended.values())


async def retry_later(tx: Transaction, lease: Lease, outcome: Row, not_before: int) -> bool:
    """End the attempt with *outcome*, of ``OUTCOME``, and queue the run again; False if fenced."""
    held = _key(lease)
    await tx.all(HOLD, ([lease.run_id],))
    await tx.run(_END_ATTEMPT, (*ended_values(outcome), *held))
    if await tx.run(_REQUEUE, (not_before, *held)):
        await control.heed(tx, lease.run_id)
        return True
    return await tx.one(_REQUEUED_BEFORE, held) is not None


async def settle(tx: Transaction, lease: Lease, *, dead: bool, retry_at: datetime | None) -> Row | None:
    """End a lease for its owner. A row of ``RUN``, None if there is nothing to settle."""
    held = _key(lease)
    found = await tx.one(_TO_SETTLE, (*held, dead, tx.at))
    if found is None:
        gone = await queue.settle_abandoned(tx, held, dead=dead)
        return await by_id(tx, lease.run_id) if gone else None
    (pinned,) = found
    await queue.release_abandoned(tx, lease)
    message = lost_message(lease, dead=dead)
    if retry_at is None or pinned:
        row = await tx.one(_LOSE, (tx.at, message, *held))
        assert row is not None, "its row is held"
        await outbox.add(tx, [row[0]], tx.at)
        return row
    await tx.run(_END_ATTEMPT, ("lost", tx.at, None, None, message, None, *held))
    await tx.run(_TRY_AGAIN, (optional_micros(retry_at), *held))
    await control.heed(tx, lease.run_id)
    return await by_id(tx, lease.run_id)


async def set_progress(tx: Transaction, progress: Sequence[tuple[Lease, str]]) -> None:
    """How far runs are, each of them another one."""
    if len(progress) > 1:
        await tx.all(HOLD, ([lease.run_id for lease, _ in progress],))
    keys = [_key(lease) for lease, _ in progress]
    texts = [text for _, text in progress]
    await tx.run(_PROGRESS, ([id_ for id_, _ in keys], [fence for _, fence in keys], texts))


async def open_leases(tx: Transaction) -> list[Row]:
    """Rows of ``LEASE, job, status, attempts`` and whether it is abandoned."""
    rows = {row[0]: row for row in await tx.all(_OPEN)}
    for row in await queue.abandoned(tx):
        # A pinned run that waits for its next attempt is listed once, by the lease that it has.
        rows[row[0]] = (*rows.get(row[0], row)[:-1], True)
    return list(rows.values())


def _key(lease: Lease) -> tuple[str, int]:
    """The values of ``_HELD``: they match the run as long as it still is this lease's."""
    return lease.run_id, lease.fence
