"""One open database file: the thread that writes to it and those that read."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Final

from jobkit.sqlite import errors
from jobkit.sqlite.location import DatabaseLocation
from jobkit.sqlite.readers import Readers
from jobkit.sqlite.requests import Request
from jobkit.sqlite.writer import Writer
from jobkit.stores.sqlite.connection import connect

_PAUSE: Final = 0.01
_LONGEST_WAIT: Final = 24 * 3600.0
"""SQLite counts milliseconds in 32 bits."""


class DatabaseFile:
    """The file at *location*; no thread and no connection before :meth:`open`. All methods: any thread.

    *patience*, in seconds, is how long a statement waits for others who write.
    """

    def __init__(self, location: DatabaseLocation, *, patience: float) -> None:
        self.location = location
        self._patience = patience
        self._identity: tuple[int, int] | None = None
        self._process = 0
        self._writer: Writer | None = None
        self._readers: Readers | None = None

    def open(self) -> None:
        """Check the place, make the file if it is not there, start the writer. Raises DatabaseError."""
        if self._writer is not None:
            raise errors.misused(
                f"the database {self.location.shown} is open already",
                "enter it once, or make a second Database object",
            )
        location = self.location
        location.prepare_folder()
        location.check(for_writing=True)
        if not location.exists():
            self._create()
        try:
            connection = self._connect_writer()
        except sqlite3.Error as error:
            raise errors.explained(error, location) from error
        self._process = os.getpid()
        self._identity = location.identity()
        self._writer = Writer(connection, self.check, location, patience=self._patience)
        self._readers = Readers(self._connect_reader, self.check, location)

    def close(self) -> None:
        """Do what was handed in, roll back what was not committed, let go of the file. Idempotent."""
        readers, writer = self._readers, self._writer
        self._readers = self._writer = None
        # A fork has the object but not its threads.
        if readers is not None and writer is not None and os.getpid() == self._process:
            readers.close()
            writer.close()

    @property
    def writer(self) -> Writer:
        """The thread that writes. DatabaseError if the file is not open."""
        if self._writer is None:
            raise errors.not_open(self.location)
        if os.getpid() != self._process:
            raise errors.misused(
                f"the database {self.location.shown} was opened before this process was forked",
                "open one in the child process",
            )
        return self._writer

    def write(self, request: Request) -> Request:
        """Hand *request* to the thread that writes."""
        self.writer.submit(request)
        return request

    def read(self, request: Request) -> Request:
        """Hand *request* to a thread that reads."""
        if self._readers is None or os.getpid() != self._process:
            raise errors.not_open(self.location)
        self._readers.submit(request)
        return request

    def check(self) -> None:
        """DatabaseError if the file was deleted or replaced."""
        if self.location.identity() != self._identity:
            raise errors.replaced(self.location)

    def _create(self) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        try:
            # Private to this user; nobody has it open yet, so that closing it takes nobody's locks away.
            os.close(os.open(self.location.path, flags, 0o600))
        except FileExistsError:
            return  # another process was faster
        except OSError as error:
            raise self.location.refused(error) from error

    def _connect_writer(self) -> sqlite3.Connection:
        connection = connect(self.location, "rw", timeout=min(self._patience, _LONGEST_WAIT))
        try:
            self._use_journal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 1024 * 1024}")
            connection.execute("PRAGMA busy_timeout = 0")  # from here on the writer waits by itself
        except BaseException:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
        return connection

    def _use_journal(self, connection: sqlite3.Connection) -> None:
        """Readers that do not wait for the writer need the write-ahead log."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                # Two who open a new file at once: SQLite does not wait here by itself.
                if not errors.is_busy(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE)
        if mode != "wal":
            raise errors.unusable(self.location, f"its journal cannot leave the mode {mode!r}")

    def _connect_reader(self) -> sqlite3.Connection:
        # Opened for writing it can replay the journal of a killed process, and leaves no files behind.
        connection = connect(self.location, "rw", timeout=min(self._patience, _LONGEST_WAIT))
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA foreign_keys = ON")  # who asks gets one answer from all connections
            connection.execute("PRAGMA trusted_schema = OFF")
        except BaseException:
            connection.close()
            raise
        connection.row_factory = sqlite3.Row
        return connection
