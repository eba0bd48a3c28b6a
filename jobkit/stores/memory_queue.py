"""The queue of the store in memory, and its abandoned leases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus
from jobkit.stores import values
from jobkit.stores.base import Lease, Outcome
from jobkit.stores.control import CancelRequest
from jobkit.stores.kept import Held, end_run, given
from jobkit.stores.ledger_store import check_page
from jobkit.stores.memory_rules import Rules
from jobkit.stores.plain import clean_text


class MemoryQueue(Rules):
    """The part of :class:`~jobkit.stores.memory.MemoryStore` that says what is to be started."""

    async def queued(
        self,
        *,
        jobs: Collection[str] | None = None,
        queues: Collection[str] | None = None,
        node: str | None = None,
        now: datetime | None = None,
        limits: Mapping[str, int] | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        check_page(limit, "runs")
        at = values.optional_instant(values.optional_micros(now))
        names = None if jobs is None else {clean_text(job) for job in jobs}
        lanes = None if queues is None else {clean_text(queue) for queue in queues}
        nodes = None if node is None else {"", clean_text(node)}
        with await self._turn():
            at, taken = at or self._exactly_now(), self._full(limits)
            ready = [
                held
                for held in self._waiting()
                if (names is None or held.record.job in names)
                and (lanes is None or held.terms.queue in lanes)
                and (nodes is None or held.terms.node in nodes)
                and (held.not_before is None or held.not_before <= at)
                and not self._must_wait(held, taken)
            ]
            ready.sort(key=lambda held: (-held.terms.priority, held.record.number))
            return [given(held.record) for held in ready[:limit]]

    async def next_queued(self) -> datetime | None:
        with await self._turn():
            at = self._exactly_now()
            times = [held.not_before for held in self._waiting() if held.not_before is not None]
            return min((time for time in times if time > at), default=None)

    async def end_queued(self, run_id: str, outcome: Outcome) -> RunRecord | None:
        outcome = values.clean_outcome(outcome)
        with await self._turn():
            held = self._find(run_id)
            if held.record.status.finished:
                return given(held.record)
            if held.record.status is not RunStatus.QUEUED or held.lease is not None:
                return None
            return self._end_queued(held, outcome)

    async def abandon(self, lease: Lease) -> bool:
        with await self._turn():
            held = self._holds(lease)
            if held is None or held.lease is None or held.record.status is not RunStatus.RUNNING:
                return False
            held.abandoned = held.lease
            return True

    async def release_abandoned(self, lease: Lease) -> None:
        with await self._turn():
            held = self._holds_abandoned(lease)
            if held is not None:
                held.abandoned = None
                self._wake_others()

    # -- being asked to stop --------------------------------------------------------------------

    async def request_cancel(self, run_id: str, *, by: str, reason: str | None = None) -> RunRecord:
        by, reason = clean_text(by), values.optional_text(reason)
        with await self._turn():
            held = self._find(run_id)
            if not held.record.status.finished:
                self._ask(held, by, reason)
                self._heed(held)
            return given(held.record)

    async def cancel_requests(self, run_ids: Iterable[str] | None = None) -> dict[str, CancelRequest]:
        wanted = None if run_ids is None else {clean_text(run_id) for run_id in run_ids}
        with await self._turn():
            return {
                held.record.id: held.cancel
                for held in self._all_open()
                if held.cancel is not None
                and not held.record.status.finished
                and (wanted is None or held.record.id in wanted)
            }

    # -- the rules, each in one place -----------------------------------------------------------

    def _waiting(self) -> list[Held]:
        """Queued runs that nobody has."""
        return [
            held for held in self._all_open() if held.record.status is RunStatus.QUEUED and held.lease is None
        ]

    def _end_queued(self, held: Held, outcome: Outcome) -> RunRecord:
        end_run(held, outcome)
        held.not_before = None
        self._put_out(held.record)
        return given(held.record)
