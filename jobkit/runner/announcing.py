"""What is said of a run, in the log of the program and to whoever watches it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobkit.logs import get_logger
from jobkit.records import format_instant
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner.observer import Audience
    from jobkit.stores.base import Outcome


class Announcer:
    """Speaks of one run, from its start to its end."""

    def __init__(self, audience: Audience, record: RunRecord, spec: JobSpec) -> None:
        self._audience = audience
        self._spec = spec
        #: About the run, not part of what it writes itself.
        self.log: FilteringBoundLogger = get_logger().bind(
            run=record.number, job=record.job, extension=record.extension
        )

    def started(self, record: RunRecord) -> None:
        """It has its lease; an attempt begins."""
        spec = self._spec
        self.log.info("run.started", trigger=record.trigger.value, actor=record.actor, enforce=record.enforce)
        self._audience.tell(lambda observer: observer.run_started(record, spec))

    def waiting(self, record: RunRecord, what: str) -> None:
        """It may not start yet."""
        spec = self._spec
        self.log.info("run.waiting", waiting_for=what)
        self._audience.tell(lambda observer: observer.run_waiting(spec, record, what))

    def attempt_ended(
        self, record: RunRecord, number: int, outcome: Outcome, retry_at: datetime | None
    ) -> None:
        """That attempt is over; the next begins at *retry_at*, if there is one."""
        self._audience.tell(lambda observer: observer.attempt_finished(record, number, outcome, retry_at))

    def finished(self, record: RunRecord) -> None:
        """It is recorded."""
        log_finished(self.log, record)
        self._audience.tell(lambda observer: observer.run_finished(record))


def facts(outcome: Outcome) -> dict[str, Any]:
    """How an attempt ended, for a line about it."""
    return {"status": outcome.status.value, "duration_ms": outcome.duration_ms, "message": outcome.message}


def log_finished(log: FilteringBoundLogger, record: RunRecord, **more: Any) -> None:
    """The one line about all of a run that has ended; *log* knows which."""
    level = "info" if record.status.ok else "warning" if record.status is RunStatus.CANCELLED else "error"
    getattr(log, level)("run.finished", **_canonical(record), **more)


def _canonical(record: RunRecord) -> dict[str, Any]:
    """Everything about a run in one line; what it does not have is left out."""
    facts: dict[str, Any] = {
        "status": record.status.value,
        "duration_ms": record.duration_ms,
        "attempt": record.attempt,
        "attempts": record.attempts,
        "trigger": record.trigger.value,
        "actor": record.actor,
        "node": record.node,
        "message": record.message,
        "processed": record.processed,
        "errors": record.errors,
        "reason": record.reason,
        "error": record.error.type if record.error is not None else None,
        "cleanup_errors": len(record.cleanup_errors) or None,
        "scheduled_at": format_instant(record.scheduled_at) if record.scheduled_at is not None else None,
        "parent": record.parent,
        "retry_of": record.retry_of,
    }
    return {name: value for name, value in facts.items() if value is not None}
