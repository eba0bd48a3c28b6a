"""Reading back: single runs, pages of them, the newest of each job, attempts."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from typing import Any, Final

from jobkit.plugin.rows import ATTEMPT, RUN
from jobkit.plugin.stores import Position, RunQuery, clean_text, not_found, read_position, to_micros
from jobkit_postgres.connection import Row
from jobkit_postgres.runs import by_id, number_of
from jobkit_postgres.transaction import Transaction

_MOST_STREAMS: Final = 32
"""Up to so many jobs, or statuses, are each read through their index and merged."""

_LARGEST: Final = 2**63 - 1
_NUMBER, _QUEUED_AT = 0, 7  # where they stand in RUN

_NEWEST_OF: Final = f"""
SELECT {RUN} FROM jobkit.runs WHERE number IN (
    SELECT (
        SELECT number FROM jobkit.runs WHERE job = wanted.job ORDER BY queued_at DESC, number DESC LIMIT 1
    )
    FROM unnest(%b::text[]) AS wanted (job)
)
"""

_EARLIER_ATTEMPTS: Final = f"SELECT {ATTEMPT} FROM jobkit.attempts WHERE run = %s ORDER BY number"

_LAST_ATTEMPT: Final = """
SELECT attempt, status, attempt_since, finished_at, duration_ms, node, reason, message, error
FROM jobkit.runs WHERE number = %s
"""

# The index is asked for the next job's name, and the next: as many steps as there are jobs.
_ALL_JOBS: Final = """
WITH RECURSIVE jobs (job) AS (
    (SELECT min(job) FROM jobkit.runs)
    UNION ALL
    SELECT (SELECT min(runs.job) FROM jobkit.runs AS runs WHERE runs.job > jobs.job)
    FROM jobs WHERE jobs.job IS NOT NULL
)
SELECT job FROM jobs WHERE job IS NOT NULL
"""


async def one(tx: Transaction, reference: int | str) -> Row:
    """The row of ``RUN`` of that number or id. RunNotFound."""
    if isinstance(reference, str):
        return await by_id(tx, clean_text(reference))
    row = None
    if 0 < reference <= _LARGEST:
        row = await tx.one(f"SELECT {RUN} FROM jobkit.runs WHERE number = %s", (reference,))
    if row is None:
        raise not_found(reference)
    return row


async def page(tx: Transaction, query: RunQuery) -> tuple[list[Row], Position | None]:
    """Rows of ``RUN``, newest first, and where they end if there are more."""
    streams = [await tx.all(statement, values) for statement, values in page_statements(query)]
    found = list(itertools.islice(heapq.merge(*streams, key=_newest_first), query.limit + 1))
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
    streams: list[tuple[str, list[Any]]] = [("TRUE", [])]
    if jobs is not None and len(jobs) <= _MOST_STREAMS:
        streams = [("job = %s", [job]) for job in jobs]
        jobs = None
    elif statuses is not None and jobs is None:
        streams = [("status = %s", [status]) for status in statuses]
        statuses = None
    for column, wanted in (("job", jobs), ("status", statuses)):
        if wanted is not None:
            common.append(f"{column} = ANY(%b::text[])")
            values.append(wanted)
    return [
        (_page_sql([first, *common]), [*of_stream, *values, query.limit + 1]) for first, of_stream in streams
    ]


def _conditions(query: RunQuery) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    if query.parent is not None:
        add("parent = %s", clean_text(query.parent))
    if query.since is not None:
        add("queued_at >= %s", to_micros(query.since))
    if query.until is not None:
        add("queued_at < %s", to_micros(query.until))
    if query.after is not None:
        add("(queued_at, number) < (%s, %s)", *read_position(query.after))
    if query.triggers is not None:
        add('"trigger" = ANY(%b::text[])', [str(one) for one in query.triggers])
    return conditions, values


def _page_sql(conditions: list[str]) -> str:
    where = " AND ".join(conditions)
    return f"SELECT {RUN} FROM jobkit.runs WHERE {where} ORDER BY queued_at DESC, number DESC LIMIT %s"


async def last_runs(tx: Transaction, jobs: Iterable[str] | None) -> list[Row]:
    """Rows of ``RUN``: the newest of each job."""
    if jobs is None:
        names = [name for (name,) in await tx.all(_ALL_JOBS)]
    else:
        names = [clean_text(job) for job in jobs]
    return await tx.all(_NEWEST_OF, (names,))


async def attempts(tx: Transaction, run_id: str) -> list[Row]:
    """Rows of ``ATTEMPT``, in order. RunNotFound."""
    number = await number_of(tx, run_id)
    found = await tx.all(_EARLIER_ATTEMPTS, (number,))
    [last] = await tx.all(_LAST_ATTEMPT, (number,))
    # While it waits for its next attempt, and if it ended waiting, the run has no attempt of its own.
    return [*found, last] if last[0] > len(found) else found


async def late_outcome(tx: Transaction, run_id: str) -> str | None:
    """The text of the late outcome, if there was one. RunNotFound."""
    row = await tx.one("SELECT late_outcome FROM jobkit.runs WHERE id = %s", (run_id,))
    if row is None:
        raise not_found(run_id)
    text: str | None = row[0]
    return text
