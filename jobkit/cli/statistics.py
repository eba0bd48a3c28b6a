"""How the runs of each job went, in figures."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobkit.records import RunRecord, to_plain
from jobkit.statuses import RunStatus

#: A run that was asked to work, and came to an end.
_ENDED = (
    RunStatus.SUCCEEDED,
    RunStatus.FAILED,
    RunStatus.TIMED_OUT,
    RunStatus.CANCELLED,
    RunStatus.LOST,
)


@dataclass(slots=True)
class JobStatistics:
    """The figures of one job; :meth:`add` takes its runs one by one, in any order."""

    job: str
    extension: str = ""
    processed: int = 0
    errors: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    counts: Counter[RunStatus] = field(default_factory=Counter)
    _durations: array[float] = field(default_factory=lambda: array("d"))

    def add(self, run: RunRecord) -> None:
        """Count *run*. A span of ticks that were passed over counts as so many skipped ones."""
        self.extension = run.extension or self.extension
        self.counts[run.status] += run.ticks.count if run.ticks is not None else 1
        self.processed += run.processed or 0
        self.errors += run.errors or 0
        if run.status is RunStatus.SUCCEEDED and run.duration_ms is not None:
            self._durations.append(run.duration_ms)
        at = run.started_at
        if at is not None:
            self.first_at = min(self.first_at or at, at)
            self.last_at = max(self.last_at or at, at)

    @property
    def runs(self) -> int:
        """How many came to an end; those that were skipped or are under way are not among them."""
        return sum(self.counts[status] for status in _ENDED)

    @property
    def failures(self) -> int:
        """How many of them did not succeed."""
        return self.runs - self.counts[RunStatus.SUCCEEDED]

    @property
    def success_rate(self) -> float | None:
        """The share that succeeded, from 0 to 1; None without runs."""
        return self.counts[RunStatus.SUCCEEDED] / self.runs if self.runs else None

    def durations(self) -> tuple[int, int, int] | None:
        """Median, 95th percentile and maximum, in milliseconds, of runs that succeeded; None without any."""
        if not self._durations:
            return None
        ordered = sorted(self._durations)
        return percentile(ordered, 50), percentile(ordered, 95), int(ordered[-1])

    def to_json(self) -> dict[str, Any]:
        """An item of the answer."""
        durations = self.durations()
        rate = self.success_rate
        return {
            "job": self.job,
            "extension": self.extension,
            "runs": self.runs,
            "success_rate": round(rate, 6) if rate is not None else None,
            **{str(status): self.counts[status] for status in (*_ENDED, RunStatus.SKIPPED)},
            "duration_ms": dict(zip(("p50", "p95", "max"), durations, strict=True)) if durations else None,
            "processed": self.processed,
            "errors": self.errors,
            "first_at": to_plain(self.first_at),
            "last_at": to_plain(self.last_at),
        }


def percentile(ordered: Sequence[float], percent: int) -> int:
    """The smallest of *ordered*, which is not empty, that *percent* of them do not exceed."""
    rank = -(-len(ordered) * percent // 100)
    return int(ordered[max(rank, 1) - 1])


def by_job(runs: Iterable[RunRecord], into: dict[str, JobStatistics]) -> None:
    """Add *runs* to the figures of their jobs."""
    for run in runs:
        figures = into.get(run.job)
        if figures is None:
            figures = into[run.job] = JobStatistics(run.job)
        figures.add(run)


def in_order(figures: Iterable[JobStatistics]) -> Iterator[JobStatistics]:
    """By the names of the jobs."""
    yield from sorted(figures, key=lambda each: each.job)
