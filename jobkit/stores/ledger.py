"""What a run store promises about ticks: each one that fell due is accounted for once, by a run or a span.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here too.

A *tick* is a job and the instant at which it was due. The *mark* of a job is the last tick accounted for; it
moves by compare-and-swap, so of all who compute the next tick from the same mark one gets it. Which ticks
there are is for the caller to know: a store has never seen a schedule.

Whatever inserts a run of a job (a claim, ``add_run``, ``add_and_start``) first takes the lock of that job and
node, and judges overlap after it has it, by what was committed until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.base import NewRun

EARLIEST: Final = timedelta(seconds=1)
"""A tick may lie so far ahead of the store's clock when it is claimed."""

LARGEST_PAGE: Final = 10_000

Overlap = Literal["skip", "queue", "allow", "cancel"]
SpanReason = Literal["overlap", "paused", "misfire", "admission"]
ClaimKind = Literal["run", "span", "moved", "hash", "early"]

_OVERLAPS: Final = frozenset(get_args(Overlap))
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
    (reason ``overlap``) of the ticks that it would have covered. ValueError for what is no such step.
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

    def __post_init__(self) -> None:
        if (self.run is None) == (self.span is None):
            raise ValueError("a claim has a run or a span")
        if (self.run is None) != (self.tick is None):
            raise ValueError("a run has a tick, a span has its own")
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
    """

    kind: ClaimKind
    state: JobState
    run: RunRecord | None = None
    span: SpanRecord | None = None
    displaced: RunRecord | None = None
    cancel: RunRecord | None = None


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


def check_overlap(overlap: str) -> None:
    """ValueError unless *overlap* is one of the four rules."""
    if overlap not in _OVERLAPS:
        raise ValueError(f"overlap is one of {', '.join(sorted(_OVERLAPS))}, not {overlap!r}")


def check_page(limit: int, what: str) -> None:
    """ValueError unless *limit* is one of a page."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise ValueError(f"a page has 1 to {LARGEST_PAGE:,} {what}, not {limit}")


class LedgerStore(Protocol):
    """The part of a store that accounts for ticks."""

    async def register_jobs(self, jobs: Iterable[JobRegistration]) -> list[JobState]:
        """Have *jobs* scheduled from their marks on; how each stands now, in their order.

        It is registered if the hash that is there is the expected one (None: none is there). A job that has
        its hash already stays as it is, mark and all; and so does one whose hash is a third.
        """
        ...

    async def register_job(
        self, key: JobKey, hash: str, *, mark: datetime, expected_hash: str | None
    ) -> JobState:
        """The same for one job."""
        ...

    async def job_states(self, keys: Iterable[JobKey] | None = None) -> dict[JobKey, JobState]:
        """How jobs stand; of *keys* those that were registered, all jobs if *keys* is None."""
        ...

    async def pull_back(self, key: JobKey, *, expected: datetime, to: datetime) -> bool:
        """Set a mark back that a wrong clock had moved ahead; False if it was not *expected* any more.

        What was accounted for stays accounted for: a tick that has a run gets no second one. ValueError
        unless *to* lies before *expected*.
        """
        ...

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        """Account for ticks; what became of each claim, in the order of *claims*.

        Each claim is one step: mark, spans, run, and whatever gives way to the run, or nothing. The hash is
        compared first, then the mark, then the clock. A tick that has a run, whoever inserted it and
        wherever the mark is, never gets another. The same claim again, with the same run id, finds its
        run; a span that is claimed again has ``moved``. StoreError if that id is another run's.

        Rules of overlap, by what is open of the job on that node: leases that have not ended, abandoned ones
        among them, and queued runs.

        ``skip``
            Anything open is in the way. A run that waits for its next attempt, held by nobody, is not:
            it ends with its last attempt's status, reason ``superseded``.
        ``queue``
            A queued run is in the way; otherwise this one is queued behind whatever runs.
        ``cancel``
            Nothing is. What runs is asked to stop; what is queued, and held by nobody, ends: ``skipped``,
            or with its last attempt's status, reason ``superseded``.
        ``allow``
            Nothing is.

        A batch may be written in several transactions, in order of key, so that others get their turn;
        StoreError from a later one leaves the earlier ones done, and the same call again finds them.
        """
        ...

    async def spans(self, query: SpanQuery) -> SpanPage:
        """The spans that *query* selects, newest first.

        A claim adds to the job's newest span if that ends where the mark stood and has the same reason and
        cause; otherwise it begins another.
        """
        ...
