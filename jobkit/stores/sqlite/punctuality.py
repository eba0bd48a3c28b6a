"""Whether ticks were done in time: the newest one of each job that was, and how long its runs take.

Each job is found through its own part of an index; what is read of it are the ticks since it last succeeded,
and its newest runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from jobkit.stores.ledger_store import EARLIEST, MEASURED_RUNS
from jobkit.stores.sqlite.queue import there
from jobkit.stores.values import duration_micros

_TICK: Final = """
SELECT tick FROM runs INDEXED BY runs_of_tick
WHERE job = ? AND home = ? AND tick IS NOT NULL AND status = 'succeeded' ORDER BY tick DESC LIMIT 1
"""

# Nobody can ask for a tick again before it was due: what was queued before the newest known one is done with
# ticks that are older still. The plus keeps other indexes out.
_RETRIED: Final = """
SELECT max(scheduled_at) FROM runs INDEXED BY runs_of_job
WHERE job = ? AND queued_at >= ? AND +home = ? AND "trigger" = 'retry' AND +status = 'succeeded'
"""

_NEWEST: Final = """
SELECT status, duration_ms FROM runs INDEXED BY runs_of_job
WHERE job = ? ORDER BY queued_at DESC, number DESC LIMIT ?
"""

_EARLIEST: Final = duration_micros(EARLIEST)

Found = tuple[int | None, list[int]]


def of(connection: sqlite3.Connection, keys: Sequence[tuple[str, str]]) -> list[Found]:
    """The newest tick of each job and node that was done, and durations of its runs in milliseconds."""
    if not there(connection):
        return [(None, []) for _ in keys]
    durations = {job: _durations(connection, job) for job in dict.fromkeys(job for job, _ in keys)}
    return [(_tick(connection, job, home), durations[job]) for job, home in keys]


def _tick(connection: sqlite3.Connection, job: str, home: str) -> int | None:
    row = connection.execute(_TICK, (job, home)).fetchone()
    tick: int | None = None if row is None else row[0]
    since = 0 if tick is None else tick - _EARLIEST
    [again] = connection.execute(_RETRIED, (job, since, home)).fetchone()
    return max((each for each in (tick, again) if each is not None), default=None)


def _durations(connection: sqlite3.Connection, job: str) -> list[int]:
    newest = connection.execute(_NEWEST, (job, MEASURED_RUNS))
    return [took for status, took in newest if status == "succeeded" and took is not None]
