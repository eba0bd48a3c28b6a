"""What keeps the program from the server: each has a code, and a way to mend it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from jobkit_postgres.connection import Address
from jobkit_postgres.refused import refusal as refusal_of
from jobkit_postgres.store import PostgresStore
from postgres_tests import mute
from postgres_tests.server import Server
from postgres_tests.test_refusals import moved, refusal
from psycopg import sql

from jobkit.exceptions import StoreError, StoreUnavailable

pytestmark = pytest.mark.anyio


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


def guard(server: Server, password: str) -> None:
    """Let the role `app`, which has a schema, in by its password only."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE app LOGIN PASSWORD {}").format(sql.Literal(password)))
        admin.execute("CREATE SCHEMA jobkit AUTHORIZATION app")
        [(place,)] = admin.execute("SHOW hba_file").fetchall()
        rules = Path(place).read_text(encoding="utf-8")
        Path(place).write_text(f"local all app scram-sha-256\n{rules}", encoding="utf-8")
        admin.execute("SELECT pg_reload_conf()")


async def test_a_wrong_password(own_server: Server) -> None:
    """JK622, with what the server says; the right one lets in, and neither is shown."""
    guard(own_server, "hun/ter@2%x")
    for user in ("app:hunter2hunter2", "app:", "app"):
        error = await refusal(PostgresStore(moved(own_server.url, user=user), project="p"))
        assert error.code == "JK622", user
        assert error.help
        assert "hun" not in f"{error.message}{error.help}"
    store = PostgresStore(moved(own_server.url, user="app:hun%2Fter%402%25x"), project="p")
    await store.upgrade()
    async with store:
        assert "hun" not in store.url


async def test_tls_that_the_server_does_not_have() -> None:
    """JK627; without asking for it one gets further."""
    with mute.serving(mute.without_tls) as url:
        error = await refusal(PostgresStore(f"{url}?sslmode=require", project="p"))
        assert error.code == "JK627"
        assert not isinstance(error, StoreUnavailable)
        assert "hunter2" not in str(error)
        assert (await refusal(PostgresStore(f"{url}?sslmode=disable", project="p"))).code == "JK602"


async def test_a_certificate_authority_that_is_not_there() -> None:
    """JK627 names the file."""
    with mute.serving(mute.with_tls) as url:
        error = await refusal(
            PostgresStore(f"{url}?sslmode=verify-full&sslrootcert=/nowhere/ca.crt", project="p")
        )
    assert error.code == "JK627"
    assert "/nowhere/ca.crt" in error.message


@pytest.mark.parametrize("version", ["14.18", "9.6.24"])
async def test_a_server_that_is_too_old(version: str) -> None:
    """JK624 says which it is, and which the oldest one is."""
    with mute.serving(mute.of_version(version)) as url:
        error = await refusal(PostgresStore(url, project="p"))
    assert error.code == "JK624"
    assert f"PostgreSQL {version.partition('.')[0]}" in error.message
    assert "15" in (error.help or "")


async def test_a_server_that_says_nothing() -> None:
    """JK602 after the time that the address gives it: it may say something later."""
    with mute.serving(mute.silent) as url:
        error = await refusal(PostgresStore(f"{url}?connect_timeout=2", project="p"))
    assert isinstance(error, StoreUnavailable)
    assert error.code == "JK602"


async def test_a_host_that_nobody_knows() -> None:
    """JK602 says that it is the name: it may be known later."""
    error = await refusal(PostgresStore("postgresql://app@no-such-host.invalid/shop", project="p"))
    assert isinstance(error, StoreUnavailable)
    assert "DNS" in (error.help or "")


async def test_no_connection_is_left(server: Server, role: str, admin: psycopg.Connection) -> None:
    """JK628: more than the role may have; it may try again later, and what the page says helps."""
    admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 0").format(sql.Identifier(role)))
    store = PostgresStore(moved(server.url, user=role), project="p", schema=role)
    error = await refusal(store)
    assert isinstance(error, StoreUnavailable)
    assert error.code == "JK628"
    assert "raise the limit of what it names by ALTER ROLE" in (error.help or "")
    admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 50").format(sql.Identifier(role)))
    admin.execute(sql.SQL("CREATE SCHEMA {0} AUTHORIZATION {0}").format(sql.Identifier(role)))
    await store.upgrade()
    async with store:
        pass


async def test_a_role_that_may_not_log_in(server: Server, role: str, admin: psycopg.Connection) -> None:
    """JK622."""
    admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
    error = await refusal(PostgresStore(moved(server.url, user=role), project="p"))
    assert error.code == "JK622"


async def test_a_role_that_may_not_connect(server: Server, role: str, admin: psycopg.Connection) -> None:
    """JK625 names the right that it lacks."""
    name = sql.Identifier(f"closed_{role}")
    admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
    try:
        admin.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM public").format(name))
        url = moved(server.url, user=role, database=f"closed_{role}")
        error = await refusal(PostgresStore(url, project="p"))
        assert error.code == "JK625"
        assert "CONNECT" in (error.help or "")
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


async def test_a_role_that_may_not_make_the_schema(server: Server, role: str) -> None:
    """JK625 says what an owner has to write, with the names that are meant."""
    store = PostgresStore(moved(server.url, user=role), project="p", schema="Night Shop")
    with pytest.raises(StoreError) as caught:
        await store.upgrade()
    assert caught.value.code == "JK625"
    assert f'CREATE SCHEMA "Night Shop" AUTHORIZATION "{role}"' in (caught.value.help or "")


@pytest.mark.parametrize(
    ("words", "code", "help"),
    [
        (
            'no pg_hba.conf entry for host "1.2.3.4", user "a", database "s", no encryption',
            "JK622",
            "sslmode",
        ),
        ('server certificate for "db" does not match host name "db.example"', "JK627", "sslrootcert"),
        ("SSL error: certificate verify failed", "JK627", "sslrootcert"),
        ("FATAL:  connection requires a valid client certificate", "JK627", "sslmode"),
        ("FATAL:  sorry, too many clients already", "JK628", "raise its max_connections"),
        ("FATAL:  session is read-only", "JK629", "target_session_attrs=read-write"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "JK628",
            "max_connections",
        ),
        ('FATAL:  database "shop" does not exist', "JK623", "createdb"),
        ("FATAL:  the database system is starting up", None, ""),
        ("SSL connection has been closed unexpectedly", None, ""),
    ],
)
def test_words_of_servers_that_cannot_be_had_here(words: str, code: str | None, help: str) -> None:
    """What they mean, and which setting to look at; None is a server that does not answer."""
    error = psycopg.OperationalError(f"connection failed: {words}")
    found = refusal_of(error, "the run store", "[scheduler] store")
    assert (None if found is None else found.code) == code
    assert found is None or help in found.help


@pytest.mark.parametrize(
    "rest",
    ["?sslmode=reqire", "?connect_timeout=soon", "?service=nowhere"],
)
async def test_settings_of_an_address_that_mean_nothing(rest: str) -> None:
    """JK604 and what libpq says, not that a server is away."""
    error = await refusal(
        PostgresStore(f"postgresql://app:hunter2hunter2@127.0.0.1:1/shop{rest}", project="p")
    )
    assert error.code == "JK604"
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("rest", "name", "help"),
    [
        ("?sslmod=require", "sslmod", "did you mean `sslmode`?"),
        ("?sslmode=require&connecttimeout=5", "connecttimeout", "did you mean `connect_timeout`?"),
        ("?ssl=true&flavour=sour", "flavour", "sslmode"),
    ],
)
def test_a_setting_that_postgresql_does_not_know(rest: str, name: str, help: str) -> None:
    """JK604 names it, and the closest; not the address, which may hold a password."""
    with pytest.raises(StoreError) as caught:
        Address.parse(f"postgresql://app:hunter2hunter2@db.example/shop{rest}")
    assert caught.value.code == "JK604"
    assert f"a setting `{name}`" in caught.value.message
    assert help in (caught.value.help or "")
    assert "hunter2" not in f"{caught.value}{caught.value.help}{caught.value.__cause__}"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2/two@db.example/shop",
        "postgresql://app:12345/hunter2@db.example/shop",
        "postgresql://app:p@hunter2@db.example/shop",
        "postgresql://app:p@ss/hunter2@db.example/shop",
        "postgresql://db.example:hunter2/shop",
    ],
)
def test_a_password_that_was_not_quoted(url: str) -> None:
    """JK604: libpq would take a part of it for the host or the database, which are shown."""
    with pytest.raises(StoreError) as caught:
        Address.parse(url)
    assert caught.value.code == "JK604"
    assert "hunter2" not in f"{caught.value}{caught.value.help}"
    assert "%40" in (caught.value.help or "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app%40corp:hun%2Fter%402@db.example:5432/shop",
        "postgresql://%2Frun%2Fpostgresql/shop?application_name=a@b/c",
        "postgresql://a:1,b:2/shop",
        "postgresql://[::1]:5432/shop",
        "postgresql:///shop?service=night",
        "postgresql://",
    ],
)
def test_addresses_that_are_right(url: str) -> None:
    """What libpq takes is taken."""
    assert Address.parse(url).shown.startswith("postgresql://")


async def test_passwords_from_elsewhere(
    own_server: Server, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGPASSWORD, a password file and a service file do as well as the address; a wrong one is not shown."""
    folder = tmp_path_factory.mktemp("pg")
    guard(own_server, "hunter2hunter2")
    url = moved(own_server.url, user="app")
    await PostgresStore(moved(own_server.url, user="app:hunter2hunter2"), project="p").upgrade()

    monkeypatch.setenv("PGPASSWORD", "hunter2hunter2")
    async with PostgresStore(url, project="p") as store:
        assert "hunter2" not in store.url
    monkeypatch.setenv("PGPASSWORD", "hunter3hunter3")
    assert "hunter3" not in str(await refusal(PostgresStore(url, project="p")))
    monkeypatch.delenv("PGPASSWORD")

    passwords = folder / "pgpass"
    passwords.write_text("*:*:*:app:hunter2hunter2\n", encoding="utf-8")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    async with PostgresStore(url, project="p"):
        pass
    monkeypatch.delenv("PGPASSFILE")

    parts = psycopg.conninfo.conninfo_to_dict(url) | {"password": "hunter2hunter2"}
    lines = [f"{key}={value}" for key, value in parts.items()]
    services = folder / "services"
    services.write_text("\n".join(["[night]", *lines, ""]), encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    async with PostgresStore("postgresql://?service=night", project="p") as store:
        assert store.url == "postgresql:///night"
