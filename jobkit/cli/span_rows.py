"""Spans as rows of history: ticks that have no run, between those that have one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from jobkit.records import RunRecord, TickSpan
from jobkit.statuses import RunStatus, Trigger

if TYPE_CHECKING:
    from jobkit.stores.base import RunPage, RunQuery, Store
    from jobkit.stores.ledger import SpanPage, SpanRecord


@dataclass(frozen=True, slots=True)
class Rows:
    """Runs and spans, newest first; *more* says that there are older ones."""

    rows: tuple[RunRecord, ...]
    more: bool


def as_row(record: SpanRecord, extension: str = "") -> RunRecord:
    """A span in the shape of a run: no id and no number, ``skipped``, and its ticks."""
    span = record.span
    return RunRecord(
        id="",
        number=None,
        job=span.job,
        extension=extension,
        status=RunStatus.SKIPPED,
        trigger=Trigger.SCHEDULE,
        scheduled_at=span.first,
        node=span.node,
        message=span.cause,
        reason=span.reason,
        ticks=TickSpan(span.first, span.last, span.count),
    )


async def spans_for(store: Store, query: RunQuery) -> SpanPage:
    """The spans that fit *query*, as far as its page goes: those of children there are none."""
    from jobkit.stores.ledger import SpanPage, SpanQuery

    statuses, triggers = query.statuses, query.triggers
    fits = (statuses is None or RunStatus.SKIPPED in statuses) and (
        triggers is None or Trigger.SCHEDULE in triggers
    )
    if not fits or query.parent is not None:
        return SpanPage((), None)
    wanted = SpanQuery(jobs=query.jobs, since=query.since, until=query.until, limit=query.limit)
    return await store.spans(wanted)


async def extensions_of(store: Store, spans: Sequence[SpanRecord]) -> Mapping[str, str]:
    """The extension of each job that has ever run: a span does not know its own."""
    jobs = {record.span.job for record in spans}
    return {name: run.extension for name, run in (await store.last_runs(jobs)).items()} if jobs else {}


def merged(runs: RunPage, spans: SpanPage, extensions: Mapping[str, str], limit: int) -> Rows:
    """The newest *limit* rows of both pages: a run by when it was queued, a span by its last tick."""
    found = [*runs.runs, *(as_row(span, extensions.get(span.span.job, "")) for span in spans.spans)]
    found.sort(key=_newest_first, reverse=True)
    more = len(found) > limit or runs.next is not None or spans.next is not None
    return Rows(tuple(found[:limit]), more)


def _newest_first(row: RunRecord) -> tuple[datetime, int]:
    at = row.ticks.last if row.ticks is not None else row.queued_at
    assert at is not None, "set by the insertion"
    return at, row.number or 0
