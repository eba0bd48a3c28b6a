"""The table ``[plugins.postgres]``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from jobkit import Secret
from jobkit.plugin.stores import StoreError
from jobkit_postgres.connection import Address

_LONGEST = 63
"""Bytes of a name in PostgreSQL; longer ones are cut, silently."""


class PostgresSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The run store on PostgreSQL, and the pool that jobs get as the service `db`."""

    schema: Annotated[str, msgspec.Meta(description="the schema that holds all tables of the run store")] = (
        "jobkit"
    )
    direct_url: Annotated[
        Secret | None,
        msgspec.Meta(description="the same database past a transaction pooler: for LISTEN and `db upgrade`"),
    ] = None
    listen: Annotated[
        bool, msgspec.Meta(description="false: no LISTEN; what others do is found by looking every second")
    ] = True
    pool_size: Annotated[
        int, msgspec.Meta(description="most connections of the run store; it uses two more", ge=1, le=100)
    ] = 4
    patience: Annotated[
        timedelta, msgspec.Meta(description="how long a call waits for a free connection")
    ] = timedelta(seconds=5)
    url: Annotated[
        Secret | None, msgspec.Meta(description="the database of the service `db`, if it is another one")
    ] = None
    jobs_pool_size: Annotated[
        int, msgspec.Meta(description="most connections of the service `db`, and of `db_sync`", ge=1, le=1000)
    ] = 10

    def __post_init__(self) -> None:
        if not self.schema or len(self.schema.encode()) > _LONGEST or "\0" in self.schema:
            raise ValueError(f"its schema is a name of 1 to {_LONGEST} bytes")
        if self.schema.startswith("pg_"):
            raise ValueError("names that begin with pg_ are PostgreSQL's own")
        if self.patience <= timedelta(0):
            raise ValueError("its patience is more than nothing")
        for key, url in (("direct_url", self.direct_url), ("url", self.url)):
            if url is not None:
                _check_address(key, url)


def _check_address(key: str, url: str) -> None:
    try:
        Address.parse(url)
    except StoreError as error:
        raise ValueError(f"its {key}: {error.message}; {error.help}") from None
