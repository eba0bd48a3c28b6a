"""The built-in plugin ``sqlite``: where ``[plugins.sqlite] url`` is configured, there is a service ``db``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final

from jobkit.config import Config
from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.plugins.parser import Parser
    from jobkit.services import ServiceSpec
    from jobkit.sqlite.database import Database
    from jobkit.sqlite.settings import SqliteSettings

NAME: Final = "sqlite"


class SqlitePlugin:
    """Provides ``db``."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        parser.lazy_table("jobkit.sqlite.settings:SqliteSettings")

    @hookimpl
    def jobkit_services(self, config: Config) -> Iterable[ServiceSpec]:
        if config.table_setting("plugins", NAME) is None:
            return []
        settings: SqliteSettings = config.plugin(NAME)
        if not settings.url:
            return []
        from jobkit.services import ServiceSpec
        from jobkit.sqlite.database import Database

        return [ServiceSpec(open_database, name="db", provides=Database, ping=Database.ping)]


async def open_database(config: Config) -> AsyncIterator[Database]:
    """The database that ``[plugins.sqlite]`` names, for as long as the process lives."""
    from jobkit.sqlite.address import address_of
    from jobkit.sqlite.database import Database

    settings: SqliteSettings = config.plugin(NAME)
    address = address_of(settings.url)
    async with Database(
        address.path,
        root=config.root,
        busy_timeout=settings.busy_timeout,
        allow_network=address.allow_network,
        trust_permissions=config.project.trust_permissions,
    ) as database:
        yield database
