"""What is open of a job, what gives way to a new run of it, and what an attempt has to wait for.

The rows of the jobs are held (see :mod:`jobkit_postgres.jobs`).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from jobkit.plugin.rows import RUN, run_record
from jobkit.plugin.stores import OpenRun, Reason, RunInTheWay, Verdict, superseded_message
from jobkit_postgres import outbox
from jobkit_postgres.connection import Row
from jobkit_postgres.jobs import Key
from jobkit_postgres.transaction import Transaction

_HOLD: Final = """
SELECT number FROM jobkit.runs AS runs
WHERE (job, home) IN (SELECT * FROM unnest(%b::text[], %b::text[])) AND finished_at IS NULL
ORDER BY job, home, number FOR NO KEY UPDATE OF runs
"""

_OPEN: Final = """
WITH wanted (job, home) AS (SELECT * FROM unnest(%b::text[], %b::text[]))
SELECT job, home, id, number, status = 'queued', attempt, lease_owner IS NOT NULL,
    EXISTS (SELECT 1 FROM jobkit.abandoned WHERE run = number), "trigger" = 'catchup'
FROM wanted JOIN jobkit.runs AS runs USING (job, home) WHERE finished_at IS NULL
UNION ALL
SELECT abandoned.job, abandoned.home, runs.id, number, false, runs.attempt, false, true, "trigger" = 'catchup'
FROM wanted JOIN jobkit.abandoned AS abandoned USING (job, home)
    JOIN jobkit.runs AS runs ON number = run
WHERE finished_at IS NOT NULL
"""

_RUNS: Final = f"SELECT {RUN} FROM jobkit.runs WHERE number = ANY(%s::bigint[])"

_SKIP: Final = """
UPDATE jobkit.runs AS runs SET status = 'skipped', message = given.message, finished_at = %s, reason = %s,
    not_before = NULL
FROM unnest(%s::bigint[], %b::text[]) AS given (number, message)
WHERE runs.number = given.number
"""

_END_AS_LAST: Final = """
UPDATE jobkit.runs AS runs SET status = attempts.status, duration_ms = attempts.duration_ms,
    message = attempts.message, error = attempts.error, finished_at = %s, reason = %s, not_before = NULL
FROM jobkit.attempts AS attempts
WHERE runs.number = ANY(%s::bigint[]) AND attempts.run = runs.number AND attempts.number = runs.attempt
"""

_ASK: Final = """
INSERT INTO jobkit.cancel_requests (run, by, reason, at)
SELECT run, by, %s, %s FROM unnest(%s::bigint[], %b::text[]) AS given (run, by)
ON CONFLICT (run) DO NOTHING
"""

# What executes, and threads that go on after that.
_HOLDING: Final = """
SELECT limits FROM jobkit.runs WHERE status = 'running' AND limits <> '[]'
UNION ALL
SELECT abandoned.limits FROM jobkit.abandoned AS abandoned JOIN jobkit.runs AS runs ON number = run
WHERE status <> 'running' AND abandoned.limits <> '[]'
"""


async def hold(tx: Transaction, keys: Sequence[Key]) -> None:
    """Hold all open runs of *keys*, so that what is read of them next stays so."""
    await tx.all(_HOLD, _pairs(keys))


async def open_runs(tx: Transaction, keys: Sequence[Key]) -> dict[Key, list[OpenRun]]:
    """What counts for overlap of jobs on nodes."""
    found: dict[Key, list[OpenRun]] = defaultdict(list)
    for job, home, *run in await tx.all(_OPEN, _pairs(keys)):
        found[job, home].append(OpenRun(*run))
    return found


async def held_and_open(tx: Transaction, job: str, home: str) -> list[OpenRun]:
    """The open runs of one job, held."""
    await hold(tx, [(job, home)])
    return (await open_runs(tx, [(job, home)]))[job, home]


async def in_the_way(tx: Transaction, blocking: Sequence[OpenRun]) -> dict[int, RunInTheWay]:
    """The errors that name them, by number."""
    if not blocking:
        return {}
    found = await tx.all(_RUNS, ([run.number for run in blocking],))
    return {row[0]: RunInTheWay(run_record(row)) for row in found}


async def give_way(tx: Transaction, said: Sequence[tuple[int, Verdict]], at: int) -> dict[int, Row]:
    """End what the runs of these numbers displace, and ask to stop what is to be cancelled for them.

    Rows of ``RUN`` of all that is concerned, by number.
    """
    displaced = [(run, number) for number, verdict in said for run in verdict.displaced]
    asked = [(run.number, f"run {number}") for number, verdict in said for run in verdict.cancelled]
    if displaced:
        fresh = [(run.number, superseded_message(number)) for run, number in displaced if not run.attempt]
        tried = [run.number for run, _ in displaced if run.attempt]
        superseded = Reason.SUPERSEDED.value
        if fresh:
            await tx.run(_SKIP, (at, superseded, *map(list, zip(*fresh, strict=True))))
        if tried:
            await tx.run(_END_AS_LAST, (at, superseded, tried))
    if asked:
        await tx.run(_ASK, (Reason.OVERLAP.value, at, *map(list, zip(*asked, strict=True))))
    await outbox.add(tx, [run.number for run, _ in displaced], at)
    concerned = [run.number for run, _ in displaced] + [number for number, _ in asked]
    return {row[0]: row for row in await tx.all(_RUNS, (concerned,))} if concerned else {}


async def must_wait(tx: Transaction, wish: Row, limits: Mapping[str, int]) -> bool:
    """Whether a run may not start yet, though nobody else has it.

    *wish* is its number, job, home, overlap, limits, and whether a thread of it was abandoned.
    """
    number, job, home, overlap, names, abandoned = wish
    if abandoned:
        return True
    if overlap != "allow":
        others = (await open_runs(tx, [(job, home)]))[job, home]
        if any(other.executing for other in others if other.number != number):
            return True
    return not await is_room(tx, names, limits)


async def is_room(tx: Transaction, names: str, limits: Mapping[str, int]) -> bool:
    """Whether all limits of *names*, a JSON array, have room; it stays so until the commit."""
    held = [name for name in json.loads(names) if name in limits]
    if not held:
        return True
    await tx.lock("limits")
    return (await full(tx, limits)).isdisjoint(held)


async def full(tx: Transaction, limits: Mapping[str, int]) -> frozenset[str]:
    """The names of *limits* that have no room."""
    if not limits:
        return frozenset()
    counted = await taken(tx)
    return frozenset(name for name, most in limits.items() if counted[name] >= most)


async def taken(tx: Transaction) -> Counter[str]:
    """How many hold each limit."""
    return Counter(name for (names,) in await tx.all(_HOLDING) for name in json.loads(names))


def _pairs(keys: Sequence[Key]) -> tuple[list[str], list[str]]:
    return [job for job, _ in keys], [home for _, home in keys]
