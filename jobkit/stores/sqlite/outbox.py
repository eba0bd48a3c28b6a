"""The outbox: sinks, what waits for them, and what was given up.

Entries are added by whoever ends a run, in its transaction (:func:`add`). Whatever acts for the owner
of a sink says ``fence = ? AND lease_owner IS NOT NULL``, as leases of runs do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from jobkit.stores.rows import DEAD_LETTER, ENTRY, SINK, Now, Row
from jobkit.stores.values import FORGOTTEN_MICROS, to_micros

_WANTED: Final = "SELECT name FROM sinks WHERE seen_at > ? ORDER BY name"

_ADD: Final = "INSERT INTO outbox (sink, run, added_at) VALUES (?, ?, ?)"

_REGISTER: Final = """
INSERT INTO sinks (name, max_age, seen_at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET max_age = excluded.max_age, seen_at = excluded.seen_at
"""

_HOLDER: Final = """
SELECT fence, lease_owner, lease_expires_at FROM sinks WHERE name = ? AND seen_at IS NOT NULL
"""

_RENEW: Final = """
UPDATE sinks SET lease_expires_at = :until, seen_at = :at
WHERE name = :name AND lease_owner = :owner
"""

_TAKE: Final = """
UPDATE sinks SET fence = fence + 1, lease_owner = :owner, lease_expires_at = :until, seen_at = :at
WHERE name = :name AND seen_at IS NOT NULL
    AND (lease_owner IS NULL OR lease_expires_at <= :at OR fence = :dead)
"""

_LET_GO: Final = "lease_owner = NULL, lease_expires_at = NULL"

_HELD: Final = "name = ? AND fence = ? AND lease_owner IS NOT NULL"

_RELEASE: Final = f"UPDATE sinks SET {_LET_GO} WHERE {_HELD}"

_STANDING: Final = f"UPDATE sinks SET failures = ?, suspended_until = ?, error = ? WHERE {_HELD}"

_DELIVERED_AT: Final = "UPDATE sinks SET delivered_at = ? WHERE name = ?"

_GONE: Final = "DELETE FROM outbox WHERE id = ? AND sink = ?"

# The same not_before again is the same failure again: the call before had arrived after all.
_FAILED: Final = """
UPDATE outbox SET failures = failures + iif(not_before = ?, 0, ?), not_before = ?, error = ?
WHERE id = ? AND sink = ?
"""

_DEAD: Final = """
INSERT INTO dead_letters (id, sink, run, added_at, died_at, failures, reason, error)
SELECT id, sink, run, added_at, ?, failures + ?, ?, coalesce(?, error) FROM outbox WHERE id = ? AND sink = ?
"""

_WAITING: Final = f"""
SELECT {ENTRY} FROM outbox AS found JOIN runs ON runs.number = found.run
WHERE found.sink = ? AND found.id > ? ORDER BY found.id LIMIT ?
"""

_STATES: Final = f"""
SELECT {SINK},
    (SELECT count(*) FROM outbox WHERE sink = name),
    (SELECT added_at FROM outbox WHERE sink = name ORDER BY id LIMIT 1),
    (SELECT count(*) FROM dead_letters WHERE sink = name)
FROM sinks WHERE seen_at IS NOT NULL ORDER BY name
"""

_REMOVE: Final = f"""
UPDATE sinks SET seen_at = NULL, failures = 0, suspended_until = NULL, error = NULL, delivered_at = NULL,
    fence = fence + 1, {_LET_GO}
WHERE name = ? AND seen_at IS NOT NULL
"""

_LETTERS: Final = f"SELECT {DEAD_LETTER} FROM dead_letters AS found JOIN runs ON runs.number = found.run"

# Two statements, so that each finds its rows through an index and in their order.
_OF_ALL: Final = "WHERE found.id > ? ORDER BY found.id LIMIT ?"

_OF_SINK: Final = "WHERE found.sink = ? AND found.id > ? ORDER BY found.id LIMIT ?"

_SELECTED: Final = """
(:sink IS NULL OR sink = :sink) AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
"""

_REPLAY: Final = f"""
INSERT INTO outbox (sink, run, added_at)
SELECT sink, run, :at FROM dead_letters WHERE {_SELECTED} ORDER BY id
"""

_DROP: Final = f"DELETE FROM dead_letters WHERE {_SELECTED}"


def add(connection: sqlite3.Connection, run: int, at: int) -> None:
    """Have the run of that number, which has just ended, wait for every sink that is wanted."""
    # Not INSERT … SELECT: where there are no sinks, preparing to insert would cost as much as the rest.
    for (name,) in connection.execute(_WANTED, (at - FORGOTTEN_MICROS,)).fetchall():
        connection.execute(_ADD, (name, run, at))


def register(connection: sqlite3.Connection, sinks: Sequence[tuple[str, int]], now: Now) -> None:
    """*sinks* are names and maximum ages."""
    at = to_micros(now())
    connection.executemany(_REGISTER, [(name, max_age, at) for name, max_age in sinks])


def holder(connection: sqlite3.Connection, name: str) -> Row | None:
    """Fence, owner and expiry of a sink; None if it is not registered."""
    if not _there(connection):
        return None
    row: Row | None = connection.execute(_HOLDER, (name,)).fetchone()
    return row


def take(
    connection: sqlite3.Connection, name: str, owner: str, duration: int, dead: int | None, now: Now
) -> tuple[int, int] | None:
    """Fence and expiry of the lease, None if it is somebody else's. *dead* is the fence of one whose owner
    is known to run no more."""
    at = to_micros(now())
    values = {"name": name, "owner": owner, "until": at + duration, "at": at}
    taken = connection.execute(_RENEW, values).rowcount
    taken = taken or connection.execute(_TAKE, {**values, "dead": dead}).rowcount
    if not taken:
        return None
    fence: int = connection.execute(_HOLDER, (name,)).fetchone()[0]
    return fence, at + duration


def release(connection: sqlite3.Connection, name: str, fence: int) -> None:
    connection.execute(_RELEASE, (name, fence))


def waiting(connection: sqlite3.Connection, sink: str, after: int, limit: int) -> list[Row]:
    """Rows of ``ENTRY``, in order."""
    if not _there(connection):
        return []
    return connection.execute(_WAITING, (sink, after, limit)).fetchall()


def settle(
    connection: sqlite3.Connection, name: str, fence: int, standing: Row, verdicts: Sequence[Row], now: Now
) -> bool:
    """Carry out *verdicts*, of ``VERDICT``, and keep *standing*: failures, suspended_until, error. False if
    the lease of *fence* is no more."""
    if not connection.execute(_STANDING, (*standing, name, fence)).rowcount:
        return False
    at = to_micros(now())
    delivered = 0
    for entry, kind, error, reason, not_before, failure in verdicts:
        if kind == "failed":
            connection.execute(_FAILED, (not_before, failure, not_before, error, entry, name))
            continue
        if kind == "dead":
            connection.execute(_DEAD, (at, failure, reason, error, entry, name))
        gone = connection.execute(_GONE, (entry, name)).rowcount
        delivered += gone if kind == "delivered" else 0
    if delivered:
        connection.execute(_DELIVERED_AT, (at, name))
    return True


def states(connection: sqlite3.Connection) -> list[Row]:
    """Rows of ``SINK``, then how many wait, since when, and how many are dead."""
    return connection.execute(_STATES).fetchall() if _there(connection) else []


def remove(connection: sqlite3.Connection, name: str) -> bool:
    """Forget a sink and all that is its; False if it is not registered."""
    if not connection.execute(_REMOVE, (name,)).rowcount:
        return False
    connection.execute("DELETE FROM outbox WHERE sink = ?", (name,))
    connection.execute("DELETE FROM dead_letters WHERE sink = ?", (name,))
    return True


def letters(connection: sqlite3.Connection, sink: str | None, after: int, limit: int) -> list[Row]:
    """Rows of ``DEAD_LETTER``, by id."""
    if not _there(connection):
        return []
    if sink is None:
        return connection.execute(f"{_LETTERS} {_OF_ALL}", (after, limit)).fetchall()
    return connection.execute(f"{_LETTERS} {_OF_SINK}", (sink, after, limit)).fetchall()


def replay(connection: sqlite3.Connection, sink: str | None, ids: Sequence[int] | None, now: Now) -> int:
    """Put dead letters back behind what waits; how many."""
    chosen = _chosen(sink, ids)
    connection.execute(_REPLAY, {**chosen, "at": to_micros(now())})
    return connection.execute(_DROP, chosen).rowcount


def drop(connection: sqlite3.Connection, sink: str | None, ids: Sequence[int] | None) -> int:
    """Delete dead letters; how many."""
    return connection.execute(_DROP, _chosen(sink, ids)).rowcount


def _chosen(sink: str | None, ids: Sequence[int] | None) -> dict[str, str | None]:
    """The values of ``_SELECTED``."""
    return {"sink": sink, "ids": None if ids is None else json.dumps(list(ids))}


def _there(connection: sqlite3.Connection) -> bool:
    """Whether these tables are there: an older store that may only be read has none, and nothing waits."""
    row = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sinks'").fetchone()
    return row is not None
