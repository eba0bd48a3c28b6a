"""What happens at the same moment shares its statements; what fails takes back nothing but itself."""

from __future__ import annotations

import anyio
import pytest
from jobkit_postgres import transaction
from jobkit_postgres.store import PostgresStore
from postgres_tests.server import Server

from jobkit.exceptions import RunInTheWay, RunNotFound, StoreError
from jobkit.records import LogLine
from jobkit.stores.base import Lease, NewRun, RunQuery
from jobkit.stores.ledger_store import Overlap
from jobkit.stores.outbox import SinkRegistration
from jobkit.testing.conformance.kit import DAY, START, new_run, outcome, request, started

pytestmark = pytest.mark.anyio

RUNS = 100


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of transactions, as they are sent."""
    statements: list[str] = []
    original = transaction.qualified

    def noted(statement: str, schema: str) -> bytes:
        statements.append(statement)
        return original(statement, schema)

    monkeypatch.setattr(transaction, "qualified", noted)
    return statements


async def test_a_busy_moment_is_a_handful_of_statements(server: Server, tables: str, sent: list[str]) -> None:
    """A hundred runs start, write and finish; each is there when its call returns."""
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        await store.register_sinks([SinkRegistration("sink", DAY)])
        runs = [await store.add_run(new_run(f"job-{number}")) for number in range(RUNS)]
        leases: list[Lease] = []

        async def start(run_id: str) -> None:
            lease = await store.start_attempt(run_id, request())
            assert lease is not None
            leases.append(lease)

        async def write(lease: Lease) -> None:
            await store.add_log_lines(lease.run_id, [LogLine(1, START, "info", "x", 1)])

        async def finish(lease: Lease) -> None:
            assert await store.finish(lease, outcome()) is not None

        sent.clear()
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(start, run.id)
        for work in (write, finish):
            async with anyio.create_task_group() as tasks:
                for lease in leases:
                    tasks.start_soon(work, lease)
        assert len(sent) < RUNS / 2, sent
        assert len(await store.outbox("sink", limit=1000)) == RUNS
        for lease in leases:
            assert len(await store.log_lines(lease.run_id)) == 1


async def test_what_is_added_together_is_a_handful_of_statements(
    server: Server, tables: str, sent: list[str]
) -> None:
    """Each gets its number, and each job its own judgement, that of those added beside it included."""
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        await store.add_run(new_run("job-7"))
        refused: list[str] = []
        sent.clear()

        async def add(run: NewRun, overlap: Overlap) -> None:
            try:
                await store.add_run(run, overlap=overlap)
            except RunInTheWay as error:
                refused.append(f"{run.job} behind {error.run.number}")

        async with anyio.create_task_group() as tasks:
            for number in range(RUNS):
                tasks.start_soon(add, new_run(f"job-{number}"), "skip")
            for _ in range(RUNS):
                tasks.start_soon(add, new_run("many"), "allow")
            tasks.start_soon(add, new_run("job-3"), "queue")
        assert len(sent) < RUNS / 4, sent
        page = await store.runs(RunQuery(limit=1000))
        assert sorted(run.number for run in page.runs if run.number is not None) == [*range(1, 2 * RUNS + 1)]
        third = next(run.number for run in page.runs if run.job == "job-3")
        assert sorted(refused) == [f"job-3 behind {third}", "job-7 behind 1"]


async def test_one_that_fails_fails_alone(server: Server, tables: str) -> None:
    """Of calls that share a transaction: one names a run that is not there."""
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        run = await store.add_run(new_run())
        line = LogLine(1, START, "info", "x", 1)
        refused: list[str] = []

        async def write(run_id: str) -> None:
            try:
                await store.add_log_lines(run_id, [line])
            except RunNotFound:
                refused.append(run_id)

        async with anyio.create_task_group() as tasks:
            for run_id in ("nobody", run.id, "nothing"):
                tasks.start_soon(write, run_id)
        assert sorted(refused) == ["nobody", "nothing"]
        assert await store.log_lines(run.id) == [line]


async def test_what_cannot_be_told_did_not_happen(
    server: Server, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling others travels with the commit: where it is refused nothing is committed, and the connection
    serves the next call."""
    async with PostgresStore(server.url, project="conformance", schema=tables, pool_size=1) as store:
        with monkeypatch.context() as broken:
            broken.setattr(transaction, "ending", lambda schema, sender: b"SELECT 1 / 0; COMMIT")
            with pytest.raises(StoreError):
                await store.add_run(new_run("lost"))
        kept = await store.add_run(new_run("kept"))
        assert kept.number == 1
        assert (await store.runs(RunQuery())).runs == (kept,)


async def test_large_texts_are_not_escaped(server: Server, tables: str, sent: list[str]) -> None:
    """Twenty megabytes of quotes and backslashes travel as they are: escaping them in an array would keep the
    event loop, and the rows that the transaction holds, for seconds."""
    large = '\\"{}, NULL\n' * 2_000_000
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        _, lease = await started(store)
        await store.add_log_lines(lease.run_id, [LogLine(1, START, "info", large, 1)])
        finished = await store.finish(lease, outcome(message=large))
        assert finished is not None
        assert finished.message == large
        assert [line.event for line in await store.log_lines(lease.run_id)] == [large]
    assert not [statement for statement in sent if "s::text[]" in statement]
