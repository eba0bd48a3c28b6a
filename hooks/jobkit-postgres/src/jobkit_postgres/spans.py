"""Spans: consecutive ticks without a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jobkit.plugin.rows import RUN
from jobkit.plugin.stores import (
    Position,
    Span,
    SpanQuery,
    SpanRecord,
    clean_count,
    clean_text,
    from_micros,
    optional_text,
    read_position,
    to_micros,
)
from jobkit_postgres.connection import Row
from jobkit_postgres.transaction import Transaction

NEW: Final = "job, node, reason, cause, first, last, count"

SPAN: Final = f"id, {NEW}, recorded_at"
_LAST = 6  # where it stands in SPAN

_OF_TICKS: Final = f"""
SELECT {RUN} FROM jobkit.runs WHERE job = %s AND tick >= %s ORDER BY tick, number LIMIT %s
"""

_ENDING: Final = f"SELECT {SPAN} FROM jobkit.spans WHERE id = ANY(%s::bigint[])"

# An identity is drawn for each row as it is inserted, so in this order.
_ADD: Final = f"""
INSERT INTO jobkit.spans ({NEW}, recorded_at)
SELECT {NEW}, %s FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %s::bigint[], %s::bigint[],
    %s::bigint[]) WITH ORDINALITY AS given ({NEW}, place) ORDER BY place
RETURNING id
"""

_GROW: Final = """
UPDATE jobkit.spans AS spans SET last = given.last, count = given.count
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS given (id, last, count) WHERE spans.id = given.id
"""


@dataclass(slots=True)
class Kept:
    """A span that is about to be kept; *id* is None until it is. *values* are of ``NEW``."""

    values: Row
    id: int | None = None
    recorded_at: int = 0

    @property
    def row(self) -> Row:
        """Of ``SPAN``."""
        return self.id, *self.values, self.recorded_at


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


class Book:
    """The spans that one transaction keeps, written together."""

    def __init__(self, ending: Iterable[Row]) -> None:
        """*ending* are the spans that end at the marks, of ``SPAN``."""
        self.ending = {row[0]: Kept(tuple(row[1:8]), row[0], row[8]) for row in ending}
        self._new: list[Kept] = []
        self._grown: dict[int, Kept] = {}

    @classmethod
    async def read(cls, tx: Transaction, ids: Sequence[int]) -> Book:
        """With the spans of *ids* to add to."""
        return cls(await tx.all(_ENDING, (list(ids),)) if ids else ())

    def add(self, span: Row, ending: Kept | None) -> Kept:
        """Keep *span*, of ``NEW``, as part of *ending* if they belong together."""
        if ending is None or ending.values[2:4] != span[2:4]:
            kept = Kept(span)
            self._new.append(kept)
            return kept
        *before, _, count = ending.values
        *_, last, more = span
        ending.values = (*before, last, clean_count(count + more))
        if ending.id is not None:
            self._grown[ending.id] = ending
        return ending

    async def write(self, tx: Transaction) -> None:
        """Write them all; from now on each has its id."""
        if self._new:
            columns = map(list, zip(*(kept.values for kept in self._new), strict=True))
            ids = sorted(id_ for (id_,) in await tx.all(_ADD, (tx.at, *columns)))
            for kept, id_ in zip(self._new, ids, strict=True):
                kept.id, kept.recorded_at = id_, tx.at
        if self._grown:
            grown = [(id_, *kept.values[5:]) for id_, kept in self._grown.items()]
            await tx.run(_GROW, list(map(list, zip(*grown, strict=True))))


async def tick_runs(tx: Transaction, job: str, since: int, limit: int) -> list[Row]:
    """Rows of ``RUN`` that account for ticks of *job* from *since* on, the earliest tick first."""
    return await tx.all(_OF_TICKS, (job, since, limit))


async def page(tx: Transaction, query: SpanQuery) -> tuple[list[Row], Position | None]:
    """Rows of ``SPAN``, newest first, and where they end if there are more."""
    conditions: list[str] = ["TRUE"]
    values: list[Any] = []
    if query.jobs is not None:
        conditions.append("job = ANY(%b::text[])")
        values.append(list(map(clean_text, query.jobs)))
    if query.reasons is not None:
        conditions.append("reason = ANY(%b::text[])")
        values.append(list(query.reasons))
    if query.since is not None:
        conditions.append("last >= %s")
        values.append(to_micros(query.since))
    if query.until is not None:
        conditions.append("first < %s")
        values.append(to_micros(query.until))
    if query.after is not None:
        conditions.append("(last, id) < (%s, %s)")
        values.extend(read_position(query.after))
    found = await tx.all(
        f"SELECT {SPAN} FROM jobkit.spans WHERE {' AND '.join(conditions)}"
        " ORDER BY last DESC, id DESC LIMIT %s",
        [*values, query.limit + 1],
    )
    if len(found) <= query.limit:
        return found, None
    end = found[query.limit - 1]
    return found[: query.limit], (end[_LAST], end[0])
