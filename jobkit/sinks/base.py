"""What a sink is: something outside that is told how every run ended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.sinks.notices import LateJob


class Rejected(Exception):
    """Raised by a sink: this run will never be taken, whatever is tried. It becomes a dead letter."""


class Sink(ABC):
    """Takes finished runs: subclass it, or give any object with these members. Only ``name`` and ``emit``
    have no default.

    A run is given at least once and, per job, in the order in which runs finished; a run that was given twice
    has the same ``id``. All calls of one process come one after another. ``emit`` and ``accepts`` may be
    plain functions: they are then called in a thread of their own, never two at a time.
    """

    #: Raise it in :meth:`emit` for a run that can never be taken.
    Reject: ClassVar[type[Rejected]] = Rejected

    #: Unique in the project; what waits, and what was given up, is kept under it.
    name: str
    #: A run that could not be given for so long becomes a dead letter.
    max_age: timedelta = timedelta(days=7)
    #: Seconds that one call may take.
    timeout: float = 10.0
    #: True: fed by the process that executed the run, once, from memory.
    local: bool = False

    def accepts(self, run: RunRecord) -> bool:
        """Whether this sink wants *run* at all; False is final. Every run, unless it is overridden."""
        return True

    @abstractmethod
    def emit(self, run: RunRecord) -> Awaitable[None] | None:
        """Take *run*. Once this has returned it is never given again, unless the process dies first.

        Whatever is raised means that it was not taken and is given again later; :attr:`Reject` means never.
        """

    def emit_late(self, job: LateJob) -> Awaitable[None] | None:
        """Take the news that *job* is late: called by a serving scheduler, once for each tick.

        Not part of the outbox: whoever raises here is told again some time later, as long as the job is late,
        and after a restart whoever was told may be told again. It may be called while :meth:`emit` goes on.
        Nothing is done, unless it is overridden.
        """
        return None

    async def __aenter__(self) -> object:
        """Open what :meth:`emit` needs; called in a task that is the sink's own, before the first run.

        A sink that fails for every run is left, and entered again for the next attempt.
        """
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it, in the same task."""
        return
