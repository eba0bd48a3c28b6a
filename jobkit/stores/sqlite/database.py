"""One open database: a thread that writes, threads that read, and what both rely on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import anyio
import anyio.to_thread

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.stores.refusals import not_open, open_already
from jobkit.stores.sqlite import schema
from jobkit.stores.sqlite.connection import check_library, connect, set_up_writer
from jobkit.stores.sqlite.copying import PrivateCopy, connect_reader
from jobkit.stores.sqlite.errors import translated
from jobkit.stores.sqlite.location import Location
from jobkit.stores.sqlite.readers import Readers
from jobkit.stores.sqlite.waiting import ThreadWaiting, Waiting, waiting_here
from jobkit.stores.sqlite.writer import Request, Writer

T = TypeVar("T")


class Database:
    """The database of one project at one place; no thread and no connection before :meth:`open`.

    *lock_timeout*, in seconds, is how long it waits while other processes hold the lock.
    """

    def __init__(
        self,
        location: Location,
        *,
        project: str,
        now: Callable[[], datetime],
        read_only: bool = False,
        lock_timeout: float = 5.0,
    ) -> None:
        self.location = location
        self.read_only = read_only
        self._project = project
        self._now = now
        self._lock_timeout = lock_timeout
        self._identity: tuple[int, int] | None = None
        self._process = 0
        self._waiting: Waiting | None = None
        self._readers: Readers | None = None
        self._writer: Writer | None = None
        self._copy = PrivateCopy()

    # -- opening and closing --------------------------------------------------------------------

    async def open(self) -> None:
        """Check everything, bring the schema up to date and start the writer's thread.

        StoreError if the place, the file, its schema or its project is not as it should be; then
        nothing was changed.
        """
        if self._waiting is not None:
            raise open_already()
        check_library()
        self._process = os.getpid()
        self._waiting = waiting_here()
        try:
            if self.read_only:
                await _in_thread(self._check_reading)
            else:
                await self._start_writer(self._waiting)
        except BaseException:
            await self.close()
            raise
        self._readers = Readers(self._connect_reader, self._check, self._explain, fresh=self.read_only)

    async def _start_writer(self, waiting: Waiting) -> None:
        opened = Request(_nothing, waiting)
        self._writer = Writer(
            self._open_connection, self._check, self._explain, lock_timeout=self._lock_timeout
        )
        self._writer.start(opened)
        await waiting.wait(opened.ticket)
        opened.answer()

    async def close(self) -> None:
        """Write what is waiting and let go of everything. Idempotent; not cut short by a cancellation."""
        readers, writer = self._readers, self._writer
        self._readers = self._writer = self._waiting = None
        if readers is not None:
            readers.close()
        self._copy.close()
        if writer is not None and os.getpid() == self._process:
            writer.close()
            with anyio.CancelScope(shield=True):
                await _in_thread(writer.join)

    async def upgrade(self) -> None:
        """Apply the migrations that wait; also before :meth:`open`. StoreError as for that."""
        if self.read_only:
            raise self._refusal()
        check_library()
        await _in_thread(lambda: self._connect_writer().close())

    # -- using it -------------------------------------------------------------------------------

    def check_writing(self) -> None:
        """StoreError if it is not open, or for reading only."""
        self._open_writer()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What *work* returns, after its commit. If the caller is cancelled it happens or it does not."""
        writer, waiting = self._open_writer()
        request = Request(work, waiting)
        writer.submit(request)
        try:
            await waiting.wait(request.ticket)
        except BaseException:
            request.abandoned = True
            raise
        return request.answer()

    def write_from_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same for threads, also while the event loop stands still; waits a few seconds at most."""
        writer, _ = self._open_writer()
        waiting = ThreadWaiting()
        request = Request(work, waiting)
        writer.submit(request)
        if not waiting.wait_for(request.ticket, self._lock_timeout + 1.0):
            request.abandoned = True
            raise StoreUnavailable(
                f"the run store {self.location.shown} did not answer in time",
                path=self.location.path,
                help="the disk that holds it, or this machine, is too slow or overloaded",
            )
        return request.answer()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What *work* finds in one snapshot; it must not write."""
        if self._readers is None:
            raise not_open()
        self._check_process()
        return await self._readers.read(work)

    def _open_writer(self) -> tuple[Writer, Waiting]:
        if self.read_only:
            raise self._refusal()
        if self._writer is None or self._waiting is None:
            raise not_open()
        self._check_process()
        return self._writer, self._waiting

    def _refusal(self) -> StoreError:
        return StoreError(
            f"the run store {self.location.shown} was opened for reading only",
            code="JK617",
            path=self.location.path,
            help=f"let this user write to {self.location.folder}, or use another [scheduler] store",
        )

    def _check_process(self) -> None:
        # A fork has the store but not its threads: it would wait for ever.
        if os.getpid() != self._process:
            raise StoreError(
                "the run store was opened before this process was forked",
                code="JK618",
                help="open a store of its own in the child process",
            )

    # -- connections ----------------------------------------------------------------------------

    def _open_connection(self) -> sqlite3.Connection:
        connection = self._connect_writer()
        self._identity = self.location.identity()
        return connection

    def _connect_writer(self) -> sqlite3.Connection:
        """A connection to a database that is as it should be, made or brought up to date if need be."""
        location = self.location
        location.prepare_folder()
        location.check(for_writing=True)
        if not location.exists():
            schema.create(location, self._project, self._now, timeout=self._lock_timeout)
        connection = connect(location, "rw", timeout=self._lock_timeout)
        try:
            # Nothing of the file changes before all that is wrong with it would have been seen.
            schema.lacking(connection, location)
            schema.check_project(connection, location, self._project)
            set_up_writer(connection, location)
            schema.bring_up_to_date(connection, location, self._now)
            connection.execute("PRAGMA busy_timeout = 0")  # from here on the writer waits by itself
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._explain(error) from error
            raise
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        if self.read_only and not self.location.exists():
            # Nothing was recorded yet, and nothing may be created: it reads as empty.
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            schema.lay_out(connection, self._project, self._now)
            return connection
        return connect_reader(self.location, self._copy, timeout=self._lock_timeout)

    def _check_reading(self) -> None:
        if self.location.folder.exists():
            self.location.check(for_writing=False)
        try:
            connection = self._connect_reader()
            try:
                rest = schema.lacking(connection, self.location) if self.location.exists() else ()
                missed = [step for step in rest if step.needed_to_read]
                if not missed:
                    schema.check_project(connection, self.location, self._project)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise self._explain(error) from error
        if missed:
            raise StoreError(
                f"the run store {self.location.shown} lacks migration {missed[0].name}, and it is only read",
                code="JK609",
                path=self.location.path,
                help="run `jobkit db upgrade` as a user who may write to it",
            )

    def _check(self) -> None:
        """StoreError if the file was deleted or replaced: what is written then is lost."""
        if self._identity is not None and self.location.identity() != self._identity:
            raise StoreError(
                f"the run store {self.location.shown} was deleted or replaced while it was in use",
                code="JK620",
                path=self.location.path,
                help="put the file back, or start jobkit again to use what is there now",
            )

    def _explain(self, error: sqlite3.Error) -> StoreError:
        return translated(error, self.location.shown, self.location.path)


async def _in_thread(call: Callable[[], None]) -> None:
    # Not one of the threads that jobs share: those may all be busy, and some of them for ever.
    await anyio.to_thread.run_sync(call, limiter=anyio.CapacityLimiter(1))


def _nothing(connection: sqlite3.Connection) -> None:
    """The work of the request that only waits for the connection."""
