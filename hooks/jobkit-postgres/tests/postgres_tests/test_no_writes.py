"""Servers that answer and take no writes, and those where somebody holds a lock: the cause is named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
from jobkit_postgres import renewals, transaction
from jobkit_postgres.store import PostgresStore
from postgres_tests.kit import made, sooner_or_later
from postgres_tests.server import Server
from postgres_tests.test_plugin import jobkit, write
from psycopg import sql

from jobkit.cli.doctor.finding import State
from jobkit.cli.doctor.store import look_at_store
from jobkit.clock import SystemClock
from jobkit.codes import explanation
from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.project import Project
from jobkit.stores.base import RunQuery
from jobkit.testing.conformance.kit import new_run, started

pytestmark = pytest.mark.anyio


def only_reads(server: Server) -> Server:
    """*server*, for sessions that are set to read-only."""
    return Server(f"{server.url}&options=-c%20default_transaction_read_only%3Don")


@pytest.fixture
def admin(own_server: Server) -> Iterator[psycopg.Connection]:
    """A session that may write, whatever the server is set to."""
    url = f"{own_server.url}&options=-c%20default_transaction_read_only%3Doff"
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def set_read_only(admin: psycopg.Connection, value: str) -> None:
    """For all sessions that there are, and those that come."""
    admin.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
    admin.execute("SELECT pg_reload_conf()")


async def test_commands_say_that_it_can_only_be_read(server: Server, schema: str, tmp_path: Path) -> None:
    """JK629 with what to look at, in one place, and no words of the pool; history can be read."""
    await anyio.to_thread.run_sync(made, server, schema, "shop")
    root = write(tmp_path, only_reads(server), schema)
    ended = await anyio.to_thread.run_sync(jobkit, root, "pause")
    assert ended.returncode == 6
    assert "error[JK629]" in ended.stderr
    text = " ".join(ended.stderr.split())
    assert "target_session_attrs=read-write" in text
    assert "default_transaction_read_only" in text
    assert "psycopg" not in ended.stderr
    assert "see that the server runs" not in text
    assert (await anyio.to_thread.run_sync(jobkit, root, "history")).returncode == 0


async def test_an_upgrade_of_what_can_only_be_read(server: Server, schema: str) -> None:
    """JK629 too."""
    store = PostgresStore(only_reads(server).url, project="conformance", schema=schema)
    with pytest.raises(StoreUnavailable) as caught:
        await store.upgrade()
    assert caught.value.code == "JK629"


async def test_no_server_that_can_be_written_to(server: Server, tables: str) -> None:
    """JK629 when libpq finds none of the hosts to be one; it may be promoted later."""
    url = f"{only_reads(server).url}&target_session_attrs=read-write"
    with pytest.raises(StoreUnavailable) as caught:
        await PostgresStore(url, project="conformance", schema=tables).__aenter__()
    assert caught.value.code == "JK629"


async def test_it_is_not_opened_for_writing(server: Server, tables: str) -> None:
    """JK629 before anything is begun; for reading it opens."""
    url = only_reads(server).url
    with pytest.raises(StoreUnavailable) as caught:
        await PostgresStore(url, project="conformance", schema=tables).__aenter__()
    assert caught.value.code == "JK629"
    async with PostgresStore(url, project="conformance", schema=tables, read_only=True) as store:
        assert (await store.runs(RunQuery())).runs == ()


async def test_what_a_server_says_of_a_statement_is_one_sentence(server: Server, tables: str) -> None:
    """Its words, without the line of SQL and the mark below it."""
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        with pytest.raises(StoreError) as caught:
            await store._database.read(lambda tx: tx.one("SELECT 1,\n nothing_there"))
    assert 'column "nothing_there" does not exist (42703)' in caught.value.message
    assert "LINE" not in caught.value.message


async def test_doctor_fails_where_nothing_can_be_written(server: Server, schema: str, tmp_path: Path) -> None:
    """The role may, the server does not let it."""
    await anyio.to_thread.run_sync(made, server, schema, "shop")
    with Project.load(write(tmp_path, only_reads(server), schema)) as project:
        looked = look_at_store(project.config, SystemClock().now)
        found = [finding async for finding in looked]
    [bad] = [finding for finding in found if finding.state is State.FAIL]
    assert bad.check == "server"
    assert "default_transaction_read_only is on" in bad.message
    assert "set it to off" in (bad.mend or "")
    assert not [finding for finding in found if "may write to the tables" in finding.message]


async def test_it_is_away_until_it_can_be_written_to(
    own_server: Server, admin: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """For a scheduler: what can still be read, and waits that end, are no sign that the store is back."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    async with PostgresStore(own_server.url, project="conformance") as store:
        record, lease = await started(store)
        set_read_only(admin, "on")
        with anyio.fail_after(30):
            while True:
                try:
                    await store.add_run(new_run())  # the setting arrives a little later
                except StoreUnavailable as error:
                    assert error.code == "JK629"  # noqa: PT017 -- when it comes is not known
                    break
        for question in (
            store.now,
            lambda: store.runs(RunQuery()),
            lambda: store.wait(0),
            lambda: anyio.to_thread.run_sync(store.renew, [lease]),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                await question()
            assert caught.value.code == "JK629"
        set_read_only(admin, "off")
        assert await sooner_or_later(lambda: store.run(record.id))
        await store.wait(0)
        assert (await sooner_or_later(lambda: store.add_run(new_run()))).number > 1
    said = [
        each for each in caplog.records if each.name == "psycopg.pool" and each.levelno >= logging.WARNING
    ]
    assert said == []


async def test_a_lock_of_somebody_else_is_named(
    server: Server, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JK630, without lines of SQL; the query of its page finds the session, and ending that helps."""
    monkeypatch.setattr(transaction, "LOCK_LIMIT", 0.1)
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:
        _, lease = await started(store)
        with psycopg.connect(server.url) as psql, psycopg.connect(server.url, autocommit=True) as admin:
            psql.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(tables, "runs")))
            with pytest.raises(StoreUnavailable) as caught:
                await store.add_run(new_run())
            assert caught.value.code == "JK630"
            assert "is held up: a statement waited 5 s for a lock" in caught.value.message
            assert "LINE" not in caught.value.message
            assert "pg_blocking_pids" in (caught.value.help or "")
            with pytest.raises(StoreUnavailable) as caught:
                await anyio.to_thread.run_sync(store.renew, [lease])
            assert caught.value.code == "JK630"
            assert f"waited {renewals.LOCK_LIMIT:g} s" in caught.value.message
            query = (explanation("JK630") or "").partition("```sql\n")[2].partition(";")[0]
            query = query.replace("'jobkit'", sql.Literal(sql.Identifier(tables).as_string()).as_string())
            [found, *_] = admin.execute(query.encode()).fetchall()
            assert found[0] == psql.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s)", found[:1])
            assert (await sooner_or_later(lambda: store.add_run(new_run()))).number == 2
            psql.close()


async def test_a_statement_that_takes_too_long(
    server: Server, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JK630 too: the server answers."""
    async with PostgresStore(server.url, project="conformance", schema=tables) as store:

        async def sleep(tx: transaction.Transaction) -> int:
            await tx.run("SET LOCAL statement_timeout = 50")
            await tx.one("SELECT pg_sleep(10)")
            return tx.at

        with pytest.raises(StoreUnavailable) as caught:
            await store._database.read(sleep)
    assert caught.value.code == "JK630"
    assert "took longer than it may" in caught.value.message
