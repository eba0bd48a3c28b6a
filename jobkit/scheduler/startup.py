"""Which jobs run when a scheduler starts: the code proposes, the operators dispose."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobkit.config.apply import enabled_by_operators
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec


@dataclass(frozen=True, slots=True)
class StartupRun:
    """A run of a job that a replica has begun when it started."""

    replica: str
    status: RunStatus
    begun_at: datetime


def startup_jobs(jobs: Mapping[str, JobSpec], config: Config) -> list[JobSpec]:
    """The jobs that run in the background of a start, in the order of *jobs*.

    Their code says ``run_on_startup``, and the operators' layers say literally ``enabled = true``.
    """
    return [
        spec
        for spec in jobs.values()
        if spec.run_on_startup
        and spec.enabled
        and spec.error is None
        and enabled_by_operators(config, spec.name)
    ]


def shared_run(
    runs: Iterable[StartupRun], *, own: str, living: Collection[str], interval: timedelta, now: datetime
) -> StartupRun | None:
    """The run that another replica has made for this one too, None if there is none: then begin one.

    It was begun within *interval* by a replica that still lives, and succeeded or goes on.
    """
    return next(
        (
            run
            for run in runs
            if run.replica != own
            and run.replica in living
            and now - run.begun_at <= interval
            and run.status in (RunStatus.SUCCEEDED, RunStatus.RUNNING, RunStatus.QUEUED)
        ),
        None,
    )
