"""Which runs somebody wants to hear of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from jobkit import RunRecord
from jobkit_notify.jobs import FindJob

if TYPE_CHECKING:
    from jobkit.plugin import LateJob


@dataclass(frozen=True, slots=True)
class Selection:
    """Runs by job, extension and tag; what is empty does not restrict, the others must all hold.

    *jobs* and *extensions* are patterns as in a shell; of *tags* one has to match.
    """

    jobs: Sequence[str] = ()
    extensions: Sequence[str] = ()
    tags: Sequence[str] = ()

    def holds(self, run: RunRecord | LateJob, find: FindJob) -> bool:
        """Whether *run* is meant. *find* is asked only if the rest holds and there are tags to compare.

        A job that the project does not have any more has no tags.
        """
        if self.jobs and not _matches(run.job, self.jobs):
            return False
        if self.extensions and not _matches(run.extension, self.extensions):
            return False
        if not self.tags:
            return True
        job = find(run.job)
        return job is not None and not set(self.tags).isdisjoint(job.tags)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
