"""What an attempt is told: what to execute, for whom, until when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobkit.durations import format_duration

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.redaction import Redactor
    from jobkit.runner.outcome import Stop


@dataclass(slots=True)
class Limit:
    """Until when an attempt may take: by the clock's ``monotonic()``, and on the wall.

    *timeout* is None if it is the deadline of the parent run.
    """

    monotonic: float
    at: datetime
    timeout: timedelta | None

    @property
    def words(self) -> str:
        """What happened if it was reached."""
        if self.timeout is None:
            return "it did not end before the deadline of the run that it is a child of"
        return f"it did not end within {format_duration(self.timeout)}"

    def postpone(self, seconds: float, latest: Limit | None) -> None:
        """Let it be later by *seconds*, though not beyond *latest*, the deadline of a parent."""
        if latest is not None:
            seconds = max(0.0, min(seconds, latest.monotonic - self.monotonic))
        self.monotonic += seconds
        self.at += timedelta(seconds=seconds)

    def inherited(self) -> Limit:
        """The same limit for a child run."""
        return Limit(self.monotonic, self.at, None)


@dataclass(slots=True)
class Order:
    """What is to be executed, and for whom; everything that one attempt has to be told."""

    spec: JobSpec
    run: RunRecord
    attempt: int
    parameters: Mapping[str, Any]
    started_at: datetime
    #: The same moment by the clock's ``monotonic()``.
    began: float
    limit: Limit | None
    log: FilteringBoundLogger
    redactor: Redactor
    #: Called when whoever waits for the attempt is cancelled: what that means for the run.
    interruption: Callable[[], Stop]
    #: The deadline that it may not outlive, whatever its own limit is.
    inherited: Limit | None = None

    def postpone(self, seconds: float) -> None:
        """Begin *seconds* later: what plugins did until then is not the job's time."""
        self.began += seconds
        self.started_at += timedelta(seconds=seconds)
        if self.limit is not None:
            self.limit.postpone(seconds, self.inherited)
