"""Runs come into being: inserted, and perhaps started in the same step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from jobkit.plugin.rows import LEASE, RUN, started_run
from jobkit.plugin.stores import id_taken, judge, not_found
from jobkit_postgres import jobs, overlaps
from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import Transaction, columns_of, given

_ID, _JOB, _HOME, _OVERLAP, _LIMITS = 0, 1, 13, 14, 16  # where they stand in NEW_RUN

_NEW: Final = {
    "id": "text", "job": "text", "extension": "text", "trigger": "text", "scheduled_at": "bigint",
    "attempts": "bigint", "actor": "text", "enforce": "int", "win": "text", "covers": "text",
    "parent": "text", "retry_of": "text", "parameters": "text", "home": "text", "overlap": "text",
    "tick": "bigint", "limits": "text", "priority": "bigint", "queue": "text", "not_before": "bigint",
}  # fmt: skip
"""The columns of ``NEW_RUN``, and when it may start."""

_COLUMNS: Final = """
id, job, extension, "trigger", scheduled_at, attempts, actor, enforce, "window", covers, parent, retry_of,
parameters, home, overlap, tick, limits, priority, queue
"""

# The row of the counter is held until the commit: of two who insert the second waits for the first.
_ADD: Final = f"""
WITH counted AS (UPDATE jobkit.project SET number = number + %(count)s RETURNING number - %(count)s AS number)
INSERT INTO jobkit.runs (number, {_COLUMNS}, not_before, status, queued_at, node)
SELECT counted.number + place, id, job, extension, trigger, scheduled_at, attempts, actor, enforce::boolean,
    win, covers, parent, retry_of, parameters, home, overlap, tick, limits, priority, queue, not_before,
    'queued', %(at)s, home
FROM counted, {given(_NEW)} ORDER BY place
RETURNING id, number
"""

# A lease counts from the moment in which it is had, however long others were waited for.
_ADD_STARTED: Final = f"""
WITH counted AS (UPDATE jobkit.project SET number = number + %(count)s RETURNING number - %(count)s AS number)
INSERT INTO jobkit.runs (number, {_COLUMNS}, status, attempt, fence, queued_at, started_at, attempt_since,
    node, lease_owner, lease_pinned, lease_duration, lease_expires_at)
SELECT counted.number + place, id, job, extension, trigger, scheduled_at, attempts, actor, enforce::boolean,
    win, covers, parent, retry_of, parameters, home, overlap, tick, limits, priority, queue,
    'running', 1, 1, %(at)s, %(at)s, %(at)s, %(node)s, %(owner)s, %(pinned)s::int::boolean, %(duration)s,
    jobkit.instant() + %(duration)s::bigint
FROM counted, {given(_NEW)}
RETURNING id, number, lease_expires_at
"""

_START: Final = """
UPDATE jobkit.runs SET status = 'running', attempt = attempt + 1, fence = fence + 1,
    started_at = coalesce(started_at, %(at)s), attempt_since = %(at)s, not_before = NULL, progress = NULL,
    node = %(node)s, lease_owner = %(owner)s, lease_pinned = %(pinned)s::int::boolean,
    lease_duration = %(duration)s, lease_expires_at = jobkit.instant() + %(duration)s::bigint
WHERE id = %(id)s AND status = 'queued' AND (lease_owner IS NULL OR lease_owner = %(owner)s)
"""

_LEASE_OF: Final = f"SELECT {LEASE} FROM jobkit.runs WHERE id = %s"

_OURS: Final = f"""
{_LEASE_OF} AND fence = 1 AND (status = 'running' OR (status = 'queued' AND attempt = 0)) AND lease_owner = %s
"""

_BY_ID: Final = f"SELECT {RUN} FROM jobkit.runs WHERE id = %s"

_WISH: Final = """
SELECT number, job, home, overlap, limits, EXISTS (SELECT 1 FROM jobkit.abandoned WHERE run = number)
FROM jobkit.runs WHERE id = %s
"""

# It has to wait, and nobody else may start it meanwhile.
_KEEP_FOR: Final = """
UPDATE jobkit.runs SET fence = fence + 1, node = %(node)s, lease_owner = %(owner)s,
    lease_pinned = %(pinned)s::int::boolean, lease_duration = %(duration)s,
    lease_expires_at = jobkit.instant() + %(duration)s::bigint
WHERE id = %(id)s AND status = 'queued' AND lease_owner IS NULL
"""


async def add_and_start(tx: Transaction, run: Row, lease: Row, limits: Mapping[str, int]) -> tuple[Row, Row]:
    """Insert *run*, of ``NEW_RUN``, and start it under *lease*, of ``NEW_LEASE``, or find it as this owner
    started it. Rows of ``RUN`` and ``LEASE``. RunInTheWay."""
    await jobs.lock_one(tx, run[_JOB], run[_HOME])
    if await tx.one("SELECT 1 FROM jobkit.runs WHERE id = %s", (run[_ID],)) is None:
        if await _is_free(tx, run, limits):
            return await _add_started(tx, run, lease)
        await _admit(tx, run)
    return await _started_before(tx, run[_ID], lease, limits)


async def _is_free(tx: Transaction, run: Row, limits: Mapping[str, int]) -> bool:
    """Whether there is nothing that *run* could meet: the common case, which needs no second look."""
    beside = [] if run[_OVERLAP] == "allow" else await overlaps.held_and_open(tx, run[_JOB], run[_HOME])
    # Asked in any case: the lock of limits comes before that of the counter, which inserting takes.
    room = await overlaps.is_room(tx, run[_LIMITS], limits)
    return room and not beside


async def _add_started(tx: Transaction, run: Row, lease: Row) -> tuple[Row, Row]:
    node, owner, pinned, duration = lease
    values = {**_values([(*run, None)]), "at": tx.at, **_lease(lease)}
    [(id_, number, until)] = await tx.all(_ADD_STARTED, values)
    return started_run(number, run, lease, tx.at), (id_, 1, 1, owner, node, duration, pinned, until)


async def _start(tx: Transaction, run_id: str, lease: Row, limits: Mapping[str, int]) -> Row | None:
    wish = await tx.one(_WISH, (run_id,))
    if wish is None:
        raise not_found(run_id)
    if await overlaps.must_wait(tx, wish, limits):
        return None
    if not await tx.run(_START, {"id": run_id, "at": tx.at, **_lease(lease)}):
        return None
    return await tx.one(_LEASE_OF, (run_id,))


async def _admit(tx: Transaction, run: Row) -> None:
    """Insert *run* as queued, if its overlap allows that. The row of its job is held. RunInTheWay."""
    judged = run[_OVERLAP] != "allow"
    found = await overlaps.held_and_open(tx, run[_JOB], run[_HOME]) if judged else []
    verdict = judge(run[_OVERLAP], found)
    if verdict.blocked is not None:
        raise (await overlaps.in_the_way(tx, [verdict.blocked]))[verdict.blocked.number]
    numbers = await insert(tx, [(*run, None)])
    await overlaps.give_way(tx, [(numbers[run[_ID]], verdict)], tx.at)


async def insert(tx: Transaction, new: Sequence[Row]) -> dict[str, int]:
    """Insert runs, of ``NEW_RUN`` and when they may start, as queued, in their order; their numbers by id."""
    return dict(await tx.all(_ADD, {**_values(new), "at": tx.at})) if new else {}


def _values(new: Sequence[Row]) -> dict[str, object]:
    return {**columns_of(list(_NEW), new), "count": len(new)}


def _lease(lease: Row) -> dict[str, object]:
    return dict(zip(("node", "owner", "pinned", "duration"), lease, strict=True))


async def _started_before(
    tx: Transaction, run_id: str, lease: Row, limits: Mapping[str, int]
) -> tuple[Row, Row]:
    owner = lease[1]
    if await tx.one("SELECT 1 FROM jobkit.runs WHERE id = %s AND fence = 0", (run_id,)) is not None:
        # Inserted just now, or by add_run, and nobody has had it since.
        found = await _start(tx, run_id, lease, limits)
        if found is None:
            await tx.run(_KEEP_FOR, {"id": run_id, "at": tx.at, **_lease(lease)})
            found = await tx.one(_OURS, (run_id, owner))
    else:
        found = await tx.one(_OURS, (run_id, owner))
    row = await by_id(tx, run_id)
    if found is None:
        raise id_taken(run_id, row[0])
    return row, found


async def by_id(tx: Transaction, run_id: str) -> Row:
    """A row of ``RUN``. RunNotFound."""
    row = await tx.one(_BY_ID, (run_id,))
    if row is None:
        raise not_found(run_id)
    return row


async def number_of(tx: Transaction, run_id: str) -> int:
    """The number of a run, which is its key in other tables. RunNotFound."""
    row = await tx.one("SELECT number FROM jobkit.runs WHERE id = %s", (run_id,))
    if row is None:
        raise not_found(run_id)
    number: int = row[0]
    return number
