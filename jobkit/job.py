"""What a job is: its specification, and the class that jobs may derive from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jobkit.exceptions import JobkitError
from jobkit.expect import Expect
from jobkit.origin import Origin
from jobkit.retry import Retry

if TYPE_CHECKING:
    from jobkit.schedules import Schedule
    from jobkit.signature import Signature

Overlap = Literal["skip", "queue", "allow", "cancel"]
Misfire = Literal["latest", "all", "none"]
Scope = Literal["cluster", "node"]
Executor = Literal["auto", "async", "thread", "process"]

#: The first attempt is the only one.
NO_RETRY = Retry()


class Job:
    """Derive from it to write a job as a class: attributes carry what options carry elsewhere.

    ``submit_job(MyJob)`` makes a fresh instance for each attempt, without arguments;
    ``submit_job(MyJob())`` shares that instance between all runs, at the same time if they overlap.
    """

    # Each job has its own services and parameters, and may be `async def` or `def`: to type checkers an
    # override of any shape fits these arguments.
    def execute(self, *context_and_services: Any, **parameters: Any) -> Any:
        """Do the work: override it as ``async def execute(self, ctx)``; further arguments as in functions."""
        raise TypeError(f"{type(self).__name__} does not define execute(self, ctx)")


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Everything that is known about a job after code and configuration were merged; frozen.

    ``target`` is what ``submit_job`` was given, ``signature`` what it asks for, ``times`` the parsed
    schedule (None = manual only), ``origins`` says for each option which file and line decided it,
    ``error`` is set when the job cannot run, and says why; ``warnings`` are for ``jobkit check``.
    """

    name: str
    extension: str
    description: str
    path: Path
    line: int
    module: str
    target: Any
    signature: Signature
    schedule: tuple[str, ...] = ()
    timezone: str | None = None
    run_on_startup: bool = False
    enabled: bool = True
    tags: tuple[str, ...] = ()
    timeout: timedelta | None = None
    retries: Retry = NO_RETRY
    overlap: Overlap = "skip"
    misfire: Misfire = "latest"
    misfire_grace: timedelta | Literal["auto"] = "auto"
    jitter: timedelta = timedelta(0)
    scope: Scope = "cluster"
    limits: tuple[str, ...] = ()
    executor: Executor = "auto"
    queue: str = "default"
    priority: int = 0
    expect: Expect | None = None
    owner: str = "system"
    plugins: Mapping[str, Any] = field(default_factory=dict)
    enforce: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    times: Schedule | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    error: JobkitError | None = None
    warnings: tuple[JobkitError, ...] = ()

    @property
    def schedule_text(self) -> str:
        """The schedule as one text: a list joined with `` | ``, empty for manual only."""
        return " | ".join(self.schedule)

    def with_error(self, error: JobkitError) -> JobSpec:
        """The same job, listed with *error* and not run."""
        return replace(self, error=error)
