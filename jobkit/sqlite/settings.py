"""The table ``[plugins.sqlite]``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from jobkit.sqlite.address import address_of


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
