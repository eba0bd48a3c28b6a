"""How the database file is opened: to write, to read, or to read where nothing may be written."""

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


def connect_reader(location: Location, *, timeout: float) -> sqlite3.Connection:
    """A connection that only reads, and works where the folder cannot be written to.

    StoreError if that is impossible because the journal would have to be replayed first.
    """
    if location.writable():
        # Opened for writing it leaves no files behind, and can replay the journal of a killed process.
        connection = connect(location, "rw", timeout=timeout)
        connection.execute("PRAGMA query_only = ON")
        return connection
    connection = connect(location, "ro", timeout=timeout)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        connection.close()
        if not (error.sqlite_errorname or "").startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            raise
    else:
        return connection
    # Nobody has it open (there is no -shm to share), so as long as no journal waits nothing changes it.
    journal = location.companion("-wal")
    if journal.exists() and journal.stat().st_size > 0:
        raise forbidden(
            location.shown, location.path, f"its journal {journal.name} has to be replayed, which is writing"
        )
    return connect(location, "immutable", timeout=timeout)
