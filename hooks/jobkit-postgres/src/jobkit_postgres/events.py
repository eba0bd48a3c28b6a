"""Events: what happened to the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from jobkit.plugin.stores import (
    Event,
    EventQuery,
    EventRecord,
    Position,
    clean_text,
    decode,
    encode,
    from_micros,
    optional_text,
    read_position,
    to_micros,
)
from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import Transaction

EVENT: Final = "at, kind, job, actor, data"

_ADD: Final = f"""
INSERT INTO jobkit.events ({EVENT})
SELECT {EVENT} FROM unnest(%s::bigint[], %b::text[], %b::text[], %b::text[], %b::text[])
    WITH ORDINALITY AS given ({EVENT}, place) ORDER BY place
"""


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


async def add(tx: Transaction, events: Sequence[Row]) -> None:
    """Keep rows of ``EVENT``, in order."""
    await tx.run(_ADD, list(map(list, zip(*events, strict=True))))


async def page(tx: Transaction, query: EventQuery) -> tuple[list[Row], Position | None]:
    """Rows of an id and ``EVENT``, newest first, and where they end if there are more."""
    conditions: list[str] = ["TRUE"]
    values: list[Any] = []
    for column, wanted in (("job", query.jobs), ("kind", query.kinds)):
        if wanted is not None:
            conditions.append(f"{column} = ANY(%b::text[])")
            values.append(list(map(clean_text, wanted)))
    for condition, instant in (("at >= %s", query.since), ("at < %s", query.until)):
        if instant is not None:
            conditions.append(condition)
            values.append(to_micros(instant))
    if query.after is not None:
        conditions.append("(at, id) < (%s, %s)")
        values.extend(read_position(query.after))
    found = await tx.all(
        f"SELECT id, {EVENT} FROM jobkit.events WHERE {' AND '.join(conditions)}"
        " ORDER BY at DESC, id DESC LIMIT %s",
        [*values, query.limit + 1],
    )
    if len(found) <= query.limit:
        return found, None
    end = found[query.limit - 1]
    return found[: query.limit], (end[1], end[0])
