"""How the database file is opened: to write, or to read."""

from __future__ import annotations

import os
import sqlite3
from typing import Final
from urllib.parse import quote

from jobkit.exceptions import StoreError
from jobkit.stores.sqlite.errors import forbidden
from jobkit.stores.sqlite.location import Location

OLDEST: Final = (3, 38, 0)
"""STRICT tables came with 3.37, JSON functions in every build with 3.38."""


def check_library() -> None:
    """StoreError if the SQLite that Python was built with is too old."""
    if sqlite3.sqlite_version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise StoreError(
            f"this Python comes with SQLite {sqlite3.sqlite_version}, and the run store needs {wanted}",
            help="use a newer build of Python or another store",
        )


def connect(location: Location, mode: str, *, timeout: float) -> sqlite3.Connection:
    """A connection to the existing file in *mode* (``rw``, ``ro``), without implicit transactions.

    It may be used from any thread, by one at a time. *timeout* in seconds is how long it waits for a
    lock. Nothing is read yet: SQLite reports a bad file with the first statement.
    """
    name = quote(os.fsencode(location.path))
    option = "immutable=1" if mode == "immutable" else f"mode={mode}"
    return sqlite3.connect(
        f"file:{name}?{option}",
        uri=True,
        isolation_level=None,
        timeout=timeout,
        check_same_thread=False,
        cached_statements=256,
    )


def set_up_writer(connection: sqlite3.Connection, location: Location) -> None:
    """Make *connection* one that commits durably. For files that are known to be a store only."""
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise forbidden(location.shown, location.path, f"its journal cannot leave the mode {mode!r}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # A journal that one huge run had blown up shrinks again when it starts anew.
    connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")


def connect_querying(location: Location, *, timeout: float) -> sqlite3.Connection:
    """A connection that changes nothing, to a file that this process might write to."""
    # Opened for writing it leaves no files behind, and can replay the journal of a killed process.
    connection = connect(location, "rw", timeout=timeout)
    connection.execute("PRAGMA query_only = ON")
    return connection
