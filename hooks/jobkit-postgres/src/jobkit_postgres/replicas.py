"""Replicas: who serves, and when they were last heard of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from jobkit.plugin.stores import (
    MISSED_HEARTBEATS,
    Replica,
    ReplicaState,
    clean_duration,
    clean_text,
    decode,
    decode_owner,
    duration_micros,
    encode,
    encode_owner,
    from_micros,
    optional_instant,
)
from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import Transaction

_REGISTER: Final = """
INSERT INTO jobkit.replicas (id, kind, owner, node, "interval", registered_at, heartbeat_at)
VALUES (%(id)s, %(kind)s, %(owner)s, %(node)s, %(interval)s, %(at)s, %(at)s)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, owner = excluded.owner, node = excluded.node,
    "interval" = excluded."interval", heartbeat_at = excluded.heartbeat_at, stopped_at = NULL
"""

_KEEP_JOBS: Final = """
INSERT INTO jobkit.replica_jobs (replica, jobs, schedules, details)
VALUES (%(id)s, %(jobs)s, %(schedules)s, %(details)s)
ON CONFLICT (replica) DO UPDATE SET jobs = excluded.jobs, schedules = excluded.schedules,
    details = excluded.details
"""

_HEARTBEAT: Final = """
UPDATE jobkit.replicas SET heartbeat_at = %s, "interval" = coalesce(%s, "interval")
WHERE id = %s AND stopped_at IS NULL
"""

_DEREGISTER: Final = "UPDATE jobkit.replicas SET stopped_at = %s WHERE id = %s AND stopped_at IS NULL"

_STATES: Final = """
SELECT id, kind, owner, node, "interval", {hashes}, details, registered_at, heartbeat_at, stopped_at
FROM jobkit.replicas JOIN jobkit.replica_jobs ON replica = id
WHERE %(ids)b::text[] IS NULL OR id = ANY(%(ids)b::text[]) ORDER BY place
"""


def values_of(replica: Replica) -> dict[str, object]:
    """The values of a registration."""
    return {
        "id": clean_text(replica.id),
        "kind": replica.kind,
        "owner": encode_owner(replica.owner),
        "node": clean_text(replica.node),
        "interval": duration_micros(clean_duration(replica.interval)),
        "jobs": encode(replica.jobs),
        "schedules": encode(replica.schedules),
        "details": encode(replica.details),
    }


def replica_state(row: Row, at: int) -> ReplicaState:
    """The replica of a row of :func:`states`, judged at *at*."""
    id_, kind, owner, node, interval, jobs, schedules, details, registered_at, heartbeat_at, stopped_at = row
    replica = Replica(
        id=id_,
        kind=kind,
        owner=decode_owner(owner),
        node=node,
        interval=timedelta(microseconds=interval),
        jobs=decode(jobs),
        schedules=decode(schedules),
        details=decode(details),
    )
    live = stopped_at is None and heartbeat_at + MISSED_HEARTBEATS * interval > at
    registered = from_micros(registered_at)
    return ReplicaState(replica, registered, from_micros(heartbeat_at), optional_instant(stopped_at), live)


async def register(tx: Transaction, replica: dict[str, object]) -> None:
    await tx.run(_REGISTER, {**replica, "at": tx.at})
    await tx.run(_KEEP_JOBS, replica)


async def heartbeat(tx: Transaction, replica_id: str, interval: int | None) -> bool:
    return await tx.run(_HEARTBEAT, (tx.at, interval, replica_id)) > 0


async def deregister(tx: Transaction, replica_id: str) -> bool:
    return await tx.run(_DEREGISTER, (tx.at, replica_id)) > 0


async def states(tx: Transaction, ids: Sequence[str] | None, *, hashes: bool) -> list[Row]:
    """Replicas in the order of registration: those of *ids*, or all."""
    statement = _STATES.format(hashes="jobs, schedules" if hashes else "'{}', '{}'")
    return await tx.all(statement, {"ids": None if ids is None else list(ids)})
