"""Leases whose owners are gone, as a replica settles them: the dead at once, the silent after a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobkit import JobContext, JobResult, Retry, RunStatus
from jobkit.exceptions import StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.runner import settle_dead
from jobkit.runner.settling import Settlement
from jobkit.statuses import Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, OpenLease, Outcome, Store
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import HandClock, MakeRunner, spec_of

LEASE = timedelta(seconds=10)


async def job(ctx: JobContext) -> JobResult:
    """Is tried again a minute later."""
    return JobResult.success(f"attempt {ctx.attempt}")


SPEC = spec_of(job, retries=Retry(2, delay=60, jitter=False, backoff=2))


def owner(host: str | None = None) -> ProcessIdentity:
    """A process that runs no more; on another host nobody can know."""
    gone = replace(ProcessIdentity.current(), started="long ago")
    return gone if host is None else replace(gone, host=host)


async def started(
    store: Store,
    by: ProcessIdentity,
    *,
    expired: bool = True,
    pinned: bool = False,
    attempts: int = 3,
) -> tuple[RunRecord, Lease]:
    """A run of *job* that *by* executes."""
    run = NewRun(
        id=new_run_id(datetime.now(UTC)),
        job="job",
        extension="tests",
        trigger=Trigger.SCHEDULE,
        attempts=attempts,
    )
    duration = timedelta(microseconds=1) if expired else LEASE
    started, lease = await store.add_and_start(run, LeaseRequest(by, "node", duration, pinned))
    while expired and not (await lease_of(store, started.id)).expired:  # a clock can be that coarse
        pass
    return started, lease


async def lease_of(store: Store, run_id: str) -> OpenLease:
    """The open lease of a run."""
    return next(lease for lease in await store.open_leases() if lease.lease.run_id == run_id)


class Spying(MemoryStore):
    """The store in memory, with the times at which lost runs are to be tried again."""

    def __init__(self) -> None:
        super().__init__(project="tests")
        self.retry_pauses: list[float | None] = []

    async def settle(self, lease: Lease, *, dead: bool, retry_at: datetime | None = None) -> RunRecord | None:
        wait = None if retry_at is None else round((retry_at - await self.now()).total_seconds())
        self.retry_pauses.append(wait)
        return await super().settle(lease, dead=dead, retry_at=retry_at)


@pytest.mark.parametrize(("known", "pause"), [(True, 60), (False, 0)])
async def test_a_lost_attempt_is_followed_by_another(known: bool, pause: int) -> None:
    """After the pause of the job, where that is known; at once where it is not."""
    async with Spying() as store:
        run, _ = await started(store, owner())
        pinned, _ = await started(store, owner(), pinned=True)
        last, _ = await started(store, owner(), attempts=1)
        await settle_dead(store, {"job": SPEC} if known else {})
        assert sorted(store.retry_pauses, key=str) == sorted([pause, None, None], key=str)
        statuses = [str((await store.run(one.id)).status) for one in (run, pinned, last)]
    assert statuses == ["queued", "lost", "lost"]


async def test_a_lost_attempt_counts_as_one(runner: MakeRunner, store: Store) -> None:
    """The next is the second, and when it was the last the run is lost."""
    run, _ = await started(store, owner(), attempts=2)
    await settle_dead(store)
    async with runner(SPEC, store=store) as here:
        record = await here.execute_queued(await store.run(run.id))
    assert record is not None
    assert (record.status, record.message) == (RunStatus.SUCCEEDED, "attempt 2")
    assert [str(one.status) for one in await store.attempts(run.id)] == ["lost", "succeeded"]


async def test_the_dead_of_this_host_are_settled_at_once(store: Store) -> None:
    """Nobody has to wait for what is known."""
    run, _ = await started(store, owner(), expired=False)
    settled = await Settlement(store, HandClock(), LEASE).settle()
    assert [(one.id, one.status) for one in settled.runs] == [(run.id, RunStatus.QUEUED)]
    assert settled.again is None


async def test_the_silent_are_settled_after_a_full_lease(store: Store) -> None:
    """Of being connected; and an expired lease is all that counts."""
    clock = HandClock()
    settlement = Settlement(store, clock, LEASE)
    alive, _ = await started(store, owner("elsewhere"), expired=False)
    assert (await settlement.settle()).again is None, "of the living there is nothing to wait for"
    run, lease = await started(store, owner("elsewhere"))
    for passed in (0.0, 6.0, 3.0):
        clock.take(passed)
        settled = await settlement.settle()
        assert (settled.runs, settled.again) == ((), LEASE - timedelta(seconds=clock.passed))
    clock.take(1)
    settled = await settlement.settle()
    assert [one.id for one in settled.runs] == [run.id]
    assert (await store.run(alive.id)).status is RunStatus.RUNNING
    outcome = Outcome(status=RunStatus.SUCCEEDED, finished_at=datetime.now(UTC), duration_ms=1)
    assert await store.finish(lease, outcome) is None, "the owner, should it live, is fenced"
    again, _ = await started(store, owner("elsewhere"))
    assert [one.id for one in (await settlement.settle()).runs] == [again.id], "connected is connected"


@pytest.mark.parametrize("how", ["away", "told", "silent"])
async def test_an_outage_kills_nothing(how: str) -> None:
    """After a break in the connection everybody has a full lease to be heard of again."""

    class Away(MemoryStore):
        away = False

        async def open_leases(self) -> list[OpenLease]:
            if self.away:
                raise StoreUnavailable("away")
            return await super().open_leases()

    clock = HandClock()
    async with Away(project="tests") as store:
        settlement = Settlement(store, clock, LEASE)
        await settlement.settle()
        clock.take(10)
        await settlement.settle()
        clock.take(10)
        if how == "away":
            store.away = True
            with pytest.raises(StoreUnavailable):
                await settlement.settle()
            store.away = False
        elif how == "told":
            settlement.disconnected()
        else:
            clock.take(3600)
        run, lease = await started(store, owner("elsewhere"))
        assert (await settlement.settle()).again == LEASE
        clock.take(9)
        assert (await settlement.settle()).runs == ()
        store.renew([replace(lease, duration=LEASE)])
        clock.take(2)
        settled = await settlement.settle()
        assert (settled.runs, settled.again) == ((), None), "it was heard of again"
        assert (await store.run(run.id)).status is RunStatus.RUNNING


async def test_nobody_settles_its_own(store: Store) -> None:
    """A process that runs knows better than its lease."""
    clock = HandClock()
    settlement = Settlement(store, clock, LEASE)
    run, _ = await started(store, ProcessIdentity.current())
    await settlement.settle()
    clock.take(10)
    settled = await settlement.settle()
    assert (settled.runs, settled.again) == ((), None)
    assert (await store.run(run.id)).status is RunStatus.RUNNING
