"""The plugin ``postgres``: the run store for ``postgresql://``, and the service ``db``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final

from jobkit import ServiceSpec, StoreError, hookimpl
from jobkit.plugin import Config, Parser, Store

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

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
        from jobkit_postgres.store import PostgresStore

        settings: PostgresSettings = config.plugin(NAME)
        try:
            return PostgresStore(
                url,
                project=config.project.name,
                schema=settings.schema,
                direct_url=settings.direct_url,
                listen=settings.listen,
                pool_size=settings.pool_size,
                patience=settings.patience.total_seconds(),
                read_only=config.read_only,
            )
        except StoreError as error:
            origin = config.origin("scheduler.store")
            raise StoreError(
                error.message, code=error.code, path=origin.path, line=origin.line, help=error.help
            ) from None

    @hookimpl
    def jobkit_services(self, config: Config) -> Iterable[ServiceSpec]:
        """The pool of the jobs, where a database is named: the store's, or one of their own."""
        if _database_of_jobs(config) is None:
            return []
        from psycopg_pool import AsyncConnectionPool

        # Of two databases called `db` a configured server is the one that was meant.
        taken = config.table_setting("plugins", "sqlite") is not None
        spec = ServiceSpec(
            open_pool, name="db", provides=AsyncConnectionPool, replaces=taken, ping=check_pool
        )
        return [spec]


def _database_of_jobs(config: Config) -> str | None:
    settings: PostgresSettings = config.plugin(NAME)
    if settings.url is not None:
        return settings.url
    return config.scheduler.store if is_ours(config.scheduler.store) else None


async def open_pool(config: Config) -> AsyncIterator[AsyncConnectionPool[Any]]:
    """Connections to the database of the jobs, for as long as the process lives."""
    from psycopg_pool import AsyncConnectionPool

    settings: PostgresSettings = config.plugin(NAME)
    url = _database_of_jobs(config)
    assert url is not None, "without a database there is no such service"
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url,
        kwargs={"prepare_threshold": None},  # behind a pooler nothing prepared is found again
        min_size=0,
        max_size=settings.jobs_pool_size,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name="jobkit-jobs",
    )
    async with pool:
        yield pool


async def check_pool(pool: AsyncConnectionPool[Any]) -> None:
    """Whether the database answers."""
    async with pool.connection(timeout=5.0) as connection:
        await connection.execute("SELECT 1")
