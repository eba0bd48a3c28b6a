"""What the cases are made with: a clock that they hold, and runs, requests and outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Outcome, Store
from jobkit.stores.ledger import Claim, Claimed, JobKey, JobRegistration, Span
from jobkit.stores.outbox import OutboxVerdict, SinkLease, SinkRegistration, SinkState

START = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

HERE = ProcessIdentity("host-a", "boot-1", "pid:[1]", 100, "1000")
THERE = ProcessIdentity("host-b", "boot-2", "pid:[2]", 200, "2000")


class StoreClock(Protocol):
    """The store's clock, in the hands of the cases."""

    def now(self) -> datetime: ...

    async def advance(self, by: timedelta) -> None:
        """From now on the store's clock says *by* more."""
        ...


class HeldClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    async def advance(self, by: timedelta) -> None:
        self._now += by


class OpenStore(Protocol):
    """Gives a store object, not yet entered, on the runs of this test."""

    def __call__(self, *, project: str = "conformance") -> Store: ...


class Cases:
    """The fixtures that all cases share."""

    @pytest.fixture
    def clock(self) -> StoreClock:
        return HeldClock()

    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise pytest.UsageError(f"{type(self).__name__} needs a fixture open_store that opens its store")

    @pytest.fixture
    async def store(self, open_store: OpenStore, anyio_backend: Any) -> AsyncIterator[Store]:
        async with open_store() as store:
            yield store


def new_run(job: str = "job", **options: Any) -> NewRun:
    """A run to be inserted, with an id of its own."""
    options.setdefault("id", new_run_id(START))
    options.setdefault("trigger", Trigger.MANUAL)
    return NewRun(job=job, extension=options.pop("extension", "web"), **options)


def request(owner: ProcessIdentity = HERE, *, pinned: bool = False, seconds: float = 10) -> LeaseRequest:
    return LeaseRequest(owner, f"node-of-{owner.host}", timedelta(seconds=seconds), pinned)


def outcome(status: RunStatus = RunStatus.SUCCEEDED, **options: Any) -> Outcome:
    options.setdefault("finished_at", START + timedelta(minutes=1))
    options.setdefault("duration_ms", 60_000)
    return Outcome(status=status, **options)


async def started(store: Store, job: str = "job", **options: Any) -> tuple[RunRecord, Lease]:
    """A run that is being executed, and its lease."""
    pinned = options.pop("pinned", False)
    return await store.add_and_start(new_run(job, **options), request(pinned=pinned))


async def standing(store: Store) -> set[str]:
    """The ids of the runs whose lease has not ended."""
    return {found.lease.run_id for found in await store.open_leases()}


# -- the ledger -------------------------------------------------------------------------------------

JOB = JobKey("job")
HASH = "every second"


async def scheduled(store: Store, *keys: JobKey, mark: datetime = START, hash: str = HASH) -> None:
    """Jobs whose ticks are accounted for up to *mark*."""
    await store.register_jobs([JobRegistration(key, hash, mark) for key in keys or (JOB,)])


def tick_run(tick: datetime, key: JobKey = JOB, **options: Any) -> NewRun:
    """A run of that tick."""
    options.setdefault("trigger", Trigger.SCHEDULE)
    return new_run(key.job, node=key.node, scheduled_at=tick, **options)


def run_claim(tick: datetime, key: JobKey = JOB, **options: Any) -> Claim:
    """A claim of a run for *tick*, by somebody who saw the mark a second before."""
    options.setdefault("expected", tick - SECOND)
    options.setdefault("run", tick_run(tick, key))
    return Claim(key, hash=options.pop("hash", HASH), mark=options.pop("mark", tick), tick=tick, **options)


def span_of(first: datetime, last: datetime, key: JobKey = JOB, **options: Any) -> Span:
    """A span with a tick each second."""
    count = (last - first) // SECOND + 1
    options.setdefault("reason", "misfire")
    return Span(
        key.job, key.node, cause=options.pop("cause", None), first=first, last=last, count=count, **options
    )


def span_claim(first: datetime, last: datetime, key: JobKey = JOB, **options: Any) -> Claim:
    """A claim that says why these ticks have no run."""
    expected = options.pop("expected", first - SECOND)
    hash = options.pop("hash", HASH)
    return Claim(key, expected, hash, last, span=span_of(first, last, key, **options))


async def claimed(store: Store, claim: Claim) -> Claimed:
    """What became of one claim."""
    [answer] = await store.claim([claim])
    return answer


async def mark_of(store: Store, key: JobKey = JOB) -> datetime | None:
    """The last tick of a job that is accounted for."""
    return (await store.job_states([key]))[key].mark


# -- the outbox -------------------------------------------------------------------------------------


async def registered(store: Store, *names: str) -> None:
    """Sinks of these names, which take part from now on."""
    await store.register_sinks([SinkRegistration(name, 7 * DAY) for name in names])


async def finished(store: Store, job: str = "job", status: RunStatus = RunStatus.SUCCEEDED) -> RunRecord:
    """A run that has ended."""
    _, lease = await started(store, job)
    record = await store.finish(lease, outcome(status, finished_at=START))
    assert record is not None
    return record


async def waiting(store: Store, sink: str = "sink") -> list[str]:
    """The ids of the runs that wait for a sink, in order."""
    return [entry.run_id for entry in await store.outbox(sink, limit=10_000)]


async def taken(
    store: Store, sink: str = "sink", owner: ProcessIdentity = HERE, *, seconds: float = 10
) -> SinkLease:
    """The lease of a sink that is to be had."""
    lease = await store.take_sink(sink, owner, timedelta(seconds=seconds))
    assert lease is not None
    return lease


async def settled(
    store: Store,
    lease: SinkLease,
    *verdicts: OutboxVerdict,
    failures: int = 0,
    suspended_until: datetime | None = None,
    error: str | None = None,
) -> bool:
    """What settling the outbox answers, of a sink that is well unless something else is said."""
    return await store.settle_outbox(
        lease, verdicts, failures=failures, suspended_until=suspended_until, error=error
    )


async def sink_state(store: Store, name: str = "sink") -> SinkState:
    """How one sink stands."""
    [found] = [state for state in await store.sinks() if state.name == name]
    return found
