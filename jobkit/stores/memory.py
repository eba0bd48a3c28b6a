"""The store that forgets: runs in this process's memory, for tests and for trying things out.

It keeps the same promise as the others, and stands for what the promise means: where a database's
store answers differently, one of them is wrong.
"""

from __future__ import annotations

import bisect
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from jobkit.clock import SystemClock
from jobkit.records import AttemptRecord, LogLine, Progress, RunRecord
from jobkit.statuses import RunStatus
from jobkit.stores import values
from jobkit.stores.base import (
    Lease,
    LeaseRequest,
    NewRun,
    OpenLease,
    Outcome,
    RunPage,
    RunQuery,
    SchemaStatus,
)
from jobkit.stores.kept import (
    Kept,
    clean_line,
    end_attempt,
    end_run,
    given,
    newest_key,
    queued,
    selected,
    terms_of,
)
from jobkit.stores.ledger_store import Overlap
from jobkit.stores.memory_ledger import MemoryLedger
from jobkit.stores.memory_outbox import MemoryOutbox
from jobkit.stores.memory_queue import MemoryQueue
from jobkit.stores.memory_service import MemoryService
from jobkit.stores.paging import read_position, write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import id_taken, not_found, open_already, other_project


class MemoryStore(MemoryLedger, MemoryQueue, MemoryService, MemoryOutbox):
    """Runs in memory; they stay when the store is closed, and go with the object.

    *now* is its clock. Stores that are given the same *kept* hold the same runs.
    """

    url: Final = "memory://"
    read_only: Final = False

    def __init__(
        self, *, project: str, now: Callable[[], datetime] | None = None, kept: Kept | None = None
    ) -> None:
        super().__init__(Kept(project) if kept is None else kept, SystemClock().now if now is None else now)
        self._project = project

    async def __aenter__(self) -> Self:
        if self._open:
            raise open_already()
        if self._kept.project != self._project:
            raise other_project(self.url, self._kept.project, self._project)
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        self._let_sleep()

    async def now(self) -> datetime:
        return self._now()

    async def schema(self) -> SchemaStatus:
        return SchemaStatus((), ())

    async def upgrade(self) -> SchemaStatus:
        return SchemaStatus((), ())

    # -- runs and leases ------------------------------------------------------------------------

    async def add_run(self, run: NewRun, *, overlap: Overlap = "allow") -> RunRecord:
        record, terms = queued(run), terms_of(run, overlap)
        not_before = values.optional_instant(values.optional_micros(run.not_before))
        with await self._turn():
            held = self._same(record.id)
            if held is None:
                verdict = self._admit(record.job, terms)
                held = self._insert(record, terms, not_before)
                self._give_way(held, verdict)
                self._ask_to_stop(held.record, verdict)
                self._wake_others()
            return given(held.record)

    async def add_and_start(
        self,
        run: NewRun,
        request: LeaseRequest,
        *,
        overlap: Overlap = "allow",
        limits: Mapping[str, int] | None = None,
    ) -> tuple[RunRecord, Lease]:
        record, terms = queued(run), terms_of(run, overlap)
        with await self._turn():
            held = self._same(record.id)
            if held is not None and (held.fence > 0 or held.record.status.finished):
                lease = held.lease
                status, attempt = held.record.status, held.record.attempt
                fresh = status is RunStatus.RUNNING or (status is RunStatus.QUEUED and attempt == 0)
                if lease is None or held.fence > 1 or not fresh or lease.owner != request.owner:
                    raise id_taken(record.id, held.record.number)
                return given(held.record), lease
            if held is None:
                verdict = self._admit(record.job, terms)
                held = self._insert(record, terms, None)
                self._give_way(held, verdict)
                self._ask_to_stop(held.record, verdict)
            taken = self._full(limits) if held.terms.limits else frozenset()
            begin = self._keep_for if self._must_wait(held, taken) else self._start
            lease = begin(held, request)
            return given(held.record), lease

    async def start_attempt(
        self, run_id: str, request: LeaseRequest, *, limits: Mapping[str, int] | None = None
    ) -> Lease | None:
        with await self._turn():
            held = self._find(run_id)
            if held.record.status is not RunStatus.QUEUED or not self._may_start(held, request.owner):
                return None
            taken = self._full(limits) if held.terms.limits else frozenset()
            return None if self._must_wait(held, taken) else self._start(held, request)

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        with self._lock():
            return frozenset(lease.run_id for lease in list(leases) if self._renew(lease))

    async def retry_later(self, lease: Lease, outcome: Outcome, not_before: datetime) -> bool:
        not_before = values.from_micros(values.to_micros(not_before))
        outcome = values.clean_outcome(outcome)
        with await self._turn():
            held = self._holds(lease)
            if held is None or held.record.status is not RunStatus.RUNNING:
                return self._was_queued(lease)
            end_attempt(held, lease.attempt, outcome)
            held.change(status=RunStatus.QUEUED)
            held.not_before = not_before
            if held.lease is not None and not held.lease.pinned:
                held.lease = None
            self._heed(held)
            self._wake_others()
            return True

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        outcome = values.clean_outcome(outcome)
        with await self._turn():
            held = self._holds(lease)
            if held is not None:
                end_attempt(held, lease.attempt, outcome)
                end_run(held, outcome)
                self._put_out(held.record)
                if held.terms.limits or held.terms.overlap in ("queue", "cancel"):
                    self._wake_others()
                return given(held.record)
            held = self._same(lease.run_id)
            if held is None:
                return None
            if held.fence == lease.fence and held.record.status.finished:
                return given(held.record)
            held.late_outcome = outcome
            return None

    async def open_leases(self) -> list[OpenLease]:
        with await self._turn():
            return [
                OpenLease(
                    lease,
                    held.record.job,
                    held.record.status,
                    held.record.attempts,
                    self._expired(lease),
                    held.abandoned is not None,
                )
                for held in self._kept.runs.values()
                for lease in (held.lease or held.abandoned,)
                if lease is not None
            ]

    async def settle(self, lease: Lease, *, dead: bool, retry_at: datetime | None = None) -> RunRecord | None:
        retry_at = values.optional_instant(values.optional_micros(retry_at))
        with await self._turn():
            held = self._holds(lease)
            if held is None or held.lease is None:
                return self._settle_abandoned(lease, dead=dead)
            if not (dead or self._expired(held.lease)):
                return None
            at = self._exactly_now()
            message = values.lost_message(lease, dead=dead)
            attempt = held.attempts.get(held.record.attempt)
            if attempt is not None and attempt.finished_at is None:
                held.attempts[attempt.number] = replace(
                    attempt, status=RunStatus.LOST, finished_at=at, message=message
                )
            if retry_at is not None and not held.lease.pinned:
                held.change(status=RunStatus.QUEUED)
                held.not_before = retry_at
            else:
                held.change(status=RunStatus.LOST, finished_at=at, message=message)
                self._put_out(held.record)
            held.lease = held.abandoned = None
            held.fence += 1
            self._heed(held)
            self._wake_others()
            return given(held.record)

    async def set_progress(self, lease: Lease, progress: Progress) -> None:
        with await self._turn():
            held = self._holds(lease)
            if held is not None and held.record.status is RunStatus.RUNNING:
                held.change(progress=values.clean_progress(progress))

    # -- reading --------------------------------------------------------------------------------

    async def run(self, reference: int | str) -> RunRecord:
        with await self._turn():
            if isinstance(reference, str):
                return given(self._find(reference).record)
            for held in self._kept.runs.values():
                if held.record.number == reference:
                    return given(held.record)
            raise not_found(reference)

    async def runs(self, query: RunQuery) -> RunPage:
        after = None if query.after is None else read_position(query.after)
        with await self._turn():
            found = [record for record in self._newest_first() if selected(record, query)]
            if after is not None:
                start = bisect.bisect_right(found, (-after[0], -after[1]), key=newest_key)
                found = found[start:]
            page = tuple(given(record) for record in found[: query.limit])
            if len(found) <= query.limit:
                return RunPage(page, None)
            queued_at, number = newest_key(page[-1])
            return RunPage(page, write_position((-queued_at, -number)))

    async def last_runs(self, jobs: Iterable[str] | None = None) -> dict[str, RunRecord]:
        wanted = None if jobs is None else {clean_text(job) for job in jobs}
        last: dict[str, RunRecord] = {}
        with await self._turn():
            for record in self._newest_first():
                if (wanted is None or record.job in wanted) and record.job not in last:
                    last[record.job] = given(record)
        return last

    async def attempts(self, run_id: str) -> list[AttemptRecord]:
        with await self._turn():
            held = self._find(run_id)
            return [held.attempts[number] for number in sorted(held.attempts)]

    async def late_outcome(self, run_id: str) -> Outcome | None:
        with await self._turn():
            return copy.deepcopy(self._find(run_id).late_outcome)

    # -- log lines ------------------------------------------------------------------------------

    async def add_log_lines(self, run_id: str, lines: Sequence[LogLine]) -> None:
        cleaned = [clean_line(line) for line in lines]
        with await self._turn():
            self._find(run_id).lines.update((line.sequence, line) for line in cleaned)

    async def log_lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
        with await self._turn():
            held = self._find(run_id)
            wanted = sorted(sequence for sequence in held.lines if sequence > after)[:limit]
            return [copy.deepcopy(held.lines[sequence]) for sequence in wanted]

    # -- upkeep ---------------------------------------------------------------------------------

    async def prune(self, before: datetime) -> int:
        values.to_micros(before)
        with await self._turn():
            waiting = self._kept.outbox.runs_waiting()
            old = [
                run_id
                for run_id, held in self._kept.runs.items()
                if held.record.finished_at is not None
                and held.record.finished_at < before
                and held.record.queued_at is not None
                and held.record.queued_at < before
                and held.over
                and run_id not in waiting
            ]
            for run_id in old:
                self._forget_tick(self._kept.runs.pop(run_id))
            self._kept.outbox.forget(frozenset(old))
            self._prune_ledger(before)
            self._kept.service.prune(before)
            return len(old)
