"""One look through what waits for a sink, and what follows from how each attempt went.

Per job, runs are given in order: one that failed holds up later ones of its job, and no others. Whether
a failure is the run's or the sink's is told by what else happens in the same round. If another run is
taken, the failure counts against the run; after :data:`MOST_FAILURES` it is given up. If none is, it
counts against nothing: the sink is suspended, and probed with one run at a time, of another job each time,
until it takes one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import RunNotFound
from jobkit.logs import get_logger
from jobkit.sinks.giving import Given
from jobkit.sinks.wording import described
from jobkit.stores.outbox import OutboxVerdict

if TYPE_CHECKING:
    from jobkit.sinks.backoff import Backoff
    from jobkit.sinks.checking import CheckedSink
    from jobkit.sinks.giving import Giver
    from jobkit.sinks.settling import Settlement
    from jobkit.sinks.timing import SinkTime
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import DeathReason, OutboxEntry

#: A run that failed so often, while others were taken, is given up.
MOST_FAILURES = 8
#: So many failures in a row, of different jobs, suspend a sink without trying everything that waits.
MOST_IN_A_ROW = 3

_PAGE = 500


@dataclass(slots=True)
class Memory:
    """What a process remembers of a sink from round to round; none of it is missed after a restart."""

    #: Jobs that the sink was probed with since it took a run last, the latest last.
    probed: dict[str, None] = field(default_factory=dict)
    #: How many runs were taken.
    taken: int = 0
    #: Of entries that failed before: how often since then nothing counted, and what *taken* was.
    suspects: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: The last entry that a whole round has seen.
    seen: int = 0

    def tried(self, job: str) -> None:
        """*job* was the latest to be tried."""
        self.probed.pop(job, None)
        self.probed[job] = None


@dataclass(slots=True)
class Tally:
    """What a round came to."""

    delivered: int = 0
    dead: int = 0
    error: str | None = None


@dataclass(slots=True)
class Parts:
    """What the rounds of one sink work with."""

    sink: CheckedSink
    store: Store
    giver: Giver
    settlement: Settlement
    backoff: Backoff
    secrets: Collection[str]
    clock: SinkTime
    memory: Memory = field(default_factory=Memory)


class Round:
    """One round; make a new one for the next. *now* is the store's clock, at this moment.

    An *eager* round tries whatever waits – of a suspended sink one run, and the rest if it is taken – and
    begins no further attempt once the sink's timeout has passed.
    """

    def __init__(self, parts: Parts, now: datetime, *, eager: bool = False) -> None:
        self.tally = Tally()
        self._parts = parts
        self._settlement = parts.settlement
        self._memory = parts.memory
        self._began = anyio.current_time()
        self._began_own = parts.clock.now()
        self._at = now
        self._eager = eager
        self._passed = False
        self._contact = False
        self._row: list[OutboxEntry] = []
        self._pending: list[tuple[OutboxEntry, str]] = []
        self._closed = False
        self._stopped = False
        self._next: datetime | None = None

    async def deliver(self) -> float | None:
        """Work through it; in how many seconds it is worth looking again, None: when something is added.

        Raises StoreError, and LeaseLost; what the sink took before is settled, or will be.
        """
        if self._settlement.suspended_until is not None:
            if not await self._probe():
                return self._seconds_to(self._later(self._settlement.suspended_until, self._next))
            await self._settlement.flush()
        await self._pass(None)
        self._conclude()
        if self._settlement.suspended_until is not None:
            return self._seconds_to(self._settlement.suspended_until)
        return None if self._next is None else self._seconds_to(self._next)

    # -- probing --------------------------------------------------------------------------------

    async def _probe(self) -> bool:
        """Whether the suspended sink takes runs again, found out with one run if it is time to."""
        unanswered: list[str] = []
        candidate = partial(self._eager_candidate, unanswered) if self._eager else self._candidate
        while (job := await candidate()) is not None:
            self._memory.tried(job)
            await self._pass(job)
            if self._contact:
                break
            unanswered.append(job)  # every run of that job was none of the sink's
            await self._settlement.flush()
        for job in unanswered:
            self._memory.probed.pop(job, None)
        if self._passed:
            return True
        self._conclude()
        return False

    async def _candidate(self) -> str | None:
        """The job to probe with: one that was not tried yet, else the one whose turn is longest ago.

        Before the suspension ends there is one only for a job that is new to it, and for few of them: one
        job's bad run must not hold up the others until then.
        """
        until = self._settlement.suspended_until
        due = until is not None and until <= self._now()
        if not due and len(self._memory.probed) >= MOST_IN_A_ROW:
            return None
        heads: set[str] = set()
        waiting: set[str] = set()
        async with aclosing(self._entries()) as entries:
            async for entry in entries:
                if entry.job in heads or entry.job in waiting:
                    continue
                if self._is_early(entry):
                    waiting.add(entry.job)
                elif entry.job not in self._memory.probed:
                    return entry.job
                else:
                    heads.add(entry.job)
        if not due:
            return None
        return next((job for job in self._memory.probed if job in heads), None)

    async def _eager_candidate(self, unanswered: Collection[str]) -> str | None:
        """The job to probe with at once: one that was not tried yet, else each in turn.

        Whoever asks may have no memory, and one job's bad run must not hold up the others for ever: what was
        tried has an error, and the sink's failures, one for each of these attempts, tell whose turn it is.
        """
        heads: dict[str, OutboxEntry] = {}
        async with aclosing(self._entries()) as entries:
            async for entry in entries:
                if entry.job not in unanswered:
                    heads.setdefault(entry.job, entry)
        new = [job for job, entry in heads.items() if entry.error is None]
        jobs = new[:1] or list(heads)
        return jobs[self._settlement.failures % len(jobs)] if jobs else None

    # -- one pass -------------------------------------------------------------------------------

    async def _pass(self, only: str | None) -> None:
        """Try what waits, in order; with *only*, nothing but that job, until the sink has answered once."""
        blocked: set[str] = set()
        last = 0
        async with aclosing(self._entries()) as entries:
            async for entry in entries:
                last = entry.id
                if self._is_too_old(entry):
                    self._bury(entry, "max_age", entry.error or "it was never given")
                elif entry.job in blocked:
                    continue
                elif (only or entry.job) != entry.job or self._is_early(entry) or not await self._try(entry):
                    blocked.add(entry.job)
                if self._settlement.full:
                    await self._settlement.flush()
                if self._stopped or (only is not None and self._contact):
                    return
        if only is None:
            self._memory.seen = last

    async def _entries(self) -> AsyncGenerator[OutboxEntry, None]:
        after = 0
        while page := await self._parts.store.outbox(self._parts.sink.name, after=after, limit=_PAGE):
            for entry in page:
                yield entry
            after = page[-1].id
            if len(page) < _PAGE:
                return

    def _is_too_old(self, entry: OutboxEntry) -> bool:
        return entry.added_at + self._parts.sink.max_age <= self._now()

    def _is_early(self, entry: OutboxEntry) -> bool:
        """Whether it is to be tried later; then the next round is due at that time, if not before."""
        if self._eager or entry.not_before is None or entry.not_before <= self._now():
            return False
        self._wake_at(entry.not_before)
        return True

    # -- one entry ------------------------------------------------------------------------------

    async def _try(self, entry: OutboxEntry) -> bool:
        """Whether *entry* is out of the way of those after it."""
        seconds = self._seconds_left()
        if seconds <= 0:
            self._stopped = True
            return False
        try:
            run = await self._parts.store.run(entry.run_id)
        except RunNotFound:  # deleted meanwhile: nobody can be told of it any more
            self._settlement.add(OutboxVerdict(entry.id, "refused"))
            return True
        given = await self._parts.giver.give(run, seconds)
        if given.answer in ("failed", "closed"):
            if seconds < self._parts.sink.timeout and self._seconds_left() <= 0:
                self._stopped = True  # our time was up, not the sink's
            else:
                self._parts.giver.report(given, entry.run_id)
                self._failed(entry, given)
            return False
        if given.answer == "refused":
            self._settlement.add(OutboxVerdict(entry.id, "refused"))
        else:
            self._taken(entry, given)
        return True

    def _taken(self, entry: OutboxEntry, given: Given) -> None:
        """The sink has answered, so it works: those that failed in this round failed by themselves."""
        self._contact = self._passed = True
        self._row.clear()
        if given.error is not None:
            self._bury(entry, "rejected", self._words(given.error))
        else:
            self.tally.delivered += 1
            self._settlement.add(OutboxVerdict(entry.id, "delivered"))
        self._memory.suspects.pop(entry.id, None)
        self._memory.probed.clear()
        self._memory.taken += 1
        if self._settlement.suspended_until is not None:
            get_logger().info("sink.resumed", sink=self._parts.sink.name, failures=self._settlement.failures)
        self._settlement.failures = 0
        self._settlement.suspended_until = self._settlement.error = None
        for other, error in self._pending:
            self._count(other, error)
        self._pending.clear()

    def _failed(self, entry: OutboxEntry, given: Given) -> None:
        self._contact = True
        self._row.append(entry)
        self._memory.tried(entry.job)
        error = self._words(given.error) if given.error is not None else ""
        self.tally.error = error
        if given.answer == "closed":
            self._closed = self._stopped = True
            self._pending.append((entry, error))
        elif self._passed:
            self._count(entry, error)
        else:
            self._pending.append((entry, error))
        if len(self._row) >= MOST_IN_A_ROW:
            self._stopped = True
            self._wake_at(self._now())  # the rest was not looked at

    def _count(self, entry: OutboxEntry, error: str) -> None:
        """Hold a failure against *entry*."""
        failures = entry.failures + 1
        if failures >= MOST_FAILURES:
            self._bury(entry, "failures", error)
            self._wake_at(self._now())  # what it held up
            return
        until = self._after(failures)
        self._memory.suspects[entry.id] = (0, self._memory.taken)
        self._settlement.add(OutboxVerdict(entry.id, "failed", error, not_before=until))
        self._wake_at(until)
        get_logger().warning(
            "sink.failed",
            sink=self._parts.sink.name,
            job=entry.job,
            run=entry.run_id,
            failures=failures,
            not_before=until,
            error=error,
        )

    def _bury(self, entry: OutboxEntry, reason: DeathReason, error: str) -> None:
        self.tally.dead += 1
        self._memory.suspects.pop(entry.id, None)
        self._settlement.add(OutboxVerdict(entry.id, "dead", error, reason))
        get_logger().error(
            "sink.dead_letter",
            sink=self._parts.sink.name,
            job=entry.job,
            run=entry.run_id,
            number=entry.number,
            reason=reason,
            error=error,
        )

    # -- the whole ------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """Judge what failed while nothing was taken, and the sink as a whole."""
        pending, self._pending = self._pending, []
        failed = self._row or [entry for entry, _ in pending]
        # Those that failed before while others were taken say little about the sink.
        suspects_only = all(entry.failures for entry in failed) and self._settlement.suspended_until is None
        for entry, error in pending:
            if suspects_only and not self._closed:
                self._suspect(entry, error)
            else:
                self._settlement.add(OutboxVerdict(entry.id, "failed", error, counts=False))
        down = len(self._row) >= MOST_IN_A_ROW or (bool(pending) and not self._passed)
        if self._closed or (down and not suspects_only):
            self._suspend()

    def _suspect(self, entry: OutboxEntry, error: str) -> None:
        """One that failed before has failed with nothing beside it: were others taken since it did?"""
        alone, taken = self._memory.suspects.get(entry.id, (0, self._memory.taken))
        if self._memory.taken > taken:
            self._count(entry, error)
            return
        self._memory.suspects[entry.id] = (alone + 1, taken)
        until = self._after(entry.failures + alone + 1)
        self._settlement.add(OutboxVerdict(entry.id, "failed", error, not_before=until, counts=False))
        self._wake_at(until)

    def _suspend(self) -> None:
        known = self._settlement.suspended_until
        self._settlement.error = self.tally.error
        if known is None or known <= self._now() or self._eager:
            self._settlement.failures += 1
            self._settlement.suspended_until = self._after(self._settlement.failures)
        if known is None:
            get_logger().warning(
                "sink.suspended",
                sink=self._parts.sink.name,
                error=self.tally.error,
                until=self._settlement.suspended_until,
            )
        self._settlement.touch()

    # -- time -----------------------------------------------------------------------------------

    def _now(self) -> datetime:
        """The store's clock, without asking it again."""
        return self._at + timedelta(seconds=anyio.current_time() - self._began)

    def _after(self, failures: int) -> datetime:
        return self._now() + timedelta(seconds=self._parts.backoff.seconds(failures))

    def _wake_at(self, instant: datetime) -> None:
        if self._next is None or instant < self._next:
            self._next = instant

    def _later(self, suspended: datetime | None, waiting: datetime | None) -> datetime:
        now = self._now()
        suspended = suspended or now
        return suspended if suspended > now or waiting is None else waiting

    def _seconds_to(self, instant: datetime) -> float:
        return max((instant - self._now()).total_seconds(), 0.0)

    def _seconds_left(self) -> float:
        """How long the next call may take; the first of an eager round always has the whole timeout."""
        timeout = self._parts.sink.timeout
        left = timeout - (self._parts.clock.now() - self._began_own)
        return left if self._eager and (self._contact or left <= 0) else timeout

    def _words(self, error: BaseException) -> str:
        return described(error, self._parts.secrets)
