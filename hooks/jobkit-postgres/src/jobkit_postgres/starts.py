"""Attempts begin: many at the same moment, in a handful of statements however many they are."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from jobkit.plugin.rows import LEASE
from jobkit.plugin.stores import RunNotFound, not_found
from jobkit_postgres import jobs, overlaps
from jobkit_postgres.connection import Row
from jobkit_postgres.jobs import Key
from jobkit_postgres.leases import HOLD
from jobkit_postgres.transaction import Transaction

_KEYS: Final = "SELECT id, job, home FROM jobkit.runs WHERE id = ANY(%b::text[])"

_WISHES: Final = """
SELECT id, number, job, home, overlap, limits, EXISTS (SELECT 1 FROM jobkit.abandoned WHERE run = number)
FROM jobkit.runs WHERE id = ANY(%b::text[]) AND status = 'queued'
    AND (lease_owner IS NULL OR lease_owner = (%b::text[])[array_position(%b::text[], id)])
"""

_LIMITS: Final = 5  # where it stands there

_START: Final = f"""
WITH clock AS MATERIALIZED (SELECT jobkit.instant() AS at)
UPDATE jobkit.runs AS runs SET status = 'running', attempt = attempt + 1, fence = fence + 1,
    started_at = coalesce(started_at, clock.at), attempt_since = clock.at, not_before = NULL, progress = NULL,
    node = g_node, lease_owner = g_owner, lease_pinned = g_pinned::boolean, lease_duration = g_duration,
    lease_expires_at = clock.at + g_duration
FROM unnest(%b::text[], %b::text[], %b::text[], %s::int[], %s::bigint[])
    AS given (g_id, g_node, g_owner, g_pinned, g_duration), clock
WHERE id = g_id RETURNING {LEASE}
"""


@dataclass(frozen=True, slots=True)
class Start:
    """A wish to start a run's next attempt: *lease* is of ``NEW_LEASE``, *limits* are those that count."""

    run_id: str
    lease: Row
    limits: Mapping[str, int]


@dataclass(slots=True)
class _Room:
    """What is executed, and what limits have taken, as the starts of this transaction go on."""

    executed: dict[Key, set[int]] = field(default_factory=lambda: defaultdict(set))
    taken: Counter[str] = field(default_factory=Counter)

    def admits(self, wish: Row, limits: Mapping[str, int]) -> bool:
        """Whether a run may start now; it counts from then on."""
        _, number, job, home, overlap, names, abandoned = wish
        held = json.loads(names) if names != "[]" else []
        alone = overlap != "allow"
        if abandoned or (alone and self.executed[job, home] - {number}):
            return False
        if any(self.taken[name] >= limits[name] for name in held if name in limits):
            return False
        self.executed[job, home].add(number)
        self.taken.update(held)
        return True


async def start(tx: Transaction, starts: Sequence[Start]) -> list[Row | RunNotFound | None]:
    """Start what may start of *starts*, each of another run: a row of ``LEASE``, None if the run is not to be
    had or has to wait, or the error that there is no such run."""
    ids = [one.run_id for one in starts]
    keys = {id_: (job, home) for id_, job, home in await tx.all(_KEYS, (ids,))}
    await jobs.lock(tx, sorted(set(keys.values())))
    await tx.all(HOLD, (ids,))
    owners = [one.lease[1] for one in starts]
    wishes = {row[0]: row for row in await tx.all(_WISHES, (ids, owners, ids))}
    room = await _look(tx, starts, wishes)
    chosen = [one for one in starts if one.run_id in wishes and room.admits(wishes[one.run_id], one.limits)]
    leases: dict[str, Row] = {}
    if chosen:
        rows = [(one.run_id, *one.lease) for one in chosen]
        columns = map(list, zip(*rows, strict=True))
        leases = {row[0]: row for row in await tx.all(_START, list(columns))}
    return [leases.get(id_) if id_ in keys else not_found(id_) for id_ in ids]


async def _look(tx: Transaction, starts: Sequence[Start], wishes: Mapping[str, Row]) -> _Room:
    """What keeps runs waiting: read after everything is held that could change it."""
    room = _Room()
    caps = {one.run_id: one.limits for one in starts}
    if any(not caps[id_].keys().isdisjoint(json.loads(wish[_LIMITS])) for id_, wish in wishes.items()):
        await tx.lock("limits")
        room.taken = await overlaps.taken(tx)
    alone = sorted({(wish[2], wish[3]) for wish in wishes.values() if wish[4] != "allow"})
    if alone:
        for key, found in (await overlaps.open_runs(tx, alone)).items():
            room.executed[key] = {run.number for run in found if run.executing}
    return room
