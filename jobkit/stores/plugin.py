"""The built-in plugin ``stores``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.base import Store


class StoresPlugin:
    """Opens run stores in memory and in SQLite files."""

    # Commands that only read the history open these kinds without loading plugins: a plugin that took one of
    # them over would show some commands another store than others.
    @hookimpl(tryfirst=True)
    def jobkit_store(self, url: str, config: Config) -> Store | None:
        from jobkit.stores.opening import SCHEMES, store_of

        if url.partition(":")[0].lower() not in SCHEMES:
            return None
        return store_of(config, read_only=config.read_only)
