"""Queued runs whose job is not to be had: nobody knows it, or its file is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from jobkit.exceptions import ServiceError
from jobkit.statuses import Reason, RunStatus
from jobkit.stores.base import Outcome

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.post import Post

#: So long is waited for somebody who knows the job, or for its file to be mended.
PATIENCE: Final = timedelta(minutes=10)


class Unknown:
    """Since when jobs of queued runs have been out of reach. Belongs to the event loop."""

    def __init__(self, post: Post, knows: Callable[[str], bool]) -> None:
        self._post = post
        self._knows = knows
        self._since: dict[str, float] = {}

    def outcome(self, record: RunRecord) -> Outcome | None:
        """How *record*, of a job that this process does not have, ends; None if it is to wait."""
        if self._knows(record.job):
            self._since.pop(record.job, None)
            return None
        if not self._for_long(record):
            return None
        return Outcome(
            status=RunStatus.SKIPPED,
            finished_at=self._post.time.now(),
            duration_ms=0,
            message=f"for ten minutes no scheduler or worker that lives has known job {record.job}",
            reason=Reason.UNKNOWN_JOB.value,
        )

    def broken(self, record: RunRecord, spec: JobSpec) -> bool:
        """Whether *spec* cannot run here, and *record* is to wait for others or for a mended file.

        Later it is executed all the same: it fails, and says why. Whether a service that is missing was given
        to the runner is for the runner to know.
        """
        if spec.error is None or isinstance(spec.error, ServiceError):
            self._since.pop(spec.name, None)
            return False
        return not self._for_long(record)

    def forget_all_but(self, jobs: Iterable[str]) -> None:
        """Nothing is queued of others than *jobs*."""
        seen = set(jobs)
        for job in [job for job in self._since if job not in seen]:
            del self._since[job]

    def _for_long(self, record: RunRecord) -> bool:
        now = self._post.clock.monotonic()
        since = self._since.setdefault(record.job, now)
        queued_at = record.queued_at
        fresh = queued_at is not None and self._post.time.now() - queued_at < PATIENCE
        return not fresh and now - since >= PATIENCE.total_seconds()
