"""Runs that stand queued in the store: taken up with what is recorded of them, or left as they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from jobkit import JobContext, JobResult, Retry, RunRefused, RunStatus, Secret
from jobkit.exceptions import ParameterError, RunNotFound, StoreUnavailable, UsageError
from jobkit.plugin import Skip
from jobkit.records import RunRecord, TickSpan, new_run_id
from jobkit.runner.executors import thread
from jobkit.statuses import Reason, Trigger
from jobkit.stores.base import Lease, LeaseRequest, NewRun, Store
from jobkit.stores.memory import MemoryStore
from tests.plugins.conftest import Plugins
from tests.runner.conftest import MakeRunner, Seen, SteppedClock, spec_of

RENEWALS = "jobkit-leases"
TICK = datetime(2027, 1, 31, 3, tzinfo=UTC)


async def queue(
    store: Store, job: str, parameters: Mapping[str, Any] | None = None, **more: Any
) -> RunRecord:
    """A run of *job* that waits in *store*."""
    options: dict[str, Any] = {"extension": "tests", "trigger": Trigger.SCHEDULE, "actor": "ops", **more}
    return await store.add_run(
        NewRun(id=new_run_id(datetime.now(UTC)), job=job, parameters=parameters or {}, **options)
    )


async def well(ctx: JobContext) -> JobResult:
    """Nothing can go wrong."""
    return JobResult.success("well")


async def test_a_queued_run_is_executed_with_what_is_recorded(runner: MakeRunner, store: Store) -> None:
    """Parameters, tick, window, covers, actor and consent reach the job; anybody may go on with the run."""
    seen: list[Any] = []

    async def job(ctx: JobContext, *, days: int, since: datetime | None = None) -> JobResult:
        seen.extend((days, since, ctx.trigger, ctx.scheduled_at, ctx.window, ctx.covers, ctx.actor))
        seen.extend((ctx.enforce, ctx.attempt, ctx.run_number))
        seen.extend(held.lease.pinned for held in await store.open_leases())
        return JobResult.success("done")

    window, covers = (TICK - timedelta(days=1), TICK), TickSpan(TICK - timedelta(days=2), TICK, 3)
    queued = await queue(
        store,
        "job",
        {"days": 3, "since": "2027-01-01T00:00:00Z"},
        trigger=Trigger.CATCHUP,
        scheduled_at=TICK,
        window=window,
        covers=covers,
        enforce=True,
    )
    spec = spec_of(job, parameters={"days": 9})
    async with runner(spec, store=store) as here:
        record = await here.execute_queued(queued)
    assert record is not None
    assert (record.id, record.status, record.message) == (queued.id, RunStatus.SUCCEEDED, "done")
    assert record == await store.run(queued.id)
    since = datetime(2027, 1, 1, tzinfo=UTC)
    assert seen == [3, since, "catchup", TICK, window, covers, "ops", True, 1, queued.number, False]


async def test_a_run_that_somebody_has_is_not_to_be_had(runner: MakeRunner, store: Store) -> None:
    """Nor one that is over; one that never was is an error."""
    from jobkit.processes import ProcessIdentity

    called: list[int] = []

    async def job(ctx: JobContext) -> None:
        called.append(1)

    taken = await queue(store, "job")
    await store.start_attempt(taken.id, LeaseRequest(ProcessIdentity.current(), "elsewhere"))
    queued = await queue(store, "job")
    async with runner(spec_of(job), store=store) as here:
        assert await here.execute_queued(taken) is None
        assert await here.execute_queued(queued) is not None
        assert await here.execute_queued(queued) is None
        with pytest.raises(RunNotFound):
            await here.execute_queued(
                RunRecord(new_run_id(TICK), 99, "job", "tests", RunStatus.QUEUED, Trigger.API)
            )
    assert called == [1]


async def test_a_run_is_executed_once_however_often_it_is_delivered(runner: MakeRunner, store: Store) -> None:
    """Two deliveries to one process at the same time are one run."""
    called: list[int] = []

    async def job(ctx: JobContext) -> None:
        called.append(1)
        await anyio.sleep(0.02)

    records: list[RunRecord | None] = []
    queued = await queue(store, "job")
    async with runner(spec_of(job), store=store) as here, anyio.create_task_group() as tasks:

        async def deliver() -> None:
            records.append(await here.execute_queued(queued))

        for _ in range(5):
            tasks.start_soon(deliver)
    assert called == [1]
    assert sum(record is not None for record in records) == 1


async def test_deliveries_that_wait_for_the_store_are_one_run(runner: MakeRunner) -> None:
    """What one of them has started is not the other's, although its owner is the same process."""
    called: list[int] = []

    class Away(MemoryStore):
        asked = 0

        async def start_attempt(self, run_id: str, request: LeaseRequest, **more: Any) -> Lease | None:
            self.asked += 1
            if self.asked <= 2:
                raise StoreUnavailable("not yet")
            return await super().start_attempt(run_id, request, **more)

    async def job(ctx: JobContext) -> None:
        called.append(ctx.attempt)
        await anyio.sleep(0.02)

    async with Away(project="tests") as store:
        queued = await queue(store, "job")
        async with runner(spec_of(job), store=store) as here, anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(here.execute_queued, queued)
    assert called == [1]


async def test_an_answer_that_was_lost_is_looked_up(runner: MakeRunner) -> None:
    """A start whose outcome is unknown is neither given up nor made twice."""
    called: list[int] = []

    class Losing(MemoryStore):
        lost = False

        async def start_attempt(self, run_id: str, request: LeaseRequest, **more: Any) -> Lease | None:
            lease = await super().start_attempt(run_id, request, **more)
            if not self.lost:
                self.lost = True
                raise StoreUnavailable("the connection is gone")
            return lease

    async def job(ctx: JobContext) -> None:
        called.append(ctx.attempt)

    async with Losing(project="tests") as store, runner(spec_of(job), store=store) as here:
        record = await here.execute_queued(await queue(store, "job"))
    assert record is not None
    assert (record.status, called) == (RunStatus.SUCCEEDED, [1])


async def test_a_run_that_is_tried_again_is_left_to_whoever_comes(runner: MakeRunner, store: Store) -> None:
    """It is queued when it is returned, nobody has its lease, and its next attempt is its second."""
    seen = Seen()

    async def flaky(ctx: JobContext) -> JobResult:
        return JobResult.failure("not yet") if ctx.attempt == 1 else JobResult.success("now")

    spec = spec_of(flaky, retries=Retry(1, delay=0))
    queued = await queue(store, "flaky", attempts=2)
    async with runner(spec, store=store, observer=seen) as here:
        record = await here.execute_queued(queued)
        assert record is not None
        assert (record.status, (await store.run(queued.id)).status) == (RunStatus.QUEUED, RunStatus.QUEUED)
        assert await store.open_leases() == []
        assert seen.names() == ["started", "attempt"]
    async with runner(spec, store=store, observer=seen) as another:
        record = await another.execute_queued(record)
    assert record is not None
    assert (record.status, record.attempt, record.message) == (RunStatus.SUCCEEDED, 2, "now")
    assert seen.names() == ["started", "attempt", "attempt", "finished"]


async def test_secrets_come_from_here(runner: MakeRunner, store: Store) -> None:
    """History has references and masked addresses in their place, which no job is to see."""
    seen: list[Any] = []

    async def job(ctx: JobContext, *, token: Secret, url: str, note: str = "", **more: Any) -> None:
        seen.append((token, url, note, more))

    own = {"token": "hunter-two-two", "url": "https://u:pass-word@x", "api_key": "k1"}
    spec = spec_of(job, parameters=own)
    kept = {
        "token": {"secret": "token"},
        "url": "https://u:***@x",
        "note": "hello",
        "api_key": {"secret": "api_key"},
    }
    async with runner(spec, store=store) as here:
        record = await here.execute_queued(await queue(store, "job", kept))
    assert record is not None
    assert record.status is RunStatus.SUCCEEDED
    assert seen == [("hunter-two-two", "https://u:pass-word@x", "hello", {"api_key": "k1"})]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", {"secret": "token"}),
        ("url", "https://u:***@x"),
        ("api_key", {"secret": "api_key"}),
        ("more", ["a", {"b": "https://u:***@x"}]),
    ],
)
async def test_jk534_a_secret_that_is_not_known_here_fails_the_run(
    runner: MakeRunner, store: Store, name: str, value: Any
) -> None:
    """With a code, before the job is called, and for good; with configuration it is executed."""
    called: list[int] = []

    async def job(ctx: JobContext, *, token: Secret, url: str, **more: Any) -> None:
        called.append(1)

    complete = {"token": "hunter-two-two", "url": "https://u:pass-word@x", "api_key": "k", "more": value}
    own = {key: value for key, value in complete.items() if key != name}
    kept = {"url": "https://x", "token": {"secret": "token"}, name: value}
    lacking = spec_of(job, parameters=own, retries=Retry(3, delay=0))
    async with runner(lacking, store=store) as here:
        record = await here.execute_queued(await queue(store, "job", kept, attempts=4))
        assert record is not None
        assert (record.status, record.reason, called) == (RunStatus.FAILED, Reason.PARAMETERS, [])
        assert f"`{name}`" in (record.message or "")
        assert "(JK534)" in (record.message or "")
        assert record == await store.run(record.id)
        record = await here.execute_queued(await queue(store, "job", kept), spec_of(job, parameters=complete))
    assert record is not None
    assert (record.status, called) == (RunStatus.SUCCEEDED, [1])


async def test_parameters_that_fit_no_more_fail_the_run(runner: MakeRunner, store: Store) -> None:
    """The job has changed since the run was asked for."""

    async def job(ctx: JobContext, *, days: int) -> None:
        raise AssertionError("not reached")

    async with runner(spec_of(job), store=store) as here:
        record = await here.execute_queued(await queue(store, "job", {"days": "many"}))
    assert record is not None
    assert (record.status, record.reason) == (RunStatus.FAILED, Reason.PARAMETERS)
    assert record.error is not None
    assert record.error.type.endswith(ParameterError.__name__)


async def test_what_is_no_fault_of_the_run_leaves_it_queued(
    runner: MakeRunner, store: Store, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is unknown here, no thread for it, a plugin that is against it now."""

    def threaded(ctx: JobContext) -> None:
        raise AssertionError("not reached")

    plugins.add("freeze", jobkit_run_admit=lambda request: Skip("freeze"))
    monkeypatch.setattr(thread, "MOST_ABANDONED", 0)
    async with runner(spec_of(threaded), spec_of(well), store=store, hooks=plugins.hooks) as here:
        unknown, held, refused = [await queue(store, name) for name in ("unknown", "threaded", "well")]
        with pytest.raises(UsageError, match="there is no job 'unknown'"):
            await here.execute_queued(unknown)
        assert not here.takes_threads
        with pytest.raises(RunRefused) as error:
            await here.execute_queued(held)
        assert error.value.code == "JK521"
        with pytest.raises(RunRefused) as error:
            await here.execute_queued(refused, admitted=False)
        assert error.value.code == "JK531"
        for run in (unknown, held, refused):
            assert (await store.run(run.id)).status is RunStatus.QUEUED
        record = await here.execute_queued(refused)
    assert record is not None
    assert record.status is RunStatus.SUCCEEDED, "whoever was asked already is not asked again"


async def test_a_job_with_an_error_fails_its_run(runner: MakeRunner, store: Store) -> None:
    """Nothing stands queued for ever because of it."""
    from jobkit.exceptions import ScheduleError

    broken = spec_of(well, error=ScheduleError("the schedule is wrong", code="JK301"))
    async with runner(broken, store=store) as here:
        record = await here.execute_queued(await queue(store, "well"))
    assert record is not None
    assert record.status is RunStatus.FAILED
    assert "the schedule is wrong" in (record.message or "")


async def test_a_run_can_be_cancelled_on_request(runner: MakeRunner, store: Store) -> None:
    """With the words of whoever wants it."""
    begun = anyio.Event()
    records: list[RunRecord | None] = []

    async def job(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    queued = await queue(store, "job", attempts=3)
    spec = spec_of(job, retries=Retry(2, delay=0))
    async with runner(spec, store=store) as here, anyio.create_task_group() as tasks:

        async def execute() -> None:
            records.append(await here.execute_queued(queued))

        tasks.start_soon(execute)
        await begun.wait()
        assert here.cancel(queued.id, message="cancelled by ops@x: wrong month")
    (record,) = records
    assert record is not None
    assert (record.status, record.message) == (RunStatus.CANCELLED, "cancelled by ops@x: wrong month")


async def test_a_run_whose_lease_was_taken_is_let_go(
    runner: MakeRunner, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It is cancelled here, its outcome is the late one, and what became of it elsewhere stands."""
    clock, begun = SteppedClock(), anyio.Event()
    records: list[RunRecord | None] = []

    async def job(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    queued = await queue(memory, "job", attempts=2)
    seen = Seen()
    async with runner(spec_of(job), clock=clock, observer=seen) as here, anyio.create_task_group() as tasks:

        async def execute() -> None:
            records.append(await here.execute_queued(queued))

        tasks.start_soon(execute)
        await begun.wait()
        lease = (await memory.open_leases())[0].lease
        await memory.settle(lease, dead=True, retry_at=await memory.now())
        await anyio.to_thread.run_sync(clock.step, RENEWALS)
    (record,) = records
    assert record is not None
    assert record.status is RunStatus.QUEUED
    late = await memory.late_outcome(queued.id)
    assert late is not None
    assert late.status is RunStatus.CANCELLED
    assert "finish.fenced" in caplog.text
    assert "finished" not in seen.names(), "its end is told by whoever goes on with it"


async def test_the_end_of_a_run_is_told_by_whoever_came_to_it(
    runner: MakeRunner, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if whoever was taken for dead is still there, and finds it ended."""
    begun, go_on = anyio.Event(), anyio.Event()

    async def job(ctx: JobContext) -> None:
        begun.set()
        if ctx.attempt == 1:
            await go_on.wait()

    queued = await queue(memory, "job", attempts=2)
    first, second = Seen(), Seen()
    async with (
        runner(spec_of(job), observer=first) as here,
        runner(spec_of(job), observer=second) as there,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(here.execute_queued, queued)
        await begun.wait()
        lease = (await memory.open_leases())[0].lease
        await memory.settle(lease, dead=True, retry_at=await memory.now())
        record = await there.execute_queued(await memory.run(queued.id))
        go_on.set()
    assert record is not None
    assert record.status is RunStatus.SUCCEEDED
    assert "finish.fenced" in caplog.text
    assert second.names().count("finished") == 1
    assert "finished" not in first.names()


async def test_stopping_cancels_what_was_taken_up(runner: MakeRunner, memory: MemoryStore) -> None:
    """And records it with the reason that the program gave, before the cancellation goes on."""
    begun = anyio.Event()

    async def job(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep(60)

    queued = await queue(memory, "job")
    async with runner(spec_of(job)) as here, anyio.create_task_group() as tasks:
        here.cancel_reason = Reason.SHUTDOWN
        tasks.start_soon(here.execute_queued, queued)
        await begun.wait()
        tasks.cancel_scope.cancel()
    record = await memory.run(queued.id)
    assert (record.status, record.reason) == (RunStatus.CANCELLED, Reason.SHUTDOWN)


async def test_limits_are_the_store_s_to_judge(runner: MakeRunner, memory: MemoryStore) -> None:
    """They are handed on with the request; a run that has to wait is not to be had."""
    asked: list[Any] = []

    class Full(MemoryStore):
        async def start_attempt(self, run_id: str, request: LeaseRequest, **more: Any) -> Lease | None:
            asked.append(more)
            return None

    async with Full(project="tests") as store, runner(spec_of(well), store=store) as here:
        assert await here.execute_queued(await queue(store, "well"), limits={"db": 2}) is None
    assert asked == [{"limits": {"db": 2}}]
