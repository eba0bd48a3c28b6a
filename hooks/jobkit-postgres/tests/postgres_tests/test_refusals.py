"""What a store says when it cannot be used: what is wrong, and how it is mended."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import anyio
import psycopg
import pytest
from jobkit_postgres import schema as schemas
from jobkit_postgres.connection import Address
from jobkit_postgres.store import PostgresStore
from postgres_tests.server import Server
from psycopg import sql

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.stores.base import RunQuery
from jobkit.testing.conformance.kit import new_run, started

pytestmark = pytest.mark.anyio


def moved(url: str, *, user: str | None = None, database: str | None = None) -> str:
    """*url* with another user, or another database."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = parts.netloc if user is None else f"{user}@{host}"
    path = parts.path if database is None else f"/{database}"
    return urlunsplit(parts._replace(netloc=netloc, path=path))


async def refusal(store: PostgresStore) -> StoreError:
    """What entering *store* raises."""
    with pytest.raises(StoreError) as caught:
        await store.__aenter__()
    return caught.value


@pytest.fixture
def admin(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


async def test_an_empty_database_waits_for_an_upgrade(server: Server, schema: str) -> None:
    """JK609: tables on a server are made when somebody says so; then it opens."""
    store = PostgresStore(server.url, project="conformance", schema=schema)
    assert (await refusal(store)).code == "JK609"
    await store.upgrade()
    async with store:
        await store.add_run(new_run())


async def test_who_is_not_let_in(server: Server, schema: str) -> None:
    """JK622: a role that the server does not know, or a wrong password."""
    error = await refusal(PostgresStore(moved(server.url, user="nobody"), project="p", schema=schema))
    assert error.code == "JK622"
    assert "nobody" in error.message


async def test_no_such_database(server: Server, schema: str, admin: psycopg.Connection) -> None:
    """JK623; after createdb it can be used."""
    name = f"shop_{secrets.token_hex(6)}"
    store = PostgresStore(moved(server.url, database=name), project="p", schema=schema)
    assert (await refusal(store)).code == "JK623"
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        await store.upgrade()
        async with store:
            await store.add_run(new_run())
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_an_encoding_without_room(server: Server, schema: str, admin: psycopg.Connection) -> None:
    """JK624: a database that keeps text as LATIN1 refuses half of all names."""
    name = f"latin_{secrets.token_hex(6)}"
    admin.execute(
        sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").format(
            sql.Identifier(name)
        )
    )
    try:
        error = await refusal(PostgresStore(moved(server.url, database=name), project="p", schema=schema))
        assert error.code == "JK624"
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_a_server_that_is_too_old(server: Server, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JK624 names the oldest one; only the number is made up here."""
    monkeypatch.setattr(schemas, "OLDEST", 99)
    error = await refusal(PostgresStore(server.url, project="p", schema=schema))
    assert error.code == "JK624"
    assert "99" in (error.help or "")


async def test_missing_rights(server: Server, tables: str, admin: psycopg.Connection) -> None:
    """JK625, before anything is served; what its page says helps."""
    role = f"app_{secrets.token_hex(6)}"
    name, space = sql.Identifier(role), sql.Identifier(tables)
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    try:
        store = PostgresStore(moved(server.url, user=role), project="conformance", schema=tables)
        assert (await refusal(store)).code == "JK625"
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(space, name))
        admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(space, name))
        assert (await refusal(store)).code == "JK625"
        admin.execute(
            sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}").format(
                space, name
            )
        )
        async with store:
            await store.add_run(new_run())
    finally:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_a_role_with_a_schema_of_its_own(
    server: Server, schema: str, admin: psycopg.Connection
) -> None:
    """The other advice of JK625: it need not be allowed to make schemas."""
    role = f"app_{secrets.token_hex(6)}"
    name, space = sql.Identifier(role), sql.Identifier(schema)
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    try:
        store = PostgresStore(moved(server.url, user=role), project="conformance", schema=schema)
        with pytest.raises(StoreError) as caught:
            await store.upgrade()
        assert caught.value.code == "JK625"
        admin.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(space, name))
        await store.upgrade()
        async with store:
            await store.add_run(new_run())
    finally:
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_a_role_that_may_only_read(server: Server, tables: str, admin: psycopg.Connection) -> None:
    """Commands that show need no more; what would write is refused before it is tried (JK617)."""
    role = f"reader_{secrets.token_hex(6)}"
    name, space = sql.Identifier(role), sql.Identifier(tables)
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    try:
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(space, name))
        admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(space, name))
        async with PostgresStore(server.url, project="conformance", schema=tables) as writer:
            record, lease = await started(writer)
            address = moved(server.url, user=role)
            async with PostgresStore(address, project="conformance", schema=tables, read_only=True) as store:
                assert await store.run(record.id) == record
                assert (await store.runs(RunQuery())).runs == (record,)
                assert [found.lease for found in await store.open_leases()] == [lease]
                assert (await store.schema()).pending == ()
                with pytest.raises(StoreError) as caught:
                    await store.add_run(new_run())
                assert caught.value.code == "JK617"
                with pytest.raises(StoreError):
                    store.renew([lease])
    finally:
        admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_nobody_is_there(tmp_path: Path) -> None:
    """A server that is down may be up later."""
    store = PostgresStore(f"postgresql:///shop?host={tmp_path}", project="p", patience=0.5)
    error = await refusal(store)
    assert isinstance(error, StoreUnavailable)


def test_trio_is_refused(server: Server, tables: str) -> None:
    """JK626, with what to do instead; on asyncio it opens."""

    async def main() -> None:
        async with PostgresStore(server.url, project="conformance", schema=tables) as store:
            await store.add_run(new_run())

    with pytest.raises(StoreError) as caught:
        anyio.run(main, backend="trio")
    assert caught.value.code == "JK626"
    anyio.run(main, backend="asyncio")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:hunter2@db.example/shop", "postgresql://app@db.example/shop"),
        ("postgres://app:hunter2@db:6432/shop?sslmode=require", "postgresql://app@db:6432/shop"),
        (
            "postgresql:///shop?host=/run/postgresql&password=hunter2",
            "postgresql:///shop?host=/run/postgresql",
        ),
        ("postgresql://a,b:1/shop?user=app&password=hunter2", "postgresql://app@a,b:,1/shop"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    """Wherever libpq takes one from."""
    assert Address.parse(url).shown == shown


def test_an_address_that_libpq_does_not_take() -> None:
    """JK604; it may hold a password, so nothing of it is repeated, not even in the chain of errors."""
    with pytest.raises(StoreError) as caught:
        Address.parse("postgresql://app:hunter2@[db/shop")
    assert caught.value.code == "JK604"
    assert "hunter2" not in f"{caught.value}{caught.value.help}{caught.value.__cause__}"
    assert caught.value.__suppress_context__
