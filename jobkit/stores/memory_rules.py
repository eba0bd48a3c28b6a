"""The rules about runs in memory, each in one place; whoever calls them has the turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from jobkit.exceptions import RunInTheWay
from jobkit.processes import ProcessIdentity
from jobkit.records import AttemptRecord, RunRecord
from jobkit.statuses import Reason, RunStatus, Trigger
from jobkit.stores import values
from jobkit.stores.base import Lease, LeaseRequest
from jobkit.stores.control import CancelRequest
from jobkit.stores.kept import Held, Terms, given, newest_key
from jobkit.stores.ledger import JobKey
from jobkit.stores.memory_turns import Turns
from jobkit.stores.overlaps import OpenRun, Verdict, judge
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import not_found


class Rules(Turns):
    """What the parts of :class:`~jobkit.stores.memory.MemoryStore` share."""

    # -- finding and inserting ------------------------------------------------------------------

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

    def _insert(self, record: RunRecord, terms: Terms, not_before: datetime | None) -> Held:
        record = replace(record, number=self._next_number(), queued_at=self._exactly_now())
        held = self._kept.runs[record.id] = Held(record, terms, not_before)
        self._kept.open.setdefault(JobKey(record.job, terms.node), {})[record.id] = held
        return held

    def _newest_first(self) -> list[RunRecord]:
        return sorted((held.record for held in self._kept.runs.values()), key=newest_key)

    # -- leases ---------------------------------------------------------------------------------

    def _may_start(self, held: Held, owner: ProcessIdentity) -> bool:
        """Nobody has it, or it waits for its next attempt under this owner's lease."""
        return held.lease is None or held.lease.owner == owner

    def _start(self, held: Held, request: LeaseRequest) -> Lease:
        at = self._exactly_now()
        held.fence += 1
        held.not_before = None
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
        held.lease = self._lease(held, request)
        return held.lease

    def _keep_for(self, held: Held, request: LeaseRequest) -> Lease:
        """It has to wait, and nobody else may start it meanwhile."""
        held.fence += 1
        held.change(node=clean_text(request.node))
        held.lease = self._lease(held, request)
        return held.lease

    def _lease(self, held: Held, request: LeaseRequest) -> Lease:
        return Lease(
            run_id=held.record.id,
            fence=held.fence,
            attempt=held.record.attempt,
            owner=request.owner,
            node=held.record.node,
            duration=request.duration,
            pinned=request.pinned,
            expires_at=self._exactly_now() + request.duration,
        )

    def _holds(self, lease: Lease) -> Held | None:
        """The run of *lease* if that lease still stands: not ended, and not fenced by a newer one."""
        held = self._same(lease.run_id)
        if held is None or held.lease is None or held.fence != lease.fence:
            return None
        return held

    def _was_queued(self, lease: Lease) -> bool:
        """Whether the attempt of *lease* ended and its run was queued again, or would have been."""
        held = self._same(lease.run_id)
        if held is None or held.fence != lease.fence:
            return False
        status = held.record.status
        return status is RunStatus.QUEUED or (status is RunStatus.CANCELLED and held.cancel is not None)

    def _holds_abandoned(self, lease: Lease) -> Held | None:
        """The run whose abandoned lease is *lease*."""
        held = self._same(lease.run_id)
        if held is None or held.abandoned is None or held.abandoned.fence != lease.fence:
            return None
        return held

    def _renew(self, lease: Lease) -> bool:
        until = self._exactly_now() + lease.duration
        held, abandoned = self._holds(lease), self._holds_abandoned(lease)
        if held is not None and held.lease is not None:
            held.lease = replace(held.lease, expires_at=until)
        if abandoned is not None and abandoned.abandoned is not None:
            abandoned.abandoned = replace(abandoned.abandoned, expires_at=until)
        return held is not None or abandoned is not None

    def _expired(self, lease: Lease) -> bool:
        return lease.expires_at <= self._now()

    def _settle_abandoned(self, lease: Lease, *, dead: bool) -> RunRecord | None:
        held = self._holds_abandoned(lease)
        if held is None or held.abandoned is None or not (dead or self._expired(held.abandoned)):
            return None
        held.abandoned = None
        self._wake_others()
        return given(held.record)

    # -- what is open, and what waits -----------------------------------------------------------

    def _open_of(self, key: JobKey) -> list[Held]:
        """What is not over of a job and node, the oldest first."""
        found = self._kept.open.get(key, {})
        for run_id in [run_id for run_id, held in found.items() if held.over]:
            del found[run_id]
        return list(found.values())

    def _open_runs(self, key: JobKey) -> list[OpenRun]:
        return [_open(held) for held in self._open_of(key)]

    def _all_open(self) -> Iterator[Held]:
        for key in list(self._kept.open):
            yield from self._open_of(key)

    def _admit(self, job: str, terms: Terms) -> Verdict:
        """What the overlap of a new run says. RunInTheWay if it may not be."""
        verdict = judge(terms.overlap, self._open_runs(JobKey(job, terms.node)))
        if verdict.blocked is not None:
            raise RunInTheWay(given(self._find(verdict.blocked.id).record))
        return verdict

    def _give_way(self, held: Held, verdict: Verdict) -> RunRecord | None:
        """End what the new run displaces; the oldest of it."""
        ended = [self._supersede(self._find(run.id), held.record) for run in verdict.displaced]
        return ended[0] if ended else None

    def _supersede(self, held: Held, successor: RunRecord) -> RunRecord:
        last = held.attempts.get(held.record.attempt)
        if last is None:
            message = values.superseded_message(successor.number)
            held.change(status=RunStatus.SKIPPED, message=message)
        else:
            held.change(
                status=last.status, message=last.message, error=last.error, duration_ms=last.duration_ms
            )
        held.change(finished_at=self._exactly_now(), reason=Reason.SUPERSEDED.value)
        held.not_before = None
        self._put_out(held.record)
        return given(held.record)

    def _must_wait(self, held: Held, taken: frozenset[str]) -> bool:
        """Whether its next attempt may not start yet, though nobody else has it; *taken* are the limits
        without room."""
        if held.abandoned is not None:
            return True
        if held.terms.overlap != "allow":
            others = self._open_of(JobKey(held.record.job, held.terms.node))
            if any(_open(other).executing for other in others if other is not held):
                return True
        return not taken.isdisjoint(held.terms.limits)

    def _full(self, limits: Mapping[str, int] | None) -> frozenset[str]:
        """The names of *limits* that have no room."""
        if not limits:
            return frozenset()
        taken = Counter(name for held in self._all_open() if held.holds_limits for name in held.terms.limits)
        return frozenset(name for name, most in values.clean_caps(limits).items() if taken[name] >= most)

    # -- being asked to stop --------------------------------------------------------------------

    def _ask_to_stop(self, successor: RunRecord, verdict: Verdict) -> RunRecord | None:
        """Ask the runs of *verdict* to stop for *successor*; the oldest of them."""
        asked = [self._find(run.id) for run in verdict.cancelled]
        for held in asked:
            self._ask(held, f"run {successor.number}", Reason.OVERLAP.value)
        return given(asked[0].record) if asked else None

    def _ask(self, held: Held, by: str, reason: str | None) -> None:
        """The first one counts."""
        if held.cancel is None:
            held.cancel = CancelRequest(held.record.id, by, reason, self._exactly_now())
            self._wake_others()

    def _heed(self, held: Held) -> None:
        """End a run that waits, and nobody has, if it was asked for."""
        waits = held.record.status is RunStatus.QUEUED and held.lease is None
        if held.cancel is None or not waits:
            return
        message = values.cancelled_message(held.cancel.by, held.cancel.reason)
        held.change(status=RunStatus.CANCELLED, finished_at=self._exactly_now(), message=message)
        held.not_before = None
        self._put_out(held.record)

    # -- ends -----------------------------------------------------------------------------------

    def _put_out(self, record: RunRecord) -> None:
        """In the step that ends the run."""
        self._kept.outbox.put_out(record, self._exactly_now())


def _open(held: Held) -> OpenRun:
    record = held.record
    assert record.number is not None, "set by the insertion"
    return OpenRun(
        id=record.id,
        number=record.number,
        queued=record.status is RunStatus.QUEUED,
        attempt=record.attempt,
        held=held.lease is not None,
        abandoned=held.abandoned is not None,
        missed=record.trigger is Trigger.CATCHUP,
    )
