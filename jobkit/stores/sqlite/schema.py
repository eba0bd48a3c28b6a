"""The tables of a database: made whole, brought up to date, and known before they are trusted."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from jobkit.exceptions import StoreError
from jobkit.stores.base import SchemaStatus
from jobkit.stores.migrations import Applied, Migration, Migrations, shipped
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import other_project
from jobkit.stores.sqlite.connection import check_library, connect
from jobkit.stores.sqlite.copying import PrivateCopy, connect_reader
from jobkit.stores.sqlite.errors import locked, translated
from jobkit.stores.sqlite.location import Location
from jobkit.stores.values import to_micros

APPLICATION_ID: Final = int.from_bytes(b"jobk", "big")
"""Stands in the head of every store's file, so that no other program's database is taken for one."""

_REMEMBERED: Final = """
CREATE TABLE migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT
"""


def known() -> tuple[Migration, ...]:
    return shipped("sqlite").steps


# -- making a database ----------------------------------------------------------------------------


def create(location: Location, project: str, now: Callable[[], datetime], *, timeout: float) -> None:
    """Make the database of *project* if there is none yet; the folder is there.

    It gets its name when it is complete: nobody ever sees half of it, and a process killed meanwhile
    leaves nothing that the next one would mistake for a store. Safe from several processes at once.
    """
    try:
        with _one_at_a_time(location, timeout=timeout):
            if not location.exists():
                _make(location, project, now)
    except sqlite3.Error as error:
        raise translated(error, location.shown, location.path) from error
    except FileExistsError:
        return  # where folders cannot be locked (Windows) another process was faster
    except OSError as error:
        raise location.refused(error) from error


def _make(location: Location, project: str, now: Callable[[], datetime]) -> None:
    made = Location(location.path.with_name(location.path.name + ".new"), location.root)
    try:
        _remove(made.path, *made.companions())
        file = os.open(made.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            _fill(made, project, now)
            os.fsync(file)
        finally:
            os.close(file)
        # Left over from a database that was deleted; SQLite would replay it into the new one.
        _remove(*location.companions())
        made.path.rename(location.path)
        _sync_folder(location)
    finally:
        with contextlib.suppress(OSError):  # what is left is removed by whoever tries next
            _remove(made.path, *made.companions())


def _fill(place: Location, project: str, now: Callable[[], datetime]) -> None:
    with contextlib.closing(connect(place, "rw", timeout=0)) as connection:
        # Nobody has it yet: flushed once, when it is complete, instead of at every step.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
        lay_out(connection, project, now)


def lay_out(connection: sqlite3.Connection, project: str, now: Callable[[], datetime]) -> None:
    """All tables, and the name of the project, in an empty database."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_REMEMBERED)
    for migration in known():
        _apply(connection, migration, now)
    connection.execute("INSERT INTO project (name) VALUES (?)", (clean_text(project),))
    connection.execute("COMMIT")


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _one_at_a_time(location: Location, *, timeout: float) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process dies."""
    try:
        import fcntl
    except ImportError:
        yield  # on Windows renaming onto an existing file fails, which is all that is needed
        return
    folder = os.open(location.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise locked(location.shown, location.path) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(folder)


def _sync_folder(location: Location) -> None:
    """The new name survives a power failure too."""
    if os.name == "nt":
        return
    folder = os.open(location.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# -- knowing one ----------------------------------------------------------------------------------


def lacking(connection: sqlite3.Connection, location: Location) -> tuple[Migration, ...]:
    """The migrations that the database lacks. StoreError if it is not a store that this version knows.

    Reads only.
    """
    return Migrations(known()).pending(
        _applied(connection, location), store=f"the run store {location.shown}"
    )


def _applied(connection: sqlite3.Connection, location: Location) -> list[Applied]:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(
            f"{location.shown} is a database of another program",
            code="JK605",
            path=location.path,
            help="name another file in [scheduler] store",
        )
    try:
        rows = connection.execute("SELECT number, name, checksum FROM migrations ORDER BY number").fetchall()
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        raise StoreError(
            f"the run store {location.shown} does not say which migrations it has",
            code="JK608",
            path=location.path,
            help="somebody changed its tables by hand: put a backup in its place",
        ) from error
    return [Applied(*row) for row in rows]


def check_project(connection: sqlite3.Connection, location: Location, project: str) -> None:
    """StoreError if the database belongs to another project."""
    found = connection.execute("SELECT name FROM project").fetchone()
    owner = "" if found is None else found[0]
    if owner != clean_text(project):
        raise other_project(location.shown, owner, project, path=location.path)


def status(location: Location, *, timeout: float) -> SchemaStatus:
    """Where the tables stand; a database that is not there yet lacks everything. Changes nothing.

    StoreError if it is not one that this version knows.
    """
    check_library()
    if location.folder.exists():
        location.check(for_writing=False)
    if not location.exists():
        return _status((), known(), location)
    try:
        with (
            contextlib.closing(PrivateCopy()) as copy,
            contextlib.closing(connect_reader(location, copy, timeout=timeout)) as connection,
        ):
            rest = lacking(connection, location)
    except sqlite3.Error as error:
        raise translated(error, location.shown, location.path) from error
    return _status(known()[: len(known()) - len(rest)], rest, location)


def _status(applied: Sequence[Migration], rest: Sequence[Migration], location: Location) -> SchemaStatus:
    size = sum(path.stat().st_size for path in (location.path, location.companion("-wal")) if path.exists())
    details = {"path": str(location.path), "bytes": size, "sqlite": sqlite3.sqlite_version}
    return SchemaStatus(tuple(step.name for step in applied), tuple(step.name for step in rest), details)


# -- bringing one up to date ----------------------------------------------------------------------


def bring_up_to_date(connection: sqlite3.Connection, location: Location, now: Callable[[], datetime]) -> None:
    """Apply what is lacking, each step whole or not at all. Safe from several processes at once."""
    for _ in lacking(connection, location):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been faster: what is lacking is asked again under the lock.
            rest = lacking(connection, location)
            if rest:
                _apply_or_explain(connection, rest[0], location, now)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _apply_or_explain(
    connection: sqlite3.Connection, migration: Migration, location: Location, now: Callable[[], datetime]
) -> None:
    try:
        _apply(connection, migration, now)
    except sqlite3.Error as error:
        explained = translated(error, location.shown, location.path)
        if explained.code != StoreError.default_code:
            raise explained from error
        raise StoreError(
            f"the run store {location.shown} has half of migration {migration.name}: {error}",
            code="JK608",
            path=location.path,
            help="nothing was changed; put a backup in its place, or move it aside",
        ) from error


def _apply(connection: sqlite3.Connection, migration: Migration, now: Callable[[], datetime]) -> None:
    for statement in statements(migration.sql):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
        (migration.number, migration.name, migration.checksum, to_micros(now())),
    )


def statements(script: str) -> Iterator[str]:
    """The statements of *script*, one by one: ``executescript`` would end the transaction."""
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
    if waiting.strip():
        yield waiting
