"""Rows of the tables as records, and back. Column lists stand beside the code that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobkit.records import AttemptRecord, LogLine, RunRecord, TickSpan
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, OpenLease, Outcome
from jobkit.stores.ledger_store import Overlap, check_overlap
from jobkit.stores.plain import clean_text
from jobkit.stores.values import (
    brief_error,
    clean_count,
    clean_limits,
    decode,
    decode_failure,
    decode_failures,
    decode_owner,
    decode_progress,
    duration_micros,
    encode,
    encode_failure,
    encode_failures,
    encode_owner,
    from_micros,
    optional_count,
    optional_instant,
    optional_micros,
    optional_text,
    to_micros,
)

if TYPE_CHECKING:
    from jobkit.stores.outbox import DeadLetter, OutboxEntry, OutboxVerdict, SinkState

Row = tuple[Any, ...]

Now = Callable[[], datetime]

RUN: Final = """
number, id, job, extension, status, "trigger", scheduled_at, queued_at, started_at, finished_at, duration_ms,
attempt, attempts, actor, node, enforce, "window", covers, reason, processed, errors, parent, retry_of,
progress, parameters, message, error, cleanup_errors, data
"""

LEASE: Final = "id, fence, attempt, lease_owner, node, lease_duration, lease_pinned, lease_expires_at"

ATTEMPT: Final = "number, status, started_at, finished_at, duration_ms, node, reason, message, error"

LINE: Final = "sequence, at, level, event, attempt, source, fields"

# These two of a table named `found`, joined with its run.
ENTRY: Final = "found.id, sink, runs.id, number, job, added_at, failures, found.not_before, found.error"

DEAD_LETTER: Final = (
    "found.id, sink, runs.id, number, job, added_at, died_at, failures, found.reason, found.error"
)

SINK: Final = "name, max_age, seen_at, failures, suspended_until, error, delivered_at, lease_owner"

_STATUSES: Final = {status.value: status for status in RunStatus}
_TRIGGERS: Final = {trigger.value: trigger for trigger in Trigger}


def run_record(row: Row) -> RunRecord:
    """The run of a row of ``RUN``."""
    (
        number, id_, job, extension, status, trigger, scheduled_at, queued_at, started_at, finished_at,
        duration_ms, attempt, attempts, actor, node, enforce, window, covers, reason, processed, errors,
        parent, retry_of, progress, parameters, message, error, cleanup_errors, data,
    ) = row  # fmt: skip
    return RunRecord(
        id=id_,
        number=number,
        job=job,
        extension=extension,
        status=_STATUSES[status],
        trigger=_TRIGGERS[trigger],
        scheduled_at=optional_instant(scheduled_at),
        queued_at=from_micros(queued_at),
        started_at=optional_instant(started_at),
        finished_at=optional_instant(finished_at),
        duration_ms=duration_ms,
        attempt=attempt,
        attempts=attempts,
        actor=actor,
        node=node,
        enforce=bool(enforce),
        parameters=decode(parameters),
        message=message,
        processed=processed,
        errors=errors,
        data=decode(data),
        progress=decode_progress(progress),
        window=None if window is None else _window(window),
        covers=None if covers is None else _span(covers),
        reason=reason,
        error=decode_failure(error),
        cleanup_errors=decode_failures(cleanup_errors),
        parent=parent,
        retry_of=retry_of,
    )


def _window(text: str) -> tuple[datetime, datetime]:
    start, end = json.loads(text)
    return from_micros(start), from_micros(end)


def _span(text: str) -> TickSpan:
    first, last, count = json.loads(text)
    return TickSpan(from_micros(first), from_micros(last), count)


def lease(row: Row) -> Lease:
    """The lease of a row of ``LEASE``."""
    id_, fence, attempt, owner, node, duration, pinned, expires_at = row
    return Lease(
        run_id=id_,
        fence=fence,
        attempt=attempt,
        owner=decode_owner(owner),
        node=node,
        duration=timedelta(microseconds=duration),
        pinned=bool(pinned),
        expires_at=from_micros(expires_at),
    )


def open_lease(row: Row, at: int) -> OpenLease:
    """The open lease, at *at*, of a row of ``LEASE, job, status, attempts`` and whether it is abandoned."""
    *of_lease, job, status, attempts, abandoned = row
    found = lease(tuple(of_lease))
    expired = to_micros(found.expires_at) <= at
    return OpenLease(found, job, _STATUSES[status], attempts, expired=expired, abandoned=bool(abandoned))


def attempt_record(run_id: str, row: Row) -> AttemptRecord:
    """The attempt of a row of ``ATTEMPT``."""
    number, status, started_at, finished_at, duration_ms, node, reason, message, error = row
    return AttemptRecord(
        run_id=run_id,
        number=number,
        status=_STATUSES[status],
        started_at=from_micros(started_at),
        finished_at=optional_instant(finished_at),
        duration_ms=duration_ms,
        node=node,
        message=message,
        reason=reason,
        error=decode_failure(error),
    )


def log_line(row: Row) -> LogLine:
    """The line of a row of ``LINE``."""
    sequence, at, level, event, attempt, source, fields = row
    return LogLine(
        sequence=sequence,
        at=from_micros(at),
        level=level,
        event=event,
        attempt=attempt,
        source=source,
        fields=decode(fields),
    )


def outbox_entry(row: Row) -> OutboxEntry:
    """The entry of a row of ``ENTRY``."""
    from jobkit.stores.outbox import OutboxEntry

    id_, sink, run_id, number, job, added_at, failures, not_before, error = row
    return OutboxEntry(
        id=id_,
        sink=sink,
        run_id=run_id,
        number=number,
        job=job,
        added_at=from_micros(added_at),
        failures=failures,
        not_before=optional_instant(not_before),
        error=error,
    )


def dead_letter(row: Row) -> DeadLetter:
    """The dead letter of a row of ``DEAD_LETTER``."""
    from jobkit.stores.outbox import DeadLetter

    id_, sink, run_id, number, job, added_at, died_at, failures, reason, error = row
    return DeadLetter(
        id=id_,
        sink=sink,
        run_id=run_id,
        number=number,
        job=job,
        added_at=from_micros(added_at),
        died_at=from_micros(died_at),
        failures=failures,
        reason=reason,
        error=error,
    )


def sink_state(row: Row) -> SinkState:
    """The sink of a row of ``SINK``, how many wait, since when, and how many are dead."""
    from jobkit.stores.outbox import SinkState

    name, max_age, seen_at, failures, suspended, error, delivered_at, owner, waiting, oldest, dead = row
    return SinkState(
        name=name,
        waiting=waiting,
        oldest=optional_instant(oldest),
        dead=dead,
        failures=failures,
        suspended_until=optional_instant(suspended),
        error=error,
        delivered_at=optional_instant(delivered_at),
        owner=None if owner is None else decode_owner(owner),
        seen_at=from_micros(seen_at),
        max_age=timedelta(microseconds=max_age),
    )


# -- and back: what callers hand over, encoded in their own task --------------------------------------


NEW_RUN: Final = """
id, job, extension, "trigger", scheduled_at, attempts, actor, enforce, "window", covers, parent, retry_of,
parameters, home, overlap, tick, limits, priority, queue
"""

NEW_LEASE: Final = "node, lease_owner, lease_pinned, lease_duration"


def new_run_values(run: NewRun, overlap: Overlap = "allow", tick: datetime | None = None) -> Row:
    """The columns of ``NEW_RUN``."""
    check_overlap(overlap)
    return (
        clean_text(run.id),
        clean_text(run.job),
        clean_text(run.extension),
        run.trigger.value,
        optional_micros(run.scheduled_at),
        clean_count(run.attempts),
        clean_text(run.actor),
        int(run.enforce),
        None if run.window is None else json.dumps([to_micros(instant) for instant in run.window]),
        None
        if run.covers is None
        else json.dumps([to_micros(run.covers.first), to_micros(run.covers.last), run.covers.count]),
        optional_text(run.parent),
        optional_text(run.retry_of),
        encode(run.parameters),
        clean_text(run.node),
        overlap,
        optional_micros(tick),
        json.dumps(clean_limits(run.limits), ensure_ascii=False) if run.limits else "[]",
        clean_count(run.priority),
        clean_text(run.queue),
    )


def queued_run(number: int, run: Row, at: int) -> Row:
    """The row of ``RUN`` of a run that was inserted as queued *at*, without reading it back."""
    id_, job, extension, trigger, scheduled_at, attempts, actor, enforce, window, covers, parent, *rest = run
    retry_of, parameters, home, *_ = rest
    return (
        number, id_, job, extension, "queued", trigger, scheduled_at, at, None, None, None, 0, attempts,
        actor, home, enforce, window, covers, None, None, None, parent, retry_of, None, parameters, None,
        None, "[]", "{}",
    )  # fmt: skip


def lease_values(request: LeaseRequest) -> Row:
    """The columns of ``NEW_LEASE``."""
    owner = encode_owner(request.owner)
    return clean_text(request.node), owner, int(request.pinned), duration_micros(request.duration)


def started_run(number: int, run: Row, lease: Row, at: int) -> Row:
    """The row of ``RUN`` of a run that was inserted as started *at*, without reading it back."""
    id_, job, extension, trigger, scheduled_at, attempts, actor, enforce, window, covers, parent, *rest = run
    retry_of, parameters, *_ = rest
    return (
        number, id_, job, extension, "running", trigger, scheduled_at, at, at, None, None, 1, attempts, actor,
        lease[0], enforce, window, covers, None, None, None, parent, retry_of, None, parameters, None, None,
        "[]", "{}",
    )  # fmt: skip


OUTCOME: Final = """
status, finished_at, duration_ms, processed, errors, reason, message, error, cleanup_errors, data
"""

ENDED: Final = "status, finished_at, duration_ms, reason, message, error"


def outcome_values(outcome: Outcome) -> Row:
    """The columns of ``OUTCOME``."""
    return (
        outcome.status.value,
        to_micros(outcome.finished_at),
        clean_count(outcome.duration_ms),
        optional_count(outcome.processed),
        optional_count(outcome.errors),
        optional_text(outcome.reason),
        optional_text(outcome.message),
        encode_failure(outcome.error),
        encode_failures(outcome.cleanup_errors),
        encode(outcome.data),
    )


def ended_values(outcome: Row) -> Row:
    """The columns of ``ENDED``, which an attempt keeps, from those of ``OUTCOME``."""
    status, finished_at, duration_ms, _, _, reason, message, error, _, _ = outcome
    return status, finished_at, duration_ms, reason, message, error


def line_values(line: LogLine) -> Row:
    """The columns of ``LINE``, in order."""
    return (
        line.sequence,
        to_micros(line.at),
        clean_text(line.level),
        clean_text(line.event),
        line.attempt,
        clean_text(line.source),
        encode(line.fields),
    )


def verdict_values(verdict: OutboxVerdict) -> Row:
    """``VERDICT``: the entry's id, kind, error, reason, not_before, and what it adds to the failures."""
    return (
        clean_count(verdict.entry_id),
        verdict.kind,
        brief_error(verdict.error),
        verdict.reason,
        optional_micros(verdict.not_before),
        int(verdict.failure),
    )
