"""What happens around the store: restarts, lost connections, locks that nobody lets go of."""

from __future__ import annotations

import time

import anyio
import psycopg
import pytest
from jobkit_postgres import database, renewals, transaction
from jobkit_postgres.store import PostgresStore
from postgres_tests.kit import made, sooner_or_later
from postgres_tests.server import Server, thaw
from psycopg import sql

from jobkit.exceptions import StoreUnavailable
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
from jobkit.testing.conformance.kit import new_run, outcome, started

pytestmark = [pytest.mark.anyio, pytest.mark.waits]


async def test_after_a_restart_it_goes_on(own_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A run that was in flight is renewed and finished; what was written before is there."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    async with PostgresStore(own_server.url, project="conformance") as store:
        record, lease = await started(store)
        assert store.renew([lease]) == {record.id}
        await store.wait(0)
        await anyio.to_thread.run_sync(own_server.restart)
        assert await sooner_or_later(lambda: anyio.to_thread.run_sync(store.renew, [lease])) == {record.id}
        finished = await sooner_or_later(lambda: store.finish(lease, outcome()))
        assert finished.status is RunStatus.SUCCEEDED
        second = await sooner_or_later(lambda: store.add_run(new_run()))
        assert (record.number, second.number) == (1, 2)
    assert "error connecting" not in caplog.text, "of which there would be several a second"


async def test_writers_live_through_restarts(own_server: Server) -> None:
    """Whatever was reported as written is there, once, after three crashes of the server."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    written: dict[str, int | None] = {}

    async with PostgresStore(own_server.url, project="conformance") as store:

        async def write(stop: anyio.Event) -> None:
            while not stop.is_set():
                run = new_run()
                record = await sooner_or_later(lambda run=run: store.add_run(run))  # type: ignore[misc]
                written[record.id] = record.number

        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(write, stop)
            for _ in range(3):
                before = len(written)
                while len(written) < before + 20:  # noqa: ASYNC110 -- the writers go on meanwhile
                    await anyio.sleep(0.01)
                await anyio.to_thread.run_sync(own_server.restart)
            stop.set()
        found = {run.id: run.number for run in (await store.runs(RunQuery(limit=10_000))).runs}
    assert found == written
    assert sorted(number or 0 for number in found.values()) == list(range(1, len(found) + 1))


async def test_who_listens_hears_again_after_a_lost_connection(own_server: Server) -> None:
    """The wait that was lost ends for nothing, and the next one hears."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    one = PostgresStore(own_server.url, project="conformance")
    other = PostgresStore(own_server.url, project="conformance")
    async with one, other:
        await one.wait(0)
        assert one.listening
        with psycopg.connect(own_server.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'jobkit' AND pid <> pg_backend_pid()"
            )
        with anyio.fail_after(30):
            while not (await one.wait(5) and one.listening):
                pass
            await sooner_or_later(lambda: other.add_run(new_run()))
            assert await one.wait(10) is True


async def test_without_listening_a_wait_ends_every_second(server: Server, tables: str) -> None:
    """Behind a transaction pooler nobody hears; a hint that comes for nothing is allowed."""
    async with PostgresStore(server.url, project="conformance", schema=tables, listen=False) as store:
        assert await store.wait(0.01) is False
        with anyio.fail_after(5):
            assert await store.wait(60) is True
        assert not store.listening


async def test_a_lock_that_is_held_is_not_waited_for_for_ever(
    server: Server, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten transaction in somebody's psql is an outage, not a standstill."""
    monkeypatch.setattr(transaction, "LOCK_LIMIT", 0.1)
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        await store.add_run(new_run())
        with psycopg.connect(server.url) as psql:
            psql.execute(sql.SQL("SELECT 1 FROM {} FOR UPDATE").format(sql.Identifier(tables, "job_states")))
            with pytest.raises(StoreUnavailable):
                await store.add_run(new_run())
        assert (await store.add_run(new_run())).number == 2


async def test_a_server_that_stands_still_is_given_up(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers neither statements nor its own time limits; when it goes on, so does the store."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    monkeypatch.setattr(database, "TIME_LIMIT", 0.5)
    monkeypatch.setattr(renewals, "LIMIT", 0.5)
    async with PostgresStore(own_server.url, project="conformance", patience=1.0) as store:
        record, lease = await started(store)
        assert store.renew([lease]) == {record.id}
        frozen = own_server.freeze()
        try:
            with anyio.fail_after(30):
                with pytest.raises(StoreUnavailable):
                    await store.add_run(new_run())
                with pytest.raises(StoreUnavailable):
                    await anyio.to_thread.run_sync(store.renew, [lease])
        finally:
            thaw(frozen)
        assert await sooner_or_later(lambda: anyio.to_thread.run_sync(store.renew, [lease])) == {record.id}
        assert (await sooner_or_later(lambda: store.finish(lease, outcome()))).id == record.id


async def test_a_loop_that_stands_still_holds_nobody_up(
    server: Server, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that blocks the loop in the middle of a transaction: the server takes its locks away, and the
    transaction is carried out again when the loop goes on."""
    monkeypatch.setattr(transaction, "IDLE_LIMIT", 0.2)
    one = PostgresStore(server.url, project="conformance", schema=tables)
    async with one:
        waited = 0

        async def add() -> int | None:
            return (await one.add_run(new_run())).number

        async def block(tx: transaction.Transaction) -> int:
            nonlocal waited
            await tx.one("SELECT 1 FROM jobkit.project FOR UPDATE")
            waited += 1
            if waited == 1:
                await anyio.to_thread.run_sync(time.sleep, 0.5)
                await tx.one("SELECT 1")
            return tx.at

        assert await one._database.write(block) > 0
        assert waited == 2
        assert await add() == 1
