"""Tables that are not whole, not there, or somebody else's: which, where, and what mends it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import anyio
import psycopg
import pytest
from jobkit_postgres import schema as schemas
from jobkit_postgres.connection import Address
from jobkit_postgres.shape import shape_of
from jobkit_postgres.store import PostgresStore
from jobkit_postgres.surroundings import Demand, Listening, look_around
from postgres_tests.kit import made
from postgres_tests.server import Server
from postgres_tests.test_plugin import jobkit, write
from postgres_tests.test_refusals import moved
from psycopg import sql

from jobkit.exceptions import StoreError
from jobkit.plugin.stores import Migration


@pytest.fixture
def admin(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


def test_migrations_are_read_as_the_server_reads_them(tables: str, admin: psycopg.Connection) -> None:
    """All tables and columns that there should be, and no others."""
    found: dict[str, set[str]] = {}
    for table, column in admin.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s", (tables,)
    ).fetchall():
        found.setdefault(table, set()).add(column)
    del found["migrations"]
    assert shape_of(schemas.known()) == found


def test_columns_that_come_later() -> None:
    """They belong to the table; a constraint is no column, and a comment nothing."""
    steps = [
        Migration(1, "0001", "CREATE TABLE jobkit.one (a text, -- (no\n b text, PRIMARY KEY (a, b));", ""),
        Migration(2, "0002", 'ALTER TABLE jobkit.one ADD COLUMN "c" text;', ""),
    ]
    assert shape_of(steps) == {"one": {"a", "b", "c"}}


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP TABLE {}.spans", "table spans"),
        ("ALTER TABLE {}.pauses DROP COLUMN reason", "column pauses.reason"),
    ],
)
def test_something_was_dropped(
    server: Server, schema: str, admin: psycopg.Connection, tmp_path: Path, statement: str, says: str
) -> None:
    """JK608 by all that say how the tables stand, with what is missing; nothing begins to serve."""
    made(server, schema, "shop")
    root = write(tmp_path, server, schema)
    assert jobkit(root, "doctor").returncode == 0
    admin.execute(sql.SQL(statement).format(sql.Identifier(schema)))
    for words in ("db status", "db upgrade", "health", "history", "start", "doctor"):
        ended = jobkit(root, *words.split())
        assert ended.returncode != 0, words
        text = " ".join((ended.stdout + ended.stderr).split())
        assert "JK608" in text or words == "doctor", words
        assert says in text, words
        assert "put a backup in its place" in text, words


def test_a_schema_that_is_not_the_one(server: Server, schema: str, tmp_path: Path) -> None:
    """JK609 names the schema and its setting: tables in another one are not taken for lost."""
    root = write(tmp_path, server, schema)
    for words in ("history", "doctor"):
        ended = jobkit(root, *words.split())
        assert f"in the schema {schema}" in " ".join((ended.stdout + ended.stderr).split()), words
    assert "[plugins.postgres] schema" in " ".join(jobkit(root, "history").stderr.split())


def test_the_schema_of_another_project(server: Server, schema: str, tmp_path: Path) -> None:
    """JK616 also by `db status`; a schema of its own is the way out."""
    made(server, schema, "warehouse")
    root = write(tmp_path, server, schema)
    for words in ("db status", "db upgrade", "history"):
        ended = jobkit(root, *words.split())
        text = " ".join(ended.stderr.split())
        assert ended.returncode == 6, words
        assert "error[JK616]" in text
        assert "belongs to the project 'warehouse'" in text
        assert "[plugins.postgres] schema" in text
    place = root / "jobkit.toml"
    place.write_text(place.read_text(encoding="utf-8").replace(schema, f"{schema} 2"), encoding="utf-8")
    try:
        assert jobkit(root, "db", "upgrade").returncode == 0
        assert jobkit(root, "db", "status").returncode == 0
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(f"{schema} 2")))


@pytest.mark.anyio
async def test_who_may_not_upgrade_is_sent_to_the_owner(
    server: Server, schema: str, admin: psycopg.Connection
) -> None:
    """Before anything is granted: two roles stay two. The grant is the other way, and works."""
    owner, app = (f"{name}_{secrets.token_hex(6)}" for name in ("owner", "app"))
    for name in (owner, app):
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    try:
        words = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}")
        admin.execute(words.format(sql.Identifier(schema), sql.Identifier(owner)))
        url = moved(server.url, user=app)
        found = await look_around(Address.parse(url), Listening(False, None), Demand(4, 0), schema)
        [bad] = [remark for remark in found if remark.subject == "rights"]
        first, _, other = (bad.help or "").partition("; or,")
        assert f'upgrade as the owner of the schema, "{owner}"' in first
        assert "jobkit db upgrade" in first
        admin.execute(other.partition("`")[2].partition("`")[0].encode())
        store = PostgresStore(url, project="conformance", schema=schema)
        await store.upgrade()
    finally:
        for name in (app, owner):
            admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.anyio
async def test_a_limit_of_a_database(server: Server, admin: psycopg.Connection) -> None:
    """JK628 does not send to the server's settings for what is the database's."""
    name, role = f"small_{secrets.token_hex(6)}", f"app_{secrets.token_hex(6)}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    admin.execute(sql.SQL("CREATE DATABASE {} CONNECTION LIMIT 0").format(sql.Identifier(name)))
    try:
        store = PostgresStore(moved(server.url, user=role, database=name), project="p")
        with pytest.raises(StoreError) as caught, anyio.fail_after(30):
            await store.__aenter__()
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    assert caught.value.code == "JK628"
    assert "ALTER DATABASE" in (caught.value.help or "")
    assert "raise its max_connections" not in (caught.value.help or "")
