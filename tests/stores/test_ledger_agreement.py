"""The two stores keep the ledger alike, whatever else is asked of them meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, multiple, rule

from jobkit.processes import ProcessIdentity
from jobkit.records import TickSpan
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Outcome, RunQuery, Store
from jobkit.stores.control import CancelRequest
from jobkit.stores.ledger import Claim, JobKey, JobRegistration, Span, SpanQuery
from jobkit.stores.ledger_store import Overlap
from jobkit.stores.replicas import Event, EventQuery, Replica
from tests.stores.test_agreement import ENDS, JOBS, OWNERS, START, Agreement
from tests.sweep import examples

SECOND = timedelta(seconds=1)
KEYS = st.builds(JobKey, JOBS, st.sampled_from(["", "node"]))
HASHES = st.sampled_from(["h", "i"])
OVERLAPS: st.SearchStrategy[Overlap] = st.sampled_from(["skip", "queue", "allow", "cancel"])
LIMITS = st.lists(st.sampled_from(["db", "mail"]), max_size=2, unique=True).map(tuple)
CAPS = st.sampled_from([None, {"db": 1}, {"db": 2, "mail": 1}])
IDS = st.sampled_from(["r1", "r2"])


class LedgerAgreement(Agreement):
    """Claims, queues, pauses and replicas on both stores, in any order."""

    runs = Agreement.runs
    leases = Agreement.leases
    claims: Bundle[Claim] = Bundle("claims")

    # -- the ledger -----------------------------------------------------------------------------

    @rule(key=KEYS, hash=HASHES, expected=st.none() | HASHES)
    def register_job(self, key: JobKey, hash: str, expected: str | None) -> None:
        mark = self.time - 3 * SECOND
        self.both(lambda store: store.register_jobs([JobRegistration(key, hash, mark, expected)]))

    @rule(
        target=claims,
        key=KEYS,
        ahead=st.integers(-1, 3),
        passed=st.booleans(),
        covers=st.booleans(),
        overlap=OVERLAPS,
        limits=LIMITS,
        reason=st.none() | st.sampled_from(["misfire", "paused"]),
        missed=st.booleans(),
        in_turn=st.booleans(),
    )
    def claim(
        self,
        key: JobKey,
        ahead: int,
        passed: bool,
        covers: bool,
        overlap: Overlap,
        limits: Any,
        reason: Any,
        missed: bool,
        in_turn: bool,
    ) -> Any:
        state = (self.both(lambda store: store.job_states([key])) or {}).get(key)
        if state is None or state.mark is None:
            return multiple()
        expected = state.mark - SECOND * (ahead < 0)
        tick = state.mark + SECOND * max(1, ahead)
        before = Span(key.job, key.node, "misfire", None, tick - SECOND, tick - SECOND, 1) if passed else None
        if reason is not None:
            span = Span(key.job, key.node, reason, "c", tick, tick, 1)
            claim = Claim(key, expected, state.hash, tick, passed=before, span=span)
        else:
            new = self.new_tick(key, tick, covers, limits)
            new = replace(new, trigger=Trigger.CATCHUP) if missed else new
            claim = Claim(
                key,
                expected,
                state.hash,
                tick,
                passed=before,
                run=new,
                tick=tick,
                overlap=overlap,
                in_turn=in_turn,
            )
        self.carry_out(claim)
        return claim

    def new_tick(self, key: JobKey, tick: datetime, covers: bool, limits: tuple[str, ...]) -> NewRun:
        self.count += 1
        return NewRun(
            id=f"tick-{self.count}",
            job=key.job,
            node=key.node,
            extension="x",
            trigger=Trigger.SCHEDULE,
            scheduled_at=tick,
            covers=TickSpan(tick - SECOND, tick, 2) if covers else None,
            limits=limits,
            attempts=2,
        )

    @rule(claim=claims)
    def claim_again(self, claim: Claim) -> None:
        self.carry_out(claim)

    def carry_out(self, claim: Claim) -> None:
        answers = self.both(lambda store: store.claim([claim]))
        assert answers is not None
        if answers[0].run is not None:
            self.existing.add(answers[0].run.id)

    @rule(key=KEYS, seconds=st.integers(1, 5))
    def pull_back(self, key: JobKey, seconds: int) -> None:
        state = (self.both(lambda store: store.job_states([key])) or {}).get(key)
        if state is not None and state.mark is not None:
            expected, to = state.mark, state.mark - seconds * SECOND
            self.both(lambda store: store.pull_back(key, expected=expected, to=to))

    # -- runs that wait -------------------------------------------------------------------------

    def wish(self, job: str, limits: tuple[str, ...], later: int) -> NewRun:
        self.count += 1
        not_before = self.time + later * SECOND if later else None
        return NewRun(
            id=f"wish-{self.count}",
            job=job,
            extension="x",
            trigger=Trigger.MANUAL,
            attempts=2,
            limits=limits,
            priority=self.count % 3,
            not_before=not_before,
        )

    @rule(target=runs, job=JOBS, overlap=OVERLAPS, limits=LIMITS, later=st.integers(0, 2))
    def add_beside(self, job: str, overlap: Overlap, limits: Any, later: int) -> Any:
        run = self.wish(job, limits, later)
        added = self.both(lambda store: store.add_run(run, overlap=overlap))
        if added is None:
            return multiple()
        self.existing.add(run.id)
        return run.id

    @rule(target=leases, job=JOBS, owner=OWNERS, overlap=OVERLAPS, limits=LIMITS, caps=CAPS)
    def start_beside(self, job: str, owner: ProcessIdentity, overlap: Overlap, limits: Any, caps: Any) -> Any:
        run, request = self.wish(job, limits, 0), LeaseRequest(owner, "node", 5 * SECOND, pinned=True)
        started = self.both(lambda store: store.add_and_start(run, request, overlap=overlap, limits=caps))
        if started is None:
            return multiple()
        self.existing.add(run.id)
        return started[1]

    @rule(target=leases, owner=OWNERS, caps=CAPS, position=st.integers(0, 3))
    def start_queued(self, owner: ProcessIdentity, caps: Any, position: int) -> Any:
        waiting = self.both(lambda store: store.queued(limits=caps)) or []
        if not waiting:
            return multiple()
        run = waiting[position % len(waiting)]
        request = LeaseRequest(owner, "node", 5 * SECOND)
        lease = self.both(lambda store: store.start_attempt(run.id, request, limits=caps))
        assert lease is not None, "it could be started"
        return lease

    @rule(lease=leases)
    def abandon(self, lease: Lease) -> None:
        self.both(lambda store: store.abandon(lease))

    @rule(lease=leases)
    def release_abandoned(self, lease: Lease) -> None:
        self.both(lambda store: store.release_abandoned(lease))

    @rule(run=runs, status=ENDS)
    def end_queued(self, run: str, status: RunStatus) -> None:
        outcome = Outcome(status=status, finished_at=self.time, duration_ms=0, reason="misfire")
        self.both(lambda store: store.end_queued(run, outcome))

    @rule(run=runs, by=IDS)
    def cancel(self, run: str, by: str) -> None:
        self.both(lambda store: store.request_cancel(run, by=by, reason="x"))

    @rule(lease=leases)
    def cancel_leased(self, lease: Lease) -> None:
        self.both(lambda store: store.request_cancel(lease.run_id, by="y"))

    # -- control and replicas -------------------------------------------------------------------

    @rule(job=st.none() | JOBS, seconds=st.none() | st.integers(0, 9))
    def pause(self, job: str | None, seconds: int | None) -> None:
        until = None if seconds is None else self.time + seconds * SECOND
        self.both(lambda store: store.pause(job, until=until, by="ops", reason="x"))

    @rule(job=st.none() | JOBS)
    def resume(self, job: str | None) -> None:
        self.both(lambda store: store.resume(job, by="dev"))

    @rule(id=IDS, owner=OWNERS, seconds=st.integers(1, 5))
    def register_replica(self, id: str, owner: ProcessIdentity, seconds: int) -> None:
        replica = Replica(id=id, kind="worker", owner=owner, node="n", interval=seconds * SECOND)
        self.both(lambda store: store.register_replica(replica))

    @rule(id=IDS, stop=st.booleans())
    def beat(self, id: str, stop: bool) -> None:
        self.both(lambda store: store.deregister(id) if stop else store.heartbeat(id))

    @rule(back=st.integers(0, 9), job=st.none() | JOBS)
    def happen(self, back: int, job: str | None) -> None:
        event = Event("job.changed", self.time - back * SECOND, job, "ops", {"n": back})
        self.both(lambda store: store.add_events([event]))

    # -- what both have to say ------------------------------------------------------------------

    @invariant()
    def the_ledger_is_the_same(self) -> None:
        assert self.both(lambda store: store.job_states()) is not None
        spans = self.both(lambda store: store.spans(SpanQuery(limit=10_000)))
        assert spans is not None
        assert all(record.span.count > 0 for record in spans.spans)

    @invariant()
    def no_tick_has_two_runs(self) -> None:
        page = self.both(
            lambda store: store.runs(RunQuery(limit=10_000, triggers=[Trigger.SCHEDULE, Trigger.CATCHUP]))
        )
        assert page is not None
        # The node of a run that was started is that of its process.
        where = {run.id: run for run in page.runs}
        ticks = Counter((run.job, run.node, run.scheduled_at) for run in where.values() if not run.attempt)
        assert all(count == 1 for count in ticks.values())

    @invariant()
    def the_queue_is_the_same(self) -> None:
        for caps in (None, {"db": 1}):
            self.both(lambda store, caps=caps: store.queued(limits=caps, limit=50))  # type: ignore[misc]
        self.both(lambda store: store.queued(now=START + timedelta(days=999), node="node"))
        self.both(lambda store: store.next_queued())

        async def requests(store: Store) -> list[CancelRequest]:
            found = (await store.cancel_requests()).values()
            return sorted(found, key=lambda one: one.run_id)

        self.both(requests)

    @invariant()
    def control_is_the_same(self) -> None:
        self.both(lambda store: store.pauses())
        self.both(lambda store: store.pauses(since=START))
        self.both(lambda store: store.replicas())
        self.both(lambda store: store.events(EventQuery(limit=1000)))


LedgerAgreement.TestCase.settings = examples(8, steps=40)
TestLedgerAgreement = LedgerAgreement.TestCase
