"""The built-in plugin ``sqlite``: where ``[plugins.sqlite] url`` is configured, there is a service ``db``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from jobkit.config import Config
from jobkit.markers import hookimpl
from jobkit.sqlite.address import address_of

if TYPE_CHECKING:
    from jobkit.plugins.parser import Parser
    from jobkit.services import ServiceSpec
    from jobkit.sqlite.database import Database

NAME: Final = "sqlite"


class SqliteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The database of the project's own data, which is then the service `db`."""

    url: Annotated[
        str, msgspec.Meta(description="where it lies, as `sqlite:///data/shop.db`; empty for none")
    ] = ""
    busy_timeout: Annotated[
        timedelta, msgspec.Meta(description="how long a statement waits while others write")
    ] = timedelta(seconds=30)

    def __post_init__(self) -> None:
        if self.url:
            address_of(self.url)
        if self.busy_timeout <= timedelta(0):
            raise ValueError("its busy_timeout is more than nothing")


class SqlitePlugin:
    """Provides ``db``."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        parser.table(SqliteSettings)

    @hookimpl
    def jobkit_services(self, config: Config) -> Iterable[ServiceSpec]:
        settings: SqliteSettings = config.plugin(NAME)
        if not settings.url:
            return []
        from jobkit.services import ServiceSpec
        from jobkit.sqlite.database import Database

        return [ServiceSpec(open_database, name="db", provides=Database, ping=Database.ping)]


async def open_database(config: Config) -> AsyncIterator[Database]:
    """The database that ``[plugins.sqlite]`` names, for as long as the process lives."""
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
