"""Who watches runs from outside: the terminal, for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from jobkit.logs import get_logger

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import LogLine, Progress, RunRecord
    from jobkit.stores.base import Outcome


class Observer(Protocol):
    """Told what happens, child runs included; on the event loop, so it must not wait for anything.

    An observer that raises is told no less, and a warning says so.
    """

    def run_waiting(self, job: JobSpec, run: RunRecord | None, what: str) -> None:
        """A run of *job* waits for *what*, as ``run 1423`` or ``limit db (2 of 2)``.

        *run* is None if it has no row yet. Told again when it waits for something else.
        """
        ...

    def run_started(self, run: RunRecord, job: JobSpec) -> None:
        """*run* has its row and its lease; its first attempt begins."""
        ...

    def attempt_finished(
        self, run: RunRecord, attempt: int, outcome: Outcome, retry_at: datetime | None
    ) -> None:
        """One attempt is over; the next begins at *retry_at*, if there is one."""
        ...

    def progressed(self, run: RunRecord, progress: Progress) -> None:
        """*run* is that far; a few times a second at most."""
        ...

    def logged(self, run: RunRecord, lines: Sequence[LogLine]) -> None:
        """*run* wrote *lines*, in order."""
        ...

    def run_finished(self, run: RunRecord) -> None:
        """*run* is recorded."""
        ...


class Audience:
    """The observer, if there is one, behind a guard: what it raises harms no run.

    *finished* is told of the record of each run, after everybody else.
    """

    def __init__(
        self, observer: Observer | None, finished: Callable[[RunRecord], None] | None = None
    ) -> None:
        self._observer = observer
        self._finished = finished

    def tell(self, fact: Callable[[Observer], None]) -> None:
        """``tell(lambda observer: observer.run_finished(run))``"""
        if self._observer is None:
            return
        try:
            fact(self._observer)
        except Exception as error:  # whoever only watches must not decide
            get_logger().warning("observer.failed", observer=type(self._observer).__name__, error=repr(error))

    def finished(self, run: RunRecord) -> None:
        """*run* has ended, and plugins have been told."""
        if self._finished is None:
            return
        try:
            self._finished(run)
        except Exception as error:  # the run is over and recorded, whatever becomes of its result elsewhere
            get_logger().error("run.undelivered", run=run.number, job=run.job, error=repr(error))
