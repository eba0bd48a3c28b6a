"""Several stores on one database at the same time: nothing happens twice, nothing is lost."""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import anyio
import psycopg
import pytest
from jobkit_postgres import leases
from jobkit_postgres.store import PostgresStore
from jobkit_postgres.transaction import Transaction
from postgres_tests.claimers import work_off
from postgres_tests.server import Server
from psycopg import sql

from jobkit.exceptions import RunInTheWay
from jobkit.plugin.rows import outcome_values
from jobkit.records import RunRecord, new_run_id
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, RunQuery
from jobkit.stores.ledger import JobKey, JobRegistration, SpanQuery
from jobkit.stores.outbox import SinkRegistration
from jobkit.testing.conformance.kit import SECOND, new_run, outcome, request, span_claim, started

pytestmark = pytest.mark.anyio

JOBS, TICKS = 8, 20


def opened(server: Server, schema: str) -> PostgresStore:
    return PostgresStore(server.url, project="conformance", schema=schema)


async def prepared(store: PostgresStore) -> datetime:
    """Jobs whose ticks of the last seconds are due; the last tick that is accounted for."""
    start = (await store.now()).replace(microsecond=0) - timedelta(seconds=TICKS + 5)
    keys = [JobKey(f"job-{number}") for number in range(JOBS)]
    await store.register_jobs([JobRegistration(key, "every second", start) for key in keys])
    return start


async def accounted(store: PostgresStore) -> dict[str, list[datetime]]:
    """The ticks of each job that have a run, in order."""
    found: dict[str, list[datetime]] = {}
    for number in range(JOBS):
        runs = await store.tick_runs(f"job-{number}", since=datetime.fromisoformat("2000-01-01T00:00Z"))
        found[f"job-{number}"] = [run.scheduled_at for run in runs if run.scheduled_at is not None]
    return found


async def test_four_claimers_account_for_each_tick_once(server: Server, tables: str) -> None:
    """Whoever computes the next tick from the same mark: one gets it, the others go on from there."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(server, tables)) for _ in range(4)]
        start = await prepared(stores[0])
        async with anyio.create_task_group() as tasks:
            for store in stores:
                tasks.start_soon(work_off, store, start, JOBS, TICKS)
        expected = [start + number * SECOND for number in range(1, TICKS + 1)]
        assert await accounted(stores[0]) == {f"job-{number}": expected for number in range(JOBS)}
        runs = (await stores[0].runs(RunQuery(limit=10_000))).runs
        assert sorted(run.number or 0 for run in runs) == list(range(1, JOBS * TICKS + 1))


async def test_two_processes_account_for_each_tick_once(server: Server, tables: str) -> None:
    """Each with its own connections, and no memory in common."""
    async with opened(server, tables) as store:
        start = await prepared(store)
        words = [json.dumps([server.url, tables, start.isoformat(), JOBS, TICKS])]
        command = [sys.executable, "-m", "postgres_tests.claimers", *words]
        environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
        counts: list[int] = []

        async def claim() -> None:
            counts.append(int((await anyio.run_process(command, env=environment)).stdout))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(claim)
            tasks.start_soon(claim)
        assert sum(counts) == JOBS * TICKS
        expected = [start + number * SECOND for number in range(1, TICKS + 1)]
        assert await accounted(store) == {f"job-{number}": expected for number in range(JOBS)}


async def test_the_same_run_added_by_many_is_one(server: Server, tables: str) -> None:
    """Also when they name different jobs, which have no lock in common: the id decides."""
    async with opened(server, tables) as one, opened(server, tables) as other:
        for _ in range(5):
            run_id = new_run_id(await one.now())
            found = []

            async def add(store: PostgresStore, job: str, run_id: str = run_id) -> None:
                found.append(await store.add_run(new_run(job, id=run_id)))  # noqa: B023

            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(add, (one, other)[number % 2], f"job-{number}")
            assert len({(run.id, run.number, run.job) for run in found}) == 1
        runs = (await one.runs(RunQuery(limit=100))).runs
        assert sorted(run.number or 0 for run in runs) == [1, 2, 3, 4, 5]


async def test_one_of_many_starters_gets_a_run(server: Server, tables: str) -> None:
    """And of two runs of a job that must be alone one starts."""
    async with opened(server, tables) as one, opened(server, tables) as other:
        first = await one.add_run(new_run(), overlap="queue")
        leases = []

        async def start(store: PostgresStore) -> None:
            leases.append(await store.start_attempt(first.id, request()))

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(start, (one, other)[number % 2])
        assert sum(lease is not None for lease in leases) == 1


async def test_a_limit_holds_whoever_starts(server: Server, tables: str) -> None:
    """Of ten runs of different jobs, two at a time."""
    async with opened(server, tables) as one, opened(server, tables) as other:
        runs = [await one.add_run(new_run(f"job-{number}", limits=("db",))) for number in range(10)]
        started_ = []

        async def start(store: PostgresStore, run_id: str) -> None:
            lease = await store.start_attempt(run_id, request(), limits={"db": 2})
            if lease is not None:
                started_.append(lease)

        async with anyio.create_task_group() as tasks:
            for number, run in enumerate(runs):
                tasks.start_soon(start, (one, other)[number % 2], run.id)
        assert len(started_) == 2


async def test_entries_are_seen_in_the_order_of_their_ids(server: Server, tables: str) -> None:
    """Whoever reads on behind the last one that it saw misses none, however many finish meanwhile."""
    async with (
        opened(server, tables) as one,
        opened(server, tables) as other,
        opened(server, tables) as reader,
    ):
        await one.register_sinks([SinkRegistration("sink", timedelta(days=1))])
        seen: list[str] = []
        finished: set[str] = set()

        async def finish(store: PostgresStore, name: str) -> None:
            for _ in range(10):
                _, lease = await started(store, name)
                await store.finish(lease, outcome())
                finished.add(lease.run_id)

        async def read(done: anyio.Event) -> None:
            after = 0
            while True:
                last = done.is_set()
                for entry in await reader.outbox("sink", after=after):
                    after = entry.id
                    seen.append(entry.run_id)
                if last:
                    return

        done = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, done)
            async with anyio.create_task_group() as writers:
                for number in range(6):
                    writers.start_soon(finish, (one, other)[number % 2], f"job-{number}")
            done.set()
        assert len(seen) == 60
        assert set(seen) == finished


async def test_upgrading_at_once_is_upgrading_once(server: Server, schema: str) -> None:
    """Four processes that begin together leave one set of tables."""
    stores = [opened(server, schema) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for store in stores:
            tasks.start_soon(store.upgrade)
    assert {(await store.schema()).pending for store in stores} == {()}
    async with stores[0] as store:
        assert (await store.add_run(new_run())).status is RunStatus.QUEUED


async def test_overlap_is_judged_by_one_at_a_time(server: Server, tables: str) -> None:
    """Of twenty who ask at the same moment for a run that must be alone one gets it."""
    async with opened(server, tables) as one, opened(server, tables) as other:
        for _ in range(5):
            added: list[RunRecord] = []
            refused: list[int | None] = []

            async def add(store: PostgresStore, added: list[RunRecord], refused: list[int | None]) -> None:
                try:
                    added.append(await store.add_run(new_run(), overlap="skip"))
                except RunInTheWay as error:
                    refused.append(error.run.number)

            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(add, (one, other)[number % 2], added, refused)
            [record] = added
            assert refused == [record.number] * 19
            await one.request_cancel(record.id, by="the next turn")


async def test_ticks_that_are_passed_over_count_once(server: Server, tables: str) -> None:
    """Four who say of the same ticks that they had no run: they are in one span, each once."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(server, tables)) for _ in range(4)]
        start = await prepared(stores[0])
        key = JobKey("job-0")

        async def skip(store: PostgresStore) -> None:
            for number in range(1, TICKS + 1):
                tick = start + number * SECOND
                claim = span_claim(tick, tick, key, hash="every second", reason="paused")
                while (await store.claim([claim]))[0].state.mark == tick - SECOND:
                    pytest.fail("the claim neither moved the mark nor found it moved")

        async with anyio.create_task_group() as tasks:
            for store in stores:
                tasks.start_soon(skip, store)
        [record] = (await stores[0].spans(SpanQuery())).spans
        assert (record.span.count, record.span.last) == (TICKS, start + TICKS * SECOND)


async def test_entries_wait_for_those_before_them(server: Server, tables: str) -> None:
    """A commit that takes its time: who finishes meanwhile cannot be seen before it."""
    async with opened(server, tables) as one, opened(server, tables) as other:
        await one.register_sinks([SinkRegistration("sink", timedelta(days=1))])
        (_, slow), (_, fast) = await started(one, "slow"), await started(one, "fast")
        begun, go_on = anyio.Event(), anyio.Event()

        async def take_time(tx: Transaction) -> None:
            await leases.finish(tx, [(slow, outcome(), outcome_values(outcome()))])
            begun.set()
            await go_on.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one._database.write, take_time)
            await begun.wait()
            tasks.start_soon(other.finish, fast, outcome())
            seen = []
            for _ in range(20):
                seen += await other.outbox("sink")
                await anyio.sleep(0.01)
            go_on.set()
        assert seen == []
        assert [entry.job for entry in await other.outbox("sink")] == ["slow", "fast"]


async def test_a_lease_counts_from_when_it_is_had(server: Server, tables: str) -> None:
    """Not from when the waiting for others began."""
    job = f"SELECT 1 FROM {sql.Identifier(tables, 'job_states').as_string()} FOR UPDATE"
    async with opened(server, tables) as store, await psycopg.AsyncConnection.connect(server.url) as other:
        _, lease = await started(store)
        await store.finish(lease, outcome())
        await other.execute(job)
        had: list[tuple[RunRecord, Lease]] = []

        async def start() -> None:
            had.append(await store.add_and_start(new_run(), request(seconds=30)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            while not await _waiting_for(other):  # noqa: ASYNC110 -- nobody tells
                await anyio.sleep(0.01)
            await anyio.sleep(0.3)
            await other.rollback()
        [(run, lease)] = had
        assert run.started_at is not None
        assert lease.expires_at - run.started_at > timedelta(seconds=30.3)


async def _waiting_for(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether somebody waits for a lock of *connection*."""
    cursor = await connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    )
    return await cursor.fetchone() is not None
