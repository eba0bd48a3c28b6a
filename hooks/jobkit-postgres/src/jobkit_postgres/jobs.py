"""The rows of jobs: whatever inserts or starts a run of a job holds its row.

Locks are taken in one order everywhere, so that nobody waits for whom they keep waiting: the rows of jobs by
key, then rows of runs by key and number, then the lock of limits, then the counter of runs, then the lock of
the outbox. What is judged is read by a statement after the one that locks: that one still sees what was there
before it waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import Transaction

Key = tuple[str, str]
"""A job and a node."""

_LOCK: Final = """
SELECT states.job, states.node, mark, hash, since, span
FROM unnest(%b::text[], %b::text[]) AS wanted (job, node)
    JOIN jobkit.job_states AS states ON states.job = wanted.job AND states.node = wanted.node
ORDER BY states.job, states.node FOR UPDATE OF states
"""

_ADD: Final = """
INSERT INTO jobkit.job_states (job, node)
SELECT job, node FROM unnest(%b::text[], %b::text[]) AS wanted (job, node)
ORDER BY job COLLATE "C", node COLLATE "C"
ON CONFLICT (job, node) DO NOTHING
"""


async def lock(tx: Transaction, keys: Sequence[Key], *, make: bool = True) -> dict[Key, Row]:
    """Hold the rows of *keys*: mark, hash, since, and the span that ends at the mark.

    A row that is not there is made, unless *make* is False.
    """
    jobs, nodes = [job for job, _ in keys], [node for _, node in keys]
    found = {(row[0], row[1]): row[2:] for row in await tx.all(_LOCK, (jobs, nodes))}
    missing = sorted(set(keys) - set(found)) if make else []
    if missing:
        made = ([job for job, _ in missing], [node for _, node in missing])
        await tx.run(_ADD, made)
        found |= {(row[0], row[1]): row[2:] for row in await tx.all(_LOCK, made)}
    return found


async def lock_one(tx: Transaction, job: str, node: str) -> None:
    """Hold the row of one job."""
    await lock(tx, [(job, node)])
