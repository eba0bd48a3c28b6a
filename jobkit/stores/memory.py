"""The store that forgets: runs in this process's memory, for tests and for trying things out.

It keeps the same promise as the others, and stands for what the promise means: where a database's
store answers differently, one of them is wrong.
"""

from __future__ import annotations

import bisect
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from jobkit.clock import SystemClock
from jobkit.processes import ProcessIdentity
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
    Held,
    Kept,
    clean_line,
    end_attempt,
    end_run,
    given,
    newest_key,
    queued,
    selected,
)
from jobkit.stores.memory_outbox import MemoryOutbox
from jobkit.stores.paging import read_position, write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import id_taken, not_found, open_already, other_project


class MemoryStore(MemoryOutbox):
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

    async def now(self) -> datetime:
        return self._now()

    async def schema(self) -> SchemaStatus:
        return SchemaStatus((), ())

    async def upgrade(self) -> SchemaStatus:
        return SchemaStatus((), ())

    # -- runs and leases ------------------------------------------------------------------------

    async def add_run(self, run: NewRun) -> RunRecord:
        record = queued(run)
        with await self._turn():
            return given((self._same(record.id) or self._insert(record)).record)

    async def add_and_start(self, run: NewRun, request: LeaseRequest) -> tuple[RunRecord, Lease]:
        record = queued(run)
        with await self._turn():
            held = self._same(record.id)
            if held is not None and held.fence > 0:
                lease = held.lease
                started = held.fence == 1 and held.record.status is RunStatus.RUNNING
                if lease is None or not started or lease.owner != request.owner:
                    raise id_taken(record.id, held.record.number)
                return given(held.record), lease
            held = held or self._insert(record)
            lease = self._start(held, request)
            return given(held.record), lease

    async def start_attempt(self, run_id: str, request: LeaseRequest) -> Lease | None:
        with await self._turn():
            held = self._find(run_id)
            if held.record.status is not RunStatus.QUEUED or not self._may_start(held, request.owner):
                return None
            return self._start(held, request)

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        with self._lock():
            return frozenset(lease.run_id for lease in list(leases) if self._renew(lease))

    async def retry_later(self, lease: Lease, outcome: Outcome, not_before: datetime) -> bool:
        values.to_micros(not_before)
        outcome = values.clean_outcome(outcome)
        with await self._turn():
            held = self._holds(lease)
            if held is None or held.record.status is not RunStatus.RUNNING:
                again = self._same(lease.run_id)
                return (
                    again is not None
                    and again.fence == lease.fence
                    and again.record.status is RunStatus.QUEUED
                )
            end_attempt(held, lease.attempt, outcome)
            held.change(status=RunStatus.QUEUED)
            if held.lease is not None and not held.lease.pinned:
                held.lease = None
            return True

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        outcome = values.clean_outcome(outcome)
        with await self._turn():
            held = self._holds(lease)
            if held is not None:
                end_attempt(held, lease.attempt, outcome)
                end_run(held, outcome)
                self._put_out(held.record)
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
                OpenLease(held.lease, record.job, record.status, record.attempts, self._expired(held.lease))
                for held in self._kept.runs.values()
                if held.lease is not None
                for record in (held.record,)
            ]

    async def settle(self, lease: Lease, *, dead: bool, retry_at: datetime | None = None) -> RunRecord | None:
        values.optional_micros(retry_at)
        with await self._turn():
            held = self._holds(lease)
            if held is None or held.lease is None or not (dead or self._expired(held.lease)):
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
            else:
                held.change(status=RunStatus.LOST, finished_at=at, message=message)
                self._put_out(held.record)
            held.lease = None
            held.fence += 1
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
                and run_id not in waiting
            ]
            for run_id in old:
                del self._kept.runs[run_id]
            self._kept.outbox.forget(frozenset(old))
            return len(old)

    # -- the rules, each in one place -----------------------------------------------------------

    def _same(self, run_id: str) -> Held | None:
        """The run of that id, if it was inserted before."""
        return self._kept.runs.get(clean_text(run_id))

    def _find(self, run_id: str) -> Held:
        held = self._same(run_id)
        if held is None:
            raise not_found(run_id)
        return held

    def _next_number(self) -> int:
        """Never given before, not even to a run that was pruned."""
        self._kept.last_number += 1
        return self._kept.last_number

    def _insert(self, record: RunRecord) -> Held:
        record = replace(record, number=self._next_number(), queued_at=self._exactly_now())
        held = self._kept.runs[record.id] = Held(record)
        return held

    def _may_start(self, held: Held, owner: ProcessIdentity) -> bool:
        """Nobody has it, or it waits for its next attempt under this owner's lease."""
        return held.lease is None or held.lease.owner == owner

    def _start(self, held: Held, request: LeaseRequest) -> Lease:
        at = self._exactly_now()
        held.fence += 1
        held.change(
            status=RunStatus.RUNNING,
            attempt=held.record.attempt + 1,
            started_at=held.record.started_at or at,
            progress=None,
            node=clean_text(request.node),
        )
        record = held.record
        held.attempts[record.attempt] = AttemptRecord(
            record.id, record.attempt, RunStatus.RUNNING, at, node=record.node
        )
        held.lease = Lease(
            run_id=record.id,
            fence=held.fence,
            attempt=record.attempt,
            owner=request.owner,
            node=record.node,
            duration=request.duration,
            pinned=request.pinned,
            expires_at=at + request.duration,
        )
        return held.lease

    def _holds(self, lease: Lease) -> Held | None:
        """The run of *lease* if that lease still stands: not ended, and not fenced by a newer one."""
        held = self._same(lease.run_id)
        if held is None or held.lease is None or held.fence != lease.fence:
            return None
        return held

    def _renew(self, lease: Lease) -> bool:
        held = self._holds(lease)
        if held is None or held.lease is None:
            return False
        held.lease = replace(held.lease, expires_at=self._exactly_now() + lease.duration)
        return True

    def _expired(self, lease: Lease) -> bool:
        return lease.expires_at <= self._now()

    def _newest_first(self) -> list[RunRecord]:
        return sorted((held.record for held in self._kept.runs.values()), key=newest_key)
