"""Pauses: times without runs that people asked for."""

from __future__ import annotations

from typing import Final

from jobkit.plugin.stores import Pause, from_micros, optional_instant, paused_event
from jobkit_postgres import events
from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import Transaction

PAUSE: Final = "id, job, since, until, by, reason, resumed_at, resumed_by"

_GOES_ON: Final = "resumed_at IS NULL AND (until IS NULL OR until > %(at)s)"

_END_PAUSE: Final = f"""
UPDATE jobkit.pauses SET resumed_at = %(at)s, resumed_by = %(by)s
WHERE job IS NOT DISTINCT FROM %(job)s AND {_GOES_ON} RETURNING {PAUSE}
"""

_PAUSE: Final = f"""
INSERT INTO jobkit.pauses (job, since, until, by, reason) VALUES (%s, %s, %s, %s, %s) RETURNING {PAUSE}
"""

_PAUSES: Final = f"""
SELECT {PAUSE} FROM jobkit.pauses WHERE ({_GOES_ON}) OR (%(since)s::bigint IS NOT NULL
    AND (resumed_at IS NULL OR resumed_at > %(since)s) AND (until IS NULL OR until > %(since)s))
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


async def pause(tx: Transaction, job: str | None, until: int | None, by: str, reason: str | None) -> Row:
    """Pause *job*, or all. A row of ``PAUSE``."""
    await tx.lock("pauses")  # of two pauses of the same one takes the other's place
    await tx.all(_END_PAUSE, {"job": job, "by": by, "at": tx.at})
    row = await tx.one(_PAUSE, (job, tx.at, until, by, reason))
    assert row is not None, "it was inserted"
    await events.add(tx, [events.values_of(paused_event(pause_of(row)))])
    return row


async def resume(tx: Transaction, job: str | None, by: str) -> Row | None:
    """End the pause of *job*, or of all. A row of ``PAUSE``, None if there is none."""
    row = await tx.one(_END_PAUSE, {"job": job, "by": by, "at": tx.at})
    if row is not None:
        await events.add(tx, [(tx.at, "job.resumed", job, by, "{}")])
    return row


async def pauses(tx: Transaction, since: int | None) -> list[Row]:
    """Rows of ``PAUSE``, by id."""
    return await tx.all(_PAUSES, {"since": since, "at": tx.at})
