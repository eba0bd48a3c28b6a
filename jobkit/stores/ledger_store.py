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
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.ledger import (
        Claim,
        Claimed,
        JobKey,
        JobRegistration,
        JobState,
        Punctuality,
        SpanPage,
        SpanQuery,
    )

EARLIEST: Final = timedelta(seconds=1)
"""A tick may lie so far ahead of the store's clock when it is claimed."""

LARGEST_PAGE: Final = 10_000

MEASURED_RUNS: Final = 100
"""So many of a job's newest runs tell how long it takes."""

Overlap = Literal["skip", "queue", "allow", "cancel"]
SpanReason = Literal["overlap", "paused", "misfire", "admission"]
ClaimKind = Literal["run", "span", "moved", "hash", "early", "busy"]

_OVERLAPS: Final = frozenset(get_args(Overlap))


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

        A claim *in turn* is judged before that, by the same runs: one with trigger ``catchup`` waits for all
        of them, any other for those with trigger ``catchup``. As long as there is one it is ``busy``, unless
        its tick has had its run before.

        A batch may be written in several transactions, in order of key, so that others get their turn;
        StoreError from a later one leaves the earlier ones done, and the same call again finds them.
        """
        ...

    async def tick_runs(self, job: str, *, since: datetime, limit: int = 100) -> list[RunRecord]:
        """The runs that account for ticks of *job* at *since* or later, on any node, the earliest tick first.

        *limit* lies between 1 and 10,000: ValueError beyond.
        """
        ...

    async def spans(self, query: SpanQuery) -> SpanPage:
        """The spans that *query* selects, newest first.

        A claim adds to the job's newest span if that ends where the mark stood and has the same reason and
        cause; otherwise it begins another.
        """
        ...

    async def punctuality(self, keys: Iterable[JobKey]) -> dict[JobKey, Punctuality]:
        """What tells whether each of *keys* is late, all of them.

        A tick counts as done if its run has succeeded, or a retry of it with the same ``scheduled_at``. How
        long runs take is judged by those of the job's :data:`MEASURED_RUNS` newest, on whichever node, that
        have succeeded.
        """
        ...
