"""Reading where nothing may be written; what a killed process left in its journal, in a private copy."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

from jobkit.exceptions import StoreError
from jobkit.stores.sqlite.connection import connect, connect_querying
from jobkit.stores.sqlite.errors import forbidden
from jobkit.stores.sqlite.location import Location

LARGEST: Final = 1024**3
"""Bytes of database and journal together beyond which nothing is copied."""

_Marks = tuple[tuple[int, int, int, int], ...]


class PrivateCopy:
    """A database and its journal in a temporary folder of this user's, made when first needed.

    Made again when the original has changed meanwhile, and removed by :meth:`close`. May be used from
    several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders = contextlib.ExitStack()
        self._marks: _Marks | None = None
        self._copy: Path | None = None

    def connect(self, location: Location, *, timeout: float) -> sqlite3.Connection:
        """A connection that reads the copy. StoreError if it cannot be made, or would be too large."""
        with self._lock:
            try:
                path = self._current(location)
            except OSError as error:
                raise _refused(location, error.strerror or type(error).__name__) from error
        return connect_querying(replace(location, path=path), timeout=timeout)

    def close(self) -> None:
        """Remove what was copied. Idempotent."""
        with self._lock:
            self._folders.close()
            self._marks = self._copy = None

    def _current(self, location: Location) -> Path:
        marks = _marks(location)
        if self._copy is None or marks != self._marks:
            if sum(size for *_, size in marks) > LARGEST:
                raise _refused(location, f"it is larger than {LARGEST // 1024**3} GiB")
            import tempfile

            # Older ones stay until the end: another thread may be reading there.
            folder = self._folders.enter_context(
                tempfile.TemporaryDirectory(prefix="jobkit-", ignore_cleanup_errors=True)  # mode 0700
            )
            copied = Path(folder) / location.path.name
            for source in _originals(location):
                _copy(source, copied.with_name(source.name))
            # A writer makes the -shm before anything else, and what it wrote shows in the marks.
            if location.companion("-shm").exists() or _marks(location) != marks:
                raise _refused(location, "somebody writes to it just now")
            self._copy, self._marks = copied, marks
        return self._copy


def _originals(location: Location) -> tuple[Path, Path]:
    return location.path, location.companion("-wal")


def _marks(location: Location) -> _Marks:
    found = [path.lstat() for path in _originals(location)]
    return tuple((each.st_dev, each.st_ino, each.st_mtime_ns, each.st_size) for each in found)


def _copy(source: Path, target: Path) -> None:
    import shutil

    # This process holds no lock on the file that closing it would drop: it has no right to write to it,
    # and what it reads, it reads from copies.
    descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as original:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{source.name} is not a regular file")
        with target.open("xb") as copy:
            shutil.copyfileobj(original, copy, 1024 * 1024)


def _refused(location: Location, why: str) -> StoreError:
    journal = location.companion("-wal").name
    return forbidden(
        location.shown,
        location.path,
        f"its journal {journal} has to be replayed, which is writing, and it cannot be copied: {why}",
    )


def connect_reader(location: Location, copy: PrivateCopy, *, timeout: float) -> sqlite3.Connection:
    """A connection that only reads, and works where the folder cannot be written to.

    *copy* is read if the journal would have to be replayed first. StoreError if that is impossible too.
    """
    if location.writable():
        return connect_querying(location, timeout=timeout)
    connection = connect(location, "ro", timeout=timeout)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        connection.close()
        if not (error.sqlite_errorname or "").startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            raise
    else:
        return connection
    journal = location.companion("-wal")
    if not journal.exists() or journal.stat().st_size == 0:
        # Nobody has it open (there is no -shm to share), and no journal waits: nothing changes it.
        return connect(location, "immutable", timeout=timeout)
    if location.companion("-shm").exists():
        raise _refused(location, f"its {location.companion('-shm').name} says that somebody may be writing")
    return copy.connect(location, timeout=timeout)
