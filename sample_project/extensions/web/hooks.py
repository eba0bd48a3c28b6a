"""What this extension brings for its own jobs: the tables that they keep the site in.

The database itself is jobkit's service ``db``, which ``[plugins.sqlite] url`` in jobkit.toml turns on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jobkit import ServiceSpec, hookimpl
from jobkit.sqlite import Database

_TABLES = Path(__file__).with_name("tables.sql")


@hookimpl
def jobkit_services() -> Iterable[ServiceSpec]:
    """``tables`` is opened before the first job of this extension, whether that asks for it or not."""
    return [ServiceSpec(make_tables, name="tables", autouse=True)]


async def make_tables(db: Database) -> None:
    """Make the tables that are not there; all of them or none."""
    await db.script(_TABLES.read_text(encoding="utf-8"))
