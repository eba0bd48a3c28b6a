"""``jobkit doctor`` and ``db status``: what they say of a server, and that each fix they offer works."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from jobkit_postgres.connection import Address
from jobkit_postgres.surroundings import Demand, Listening, look_around
from postgres_tests.kit import made
from postgres_tests.pooler import pooled
from postgres_tests.server import Server
from postgres_tests.test_plugin import jobkit, write
from postgres_tests.test_refusals import moved
from psycopg import sql

from jobkit.cli.doctor.finding import State
from jobkit.cli.doctor.store import look_at_store
from jobkit.plugin.stores import Remark
from jobkit.project import Project

pytestmark = pytest.mark.anyio

USUAL = Demand(4, 10)


@pytest.fixture
def admin(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def role(admin: psycopg.Connection) -> Iterator[str]:
    """A role that may log in."""
    name = f"app_{secrets.token_hex(6)}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: names of sockets are."""
    with tempfile.TemporaryDirectory(prefix="jk") as name:
        yield Path(name)


async def remarks(
    url: str,
    subject: str,
    *,
    listen: bool = True,
    direct: str | None = None,
    demand: Demand = USUAL,
    schema: str = "nowhere",
) -> list[Remark]:
    """What is said of *subject*."""
    listening = Listening(listen, None if direct is None else Address.parse(direct))
    found = await look_around(Address.parse(url), listening, demand, schema)
    return [remark for remark in found if remark.subject == subject]


def settings(root: Path, line: str) -> None:
    """Add a line to `[plugins.postgres]`, the last table."""
    with (root / "jobkit.toml").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def answer(root: Path, *words: str) -> Any:
    """The data of a verb."""
    return json.loads(jobkit(root, *words, "--json").stdout)["data"]


def test_everything_is_well(server: Server, schema: str, tmp_path: Path) -> None:
    """A database is empty: that is a failure, with the command that mends it; then each subject is there."""
    root = write(tmp_path, server, schema)
    before = jobkit(root, "doctor", "--json")
    assert before.returncode == 1
    [bad] = [found for found in json.loads(before.stdout)["data"] if found["status"] == "fail"]
    assert bad["check"] == "store"
    assert bad["code"] == "JK609"
    assert "jobkit db upgrade" in bad["help"]
    assert "has no tables yet" in bad["message"]
    assert jobkit(root, "db", "upgrade").returncode == 0
    found = {each["check"]: each for each in answer(root, "doctor") if each["status"] == "ok"}
    assert "15 and newer are supported" in found["server"]["message"]
    assert "UTF8" in found["server"]["message"]
    assert "LISTEN over postgresql://" in found["waking"]["message"]
    assert "at most 16 (pool_size 4 + 2 + jobs_pool_size 10)" in found["connections"]["message"]
    assert "may write to the tables" in found["rights"]["message"]
    assert "this machine's and the store's differ by" in found["clock"]["message"]
    status = answer(root, "db", "status")
    assert {remark["subject"] for remark in status["remarks"]} >= {
        "server",
        "waking",
        "connections",
        "rights",
    }
    assert status["pending"] == []


def test_looking_each_second_is_said(server: Server, schema: str, tmp_path: Path) -> None:
    """Because it is configured; that is no warning."""
    root = write(tmp_path, server, schema)
    settings(root, "listen = false")
    [found] = [each for each in answer(root, "doctor") if each["check"] == "waking"]
    assert found["status"] == "ok"
    assert "no LISTEN" in found["message"]
    assert "every second" in found["message"]


async def test_a_pooler_in_the_way(own_server: Server, folder: Path) -> None:
    """It is noticed; with the address of the server itself there is LISTEN."""
    async with pooled(own_server.url, folder) as (url, _):
        [bad] = await remarks(url, "waking")
        assert bad.level == "warning"
        assert "pooler" in bad.message
        assert "direct_url" in (bad.help or "")
        [good] = await remarks(url, "waking", direct=own_server.url)
        assert good.level == "ok"
        assert "LISTEN over" in good.message
        assert "direct_url" in good.message


async def test_an_address_that_leads_elsewhere(server: Server, admin: psycopg.Connection) -> None:
    """What is said in one database is not heard in another one."""
    name = f"other_{secrets.token_hex(6)}"
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        [bad] = await remarks(server.url, "waking", direct=moved(server.url, database=name))
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    assert bad.level == "warning"
    assert "hears nothing" in bad.message


async def test_an_address_past_the_pooler_that_is_wrong(server: Server) -> None:
    """Why one cannot listen there; its password is not shown."""
    [bad] = await remarks(server.url, "waking", direct="postgresql://app:hunter2hunter2@127.0.0.1:1/shop")
    assert bad.level == "warning"
    assert "Connection refused" in bad.message
    assert "hunter2" not in bad.message


async def test_connections_are_counted(server: Server, role: str, admin: psycopg.Connection) -> None:
    """What a process may take against what is left of what the role may have; the formula is shown."""
    url, limited = moved(server.url, user=role), sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
    admin.execute(limited.format(sql.Identifier(role), sql.Literal(8)))
    [bad] = await remarks(url, "connections")
    assert bad.level == "warning"
    assert "at most 16 (pool_size 4 + 2 + jobs_pool_size 10)" in bad.message
    assert "of 8 that this role can have" in bad.message
    assert "the role's limit by ALTER ROLE" in (bad.help or "")
    assert "max_connections" not in (bad.help or "")
    [other] = await remarks(url, "connections", demand=Demand(1, 0))
    assert "at most 3 (pool_size 1 + 2)" in other.message


async def test_rights(server: Server, schema: str, role: str, admin: psycopg.Connection) -> None:
    """What an owner has to say is said with the names that are meant; it helps."""
    url, space = moved(server.url, user=role), sql.Identifier(schema)
    [none] = await remarks(url, "rights", schema=schema)
    assert none.level == "error"
    assert f'CREATE SCHEMA "{schema}" AUTHORIZATION "{role}"' in (none.help or "")
    await anyio.to_thread.run_sync(made, server, schema)
    admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(space, sql.Identifier(role)))
    admin.execute(
        sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(space, sql.Identifier(role))
    )
    [reads] = await remarks(url, "rights", schema=schema)
    assert reads.level == "warning"
    assert "nothing can run" in reads.message
    admin.execute((reads.help or "").partition(", if")[0].encode())
    [writes] = await remarks(url, "rights", schema=schema)
    assert writes.level == "ok"


@pytest.mark.parametrize(
    ("ahead", "state", "says"),
    [
        (0.0, State.OK, "differ by"),
        (-3.0, State.WARN, "behind the store's"),
        (3.0, State.WARN, "ahead of the store's"),
        (3600.0, State.FAIL, "differ by 1h"),
    ],
)
async def test_clocks(
    server: Server, schema: str, tmp_path: Path, ahead: float, state: State, says: str
) -> None:
    """A machine whose clock differs from the server's is told so, and what follows."""
    await anyio.to_thread.run_sync(made, server, schema, "shop")
    with Project.load(write(tmp_path, server, schema)) as project:
        shift = timedelta(seconds=ahead)
        looked = look_at_store(project.config, lambda: datetime.now(UTC) + shift)
        [found] = [finding async for finding in looked if finding.check == "clock"]
    assert found.state is state
    assert says in found.message


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """Doctor fails, and says where the address is written; nothing of the password."""
    server = Server("postgresql://app:hunter2hunter2@127.0.0.1:1/shop")
    seen = jobkit(write(tmp_path, server, "jobkit"), "doctor")
    assert seen.returncode == 1
    text = " ".join(seen.stdout.split())
    assert "fail store jobkit.toml:" in text
    assert "Connection refused" in text
    assert "hunter2" not in seen.stdout + seen.stderr
