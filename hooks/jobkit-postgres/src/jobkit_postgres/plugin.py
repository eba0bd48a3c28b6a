"""The plugin ``postgres``: the run store for ``postgresql://``, and the service ``db``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final

from jobkit import ServiceSpec, hookimpl
from jobkit.plugin import Config, Parser, Store

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    from jobkit_postgres.pools import JobsDatabase
    from jobkit_postgres.settings import PostgresSettings

NAME: Final = "postgres"
SCHEMES: Final = ("postgresql", "postgres")


def is_ours(url: str) -> bool:
    """Whether *url* leads to a PostgreSQL database."""
    return url.partition(":")[0].lower() in SCHEMES


class Postgres:
    """The plugin, one object for each loaded project."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        """Declare ``[plugins.postgres]``."""
        parser.lazy_table("jobkit_postgres.settings:PostgresSettings")

    @hookimpl
    def jobkit_store(self, url: str, config: Config) -> Store | None:
        """The store, if the scheme is PostgreSQL's."""
        if not is_ours(url):
            return None
        from jobkit_postgres.configured import ConfiguredStore

        return ConfiguredStore(config, config.plugin(NAME), read_only=config.read_only)

    @hookimpl
    def jobkit_services(self, config: Config) -> Iterable[ServiceSpec]:
        """Pools for jobs, where a database is named: the store's, or one of their own."""
        if _database_of_jobs(config) is None:
            return []
        from psycopg_pool import AsyncConnectionPool, ConnectionPool

        return [
            ServiceSpec(
                open_pool,
                name="db",
                provides=AsyncConnectionPool,
                # Of two databases called `db` a configured server is the one that was meant.
                replaces=_has_sqlite(config),
                ping=check_pool,
            ),
            ServiceSpec(open_thread_pool, name="db_sync", provides=ConnectionPool),
        ]


def _has_sqlite(config: Config) -> bool:
    if config.table_setting("plugins", "sqlite") is None:
        return False
    # Where that plugin is blocked nobody has read its table.
    return bool(getattr(config.plugin("sqlite"), "url", None))


def _database_of_jobs(config: Config) -> tuple[str, str] | None:
    """Its address, and the setting that says it."""
    settings: PostgresSettings = config.plugin(NAME)
    if settings.url is not None:
        return settings.url, "[plugins.postgres] url"
    store = config.scheduler.store
    return (store, "[scheduler] store") if is_ours(store) else None


async def open_pool(config: Config) -> AsyncIterator[AsyncConnectionPool[Any]]:
    """Connections to the database of the jobs, for as long as the process lives."""
    from jobkit_postgres.pools import JobsPool

    database, size = await _checked(config)
    async with JobsPool(database, size) as pool:
        yield pool


async def open_thread_pool(config: Config) -> AsyncIterator[ConnectionPool[Any]]:
    """The same for jobs that are plain functions, in threads."""
    import anyio

    from jobkit_postgres.pools import ThreadPool

    database, size = await _checked(config)
    pool = ThreadPool(database, size)
    await anyio.to_thread.run_sync(pool.open)
    try:
        yield pool
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(pool.close)


async def _checked(config: Config) -> tuple[JobsDatabase, int]:
    """The database of the jobs after it has answered, and how many connections they may have."""
    from jobkit_postgres.pools import JobsDatabase

    found = _database_of_jobs(config)
    assert found is not None, "without a database there is no such service"
    settings: PostgresSettings = config.plugin(NAME)
    database = JobsDatabase.at(*found)
    await database.check()
    return database, settings.jobs_pool_size


async def check_pool(pool: AsyncConnectionPool[Any]) -> None:
    """Whether the database answers."""
    async with pool.connection(timeout=3.0) as connection:
        await connection.execute("SELECT 1")
