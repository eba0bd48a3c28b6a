"""Queued runs that could be started, and leases of abandoned threads."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from jobkit.plugin.rows import OUTCOME, RUN
from jobkit.plugin.stores import Lease
from jobkit_postgres import outbox, overlaps
from jobkit_postgres.connection import Row
from jobkit_postgres.runs import by_id
from jobkit_postgres.transaction import Transaction

_QUEUED: Final = f"""
SELECT {RUN}, home, overlap, limits, EXISTS (SELECT 1 FROM jobkit.abandoned WHERE run = number)
FROM jobkit.runs
WHERE status = 'queued' AND lease_owner IS NULL AND (not_before IS NULL OR not_before <= %(now)s)
    AND (%(node)s::text IS NULL OR home IN ('', %(node)s))
    AND (%(jobs)b::text[] IS NULL OR job = ANY(%(jobs)b::text[]))
    AND (%(queues)b::text[] IS NULL OR queue = ANY(%(queues)b::text[]))
    AND (%(after)s::bigint IS NULL OR (-priority, number) > (%(rank)s, %(after)s))
ORDER BY priority DESC, number LIMIT %(most)s
"""
_NUMBER, _JOB = 0, 2  # where they stand in RUN
_BEHIND_RUN: Final = 4

_PRIORITY: Final = "SELECT -priority FROM jobkit.runs WHERE number = %s"

_NEXT: Final = """
SELECT not_before FROM jobkit.runs
WHERE status = 'queued' AND not_before > %s AND lease_owner IS NULL ORDER BY not_before LIMIT 1
"""

_END: Final = f"""
UPDATE jobkit.runs SET ({OUTCOME}) = (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s), not_before = NULL
WHERE id = %s AND status = 'queued' AND lease_owner IS NULL
"""

_ABANDON: Final = """
INSERT INTO jobkit.abandoned
    (run, job, home, limits, fence, attempt, owner, node, pinned, duration, expires_at)
SELECT number, job, home, limits, fence, attempt, lease_owner, node, lease_pinned, lease_duration,
    lease_expires_at
FROM jobkit.runs WHERE id = %s AND fence = %s AND lease_owner IS NOT NULL AND status = 'running'
FOR NO KEY UPDATE
ON CONFLICT (run) DO UPDATE SET fence = excluded.fence, attempt = excluded.attempt, owner = excluded.owner,
    node = excluded.node, pinned = excluded.pinned, duration = excluded.duration,
    expires_at = excluded.expires_at
"""

_OF: Final = "run = (SELECT number FROM jobkit.runs WHERE id = %s) AND fence = %s"

_RELEASE: Final = f"DELETE FROM jobkit.abandoned AS abandoned WHERE {_OF}"

_SETTLE: Final = f"""
{_RELEASE} AND (%s OR expires_at <= %s)
    AND NOT EXISTS (SELECT 1 FROM jobkit.runs AS runs WHERE number = run AND runs.fence = abandoned.fence
        AND lease_owner IS NOT NULL)
"""

# The members of LEASE, then job, status, attempts and whether it is abandoned.
_ABANDONED: Final = """
SELECT runs.id, abandoned.fence, abandoned.attempt, owner, abandoned.node, duration, pinned, expires_at,
    runs.job, status, attempts, true
FROM jobkit.abandoned AS abandoned JOIN jobkit.runs AS runs ON number = run
"""


async def waiting(
    tx: Transaction,
    *,
    jobs: Collection[str] | None,
    queues: Collection[str] | None,
    node: str | None,
    now: int | None,
    limits: Mapping[str, int],
    limit: int,
) -> list[Row]:
    """Rows of ``RUN``: what could be started at *now*, or at the store's clock, in order.

    It is read in portions: most of them can be started, and how many cannot is not known before.
    """
    taken = await overlaps.full(tx, limits)
    at = tx.at if now is None else now
    values = {"now": at, "node": node, "jobs": _listed(jobs), "queues": _listed(queues), "most": limit}
    values |= {"after": None, "rank": 0}
    found: list[Row] = []
    while True:
        rows = await tx.all(_QUEUED, values)
        found += await _startable(tx, rows, taken)
        if len(rows) < limit or len(found) >= limit:
            return found[:limit]
        last = rows[-1][_NUMBER]
        [(rank,)] = await tx.all(_PRIORITY, (last,))
        values |= {"after": last, "rank": rank}


async def _startable(tx: Transaction, rows: list[Row], taken: frozenset[str]) -> list[Row]:
    """Those of *rows* that nothing keeps waiting."""
    alone = {(row[_JOB], row[-4]) for row in rows if row[-3] != "allow"}
    executed: dict[tuple[str, str], set[int]] = defaultdict(set)
    if alone:
        for key, found in (await overlaps.open_runs(tx, sorted(alone))).items():
            executed[key] = {run.number for run in found if run.executing}
    startable = []
    for row in rows:
        home, overlap, names, abandoned = row[-_BEHIND_RUN:]
        others = executed[row[_JOB], home] - {row[_NUMBER]} if overlap != "allow" else ()
        full = taken and names != "[]" and not taken.isdisjoint(json.loads(names))
        if not (abandoned or others or full):
            startable.append(row[:-_BEHIND_RUN])
    return startable


async def next_queued(tx: Transaction) -> int | None:
    """When the next run that waits for its time may start."""
    row = await tx.one(_NEXT, (tx.at,))
    return None if row is None else row[0]


async def end(tx: Transaction, run_id: str, outcome: Row) -> Row | None:
    """End a queued run with *outcome*, of ``OUTCOME``. A row of ``RUN``, None if somebody has it.

    RunNotFound.
    """
    ended = await tx.run(_END, (*outcome, run_id))
    row = await by_id(tx, run_id)
    if ended:
        await outbox.add(tx, [row[_NUMBER]], tx.at)
    return row if row[4] not in ("queued", "running") else None


# -- abandoned leases -------------------------------------------------------------------------------


async def abandon(tx: Transaction, lease: Lease) -> bool:
    return await tx.run(_ABANDON, (lease.run_id, lease.fence)) > 0


async def release_abandoned(tx: Transaction, lease: Lease) -> None:
    await tx.run(_RELEASE, (lease.run_id, lease.fence))


async def settle_abandoned(tx: Transaction, held: tuple[str, int], *, dead: bool) -> bool:
    """End the abandoned lease of a run's id and fence, unless the run goes on under it; whether it did."""
    return await tx.run(_SETTLE, (*held, dead, tx.at)) > 0


async def abandoned(tx: Transaction) -> list[Row]:
    """Rows of ``LEASE, job, status, attempts`` and whether it is abandoned."""
    return await tx.all(_ABANDONED)


def _listed(names: Collection[str] | None) -> list[str] | None:
    return None if names is None else list(names)
