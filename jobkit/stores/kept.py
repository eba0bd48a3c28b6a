"""Runs as the store in memory keeps them."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import overload

from jobkit.records import AttemptRecord, LogLine, RunRecord
from jobkit.statuses import RunStatus
from jobkit.stores import values
from jobkit.stores.base import Lease, NewRun, Outcome, RunQuery
from jobkit.stores.control import CancelRequest
from jobkit.stores.kept_ledger import KeptLedger
from jobkit.stores.kept_outbox import KeptOutbox
from jobkit.stores.kept_service import KeptService
from jobkit.stores.kept_sleepers import Sleeper
from jobkit.stores.ledger import JobKey
from jobkit.stores.ledger_store import Overlap, check_overlap
from jobkit.stores.plain import clean_text


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run was inserted with and its record does not show; *tick* is set if it accounts for one."""

    node: str = ""
    limits: tuple[str, ...] = ()
    queue: str = "default"
    priority: int = 0
    overlap: Overlap = "allow"
    tick: datetime | None = None


@dataclass(slots=True)
class Held:
    """A run as the store holds it; *lease* is None when nobody has one, and *abandoned* is the lease of a
    thread that the run no longer waits for."""

    record: RunRecord
    terms: Terms = Terms()
    not_before: datetime | None = None
    abandoned: Lease | None = None
    cancel: CancelRequest | None = None
    fence: int = 0
    lease: Lease | None = None
    attempts: dict[int, AttemptRecord] = field(default_factory=dict)
    lines: dict[int, LogLine] = field(default_factory=dict)
    late_outcome: Outcome | None = None

    def change(self, **changes: object) -> None:
        self.record = replace(self.record, **changes)  # type: ignore[arg-type]  # names are RunRecord's

    @property
    def over(self) -> bool:
        """Whether it counts for nothing any more."""
        return self.record.status.finished and self.abandoned is None

    @property
    def holds_limits(self) -> bool:
        return self.abandoned is not None or self.record.status is RunStatus.RUNNING


@dataclass(slots=True)
class Kept:
    """What several stores can share, as several processes share a database."""

    project: str
    runs: dict[str, Held] = field(default_factory=dict)
    last_number: int = 0
    outbox: KeptOutbox = field(default_factory=KeptOutbox)
    ledger: KeptLedger = field(default_factory=KeptLedger)
    service: KeptService = field(default_factory=KeptService)
    #: What is not over, by job and node; what is over is taken out when it is come upon.
    open: dict[JobKey, dict[str, Held]] = field(default_factory=dict)
    #: The objects that use it and may sleep.
    sleepers: list[Sleeper] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)


def terms_of(run: NewRun, overlap: Overlap, tick: datetime | None = None) -> Terms:
    """The terms of *run* as they are kept."""
    check_overlap(overlap)
    return Terms(
        node=clean_text(run.node),
        limits=values.clean_limits(run.limits),
        queue=clean_text(run.queue),
        priority=values.clean_count(run.priority),
        overlap=overlap,
        tick=_utc(tick),
    )


def queued(run: NewRun) -> RunRecord:
    """*run* as it is kept; number and time come with the insertion."""
    values.optional_micros(run.not_before)
    return RunRecord(
        id=clean_text(run.id),
        number=None,
        job=clean_text(run.job),
        extension=clean_text(run.extension),
        status=RunStatus.QUEUED,
        trigger=run.trigger,
        scheduled_at=_utc(run.scheduled_at),
        attempts=values.clean_count(run.attempts),
        actor=clean_text(run.actor),
        node=clean_text(run.node),
        enforce=run.enforce,
        parameters=values.decode(values.encode(run.parameters)),
        window=None if run.window is None else (_utc(run.window[0]), _utc(run.window[1])),
        covers=None
        if run.covers is None
        else replace(run.covers, first=_utc(run.covers.first), last=_utc(run.covers.last)),
        parent=values.optional_text(run.parent),
        retry_of=values.optional_text(run.retry_of),
    )


@overload
def _utc(instant: datetime) -> datetime: ...
@overload
def _utc(instant: datetime | None) -> datetime | None: ...
def _utc(instant: datetime | None) -> datetime | None:
    return values.optional_instant(values.optional_micros(instant))


def given(record: RunRecord) -> RunRecord:
    """*record* with mappings of its own, so that nobody's changes reach what is kept."""
    return replace(record, parameters=copy.deepcopy(record.parameters), data=copy.deepcopy(record.data))


def end_attempt(held: Held, number: int, outcome: Outcome) -> None:
    attempt = held.attempts.get(number)
    if attempt is None or attempt.finished_at is not None:
        return
    held.attempts[number] = replace(
        attempt,
        status=outcome.status,
        finished_at=outcome.finished_at,
        duration_ms=outcome.duration_ms,
        message=outcome.message,
        reason=outcome.reason,
        error=outcome.error,
    )


def end_run(held: Held, outcome: Outcome) -> None:
    held.lease = None
    held.change(
        status=outcome.status,
        finished_at=outcome.finished_at,
        duration_ms=outcome.duration_ms,
        message=outcome.message,
        processed=outcome.processed,
        errors=outcome.errors,
        data=outcome.data,
        reason=outcome.reason,
        error=outcome.error,
        cleanup_errors=outcome.cleanup_errors,
    )


def newest_key(record: RunRecord) -> tuple[int, int]:
    """Sorts the newest first."""
    assert record.queued_at is not None, "set by the insertion"
    assert record.number is not None, "set by the insertion"
    return -values.to_micros(record.queued_at), -record.number


def selected(record: RunRecord, query: RunQuery) -> bool:
    queued_at = record.queued_at
    assert queued_at is not None, "set by the insertion"
    return (
        (query.jobs is None or record.job in {clean_text(job) for job in query.jobs})
        and (query.statuses is None or record.status in query.statuses)
        and (query.triggers is None or record.trigger in query.triggers)
        and (query.since is None or queued_at >= query.since)
        and (query.until is None or queued_at < query.until)
        and (query.parent is None or record.parent == clean_text(query.parent))
    )


def clean_line(line: LogLine) -> LogLine:
    return LogLine(
        sequence=line.sequence,
        at=_utc(line.at),
        level=clean_text(line.level),
        event=clean_text(line.event),
        attempt=line.attempt,
        source=clean_text(line.source),
        fields=values.decode(values.encode(line.fields)),
    )
