"""The built-in plugin ``stores``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.base import Store

_SCHEMES = ("memory", "sqlite")


class StoresPlugin:
    """Opens run stores in memory and in SQLite files."""

    @hookimpl(trylast=True)
    def jobkit_store(self, url: str, config: Config) -> Store | None:
        if url.partition(":")[0].lower() not in _SCHEMES:
            return None
        from jobkit.stores.opening import store_of

        return store_of(config, read_only=config.read_only)
