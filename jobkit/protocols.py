"""What a lower floor must call of a higher one, as small promises.

The context of a run lets a job start child runs and look services up, and the local engine starts
queued runs: all of it needs the runner, which lies above them. They receive it as one of these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from jobkit.records import Progress, RunRecord

T = TypeVar("T")


class RunsChildren(Protocol):
    """Executes another job as a child of the run that asks."""

    async def run_child(self, job: object, parameters: Mapping[str, Any]) -> RunRecord:
        """Run *job* (a name, or what ``submit_job`` was given) to its end; the record of it.

        Raises UsageError for an unknown job, RunRefused for one among its own ancestors, ParameterError
        for parameters that do not fit.
        """
        ...


class RunHost(RunsChildren, Protocol):
    """What executes an attempt, as its :class:`~jobkit.JobContext` sees it.

    ``stopping`` and ``progress`` may be used from any thread, the coroutines on the event loop only.
    """

    @property
    def stopping(self) -> bool:
        """Whether the attempt was cancelled, or its deadline has passed."""
        ...

    def progress(self, progress: Progress) -> None:
        """Remember how far the run is and show it; cheap, may be called often."""
        ...

    async def service(self, wanted: type | str) -> Any:
        """The service of that type or name, opened if need be. Raises ServiceNotFound."""
        ...

    def from_thread(self, call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Await ``call(*arguments)`` on the event loop from another thread, and wait for it there.

        Raises RunError when called on the event loop itself.
        """
        ...
