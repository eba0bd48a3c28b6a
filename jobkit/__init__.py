"""jobkit: background jobs from Python files.

Drop a file into ``extensions/<name>/jobs/``, call :func:`submit_job` in it, and it is found,
scheduled, executed, recorded. These are the names for writing jobs; ``jobkit.plugin`` has those for
writing plugins, ``jobkit.testing`` those for testing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.context import JobContext as JobContext
    from jobkit.exceptions import ChildRunFailed as ChildRunFailed
    from jobkit.exceptions import CollectionError as CollectionError
    from jobkit.exceptions import ConfigError as ConfigError
    from jobkit.exceptions import JobkitError as JobkitError
    from jobkit.exceptions import ParameterError as ParameterError
    from jobkit.exceptions import RunError as RunError
    from jobkit.exceptions import RunNotFound as RunNotFound
    from jobkit.exceptions import RunRefused as RunRefused
    from jobkit.exceptions import ScheduleError as ScheduleError
    from jobkit.exceptions import ServiceError as ServiceError
    from jobkit.exceptions import ServiceNotFound as ServiceNotFound
    from jobkit.exceptions import StoreError as StoreError
    from jobkit.exceptions import StoreUnavailable as StoreUnavailable
    from jobkit.exceptions import UsageError as UsageError
    from jobkit.expect import Expect as Expect
    from jobkit.job import Job as Job
    from jobkit.job import JobSpec as JobSpec
    from jobkit.markers import hookimpl as hookimpl
    from jobkit.parameters import Secret as Secret
    from jobkit.project import Project as Project
    from jobkit.records import RunRecord as RunRecord
    from jobkit.result import JobResult as JobResult
    from jobkit.retry import Retry as Retry
    from jobkit.scheduler.scheduler import Scheduler as Scheduler
    from jobkit.schedules import CronSchedule as CronSchedule
    from jobkit.services import Service as Service
    from jobkit.services import ServiceSpec as ServiceSpec
    from jobkit.sinks.base import Sink as Sink
    from jobkit.statuses import RunStatus as RunStatus
    from jobkit.submit import submit_job as submit_job

# Imported on first use: `jobkit --help` and a plain job file pay only for what they touch.
_HOMES = {
    "ChildRunFailed": "exceptions",
    "CollectionError": "exceptions",
    "ConfigError": "exceptions",
    "CronSchedule": "schedules",
    "Expect": "expect",
    "Job": "job",
    "JobContext": "context",
    "JobResult": "result",
    "JobSpec": "job",
    "JobkitError": "exceptions",
    "ParameterError": "exceptions",
    "Project": "project",
    "Retry": "retry",
    "RunError": "exceptions",
    "RunNotFound": "exceptions",
    "RunRecord": "records",
    "RunRefused": "exceptions",
    "RunStatus": "statuses",
    "ScheduleError": "exceptions",
    "Scheduler": "scheduler.scheduler",
    "Secret": "parameters",
    "Service": "services",
    "ServiceError": "exceptions",
    "ServiceNotFound": "exceptions",
    "ServiceSpec": "services",
    "Sink": "sinks.base",
    "StoreError": "exceptions",
    "StoreUnavailable": "exceptions",
    "UsageError": "exceptions",
    "hookimpl": "markers",
    "submit_job": "submit",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
