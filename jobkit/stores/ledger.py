"""What is said about ticks: states of jobs, claims and what became of them, spans.

:mod:`jobkit.stores.ledger_store` says what a store does with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, get_args

from jobkit.stores.ledger_store import ClaimKind, Overlap, SpanReason, check_overlap, check_page

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.base import NewRun

_REASONS: Final = frozenset(get_args(SpanReason))


@dataclass(frozen=True, slots=True, order=True)
class JobKey:
    """A job, and the node that it is scheduled on; ``""`` for one that is scheduled once per deployment."""

    job: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.job}@{self.node}" if self.node else self.job


@dataclass(frozen=True, slots=True)
class JobState:
    """How far a job's ticks are accounted for.

    *hash* stands for schedule, zone and scope, *since* is when it was registered. A job that was never
    registered has no mark and the hash ``""``.
    """

    key: JobKey
    mark: datetime | None
    hash: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class JobRegistration:
    """A job that is scheduled from *mark* on, by the schedule of *hash*; see
    :meth:`LedgerStore.register_jobs`."""

    key: JobKey
    hash: str
    mark: datetime
    expected_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive ticks that have no run, and why; *cause* is more exact than *reason*: ``run 1423``,
    ``paused by ops@x``. ValueError for an unknown reason, no ticks, or an end before the beginning."""

    job: str
    node: str
    reason: SpanReason
    cause: str | None
    first: datetime
    last: datetime
    count: int

    def __post_init__(self) -> None:
        if self.reason not in _REASONS:
            raise ValueError(f"a span's reason is one of {', '.join(sorted(_REASONS))}, not {self.reason!r}")
        if self.count < 1 or self.last < self.first:
            raise ValueError("a span holds one tick or more, from its first to its last")


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span as it is kept. Ids only grow; *recorded_at* is when its first tick was accounted for."""

    id: int
    span: Span
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """One step of a job's mark, from *expected* to *mark*, and what accounts for the ticks in between.

    *passed* are ticks passed over before the one that this is about. Then either *run*, of that *tick*, or
    *span*. *overlap* is the job's rule, judged in the step itself: a run that may not be becomes a span
    (reason ``overlap``) of the ticks that it would have covered, or of its own where *passed* are among
    them. *in_turn* is a run of a job whose missed
    ticks are made up one at a time. ValueError for what is no such step.
    """

    key: JobKey
    expected: datetime | None
    hash: str
    mark: datetime
    passed: Span | None = None
    run: NewRun | None = None
    tick: datetime | None = None
    span: Span | None = None
    overlap: Overlap = "allow"
    in_turn: bool = False

    def __post_init__(self) -> None:
        if (self.run is None) == (self.span is None):
            raise ValueError("a claim has a run or a span")
        if (self.run is None) != (self.tick is None):
            raise ValueError("a run has a tick, a span has its own")
        if self.in_turn and self.run is None:
            raise ValueError("runs take turns, spans do not")
        if self.expected is not None and self.mark <= self.expected:
            raise ValueError("a mark moves forward")
        after = self.expected is None or self.tick is None or self.expected < self.tick
        if not after or (self.tick is not None and self.tick > self.mark):
            raise ValueError("the tick of a claim lies between its marks")
        check_overlap(self.overlap)
        for span in (self.passed, self.span):
            if span is not None and (span.job, span.node) != (self.key.job, self.key.node):
                raise ValueError(f"a span of {span.job} has no place in a claim of {self.key}")
        if self.run is not None and (self.run.job, self.run.node) != (self.key.job, self.key.node):
            raise ValueError(f"a run of {self.run.job} has no place in a claim of {self.key}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a claim, and how the job stands now.

    ``run``
        *run* was inserted. *displaced* is the waiting run that gave way to it and has ended, *cancel* the
        running one that was asked to stop for it; of several the oldest.
    ``span``
        The ticks are accounted for by *span*.
    ``moved``
        The mark was not as expected, and nothing was done; or the tick has had its run before, and only
        the mark moved. Compute the next step from *state*.
    ``hash``
        Another schedule is registered, or none. Nothing was done.
    ``early``
        The mark would lie more than :data:`EARLIEST` after the store's clock. Nothing was done.
    ``busy``
        It is not the turn of a run that was claimed *in turn*. Nothing was done.
    """

    kind: ClaimKind
    state: JobState
    run: RunRecord | None = None
    span: SpanRecord | None = None
    displaced: RunRecord | None = None
    cancel: RunRecord | None = None


@dataclass(frozen=True, slots=True)
class Punctuality:
    """What tells whether a job is late: the newest *tick* with a run that succeeded, and how long such runs
    take: 95 of a hundred no longer than *p95*. None where there is none."""

    tick: datetime | None = None
    p95: timedelta | None = None


def ninety_fifth(durations: Iterable[int]) -> timedelta | None:
    """The p95 of *durations* in milliseconds: the shortest that 95 of a hundred do not exceed."""
    ordered = sorted(durations)
    return timedelta(milliseconds=ordered[-(-95 * len(ordered) // 100) - 1]) if ordered else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanQuery:
    """Which spans to read; None means any. *since* and *until* select those that touch [since, until).

    *after* is the ``next`` of the page before. *limit* lies between 1 and 10,000: ValueError beyond.
    """

    jobs: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    reasons: Sequence[SpanReason] | None = None
    limit: int = 20
    after: str | None = None

    def __post_init__(self) -> None:
        check_page(self.limit, "spans")


@dataclass(frozen=True, slots=True)
class SpanPage:
    """Spans, newest first; *next* continues after the last of them, None at the end.

    Newest is the latest last tick, and of equal ones the highest id. One that grows while pages are read
    counts as new.
    """

    spans: tuple[SpanRecord, ...]
    next: str | None
