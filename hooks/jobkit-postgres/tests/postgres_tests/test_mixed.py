"""Everything at once, by chance: what holds of the tables whatever happens beside what."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import anyio
import psycopg
import pytest
from jobkit_postgres.store import PostgresStore
from jobkit_postgres.transaction import qualified
from postgres_tests.server import Server

from jobkit.exceptions import RunInTheWay, RunNotFound
from jobkit.records import LogLine, Progress
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease
from jobkit.stores.ledger import JobKey, JobRegistration
from jobkit.stores.ledger_store import Overlap
from jobkit.stores.outbox import OutboxVerdict, SinkRegistration
from jobkit.testing.conformance.kit import (
    DAY,
    HERE,
    SECOND,
    START,
    THERE,
    new_run,
    outcome,
    request,
    run_claim,
    tick_run,
)

pytestmark = pytest.mark.anyio

RULES: dict[str, Overlap] = {"a": "skip", "b": "queue", "c": "cancel", "d": "allow", "e": "queue"}
LIMITS = {"db": 4}


@dataclass
class Actor:
    """One who does this and that with one of the stores."""

    store: PostgresStore
    chance: random.Random
    ids: list[str] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)

    def run_id(self) -> str:
        return self.chance.choice(self.ids[-40:]) if self.ids else "nobody"

    def took(self, lease: Lease | None) -> None:
        if lease is not None:
            self.leases.append(lease)

    async def claim(self) -> None:
        keys = [JobKey(job) for job in self.chance.sample(sorted(RULES), self.chance.randint(1, 5))]
        marks = {key: state.mark for key, state in (await self.store.job_states(keys)).items()}
        claims = []
        for key in keys:
            mark = marks[key]
            assert mark is not None
            run = tick_run(mark + SECOND, key, limits=("db",), attempts=3)
            claims.append(
                run_claim(mark + SECOND, key, expected=mark, hash="h", overlap=RULES[key.job], run=run)
            )
        self.ids += [answer.run.id for answer in await self.store.claim(claims) if answer.run is not None]

    async def add(self) -> None:
        job = self.chance.choice(sorted(RULES))
        self.ids.append((await self.store.add_run(new_run(job, limits=("db",)), overlap=RULES[job])).id)

    async def add_and_start(self) -> None:
        job, owner = self.chance.choice(sorted(RULES)), self.chance.choice([HERE, THERE])
        wish = request(owner, pinned=self.chance.random() < 0.5)
        run = new_run(job, limits=("db",), attempts=2)
        record, lease = await self.store.add_and_start(run, wish, overlap=RULES[job], limits=LIMITS)
        self.ids.append(record.id)
        self.leases.append(lease)

    async def start(self) -> None:
        for run in (await self.store.queued(limit=5, limits=LIMITS))[:2]:
            self.took(await self.store.start_attempt(run.id, request(), limits=LIMITS))

    async def end(self) -> None:
        if self.leases:
            lease = self.leases.pop(self.chance.randrange(len(self.leases)))
            ends: list[Callable[[], Awaitable[Any]]] = [
                lambda: self.store.finish(lease, outcome()),
                lambda: self.store.retry_later(lease, outcome(RunStatus.FAILED), START),
                lambda: self.store.settle(lease, dead=True, retry_at=self.chance.choice([None, START])),
            ]
            await self.chance.choice(ends)()

    async def keep(self) -> None:
        await anyio.to_thread.run_sync(self.store.renew, list(self.leases))
        if self.leases:
            lease = self.chance.choice(self.leases)
            await self.store.set_progress(lease, Progress(1, 2))
            await self.store.abandon(lease)
            await self.store.release_abandoned(lease)

    async def stop(self) -> None:
        await self.store.request_cancel(self.run_id(), by="ops")
        await self.store.end_queued(self.run_id(), outcome(RunStatus.SKIPPED))

    async def write(self) -> None:
        lines = [LogLine(number, START, "info", "x", 1) for number in range(1, 10)]
        await self.store.add_log_lines(self.run_id(), lines)

    async def deliver(self) -> None:
        lease = await self.store.take_sink(self.chance.choice("xy"), HERE, 5 * SECOND)
        if lease is None:
            return
        verdicts = [
            OutboxVerdict(entry.id, "delivered")
            if self.chance.random() < 0.7
            else OutboxVerdict(entry.id, "dead", reason="rejected")
            for entry in await self.store.outbox(lease.sink, limit=20)
        ]
        await self.store.settle_outbox(lease, verdicts, failures=0, suspended_until=None, error=None)
        await self.store.replay()

    async def forget(self) -> None:
        await self.store.prune(await self.store.now() - 2 * SECOND)

    async def act_until(self, end: float) -> None:
        while time.monotonic() < end:
            acts = [self.claim, self.add, self.add_and_start, self.start, self.start, self.end, self.end]
            acts += [self.keep, self.stop, self.write, self.deliver, self.forget]
            try:
                await self.chance.choice(acts)()
            except (RunInTheWay, RunNotFound):
                continue  # so it goes


_TOO_MANY = """
SELECT 1 FROM (
    SELECT limits FROM jobkit.runs WHERE status = 'running' UNION ALL
    SELECT lost.limits FROM jobkit.abandoned AS lost JOIN jobkit.runs ON number = run
    WHERE status <> 'running'
) AS holding WHERE limits LIKE '%%db%%' HAVING count(*) > 4
"""

_BESIDE = "SELECT 1 FROM jobkit.runs WHERE status = 'running' AND job <> 'd' GROUP BY job HAVING count(*) > 1"

_NEVER = [
    "SELECT id FROM jobkit.runs WHERE (finished_at IS NULL) <> (status IN ('queued', 'running'))",
    "SELECT id FROM jobkit.runs WHERE status = 'running' AND lease_owner IS NULL",
    "SELECT run FROM jobkit.outbox JOIN jobkit.runs ON number = run WHERE finished_at IS NULL",
    "SELECT run FROM jobkit.outbox GROUP BY sink, run HAVING count(*) > 1",
    "SELECT job, tick FROM jobkit.runs WHERE tick IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1",
    _TOO_MANY,
    _BESIDE,
]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(5.0, id="five seconds"),
        pytest.param(300.0, id="five minutes", marks=[pytest.mark.faults, pytest.mark.timeout(600)]),
    ],
)
async def test_what_never_happens(own_server: Server, seconds: float) -> None:
    """No tick twice, no limit exceeded, nobody waits for whom he keeps waiting; and only what is promised is
    raised."""
    chance = random.Random(7)
    async with AsyncExitStack() as stack:
        stores = [PostgresStore(own_server.url, project="conformance") for _ in range(3)]
        await stores[0].upgrade()
        for store in stores:
            await stack.enter_async_context(store)
        await stores[0].register_sinks([SinkRegistration("x", DAY), SinkRegistration("y", DAY)])
        start = (await stores[0].now()).replace(microsecond=0) - DAY
        await stores[0].register_jobs([JobRegistration(JobKey(job), "h", start) for job in RULES])
        actors = [Actor(stores[number % 3], random.Random(chance.random())) for number in range(15)]
        end = time.monotonic() + seconds
        with psycopg.connect(own_server.url, autocommit=True) as psql:
            async with anyio.create_task_group() as tasks:
                for actor in actors:
                    tasks.start_soon(actor.act_until, end)
                while time.monotonic() < end:
                    for statement in (_TOO_MANY, _BESIDE):
                        assert psql.execute(qualified(statement, "jobkit"), ()).fetchall() == [], statement
                    await anyio.sleep(0.02)
            for statement in _NEVER:
                assert psql.execute(qualified(statement, "jobkit"), ()).fetchall() == [], statement
            deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert psql.execute(deadlocks).fetchone() == (0,), own_server.said("deadlock detected")
