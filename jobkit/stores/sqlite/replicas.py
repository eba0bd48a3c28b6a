"""Replicas: who serves, and when they were last heard of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from jobkit.stores.plain import clean_text
from jobkit.stores.replica_store import MISSED_HEARTBEATS
from jobkit.stores.replicas import Replica, ReplicaState
from jobkit.stores.rows import Now, Row
from jobkit.stores.sqlite.queue import there
from jobkit.stores.values import (
    clean_duration,
    decode,
    decode_owner,
    duration_micros,
    encode,
    encode_hashes,
    encode_owner,
    from_micros,
    optional_instant,
    to_micros,
)

_REGISTER: Final = """
INSERT INTO replicas (id, kind, owner, node, interval, registered_at, heartbeat_at)
VALUES (:id, :kind, :owner, :node, :interval, :at, :at)
ON CONFLICT (id) DO UPDATE SET kind = :kind, owner = :owner, node = :node, interval = :interval,
    heartbeat_at = :at, stopped_at = NULL
"""

_KEEP_JOBS: Final = """
INSERT OR REPLACE INTO replica_jobs (replica, jobs, schedules, details)
VALUES (:id, :jobs, :schedules, :details)
"""

_HEARTBEAT: Final = """
UPDATE replicas SET heartbeat_at = ?, interval = coalesce(?, interval) WHERE id = ? AND stopped_at IS NULL
"""

_DEREGISTER: Final = "UPDATE replicas SET stopped_at = ? WHERE id = ? AND stopped_at IS NULL"

_STATES: Final = """
SELECT id, kind, owner, node, interval, {hashes}, details, registered_at, heartbeat_at, stopped_at
FROM replicas JOIN replica_jobs ON replica = id {condition} ORDER BY replicas.rowid
"""
_OF_IDS: Final = "WHERE id IN (SELECT value FROM json_each(?))"


def values_of(replica: Replica) -> dict[str, object]:
    """The values of a registration."""
    return {
        "id": clean_text(replica.id),
        "kind": replica.kind,
        "owner": encode_owner(replica.owner),
        "node": clean_text(replica.node),
        "interval": duration_micros(clean_duration(replica.interval)),
        "jobs": encode_hashes(replica.jobs),
        "schedules": encode_hashes(replica.schedules),
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


def register(connection: sqlite3.Connection, replica: dict[str, object], now: Now) -> None:
    connection.execute(_REGISTER, {**replica, "at": to_micros(now())})
    connection.execute(_KEEP_JOBS, replica)


def heartbeat(connection: sqlite3.Connection, replica_id: str, interval: int | None, now: Now) -> bool:
    return connection.execute(_HEARTBEAT, (to_micros(now()), interval, replica_id)).rowcount > 0


def deregister(connection: sqlite3.Connection, replica_id: str, now: Now) -> bool:
    return connection.execute(_DEREGISTER, (to_micros(now()), replica_id)).rowcount > 0


def states(connection: sqlite3.Connection, ids: Sequence[str] | None, *, hashes: bool) -> list[Row]:
    """Replicas in the order of registration: those of *ids*, or all."""
    if not there(connection):
        return []
    columns = "jobs, schedules" if hashes else "'{}', '{}'"
    statement = _STATES.format(hashes=columns, condition="" if ids is None else _OF_IDS)
    return connection.execute(statement, () if ids is None else (json.dumps(ids),)).fetchall()
