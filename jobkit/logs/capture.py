"""What one attempt of a run writes, whichever way it writes it: structlog, ``logging``, ``print``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextvars import Token
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from jobkit.logs import setup
from jobkit.logs.buffer import LineBuffer
from jobkit.logs.context import current_capture
from jobkit.logs.entry import Entry
from jobkit.logs.printed import PrintedText
from jobkit.logs.processors import Sink, bound_logger, entry_of, record
from jobkit.logs.streams import restore_streams
from jobkit.sanitising import strip_colours

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.records import LogLine


class RunCapture:
    """Belongs to one attempt; enter it in the task that executes the attempt.

    Everything that is logged or printed while it is entered – in that task, in tasks and worker threads
    that it starts – carries run, job, extension and attempt, and is kept for the store: at most a
    thousand lines, or half a megabyte, from the beginning and as much from the end. *secrets* are texts
    to mask, besides those that the process knows. Lines may come from any thread; ``drain`` may be
    called from any thread, during the attempt and once after it.
    """

    def __init__(
        self,
        run_id: str,
        number: int,
        job: str,
        extension: str,
        attempt: int,
        *,
        secrets: Collection[str] = (),
        now: Callable[[], datetime] | None = None,
    ) -> None:
        #: What every line carries.
        self.run: dict[str, Any] = {
            "run": number,
            "run_id": run_id,
            "job": job,
            "extension": extension,
            "attempt": attempt,
        }
        self.redactor = setup.state().redactor_with(secrets)
        self.now = now or setup.state().now
        self._lock = threading.RLock()  # a signal handler may log while its thread is in here
        self._buffer = LineBuffer(attempt)
        self._printed: dict[str, PrintedText] = {}
        self._token: Token[RunCapture | None] | None = None

    @property
    def logger(self) -> FilteringBoundLogger:
        """A logger whose lines belong to this attempt wherever it is called, other threads included."""
        return bound_logger(Sink(capture=self))

    def __enter__(self) -> Self:
        self._token = current_capture.set(self)
        restore_streams()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        restore_streams()  # a job may have closed or replaced them
        if self._token is not None:
            current_capture.reset(self._token)
            self._token = None
        for stream in tuple(self._printed):
            self.print_rest(stream)
        with self._lock:
            self._buffer.close(self.now())

    def add(self, entry: Entry) -> None:
        """Keep *entry*, which has been cleaned."""
        fields = entry.fields
        if entry.exception is not None:
            fields = {**fields, "exception": entry.exception}
        with self._lock:
            self._buffer.add(entry.at, entry.level, entry.event, entry.source, fields)

    def drain(self) -> list[LogLine]:
        """The lines since the last call, in order.

        While lines are being dropped from the middle, those at the end come when the attempt is over, and
        one in their place says so until then: it has the sequence of the first that was not shown.
        """
        with self._lock:
            return self._buffer.drain()

    # -- printed text -------------------------------------------------------------------------------

    def print(self, stream: str, text: str | bytes) -> None:
        """Text that was written to *stream* (``stdout`` or ``stderr``): each whole line becomes an entry."""
        with self._lock:
            lines = self._printed_to(stream).write(text)
        self._add_printed(stream, lines)

    def print_rest(self, stream: str) -> None:
        """Take what was written to *stream* without an end of line as a line."""
        with self._lock:
            lines = self._printed_to(stream).end()
        self._add_printed(stream, lines)

    def _printed_to(self, stream: str) -> PrintedText:
        return self._printed.setdefault(stream, PrintedText())

    def _add_printed(self, stream: str, lines: list[str]) -> None:
        for text in lines:
            record(entry_of("info", strip_colours(text), {}, self, source=stream), self)
