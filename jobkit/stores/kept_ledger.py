"""The ledger as the store in memory keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from jobkit.stores import values
from jobkit.stores.ledger import JobKey, JobState, Span, SpanQuery, SpanRecord
from jobkit.stores.plain import clean_text


@dataclass(slots=True)
class KeptState:
    """How a job stands; *span* is the id of the span that ends at the mark, if one does."""

    mark: datetime
    hash: str
    since: datetime
    span: int | None = None

    def shown(self, key: JobKey) -> JobState:
        return JobState(key, self.mark, self.hash, self.since)


@dataclass(slots=True)
class KeptLedger:
    """States by job and node, spans by id, and the runs of ticks by job, node and tick."""

    states: dict[JobKey, KeptState] = field(default_factory=dict)
    spans: dict[int, SpanRecord] = field(default_factory=dict)
    last_span: int = 0
    ticks: dict[tuple[JobKey, datetime], str] = field(default_factory=dict)

    def add_span(self, state: KeptState, span: Span, at: datetime) -> SpanRecord:
        """Keep *span*, as part of the one that ends at the mark if they belong together."""
        newest = None if state.span is None else self.spans.get(state.span)
        if newest is not None and (newest.span.reason, newest.span.cause) == (span.reason, span.cause):
            count = values.clean_count(newest.span.count + span.count)
            record = replace(newest, span=replace(newest.span, last=span.last, count=count))
        else:
            self.last_span += 1
            record = SpanRecord(self.last_span, span, at)
        self.spans[record.id] = record
        state.span = record.id
        return record


def clean_key(key: JobKey) -> JobKey:
    return JobKey(clean_text(key.job), clean_text(key.node))


def clean_span(span: Span) -> Span:
    """*span* as a store gives it back."""
    return Span(
        job=clean_text(span.job),
        node=clean_text(span.node),
        reason=span.reason,
        cause=values.optional_text(span.cause),
        first=values.from_micros(values.to_micros(span.first)),
        last=values.from_micros(values.to_micros(span.last)),
        count=values.clean_count(span.count),
    )


def newest_span(record: SpanRecord) -> tuple[int, int]:
    """Sorts the newest first."""
    return -values.to_micros(record.span.last), -record.id


def span_selected(record: SpanRecord, query: SpanQuery) -> bool:
    span = record.span
    return (
        (query.jobs is None or span.job in {clean_text(job) for job in query.jobs})
        and (query.reasons is None or span.reason in query.reasons)
        and (query.since is None or span.last >= query.since)
        and (query.until is None or span.first < query.until)
    )
