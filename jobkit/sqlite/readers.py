"""Threads that read: they see what is committed, and wait for nobody who writes."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from jobkit.sqlite import errors
from jobkit.sqlite.location import DatabaseLocation
from jobkit.sqlite.requests import Request

AT_ONCE: Final = 4
"""Reads at the same time; further ones wait for their turn."""


class WriteRefused(Exception):
    """A statement that was thought to read wants to write: it is for the writer."""


class Readers:
    """A few threads, each with a connection of its own, started when they are needed.

    *check* is called before each read: DatabaseError if the file is not what it was.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], check: Callable[[], None], location: DatabaseLocation
    ) -> None:
        self._connect = connect
        self._check = check
        self._location = location
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unanswered = 0
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, request: Request) -> None:
        """Have *request* done and answered. DatabaseError if they have been closed."""
        with self._lock:
            if self._closed:
                raise errors.not_open(self._location)
            self._unanswered += 1
            if len(self._threads) < min(self._unanswered, AT_ONCE):
                name = f"jobkit-sqlite-reader-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._inbox.put(request)

    def close(self) -> None:
        """Answer what was handed in, then end. Waits for that."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._inbox.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (request := self._inbox.get()) is not None:
            if not request.abandoned:
                try:
                    self._check()
                    connection = connection or self._connect()
                    request.result = request.perform(connection)
                except Exception as error:  # for the one who waits
                    request.error = self._explained(error)
            with self._lock:
                self._unanswered -= 1
            request.done()
        if connection is not None:
            connection.close()

    def _explained(self, error: Exception) -> Exception:
        if errors.refuses_writing(error):
            return WriteRefused()
        return errors.explained(error, self._location) if isinstance(error, sqlite3.Error) else error
