"""The run store that a project's configuration names: its errors say where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Self

from jobkit.plugin import Config
from jobkit.plugin.stores import SchemaStatus, StoreError
from jobkit_postgres.connection import Address
from jobkit_postgres.store import PostgresStore

if TYPE_CHECKING:
    from jobkit.plugin.stores import Remark
    from jobkit_postgres.settings import PostgresSettings

_ELSEWHERE: Final = frozenset({"JK607", "JK608", "JK609", "JK612", "JK617", "JK626", "JK630"})
"""What is wrong with the tables, or with the program that uses them, is not mended where they are named."""


class ConfiguredStore(PostgresStore):
    """The store of *config*, with *settings* of ``[plugins.postgres]``. StoreError if its address is none."""

    def __init__(self, config: Config, settings: PostgresSettings, *, read_only: bool) -> None:
        self._config = config
        self._settings = settings
        try:
            super().__init__(
                config.scheduler.store,
                project=config.project.name,
                schema=settings.schema,
                direct_url=settings.direct_url,
                listen=settings.listen,
                pool_size=settings.pool_size,
                patience=settings.patience.total_seconds(),
                read_only=read_only,
            )
        except StoreError as error:
            raise self._placed(error) from None

    async def __aenter__(self) -> Self:
        try:
            return await super().__aenter__()
        except StoreError as error:
            raise self._placed(error) from error.__cause__

    async def schema(self) -> SchemaStatus:
        try:
            return await super().schema()
        except StoreError as error:
            raise self._placed(error) from error.__cause__

    async def upgrade(self) -> SchemaStatus:
        try:
            return await super().upgrade()
        except StoreError as error:
            direct = self._settings.direct_url is not None
            place = "plugins.postgres.direct_url" if direct else "scheduler.store"
            raise self._placed(error, place) from error.__cause__

    async def remarks(self) -> Sequence[Remark]:
        """What there is to say of the server, of how others are heard, of connections and rights."""
        from jobkit_postgres.surroundings import Demand, Listening, look_around

        settings, direct = self._settings, self._settings.direct_url
        # Jobs with a server of their own take no connections of this one.
        jobs = settings.jobs_pool_size if settings.url is None else 0
        try:
            return await look_around(
                Address.parse(self._config.scheduler.store),
                Listening(settings.listen, None if direct is None else Address.parse(direct)),
                Demand(settings.pool_size, jobs),
                settings.schema,
            )
        except StoreError as error:
            raise self._placed(error) from error.__cause__

    def _placed(self, error: StoreError, place: str = "scheduler.store") -> StoreError:
        if error.code in _ELSEWHERE:
            return error
        origin = self._config.origin(place)
        named = f"{origin.name}: " if origin.path is None and origin.name is not None else ""
        return type(error)(
            f"{named}{error.message}", code=error.code, path=origin.path, line=origin.line, help=error.help
        )
