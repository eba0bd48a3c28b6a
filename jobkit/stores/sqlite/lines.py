"""Log lines of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from jobkit.stores.rows import LINE, Row
from jobkit.stores.sqlite.runs import number_of

_KEEP: Final = f"INSERT OR REPLACE INTO log_lines (run, {LINE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def add(connection: sqlite3.Connection, run_id: str, lines: Sequence[Row]) -> None:
    """Keep rows of ``LINE``. RunNotFound."""
    number = number_of(connection, run_id)
    connection.executemany(_KEEP, [(number, *line) for line in lines])


def read(connection: sqlite3.Connection, run_id: str, after: int, limit: int) -> list[Row]:
    """Rows of ``LINE`` with a sequence above *after*, in order. RunNotFound."""
    number = number_of(connection, run_id)
    return connection.execute(
        f"SELECT {LINE} FROM log_lines WHERE run = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (number, after, limit),
    ).fetchall()
