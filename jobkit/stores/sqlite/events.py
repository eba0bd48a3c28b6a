"""Events: what happened to the schedule."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from jobkit.stores.paging import Position, read_position
from jobkit.stores.plain import clean_text
from jobkit.stores.replicas import Event, EventQuery, EventRecord
from jobkit.stores.rows import Row
from jobkit.stores.sqlite.queue import there
from jobkit.stores.values import decode, encode, from_micros, optional_text, to_micros

EVENT: Final = "at, kind, job, actor, data"

_ADD: Final = f"INSERT INTO events ({EVENT}) VALUES (?, ?, ?, ?, ?)"


def values_of(event: Event) -> Row:
    """The columns of ``EVENT``."""
    return (
        to_micros(event.at),
        clean_text(event.kind),
        optional_text(event.job),
        optional_text(event.actor),
        encode(event.data),
    )


def event_record(row: Row) -> EventRecord:
    """The event of a row of an id and ``EVENT``."""
    id_, at, kind, job, actor, data = row
    return EventRecord(id_, Event(kind, from_micros(at), job, actor, decode(data)))


def add(connection: sqlite3.Connection, events: Sequence[Row]) -> None:
    """Keep rows of ``EVENT``, in order."""
    connection.executemany(_ADD, events)


def page(connection: sqlite3.Connection, query: EventQuery) -> tuple[list[Row], Position | None]:
    """Rows of an id and ``EVENT``, newest first, and where they end if there are more."""
    if not there(connection):
        return [], None
    statement, values = page_statement(query)
    found = connection.execute(statement, values).fetchall()
    if len(found) <= query.limit:
        return found, None
    end = found[query.limit - 1]
    return found[: query.limit], (end[1], end[0])


def page_statement(query: EventQuery) -> tuple[str, list[Any]]:
    """The statement of a page, and its values."""
    conditions: list[str] = ["TRUE"]
    values: list[Any] = []
    jobs = None if query.jobs is None else list(dict.fromkeys(map(clean_text, query.jobs)))
    # One job is read through its index, which has its events in order; of several the order decides.
    one = jobs is not None and len(jobs) == 1
    if jobs is not None:
        conditions.append("job = ?" if one else "+job IN (SELECT value FROM json_each(?))")
        values.append(jobs[0] if one else json.dumps(jobs))
    if query.kinds is not None:
        conditions.append("kind IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(map(clean_text, query.kinds))))
    for condition, instant in (("at >= ?", query.since), ("at < ?", query.until)):
        if instant is not None:
            conditions.append(condition)
            values.append(to_micros(instant))
    if query.after is not None:
        conditions.append("(at, id) < (?, ?)")
        values.extend(read_position(query.after))
    where = " AND ".join(conditions)
    statement = f"SELECT id, {EVENT} FROM events WHERE {where} ORDER BY at DESC, id DESC LIMIT ?"
    return statement, [*values, query.limit + 1]
