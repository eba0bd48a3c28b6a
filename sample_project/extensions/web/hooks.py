"""What this extension brings for its own jobs: the tables that they keep the site in.

The database itself is jobkit's service ``db``: SQLite's, which ``[plugins.sqlite] url`` in jobkit.toml turns
on. Where the runs are kept in PostgreSQL a pool of connections takes its place, with ``db_sync`` for threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobkit import ServiceSpec, hookimpl
from jobkit.sqlite import Database

from .lib.tables import SqliteTables, Tables

_TABLES = Path(__file__).with_name("tables.sql")


@hookimpl
def jobkit_services() -> Iterable[ServiceSpec]:
    """The jobs ask for ``tables``; what is missing is made before the first of them."""
    return [ServiceSpec(open_tables, name="tables", provides=Tables)]


async def open_tables(db: Any, db_sync: Any = None) -> Tables:
    """The site's tables in whatever database there is; all of them are made, or none."""
    script = _TABLES.read_text(encoding="utf-8")
    if isinstance(db, Database):
        await db.script(script)
        return SqliteTables(db)
    from .lib.postgres import PostgresTables, make_tables

    async with db.connection() as connection:
        await make_tables(connection, script)
    return PostgresTables(db_sync)  # the jobs are in threads
