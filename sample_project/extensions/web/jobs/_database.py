"""The pages as they were ingested, in a SQLite file of our own.

Files whose names start with ``_`` are helpers: jobs import them, and they are not collected.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
create table if not exists pages (
    source text primary key,
    title text not null,
    description text not null,
    html text not null,
    anchors text not null,
    links text not null,
    digest text not null,
    changed_at text not null
) strict;

create table if not exists revisions (
    source text not null,
    digest text not null,
    markdown text not null,
    seen_at text not null,
    primary key (source, digest)
) strict;

create table if not exists content_by_day (
    day text not null,
    folder text not null,
    pages integer not null,
    words integer not null,
    links integer not null,
    primary key (day, folder)
) strict;
"""


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    """An open connection in one transaction: committed at the end, rolled back on an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=10)
    try:
        connection.row_factory = sqlite3.Row
        connection.executescript(_SCHEMA)
        with connection:
            yield connection
    finally:
        connection.close()
