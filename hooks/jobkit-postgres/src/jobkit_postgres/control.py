"""What people ask of schedulers: to stop a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobkit.plugin.stores import cancelled_message
from jobkit_postgres import outbox
from jobkit_postgres.connection import Row
from jobkit_postgres.runs import by_id
from jobkit_postgres.transaction import Transaction

_HOLD: Final = "SELECT 1 FROM jobkit.runs WHERE id = %s FOR NO KEY UPDATE"

_ASK: Final = """
INSERT INTO jobkit.cancel_requests (run, by, reason, at)
SELECT number, %s, %s, %s::bigint FROM jobkit.runs WHERE id = %s AND finished_at IS NULL
ON CONFLICT (run) DO NOTHING
"""

_ASKED: Final = """
SELECT number, by, asked.reason FROM jobkit.cancel_requests AS asked JOIN jobkit.runs AS runs ON number = run
WHERE id = %s AND status = 'queued' AND lease_owner IS NULL
"""

_CANCEL: Final = """
UPDATE jobkit.runs SET status = 'cancelled', finished_at = %s, message = %s, not_before = NULL
WHERE number = %s
"""

_REQUESTS: Final = """
SELECT id, by, asked.reason, at FROM jobkit.cancel_requests AS asked JOIN jobkit.runs AS runs ON number = run
WHERE finished_at IS NULL AND (%(ids)b::text[] IS NULL OR id = ANY(%(ids)b::text[]))
"""


async def request_cancel(tx: Transaction, run_id: str, by: str, reason: str | None) -> Row:
    """Ask for the end of a run. A row of ``RUN``. RunNotFound."""
    await tx.one(_HOLD, (run_id,))
    await by_id(tx, run_id)
    await tx.run(_ASK, (by, reason, tx.at, run_id))
    await heed(tx, run_id)
    return await by_id(tx, run_id)


async def heed(tx: Transaction, run_id: str) -> None:
    """End a run that waits, and nobody has, if it was asked for. Its row is held."""
    asked = await tx.one(_ASKED, (run_id,))
    if asked is not None:
        number, by, reason = asked
        await tx.run(_CANCEL, (tx.at, cancelled_message(by, reason), number))
        await outbox.add(tx, [number], tx.at)


async def cancel_requests(tx: Transaction, run_ids: Sequence[str] | None) -> list[Row]:
    """Id, by, reason and time of the requests for runs that have not ended."""
    return await tx.all(_REQUESTS, {"ids": None if run_ids is None else list(run_ids)})
