"""The two stores answer alike, whatever is asked of them, and keep what must always be true."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from jobkit.exceptions import JobkitError
from jobkit.processes import ProcessIdentity
from jobkit.records import Progress, RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Outcome, RunQuery, Store
from jobkit.stores.memory import MemoryStore
from jobkit.stores.outbox import OutboxVerdict, SinkLease, SinkRegistration
from jobkit.stores.sqlite.store import SqliteStore
from tests.sweep import examples

T = TypeVar("T")

MEMORY = "/dev/shm"  # hundreds of stores are made, and the disk is not what is tested
START = datetime(2026, 3, 1, tzinfo=UTC)
OWNERS = st.sampled_from([ProcessIdentity(name, "boot", "", 1, "1") for name in ("a", "b")])
ENDS = st.sampled_from([status for status in RunStatus if status.finished])
JOBS = st.sampled_from(["one", "two"])
SINKS = st.sampled_from(["sink", "\u00e9", "a"])
SOME_IDS = st.none() | st.lists(st.integers(0, 12), max_size=4)
VERDICTS = st.one_of(
    st.tuples(st.sampled_from(["delivered", "refused"]), st.none()),
    st.tuples(st.just("failed"), st.none()),
    st.tuples(st.just("dead"), st.sampled_from(["failures", "rejected", "max_age"])),
)


class Agreement(RuleBasedStateMachine):
    """The same calls on both stores, in any order, stale leases included."""

    runs = Bundle("runs")
    leases = Bundle("leases")
    sink_leases = Bundle("sink_leases")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self.time = START
        self.portal_context = start_blocking_portal()
        self.portal = self.portal_context.__enter__()
        self.memory = MemoryStore(project="p", now=self.now)
        path = Path(self.folder.name) / "jobkit.db"
        self.sqlite = SqliteStore(path, project="p", root=path.parent, now=self.now)
        for store in (self.memory, self.sqlite):
            self.portal.call(store.__aenter__)
        self.count = 0
        self.fences: dict[str, int] = {}
        self.finished: dict[str, RunRecord] = {}
        self.existing: set[str] = set()
        self.sink_fences: dict[str, int] = {}

    def teardown(self) -> None:
        for store in (self.memory, self.sqlite):
            self.portal.call(store.__aexit__, None, None, None)
        self.portal_context.__exit__(None, None, None)
        self.folder.cleanup()

    def now(self) -> datetime:
        return self.time

    def both(self, ask: Callable[[Store], Awaitable[T]]) -> T | None:
        """The answer, which is the same from both; None if both refuse."""
        answers: list[Any] = []
        for store in (self.memory, self.sqlite):
            try:
                answers.append(self.portal.call(ask, store))
            except JobkitError as error:
                answers.append((type(error), error.code, error.message))
        assert answers[0] == answers[1]
        refused = isinstance(answers[0], tuple) and isinstance(answers[0][0], type)
        return None if refused else answers[0]

    def new(self, job: str, attempts: int) -> NewRun:
        self.count += 1
        run = NewRun(
            id=f"run-{self.count}", job=job, extension="x", trigger=Trigger.MANUAL, attempts=attempts
        )
        self.existing.add(run.id)
        return run

    def outcome(self, status: RunStatus) -> Outcome:
        self.count += 1
        return Outcome(
            status=status, finished_at=self.time, duration_ms=self.count, message=f"outcome {self.count}"
        )

    @initialize()
    def empty(self) -> None:
        assert self.both(lambda store: store.last_runs()) == {}

    @rule(target=runs, job=JOBS, attempts=st.integers(1, 3))
    def add(self, job: str, attempts: int) -> str:
        run = self.new(job, attempts)
        self.both(lambda store: store.add_run(run))
        return run.id

    @rule(run=runs)
    def add_again(self, run: str) -> None:
        if run in self.existing:
            again = NewRun(id=run, job="changed", extension="x", trigger=Trigger.API)
            self.both(lambda store: store.add_run(again))

    @rule(target=leases, job=JOBS, owner=OWNERS, pinned=st.booleans(), seconds=st.integers(1, 10))
    def add_and_start(self, job: str, owner: ProcessIdentity, pinned: bool, seconds: int) -> Lease:
        run, request = self.new(job, 2), LeaseRequest(owner, "node", timedelta(seconds=seconds), pinned)
        started = self.both(lambda store: store.add_and_start(run, request))
        assert started is not None
        return started[1]

    @rule(target=leases, run=runs, owner=OWNERS, pinned=st.booleans(), known=st.booleans())
    def start(self, run: str, owner: ProcessIdentity, pinned: bool, known: bool) -> Any:
        request = LeaseRequest(owner, owner.host, timedelta(seconds=5), pinned)
        if known or run not in self.existing:
            lease = self.both(lambda store: store.start_attempt(run, request))
        else:
            again = NewRun(id=run, job="one", extension="x", trigger=Trigger.MANUAL)
            started = self.both(lambda store: store.add_and_start(again, request))
            lease = None if started is None else started[1]
        return multiple() if lease is None else lease

    @rule(target=leases, lease=leases, owner=OWNERS, pinned=st.booleans())
    def start_next(self, lease: Lease, owner: ProcessIdentity, pinned: bool) -> Any:
        request = LeaseRequest(owner, owner.host, timedelta(seconds=5), pinned)
        again = self.both(lambda store: store.start_attempt(lease.run_id, request))
        return multiple() if again is None else again

    @rule(some=st.lists(leases, max_size=3))
    def renew(self, some: list[Lease]) -> None:
        async def ask(store: Store) -> frozenset[str]:
            return store.renew(some)

        self.both(ask)

    @rule(seconds=st.sampled_from([0.5, 1, 5, 10]))
    def time_passes(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    @rule(lease=leases, status=ENDS)
    def retry_later(self, lease: Lease, status: RunStatus) -> None:
        outcome = self.outcome(status)
        self.both(lambda store: store.retry_later(lease, outcome, self.time))

    @rule(lease=leases, status=ENDS)
    def finish(self, lease: Lease, status: RunStatus) -> None:
        outcome = self.outcome(status)
        self.both(lambda store: store.finish(lease, outcome))

    @rule(lease=leases, dead=st.booleans(), again=st.booleans())
    def settle(self, lease: Lease, dead: bool, again: bool) -> None:
        retry_at = self.time if again else None
        self.both(lambda store: store.settle(lease, dead=dead, retry_at=retry_at))

    @rule(lease=leases, done=st.integers(0, 9))
    def progress(self, lease: Lease, done: int) -> None:
        self.both(lambda store: store.set_progress(lease, Progress(done, 9)))

    @rule(lease=consumes(leases))
    def prune(self, lease: Lease) -> None:
        before = self.time
        self.both(lambda store: store.prune(before))
        kept = self.both(lambda store: store.runs(RunQuery(limit=10_000)))
        assert kept is not None
        left = {record.id for record in kept.runs}
        for run in self.existing - left:
            ended = self.finished[run].finished_at
            assert ended is not None
            assert ended < before
        self.existing &= left

    # -- the outbox -----------------------------------------------------------------------------

    @rule(names=st.lists(SINKS, max_size=2), days=st.integers(1, 9))
    def register(self, names: list[str], days: int) -> None:
        sinks = [SinkRegistration(name, timedelta(days=days)) for name in names]
        self.both(lambda store: store.register_sinks(sinks))

    @rule(name=SINKS)
    def remove(self, name: str) -> None:
        self.both(lambda store: store.remove_sink(name))

    @rule(days=st.sampled_from([3, 7]))
    def days_pass(self, days: int) -> None:
        self.time += timedelta(days=days)

    @rule(target=sink_leases, name=SINKS, owner=OWNERS, dead=st.sampled_from([None, "a", "b"]))
    def take(self, name: str, owner: ProcessIdentity, dead: str | None) -> Any:
        lease = self.both(
            lambda store: store.take_sink(
                name, owner, timedelta(seconds=5), dead=lambda other: other.host == dead
            )
        )
        if lease is None:
            return multiple()
        assert lease.fence >= self.sink_fences.get(name, 0)
        self.sink_fences[name] = lease.fence
        return lease

    @rule(lease=sink_leases)
    def release(self, lease: SinkLease) -> None:
        self.both(lambda store: store.release_sink(lease))

    @rule(
        lease=sink_leases,
        said=st.lists(st.tuples(st.integers(0, 12), VERDICTS, st.booleans()), max_size=4),
        later=st.none() | st.integers(0, 2),
    )
    def settle_outbox(self, lease: SinkLease, said: list[Any], later: int | None) -> None:
        not_before = None if later is None else self.time + timedelta(seconds=later)
        verdicts = [
            OutboxVerdict(entry, kind, f"error {entry}", reason, not_before, counts)
            for entry, (kind, reason), counts in said
        ]
        self.count += 1
        failures = self.count
        self.both(
            lambda store: store.settle_outbox(
                lease, verdicts, failures=failures, suspended_until=not_before, error=f"error {failures}"
            )
        )

    @rule(sink=st.none() | SINKS, ids=SOME_IDS)
    def replay(self, sink: str | None, ids: list[int] | None) -> None:
        self.both(lambda store: store.replay(sink=sink, ids=ids))

    @rule(sink=st.none() | SINKS, ids=SOME_IDS)
    def drop(self, sink: str | None, ids: list[int] | None) -> None:
        self.both(lambda store: store.drop_dead_letters(sink=sink, ids=ids))

    @invariant()
    def only_what_has_finished_waits(self) -> None:
        states = self.both(lambda store: store.sinks())
        dead = self.both(lambda store: store.dead_letters(limit=10_000))
        assert states is not None
        assert dead is not None
        everything = list(dead)
        for state in states:
            name = state.name
            entries = self.both(lambda store, name=name: store.outbox(name, limit=10_000))  # type: ignore[misc]
            assert entries is not None
            assert [entry.id for entry in entries] == sorted(entry.id for entry in entries)
            assert len(entries) == state.waiting
            everything += entries
        assert len({entry.id for entry in everything}) == len(everything)
        for entry in everything:
            assert entry.run_id in self.existing
            run = self.both(methodcaller("run", entry.run_id))
            assert run is not None
            assert run.status.finished

    @invariant()
    def every_run_is_accounted_for(self) -> None:
        page = self.both(lambda store: store.runs(RunQuery(limit=10_000)))
        assert page is not None
        assert {record.id for record in page.runs} == self.existing
        for record in page.runs:
            before = self.finished.get(record.id)
            assert before is None or record == before, "a finished run has changed"
            if record.status.finished:
                self.finished[record.id] = record
            self.both(methodcaller("attempts", record.id))
            self.both(methodcaller("late_outcome", record.id))

    @invariant()
    def a_run_has_one_lease_at_most_and_its_fence_grows(self) -> None:
        async def ask(store: Store) -> list[Any]:
            return sorted(await store.open_leases(), key=lambda found: found.lease.run_id)

        found = self.both(ask)
        assert found is not None
        held = [open_lease.lease.run_id for open_lease in found]
        assert len(held) == len(set(held))
        for open_lease in found:
            lease = open_lease.lease
            assert lease.fence >= self.fences.get(lease.run_id, 0)
            self.fences[lease.run_id] = lease.fence
            # One that was inserted to be started, and has to wait, is held by whoever inserted it.
            waits = open_lease.status is RunStatus.QUEUED and (lease.pinned or lease.attempt == 0)
            assert open_lease.status is RunStatus.RUNNING or waits or open_lease.abandoned

    @invariant()
    def running_means_leased(self) -> None:
        async def ask(store: Store) -> bool:
            page = await store.runs(RunQuery(limit=10_000, statuses=[RunStatus.RUNNING]))
            leased = {found.lease.run_id for found in await store.open_leases()}
            return {record.id for record in page.runs} <= leased

        assert self.both(ask) is True


Agreement.TestCase.settings = examples(10, steps=30)
TestAgreement = Agreement.TestCase
