"""Reading back: single runs, pages of them, the newest of each job, attempts.

Every query finds its rows through an index and in the order in which they are wanted, however long
the history is: ``queued_at`` is the second column of the indexes, and the number ends each of them.
"""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from jobkit.stores.base import RunQuery
from jobkit.stores.paging import Position, read_position
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import not_found
from jobkit.stores.rows import ATTEMPT, RUN, Row
from jobkit.stores.sqlite.runs import by_id, number_of
from jobkit.stores.values import to_micros

_MOST_STREAMS: Final = 32
"""Up to so many jobs, or statuses, are each read through their index and merged."""

_LARGEST: Final = 2**63 - 1
_NUMBER, _QUEUED_AT = 0, 7  # where they stand in RUN

_NEWEST_OF: Final = f"""
SELECT {RUN} FROM runs WHERE number IN (
    SELECT (SELECT number FROM runs WHERE job = wanted.value ORDER BY queued_at DESC, number DESC LIMIT 1)
    FROM json_each(?) AS wanted
)
"""

_EARLIER_ATTEMPTS: Final = f"SELECT {ATTEMPT} FROM attempts WHERE run = ? ORDER BY number"

_LAST_ATTEMPT: Final = """
SELECT attempt, status, attempt_since, finished_at, duration_ms, node, reason, message, error
FROM runs WHERE number = ?
"""

# The index is asked for the next job's name, and the next: as many steps as there are jobs.
_ALL_JOBS: Final = """
WITH RECURSIVE jobs (job) AS (
    SELECT min(job) FROM runs
    UNION ALL
    SELECT (SELECT min(job) FROM runs WHERE job > jobs.job) FROM jobs WHERE jobs.job IS NOT NULL
)
SELECT job FROM jobs WHERE job IS NOT NULL
"""


def one(connection: sqlite3.Connection, reference: int | str) -> Row:
    """The row of ``RUN`` of that number or id. RunNotFound."""
    if isinstance(reference, str):
        return by_id(connection, clean_text(reference))
    row = None
    if 0 < reference <= _LARGEST:
        row = connection.execute(f"SELECT {RUN} FROM runs WHERE number = ?", (reference,)).fetchone()
    if row is None:
        raise not_found(reference)
    found: Row = row
    return found


def page(connection: sqlite3.Connection, query: RunQuery) -> tuple[list[Row], Position | None]:
    """Rows of ``RUN``, newest first, and where they end if there are more."""
    streams = [connection.execute(statement, values) for statement, values in page_statements(query)]
    merged: Iterator[Row] = heapq.merge(*streams, key=_newest_first)
    found = list(itertools.islice(merged, query.limit + 1))
    if len(found) <= query.limit:
        return found, None
    last = found[query.limit - 1]
    return found[: query.limit], (last[_QUEUED_AT], last[_NUMBER])


def _newest_first(row: Row) -> tuple[int, int]:
    return -row[_QUEUED_AT], -row[_NUMBER]


def page_statements(query: RunQuery) -> list[tuple[str, list[Any]]]:
    """The statements whose merged rows are the page: one for each job, or status, that is asked for."""
    common, values = _conditions(query)
    jobs = None if query.jobs is None else list(dict.fromkeys(clean_text(job) for job in query.jobs))
    statuses = None if query.statuses is None else list(dict.fromkeys(map(str, query.statuses)))
    streams: list[tuple[str, list[Any]]] = [("", [])]
    if jobs is not None and len(jobs) <= _MOST_STREAMS:
        streams = [("job = ?", [job]) for job in jobs]
        jobs = None
    elif statuses is not None and jobs is None:
        streams = [("status = ?", [status]) for status in statuses]
        statuses = None
    for column, wanted in (("job", jobs), ("status", statuses)):
        if wanted is not None:
            # The plus keeps this condition from choosing an index in whose order the rows do not come.
            common.append(f"+{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(wanted))
    return [
        (_page_sql([first, *common] if first else common), [*of_stream, *values, query.limit + 1])
        for first, of_stream in streams
    ]


def _conditions(query: RunQuery) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    if query.parent is not None:
        add("parent = ?", clean_text(query.parent))
    if query.since is not None:
        add("queued_at >= ?", to_micros(query.since))
    if query.until is not None:
        add("queued_at < ?", to_micros(query.until))
    if query.after is not None:
        add("(queued_at, number) < (?, ?)", *read_position(query.after))
    if query.triggers is not None:
        add('"trigger" IN (SELECT value FROM json_each(?))', json.dumps([str(one) for one in query.triggers]))
    return conditions, values


def _page_sql(conditions: Sequence[str]) -> str:
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return f"SELECT {RUN} FROM runs {where}ORDER BY queued_at DESC, number DESC LIMIT ?"


def last_runs(connection: sqlite3.Connection, jobs: Iterable[str] | None) -> list[Row]:
    """Rows of ``RUN``: the newest of each job."""
    if jobs is None:
        names = [name for (name,) in connection.execute(_ALL_JOBS)]
    else:
        names = [clean_text(job) for job in jobs]
    return connection.execute(_NEWEST_OF, (json.dumps(names),)).fetchall()


def attempts(connection: sqlite3.Connection, run_id: str) -> list[Row]:
    """Rows of ``ATTEMPT``, in order. RunNotFound."""
    number = number_of(connection, run_id)
    found = connection.execute(_EARLIER_ATTEMPTS, (number,)).fetchall()
    last: Row = connection.execute(_LAST_ATTEMPT, (number,)).fetchone()
    # While it waits for its next attempt, and if it ended waiting, the run has no attempt of its own.
    return [*found, last] if last[0] > len(found) else found


def late_outcome(connection: sqlite3.Connection, run_id: str) -> str | None:
    """The text of the late outcome, if there was one. RunNotFound."""
    number = number_of(connection, run_id)
    row = connection.execute("SELECT late_outcome FROM runs WHERE number = ?", (number,)).fetchone()
    text: str | None = row[0]
    return text
