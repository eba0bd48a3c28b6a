"""What an engine promises.

The store is the truth: a queued run stands in it, with everything about it. What an engine carries is a
hint that run N may be started. A hint that comes twice is harmless, because the run's lease is taken once;
one that is lost delays the run until somebody looks at the store again, and loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord

#: Executes the run of that id, if it still is to be executed; returns when it has ended. Raises nothing.
Execute = Callable[[str], Coroutine[Any, Any, None]]


class Engine(Protocol):
    """Carries hints from whoever queues runs to whoever executes them. Methods belong to the event loop."""

    @property
    def name(self) -> str:
        """What ``[scheduler] engine`` says to choose it."""
        ...

    async def __aenter__(self) -> Self:
        """Connect. Raises JobkitError if that cannot be done."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go. Idempotent."""
        ...

    async def submit(self, run: RunRecord, spec: JobSpec) -> None:
        """Say that *run*, which stands queued in the store, may be started; does not wait for it."""
        ...

    async def serve(self, execute: Execute) -> None:
        """Execute what is submitted, until cancelled; what goes on then is cancelled with it."""
        ...
