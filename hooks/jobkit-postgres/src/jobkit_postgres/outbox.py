"""The outbox: sinks, what waits for them, and what was given up.

Entries are added by whoever ends a run, in its transaction (:func:`add`), and under a lock that is held until
the commit: their ids are in the order in which they can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobkit.plugin.rows import DEAD_LETTER, ENTRY, SINK
from jobkit.plugin.stores import FORGOTTEN_MICROS
from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import LOCKING, Transaction

_LOCK: Final = "outbox"

# Nothing is locked where no sink is wanted.
_LOCK_IF_WANTED: Final = f"""
SELECT {LOCKING} FROM (SELECT 1 FROM jobkit.sinks WHERE seen_at > %s LIMIT 1) AS wanted
"""

_ADD: Final = """
INSERT INTO jobkit.outbox (sink, run, added_at)
SELECT name, run, %s FROM unnest(%s::bigint[]) WITH ORDINALITY AS ended (run, place), jobkit.sinks
WHERE seen_at > %s ORDER BY place, name
"""

_REGISTER: Final = """
INSERT INTO jobkit.sinks AS sinks (name, max_age, seen_at)
SELECT name, max_age, %s FROM unnest(%b::text[], %s::bigint[]) AS given (name, max_age)
ORDER BY name COLLATE "C"
ON CONFLICT (name) DO UPDATE SET max_age = excluded.max_age, seen_at = excluded.seen_at
"""

_HOLDER: Final = """
SELECT fence, lease_owner, lease_expires_at FROM jobkit.sinks WHERE name = %s AND seen_at IS NOT NULL
"""

_TAKE: Final = """
UPDATE jobkit.sinks SET fence = fence + (CASE WHEN lease_owner = %(owner)s THEN 0 ELSE 1 END),
    lease_owner = %(owner)s, lease_expires_at = %(at)s + %(duration)s::bigint, seen_at = %(at)s
WHERE name = %(name)s AND seen_at IS NOT NULL AND (lease_owner IS NULL OR lease_owner = %(owner)s
    OR lease_expires_at <= %(at)s OR fence = %(dead)s::bigint)
RETURNING fence, lease_expires_at
"""

_LET_GO: Final = "lease_owner = NULL, lease_expires_at = NULL"

_HELD: Final = "name = %s AND fence = %s AND lease_owner IS NOT NULL"

_RELEASE: Final = f"UPDATE jobkit.sinks SET {_LET_GO} WHERE {_HELD}"

_STANDING: Final = f"UPDATE jobkit.sinks SET failures = %s, suspended_until = %s, error = %s WHERE {_HELD}"

_DELIVERED_AT: Final = "UPDATE jobkit.sinks SET delivered_at = %s WHERE name = %s"

_GONE: Final = "DELETE FROM jobkit.outbox WHERE id = ANY(%s::bigint[]) AND sink = %s RETURNING id"

# The same not_before again is the same failure again: the call before had arrived after all.
_FAILED: Final = """
UPDATE jobkit.outbox AS entries SET
    failures = failures + (CASE WHEN entries.not_before = given.not_before THEN 0 ELSE given.failure END),
    not_before = given.not_before, error = given.error
FROM unnest(%s::bigint[], %s::bigint[], %b::text[], %s::bigint[]) AS given (id, failure, error, not_before)
WHERE entries.id = given.id AND sink = %s
"""

_DEAD: Final = """
INSERT INTO jobkit.dead_letters (id, sink, run, added_at, died_at, failures, reason, error)
SELECT entries.id, sink, run, added_at, %s, failures + given.failure, given.reason,
    coalesce(given.error, entries.error)
FROM unnest(%s::bigint[], %s::bigint[], %b::text[], %b::text[]) AS given (id, failure, error, reason)
    JOIN jobkit.outbox AS entries ON entries.id = given.id
WHERE sink = %s
"""

_WAITING: Final = f"""
SELECT {ENTRY} FROM jobkit.outbox AS found JOIN jobkit.runs AS runs ON runs.number = found.run
WHERE found.sink = %s AND found.id > %s ORDER BY found.id LIMIT %s
"""

_STATES: Final = f"""
SELECT {SINK},
    (SELECT count(*) FROM jobkit.outbox WHERE sink = name),
    (SELECT added_at FROM jobkit.outbox WHERE sink = name ORDER BY id LIMIT 1),
    (SELECT count(*) FROM jobkit.dead_letters WHERE sink = name)
FROM jobkit.sinks WHERE seen_at IS NOT NULL ORDER BY name
"""

_REMOVE: Final = f"""
UPDATE jobkit.sinks SET seen_at = NULL, failures = 0, suspended_until = NULL, error = NULL,
    delivered_at = NULL, fence = fence + 1, {_LET_GO}
WHERE name = %s AND seen_at IS NOT NULL
"""

_LETTERS: Final = f"""
SELECT {DEAD_LETTER} FROM jobkit.dead_letters AS found JOIN jobkit.runs AS runs ON runs.number = found.run
"""

# Two statements, so that each finds its rows through an index and in their order.
_OF_ALL: Final = "WHERE found.id > %s ORDER BY found.id LIMIT %s"

_OF_SINK: Final = "WHERE found.sink = %s AND found.id > %s ORDER BY found.id LIMIT %s"

_DROP: Final = """
DELETE FROM jobkit.dead_letters WHERE (%(sink)s::text IS NULL OR sink = %(sink)s)
    AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
"""

# Before their letters, as whoever prunes them does.
_HOLD_RUNS: Final = """
SELECT 1 FROM jobkit.runs WHERE number IN (
    SELECT run FROM jobkit.dead_letters WHERE (%(sink)s::text IS NULL OR sink = %(sink)s)
        AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
) ORDER BY number FOR KEY SHARE
"""

_REPLAY: Final = f"""
WITH found AS ({_DROP} RETURNING id, sink, run)
INSERT INTO jobkit.outbox (sink, run, added_at) SELECT sink, run, %(at)s FROM found ORDER BY id
"""


async def add(tx: Transaction, runs: Sequence[int], at: int) -> None:
    """Have the runs of these numbers, which have just ended in that order, wait for every sink that is
    wanted. The last that a transaction does but for waking others: its lock is that of all."""
    since = at - FORGOTTEN_MICROS
    if runs and await tx.lock_by(_LOCK_IF_WANTED, _LOCK, since):
        await tx.run(_ADD, (at, list(runs), since))


async def register(tx: Transaction, sinks: Sequence[tuple[str, int]]) -> None:
    """*sinks* are names and maximum ages."""
    last = dict(sinks)  # of two registrations of one the later counts
    await tx.run(_REGISTER, (tx.at, list(last), list(last.values())))


async def holder(tx: Transaction, name: str) -> tuple[int, str | None, int | None, int] | None:
    """Fence, owner and expiry of a sink, and the store's clock; None if it is not registered."""
    row = await tx.one(_HOLDER, (name,))
    return None if row is None else (row[0], row[1], row[2], tx.at)


async def take(
    tx: Transaction, name: str, owner: str, duration: int, dead: int | None
) -> tuple[int, int] | None:
    """Fence and expiry of the lease, None if it is somebody else's. *dead* is the fence of one whose owner
    is known to run no more."""
    values = {"name": name, "owner": owner, "duration": duration, "at": tx.at, "dead": dead}
    row = await tx.one(_TAKE, values)
    return None if row is None else (row[0], row[1])


async def release(tx: Transaction, name: str, fence: int) -> None:
    await tx.run(_RELEASE, (name, fence))


async def waiting(tx: Transaction, sink: str, after: int, limit: int) -> list[Row]:
    """Rows of ``ENTRY``, in order."""
    return await tx.all(_WAITING, (sink, after, limit))


async def settle(tx: Transaction, name: str, fence: int, standing: Row, verdicts: Sequence[Row]) -> bool:
    """Carry out *verdicts*, of ``VERDICT``, and keep *standing*: failures, suspended_until, error. False if
    the lease of *fence* is no more."""
    if not await tx.run(_STANDING, (*standing, name, fence)):
        return False
    delivered = False
    for some in _rounds(verdicts):
        delivered |= await _carry_out(tx, name, some)
    if delivered:
        await tx.run(_DELIVERED_AT, (tx.at, name))
    return True


async def _carry_out(tx: Transaction, name: str, verdicts: Sequence[Row]) -> bool:
    """*verdicts* on different entries; whether any was delivered."""
    failed = [
        (id_, failure, error, until) for id_, kind, error, _, until, failure in verdicts if kind == "failed"
    ]
    if failed:
        await tx.run(_FAILED, (*map(list, zip(*failed, strict=True)), name))
    dead = [
        (id_, failure, error, reason) for id_, kind, error, reason, _, failure in verdicts if kind == "dead"
    ]
    if dead:
        await tx.run(_DEAD, (tx.at, *map(list, zip(*dead, strict=True)), name))
    ended = {id_: kind for id_, kind, *_ in verdicts if kind != "failed"}
    gone = await tx.all(_GONE, (list(ended), name)) if ended else []
    return any(ended[id_] == "delivered" for (id_,) in gone)


def _rounds(verdicts: Sequence[Row]) -> list[list[Row]]:
    """*verdicts* in portions in which no entry occurs twice, each after those before it."""
    rounds: list[list[Row]] = []
    seen: dict[int, int] = {}
    for verdict in verdicts:
        place = seen.get(verdict[0], -1) + 1
        seen[verdict[0]] = place
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(verdict)
    return rounds


async def states(tx: Transaction) -> list[Row]:
    """Rows of ``SINK``, then how many wait, since when, and how many are dead."""
    return await tx.all(_STATES)


async def remove(tx: Transaction, name: str) -> bool:
    """Forget a sink and all that is its; False if it is not registered."""
    await tx.lock(_LOCK)  # whoever ends a run now has added its entry, or sees that the sink is gone
    if not await tx.run(_REMOVE, (name,)):
        return False
    await tx.run("DELETE FROM jobkit.outbox WHERE sink = %s", (name,))
    await tx.run("DELETE FROM jobkit.dead_letters WHERE sink = %s", (name,))
    return True


async def letters(tx: Transaction, sink: str | None, after: int, limit: int) -> list[Row]:
    """Rows of ``DEAD_LETTER``, by id."""
    if sink is None:
        return await tx.all(f"{_LETTERS} {_OF_ALL}", (after, limit))
    return await tx.all(f"{_LETTERS} {_OF_SINK}", (sink, after, limit))


async def replay(tx: Transaction, sink: str | None, ids: Sequence[int] | None) -> int:
    """Put dead letters back behind what waits; how many."""
    chosen = _chosen(sink, ids)
    await tx.all(_HOLD_RUNS, chosen)
    await tx.lock(_LOCK)
    return await tx.run(_REPLAY, {**chosen, "at": tx.at})


async def drop(tx: Transaction, sink: str | None, ids: Sequence[int] | None) -> int:
    """Delete dead letters; how many."""
    return await tx.run(_DROP, _chosen(sink, ids))


def _chosen(sink: str | None, ids: Sequence[int] | None) -> dict[str, object]:
    """The values of ``_DROP``."""
    return {"sink": sink, "ids": None if ids is None else list(ids)}
