"""What a run writes while it runs – log lines, progress – on its way to the store.

Written a few times a second, so that a process that is killed has lost little of it, and once more
before the result is recorded.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.logs import get_logger

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.logs.capture import RunCapture
    from jobkit.records import LogLine, Progress, RunRecord
    from jobkit.runner.observer import Audience
    from jobkit.stores.base import Lease, Store

INTERVAL = timedelta(seconds=0.2)
#: How often progress becomes a log line.
PROGRESS_INTERVAL = timedelta(seconds=5)


class Journal:
    """One attempt's lines and progress. ``progressed`` may be called from any thread."""

    def __init__(self, journals: Journals, run: RunRecord, lease: Lease, capture: RunCapture) -> None:
        self._journals = journals
        self._run = run
        self._lease = lease
        self._capture = capture
        self._unwritten: list[LogLine] = []
        self._progress: Progress | None = None
        self._written_progress: Progress | None = None
        self._logged_at: float | None = None

    def progressed(self, progress: Progress) -> None:
        """Remember how far the attempt is."""
        self._progress = progress

    async def write(self) -> None:
        """Give the store what it has not got yet. StoreError if that fails; nothing is lost by it."""
        progress = self._progress
        if progress is not None and progress is not self._written_progress:
            self._written_progress = progress
            shown = self._masked(progress)
            self._tell(shown)
            await self._journals.store.set_progress(self._lease, shown)
        new = self._capture.drain()
        if new:
            self._unwritten += new
            self._journals.audience.tell(lambda observer: observer.logged(self._run, new))
        if self._unwritten:
            lines = tuple(self._unwritten)
            await self._journals.store.add_log_lines(self._run.id, lines)
            # Another task may have written the same lines meanwhile: that does no harm.
            last = lines[-1].sequence
            self._unwritten = [line for line in self._unwritten if line.sequence > last]

    async def end(self) -> None:
        """Write what is left; StoreUnavailable if that may succeed later, nothing for other trouble."""
        try:
            await self.write()
        except StoreUnavailable:
            raise
        except StoreError as error:  # the result of the run is worth more than its lines
            get_logger().error("log.unwritten", error=str(error), lines=len(self._unwritten))

    def _masked(self, progress: Progress) -> Progress:
        """*progress* as it may be shown: jobs put into its message what they are working on."""
        if progress.message is None:
            return progress
        return replace(progress, message=self._capture.redactor.text(progress.message))

    def _tell(self, progress: Progress) -> None:
        self._journals.audience.tell(lambda observer: observer.progressed(self._run, progress))
        now = self._journals.clock.monotonic()
        if self._logged_at is None or now - self._logged_at >= PROGRESS_INTERVAL.total_seconds():
            self._logged_at = now
            self._capture.logger.info(
                "run.progress", done=progress.done, total=progress.total, message=progress.message
            )


class Journals:
    """Writes the open journals of a process from time to time, and sleeps while none is open."""

    def __init__(self, store: Store, clock: Clock, audience: Audience) -> None:
        self.store = store
        self.clock = clock
        self.audience = audience
        self._open: set[Journal] = set()
        self._opened = anyio.Event()

    def open(self, run: RunRecord, lease: Lease, capture: RunCapture) -> Journal:
        """A journal for one attempt; :meth:`close` it."""
        journal = Journal(self, run, lease, capture)
        self._open.add(journal)
        self._opened.set()
        return journal

    def close(self, journal: Journal) -> None:
        """Write *journal* no more of our own accord."""
        self._open.discard(journal)

    async def serve(self) -> None:
        """Write until cancelled."""
        failing = False
        while True:
            await self._opened.wait()
            await self.clock.pause(INTERVAL.total_seconds())
            for journal in tuple(self._open):
                try:
                    await journal.write()
                    failing = False
                except StoreError as error:
                    if not failing:
                        get_logger().warning("log.unwritten", error=str(error))
                    failing = True
            if not self._open:
                self._opened = anyio.Event()
