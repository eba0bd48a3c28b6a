"""What is open of a job, what gives way to a new run of it, and what an attempt has to wait for.

The lock that SQLite writes under is the lock of every job: what is read here is what was committed before,
and stays so until the commit.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Final

from jobkit.exceptions import RunInTheWay
from jobkit.statuses import Reason
from jobkit.stores.ledger_store import Overlap
from jobkit.stores.overlaps import OpenRun, Verdict, judge
from jobkit.stores.rows import RUN, Row, run_record
from jobkit.stores.sqlite import outbox
from jobkit.stores.values import superseded_message

_OPEN: Final = """
SELECT id, number, status = 'queued', attempt, lease_owner IS NOT NULL,
    EXISTS (SELECT 1 FROM abandoned WHERE run = number), "trigger" = 'catchup'
FROM runs WHERE job = :job AND home = :home AND finished_at IS NULL
UNION ALL
SELECT runs.id, number, 0, runs.attempt, 0, 1, "trigger" = 'catchup' FROM abandoned JOIN runs ON number = run
WHERE abandoned.job = :job AND abandoned.home = :home AND finished_at IS NOT NULL
"""

_RUN: Final = f"SELECT {RUN} FROM runs WHERE number = ?"

_SKIP: Final = """
UPDATE runs SET status = 'skipped', message = ?, finished_at = ?, reason = ?, not_before = NULL
WHERE number = ?
"""

_END_AS_LAST: Final = """
UPDATE runs SET (status, duration_ms, message, error) = (
        SELECT status, duration_ms, message, error FROM attempts
        WHERE run = runs.number AND number = runs.attempt
    ), finished_at = ?, reason = ?, not_before = NULL
WHERE number = ?
"""

_ASK: Final = (
    "INSERT INTO cancel_requests (run, by, reason, at) VALUES (?, ?, ?, ?) ON CONFLICT (run) DO NOTHING"
)

# What executes, and threads that go on after that.
_HOLDING: Final = """
SELECT limits FROM runs INDEXED BY runs_limited WHERE status = 'running' AND limits <> '[]'
UNION ALL
SELECT abandoned.limits FROM abandoned CROSS JOIN runs ON number = run WHERE status <> 'running'
"""


def open_runs(connection: sqlite3.Connection, job: str, home: str) -> list[OpenRun]:
    """What counts for overlap of a job on a node."""
    found = connection.execute(_OPEN, {"job": job, "home": home}).fetchall()
    return [
        OpenRun(id_, number, bool(queued), attempt, bool(held), bool(abandoned), bool(missed))
        for id_, number, queued, attempt, held, abandoned, missed in found
    ]


def verdict(connection: sqlite3.Connection, overlap: Overlap, *, job: str, home: str) -> Verdict:
    """What *overlap* says of another run of that job."""
    return Verdict() if overlap == "allow" else judge(overlap, open_runs(connection, job, home))


def in_the_way(connection: sqlite3.Connection, blocking: OpenRun) -> RunInTheWay:
    """The error that names it."""
    return RunInTheWay(run_record(connection.execute(_RUN, (blocking.number,)).fetchone()))


def give_way(
    connection: sqlite3.Connection, number: int, said: Verdict, at: int
) -> tuple[Row | None, Row | None]:
    """End what run *number* displaces, and ask to stop what is to be cancelled for it. Rows of ``RUN``: the
    oldest of either."""
    for run in said.displaced:
        if run.attempt:
            connection.execute(_END_AS_LAST, (at, Reason.SUPERSEDED.value, run.number))
        else:
            message = superseded_message(number)
            connection.execute(_SKIP, (message, at, Reason.SUPERSEDED.value, run.number))
        outbox.add(connection, run.number, at)
    for run in said.cancelled:
        connection.execute(_ASK, (run.number, f"run {number}", Reason.OVERLAP.value, at))
    return _first(connection, said.displaced), _first(connection, said.cancelled)


def _first(connection: sqlite3.Connection, found: tuple[OpenRun, ...]) -> Row | None:
    if not found:
        return None
    row: Row = connection.execute(_RUN, (found[0].number,)).fetchone()
    return row


def must_wait(connection: sqlite3.Connection, wish: Row, taken: frozenset[str]) -> bool:
    """Whether a run may not start yet, though nobody else has it.

    *wish* is its number, job, home, overlap, limits, and whether a thread of it was abandoned; *taken* are
    limits without room.
    """
    number, job, home, overlap, names, abandoned = wish
    if abandoned:
        return True
    if overlap != "allow":
        others = open_runs(connection, job, home)
        if any(other.executing for other in others if other.number != number):
            return True
    return bool(taken) and names != "[]" and not taken.isdisjoint(json.loads(names))


def full(connection: sqlite3.Connection, limits: Mapping[str, int]) -> frozenset[str]:
    """The names of *limits* that have no room."""
    if not limits:
        return frozenset()
    taken = Counter(name for (names,) in connection.execute(_HOLDING) for name in json.loads(names))
    return frozenset(name for name, most in limits.items() if taken[name] >= most)
