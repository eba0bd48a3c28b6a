"""What a lower floor must call of a higher one, as small promises.

The context of a run lets a job start child runs, and the local engine starts queued ones: both
need the runner, which lies above them. They receive it as one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from jobkit.records import RunRecord


class RunsChildren(Protocol):
    """Executes another job as a child of the run that asks."""

    async def run_child(self, job: object, parameters: Mapping[str, Any]) -> RunRecord:
        """Run *job* (a name, or what ``submit_job`` was given) to its end; the record of it.

        Raises UsageError for an unknown job, RunRefused for one among its own ancestors, ParameterError
        for parameters that do not fit.
        """
        ...
