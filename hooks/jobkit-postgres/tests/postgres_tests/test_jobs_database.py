"""The services `db` and `db_sync`: connections for jobs, bounded, apart from the store's."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
from postgres_tests.kit import made
from postgres_tests.pooler import pooled
from postgres_tests.server import Server
from postgres_tests.test_plugin import jobkit

from jobkit import Project, RunRecord, Scheduler

pytestmark = pytest.mark.anyio

JOBS = """
from jobkit import JobResult, submit_job
from psycopg_pool import AsyncConnectionPool, ConnectionPool

ASK = "SELECT 6 * 7"
STATE = (
    "SELECT current_setting('search_path'), current_setting('statement_timeout'),"
    " to_regclass('pg_temp.mess')::text, pg_backend_pid(),"
    " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),"
    " (SELECT count(*) FROM pg_listening_channels())"
)
MESS = (
    "SET search_path = nowhere", "SET statement_timeout = 1", "SET statement_timeout = 0",
    "SELECT pg_advisory_lock(77)", "LISTEN mess", "CREATE TEMP TABLE mess (n int)",
    "SET default_transaction_read_only = on", "BEGIN",
)

@submit_job
async def ask(ctx, db: AsyncConnectionPool):
    async with db.connection() as connection:
        [answer] = await (await connection.execute(ASK)).fetchone()
    return JobResult.success(str(answer))

@submit_job
def plain(ctx, pool: ConnectionPool):
    with pool.connection() as connection:
        [answer] = connection.execute(ASK).fetchone()
    return JobResult.success(str(answer))

@submit_job
def lookup(ctx):
    with ctx.service_sync("db_sync").connection() as connection:
        [answer] = connection.execute(ASK).fetchone()
    return JobResult.success(str(answer))

@submit_job
async def mess(ctx, db):
    async with db.connection() as connection:
        await connection.set_autocommit(True)
        for statement in MESS:
            await connection.execute(statement)
        await connection.execute("SELECT nonsense")

@submit_job
async def after(ctx, db):
    async with db.connection() as connection:
        state = await (await connection.execute(STATE)).fetchone()
        return JobResult.success("x").with_data({"state": state, "autocommit": connection.autocommit})

@submit_job
def plain_mess(ctx, pool: ConnectionPool):
    with pool.connection() as connection:
        connection.autocommit = True
        for statement in MESS:
            connection.execute(statement)
        connection.execute("SELECT nonsense")

@submit_job
def plain_after(ctx, pool: ConnectionPool):
    with pool.connection() as connection:
        state = connection.execute(STATE).fetchone()
        return JobResult.success("x").with_data({"state": state, "autocommit": connection.autocommit})

@submit_job
async def hog(ctx, db):
    async with db.connection(), db.connection():
        child = await ctx.run_job("idle")
        try:
            async with db.connection(timeout=0.2):
                pass
        except Exception as error:
            return JobResult.success(f"{child.status}: {type(error).__name__}: {error}")

@submit_job
def wrong(ctx, db):
    with db.connection() as connection:
        connection.execute(ASK)

@submit_job
async def idle(ctx):
    pass
"""


def write(root: Path, *lines: str, store: str = "sqlite:///runs.db") -> Path:
    """A project whose `[plugins.postgres]` has *lines*."""
    folder = root / "extensions" / "shop" / "jobs"
    folder.mkdir(parents=True)
    (folder / "jobs.py").write_text(JOBS, encoding="utf-8")
    parts = ['[project]\nname = "shop"', f'[scheduler]\nstore = "{store}"', "[plugins.postgres]", *lines]
    (root / "jobkit.toml").write_text("\n".join([*parts, ""]), encoding="utf-8")
    return root


async def run(root: Path, *names: str) -> list[RunRecord]:
    """The runs of jobs, one after the other, of one process."""
    with Project.load(root) as project:
        async with Scheduler(project) as scheduler:
            return [await scheduler.run(name) for name in names]


@pytest.fixture
def connections(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(("mess", "after"), [("mess", "after"), ("plain_mess", "plain_after")])
async def test_what_a_job_does_to_a_connection_ends_with_it(
    server: Server, tmp_path: Path, mess: str, after: str
) -> None:
    """A broken transaction, settings, locks, LISTEN, temporary tables: the next job has the same connection,
    as new."""
    root = write(tmp_path, f'url = "{server.url}"', "jobs_pool_size = 1")
    before, broken, then = await run(root, after, mess, after)
    assert broken.status == "failed"
    assert "nonsense" in (broken.message or "")
    assert then.status == "succeeded", then.message
    assert then.data == before.data
    assert then.data is not None
    assert then.data["state"][4:] == [0, 0]


async def test_jobs_in_threads_have_a_pool_of_their_own(server: Server, tmp_path: Path) -> None:
    """By its type, or by the name `db_sync`; asynchronous ones have `db`."""
    root = write(tmp_path, f'url = "{server.url}"')
    assert [record.message for record in await run(root, "ask", "plain", "lookup")] == ["42"] * 3


async def test_behind_a_pooler(own_server: Server, tmp_path: Path) -> None:
    """Both pools work where each transaction may meet another process of the server."""
    with tempfile.TemporaryDirectory(prefix="jk") as folder:  # names of sockets are short
        async with pooled(own_server.url, Path(folder)) as (url, _):
            names = ["ask", "plain", "ask", "plain", "ask"]
            records = await run(write(tmp_path, f'url = "{url}"'), *names)
    assert [record.message for record in records] == ["42"] * 5


async def test_a_pool_that_is_for_coroutines(server: Server, tmp_path: Path) -> None:
    """JK418 tells a job in a thread which one to take, at the line that asks."""
    [record] = await run(write(tmp_path, f'url = "{server.url}"'), "wrong")
    assert record.error is not None
    assert record.error.code == "JK418"
    assert "db_sync" in (record.error.help or "")
    assert "with db.connection() as connection" in (record.error.traceback or "")


async def test_jobs_cannot_take_the_connections_of_the_store(
    server: Server, schema: str, tmp_path: Path
) -> None:
    """All of theirs are taken and runs are recorded; who gets none is told how many there are."""
    await anyio.to_thread.run_sync(made, server, schema, "shop")
    root = write(tmp_path, f'schema = "{schema}"', "pool_size = 1", "jobs_pool_size = 2", store=server.url)
    [record] = await run(root, "hog")
    assert record.status == "succeeded"
    assert (record.message or "").startswith("succeeded: PoolTimeout: ")
    assert "all 2 are in use ([plugins.postgres] jobs_pool_size)" in (record.message or "")


async def test_it_is_opened_when_it_is_asked_for_and_closed_after_the_jobs(
    server: Server, tmp_path: Path, connections: psycopg.Connection
) -> None:
    """No connection before the first job that wants one, none when the process has ended its runs."""
    name = f"test-{secrets.token_hex(6)}"
    joined = "&" if "?" in server.url else "?"
    root = write(tmp_path, f'url = "{server.url}{joined}application_name={name}"')
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"

    def open_now() -> int:
        row = connections.execute(count, [name]).fetchone()
        assert row is not None
        return int(row[0])

    with Project.load(root) as project:
        async with Scheduler(project) as scheduler:
            await scheduler.run("idle")
            assert open_now() == 0
            await scheduler.run("ask")
            await scheduler.run("plain")
            assert open_now() == 2
    # The server takes note of it a moment later.
    connections.execute("SET statement_timeout = '30s'")
    while open_now():
        connections.execute("SELECT pg_sleep(0.01)")


async def test_it_takes_the_place_of_the_embedded_one(server: Server, tmp_path: Path) -> None:
    """Runs are kept in SQLite, and of two databases called `db` jobs get the server."""
    root = write(tmp_path, f'url = "{server.url}"', "[plugins.sqlite]", 'url = "sqlite:///shop.db"')
    [record] = await run(root, "ask")
    assert record.message == "42"
    assert not (root / "shop.db").exists()


@pytest.mark.parametrize(
    "lines", [("[plugins.sqlite]",), ()], ids=["an empty table of sqlite", "no table of sqlite"]
)
async def test_there_is_nothing_to_take_the_place_of(
    server: Server, tmp_path: Path, lines: tuple[str, ...]
) -> None:
    """Then it is simply there."""
    root = write(tmp_path, f'url = "{server.url}"', *lines)
    with Project.load(root) as project:
        assert project.graph.errors == []
        assert project.jobs["ask"].error is None


def test_the_plugin_of_the_embedded_one_is_blocked(server: Server, tmp_path: Path) -> None:
    """Then nobody reads its table, and there is nothing to take the place of."""
    root = write(tmp_path, f'url = "{server.url}"', "[plugins.sqlite]", 'url = "sqlite:///shop.db"')
    ended = jobkit(root, "--plugin", "no:sqlite", "run", "ask")
    assert ended.returncode == 0, ended.stderr
    assert "42" in ended.stdout


async def test_no_database_no_service(tmp_path: Path) -> None:
    """Where none is named the job is listed with what it lacks."""
    with Project.load(write(tmp_path)) as project:
        assert project.jobs["ask"].error is not None


@pytest.mark.parametrize("name", ["ask", "plain", "lookup"])
async def test_a_server_that_is_away(tmp_path: Path, name: str) -> None:
    """The run fails with the reason; neither the password nor frames of ours are in its record."""
    root = write(tmp_path, 'url = "postgresql://app:hunter2hunter2@127.0.0.1:1/shop"')
    [record] = await run(root, name)
    assert record.status == "failed"
    assert record.reason == (None if name == "lookup" else "service")
    assert record.error is not None
    assert "Connection refused" in record.error.message
    assert "[plugins.postgres] url" in (record.error.help or "")
    text = f"{record.error}{record.message}"
    assert "hunter2" not in text
    assert "jobkit_postgres" not in text


def test_doctor_asks_it(tmp_path: Path) -> None:
    """It says why there is none, once, and without waiting for long."""
    root = write(tmp_path, 'url = "postgresql://app:hunter2hunter2@127.0.0.1:1/shop"')
    seen = jobkit(root, "doctor")
    assert seen.returncode == 1
    text = " ".join(seen.stdout.split())
    assert "fail services" in text
    assert "Connection refused" in text
    assert "error connecting" not in seen.stderr
    assert "hunter2" not in seen.stdout + seen.stderr
