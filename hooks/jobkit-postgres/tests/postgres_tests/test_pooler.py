"""Behind a transaction pooler: nothing of the store outlives a transaction."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from jobkit_postgres.store import PostgresStore
from postgres_tests.kit import made
from postgres_tests.pooler import pooled
from postgres_tests.server import Server

from jobkit.records import LogLine
from jobkit.stores.base import Lease
from jobkit.testing.conformance.kit import START, claimed, new_run, outcome, request, run_claim, scheduled

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: names of sockets are."""
    with tempfile.TemporaryDirectory(prefix="jk") as name:
        yield Path(name)


async def test_everything_works_and_nothing_is_left_behind(own_server: Server, folder: Path) -> None:
    """Many tasks of two stores over three connections, which change hands after each transaction."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    async with pooled(own_server.url, folder) as (url, pooler):
        one, other = (PostgresStore(url, project="conformance", listen=False) for _ in range(2))
        async with one, other:
            await scheduled(one)

            async def work(store: PostgresStore) -> None:
                record, lease = await store.add_and_start(
                    new_run(limits=("db",)), request(), limits={"db": 99}
                )
                await store.add_log_lines(record.id, [LogLine(1, START, "info", "x", 1)])
                assert await _renewed(store, lease) == {record.id}
                assert await store.finish(lease, outcome()) is not None

            async with anyio.create_task_group() as tasks:
                for number in range(30):
                    tasks.start_soon(work, (one, other)[number % 2])
            assert (await claimed(other, run_claim(START.replace(second=1)))).kind == "run"
            assert await other.wait(0.01) is False
            for query in (
                "SELECT count(*) FROM pg_prepared_statements",
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
                "SELECT count(*) FROM pg_listening_channels()",
                "SELECT count(*) FROM pg_settings WHERE source = 'session' AND name LIKE '%timeout'",
            ):
                found = {await _asked(one, query) for _ in range(9)}
                assert found == {0}, query
        assert min(line.transactions for line in pooler.lines) > 10, "all lines were used"


async def test_listening_goes_past_the_pooler(own_server: Server, folder: Path) -> None:
    """To the address of its own: what others write is heard at once."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    async with pooled(own_server.url, folder) as (url, _):
        one, other = (PostgresStore(url, project="conformance", direct_url=own_server.url) for _ in range(2))
        async with one, other:
            await one.wait(0)
            assert one.listening
            await other.add_run(new_run())
            with anyio.fail_after(20):
                assert await one.wait(60) is True


async def test_who_cannot_listen_finds_out(
    own_server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The pooler says yes to LISTEN, and nothing would ever be heard: it is said once, and each wait ends
    after a second."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    async with pooled(own_server.url, folder) as (url, _), PostgresStore(url, project="conformance") as store:
        for _ in range(2):
            with anyio.fail_after(20):
                assert await store.wait(60) is True
        assert not store.listening
        [said] = [record for record in caplog.records if "cannot listen" in record.message]
        assert "direct_url" in said.message


async def _renewed(store: PostgresStore, lease: Lease) -> frozenset[str]:
    return await anyio.to_thread.run_sync(store.renew, [lease])


async def _asked(store: PostgresStore, query: str) -> int:
    """What the server says through one of the pooler's lines."""
    async with await store._database.address.connect() as connection:
        [(count,)] = await (await connection.execute(query.encode())).fetchall()
    return int(count)
