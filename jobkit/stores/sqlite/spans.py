"""Spans: consecutive ticks without a run."""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from operator import itemgetter
from typing import Any, Final

from jobkit.stores.ledger import Span, SpanQuery, SpanRecord
from jobkit.stores.paging import Position, read_position
from jobkit.stores.plain import clean_text
from jobkit.stores.rows import RUN, Row
from jobkit.stores.sqlite.queue import there
from jobkit.stores.values import clean_count, from_micros, optional_text, to_micros

NEW: Final = "job, node, reason, cause, first, last, count"

SPAN: Final = f"id, {NEW}, recorded_at"
_LAST = 6  # where it stands in SPAN

OF_TICKS: Final = (
    f"SELECT {RUN}, tick FROM runs WHERE job = ? AND home = ? AND tick >= ? ORDER BY tick LIMIT ?"
)

_ONE: Final = f"SELECT {SPAN} FROM spans WHERE id = ?"

_ADD: Final = f"INSERT INTO spans ({NEW}, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

_GROW: Final = "UPDATE spans SET last = ?, count = ? WHERE id = ?"


def values_of(span: Span) -> Row:
    """The columns of ``NEW``."""
    return (
        clean_text(span.job),
        clean_text(span.node),
        span.reason,
        optional_text(span.cause),
        to_micros(span.first),
        to_micros(span.last),
        clean_count(span.count),
    )


def span_record(row: Row) -> SpanRecord:
    """The span of a row of ``SPAN``."""
    id_, job, node, reason, cause, first, last, count, recorded_at = row
    span = Span(job, node, reason, cause, from_micros(first), from_micros(last), count)
    return SpanRecord(id_, span, from_micros(recorded_at))


def add(connection: sqlite3.Connection, span: Row, ending: int | None, at: int) -> Row:
    """Keep *span*, of ``NEW``, as part of *ending* if they belong together. A row of ``SPAN``."""
    newest = None if ending is None else connection.execute(_ONE, (ending,)).fetchone()
    *_, last, count = span
    if newest is not None and newest[3:5] == span[2:4]:
        count = clean_count(newest[7] + count)
        connection.execute(_GROW, (last, count, ending))
        return (*newest[:_LAST], last, count, newest[8])
    id_ = connection.execute(_ADD, (*span, at)).lastrowid
    return (id_, *span, at)


def tick_runs(connection: sqlite3.Connection, job: str, since: int, limit: int) -> list[Row]:
    """Rows of ``RUN`` that account for ticks of *job* from *since* on, the earliest tick first."""
    if not there(connection):
        return []
    nodes = connection.execute("SELECT node FROM job_states WHERE job = ?", (job,)).fetchall()
    streams = [connection.execute(OF_TICKS, (job, node, since, limit)) for (node,) in nodes]
    # Each is in order by its index; a tick is the last column.
    merged = heapq.merge(*streams, key=itemgetter(-1))
    return [row[:-1] for row in itertools.islice(merged, limit)]


def page(connection: sqlite3.Connection, query: SpanQuery) -> tuple[list[Row], Position | None]:
    """Rows of ``SPAN``, newest first, and where they end if there are more."""
    if not there(connection):
        return [], None
    statement, values = page_statement(query)
    found = connection.execute(statement, values).fetchall()
    if len(found) <= query.limit:
        return found, None
    end = found[query.limit - 1]
    return found[: query.limit], (end[_LAST], end[0])


def page_statement(query: SpanQuery) -> tuple[str, list[Any]]:
    """The statement of a page, and its values."""
    conditions: list[str] = ["TRUE"]
    values: list[Any] = []
    jobs = None if query.jobs is None else list(dict.fromkeys(map(clean_text, query.jobs)))
    # One job is read through its index, which has its spans in order; of several the order decides.
    one = jobs is not None and len(jobs) == 1
    if jobs is not None:
        conditions.append("job = ?" if one else "+job IN (SELECT value FROM json_each(?))")
        values.append(jobs[0] if one else json.dumps(jobs))
    if query.reasons is not None:
        conditions.append("reason IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(query.reasons)))
    if query.since is not None:
        conditions.append("last >= ?")
        values.append(to_micros(query.since))
    if query.until is not None:
        conditions.append("first < ?")
        values.append(to_micros(query.until))
    if query.after is not None:
        conditions.append("(last, id) < (?, ?)")
        values.extend(read_position(query.after))
    where = " AND ".join(conditions)
    return f"SELECT {SPAN} FROM spans WHERE {where} ORDER BY last DESC, id DESC LIMIT ?", [
        *values,
        query.limit + 1,
    ]
