"""What a job sees of the run that it is executed for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from jobkit.exceptions import ChildRunFailed, ParameterError, ServiceNotFound
from jobkit.records import Progress, RunRecord, TickSpan
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.clock import Clock
    from jobkit.job import JobSpec
    from jobkit.protocols import RunHost

T = TypeVar("T")
D = TypeVar("D")

_REQUIRED: Any = object()


class RunCancelled(BaseException):
    """The run was cancelled or its time is up: raised in threads that ask; let it pass.

    Not an ``Exception``, so that ``except Exception`` around a job's work does not hold it.
    """


class JobContext:
    """One attempt of one run, as the job that is executed sees it.

    Members say what is run (``job``, ``run_id``, ``attempt``, ``parameters``), why and for whom
    (``trigger``, ``scheduled_at``, ``actor``, ``enforce``), and until when (``deadline``); methods talk
    to the runner. Coroutines belong to the event loop; whatever ends in ``_sync``, ``progress``,
    ``cancelled`` and ``check_cancelled`` are for threads, any thread the job started included.
    """

    __slots__ = (
        "_host",
        "_run",
        "attempt",
        "clock",
        "deadline",
        "job",
        "log",
        "parameters",
        "started_at",
    )

    def __init__(
        self,
        *,
        job: JobSpec,
        run: RunRecord,
        attempt: int,
        parameters: Mapping[str, Any],
        started_at: datetime,
        deadline: datetime | None,
        log: FilteringBoundLogger,
        clock: Clock,
        host: RunHost,
    ) -> None:
        self.job = job
        self.attempt = attempt
        #: The validated parameters; read-only.
        self.parameters: Mapping[str, Any] = MappingProxyType(dict(parameters))
        self.started_at = started_at
        #: When this attempt is stopped (UTC), or None.
        self.deadline = deadline
        #: A structlog logger bound to run, job, extension and attempt.
        self.log = log
        self.clock = clock
        self._run = run
        self._host = host

    def __repr__(self) -> str:
        return f"<JobContext {self.job.name} run {self.run_number} attempt {self.attempt}>"

    # -- what is run, why, for whom -----------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """The run's UUIDv7: with ``scheduled_at``, the key that makes effects repeatable."""
        return self._run.id

    @property
    def run_number(self) -> int:
        """The small number that people use."""
        return self._run.number or 0

    @property
    def trigger(self) -> Trigger:
        """What asked for the run."""
        return self._run.trigger

    @property
    def scheduled_at(self) -> datetime | None:
        """The tick that this run stands for (UTC); None for manual, startup and child runs."""
        return self._run.scheduled_at

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """``[previous_tick, this_tick)``; None for runs without a tick."""
        return self._run.window

    @property
    def covers(self) -> TickSpan | None:
        """First, last and count of the ticks this run stands for; None for runs without a tick."""
        return self._run.covers

    @property
    def actor(self) -> str:
        """Who is accountable for this run."""
        return self._run.actor

    @property
    def enforce(self) -> bool:
        """Whether destructive effects are consented to; False means observe and report."""
        return self._run.enforce

    # -- parameters and services --------------------------------------------------------------------

    @overload
    def param(self, name: str, type: type[T]) -> T: ...

    @overload
    def param(self, name: str, type: type[T], default: D) -> T | D: ...

    def param(self, name: str, type: Any, default: Any = _REQUIRED) -> Any:
        """The parameter *name* as a *type*; *default* if it was not given.

        Raises ParameterError, which fails the run, for a value that is not a *type*, and for one
        that was not given if there is no default.
        """
        from jobkit.parameters import decode_value

        if name in self.parameters:
            return decode_value(self.parameters[name], type, name=name, job=self.job.name)
        if default is _REQUIRED:
            raise ParameterError(
                f"job {self.job.name} reads the parameter {name!r}, which was not given",
                help=f"give it with -p {name}=VALUE, or read it with a default",
            )
        return default

    @overload
    async def service(self, wanted: type[T]) -> T: ...

    @overload
    async def service(self, wanted: str) -> Any: ...

    async def service(self, wanted: Any) -> Any:
        """The service of that type or name. Raises ServiceNotFound, naming what there is."""
        return await self._host.service(wanted)

    @overload
    async def try_service(self, wanted: type[T]) -> T | None: ...

    @overload
    async def try_service(self, wanted: str) -> Any | None: ...

    async def try_service(self, wanted: Any) -> Any:
        """The service of that type or name, or None if nothing provides it."""
        try:
            return await self._host.service(wanted)
        except ServiceNotFound:
            return None

    @overload
    def service_sync(self, wanted: type[T]) -> T: ...

    @overload
    def service_sync(self, wanted: str) -> Any: ...

    def service_sync(self, wanted: Any) -> Any:
        """:meth:`service` for threads: waits for it. Raises RunError on the event loop."""
        return self._host.from_thread(self._host.service, wanted)

    # -- talking to the runner ----------------------------------------------------------------------

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the run is: *done* of *total* (None = unknown). From any thread, as often as you like.

        Raises ValueError for numbers that are negative or not finite, TypeError for anything else.
        """
        self._host.progress(
            Progress(
                _number("done", done),
                None if total is None else _number("total", total),
                None if message is None else str(message),
            )
        )

    async def run_job(
        self, job: object, parameters: Mapping[str, Any] | None = None, /, *, check: bool = True, **more: Any
    ) -> RunRecord:
        """Run another job (its name, function or class) as a child of this run; its record.

        The child has its own record, services and timeout, and inherits this run's deadline, actor and
        ``enforce``. Parameters come from the mapping, then from keywords. Raises ChildRunFailed if it
        did not succeed, unless *check* is False; UsageError for an unknown job, RunRefused for a job
        among its own ancestors, ParameterError for parameters that do not fit.
        """
        return _checked(await self._host.run_child(job, {**(parameters or {}), **more}), check)

    def run_job_sync(
        self, job: object, parameters: Mapping[str, Any] | None = None, /, *, check: bool = True, **more: Any
    ) -> RunRecord:
        """:meth:`run_job` for threads: waits for it. Raises RunError on the event loop."""
        host = self._host
        return _checked(host.from_thread(host.run_child, job, {**(parameters or {}), **more}), check)

    @property
    def cancelled(self) -> bool:
        """Whether to stop: the run was cancelled, or its deadline has passed. For loops in threads."""
        return self._host.stopping

    def check_cancelled(self) -> None:
        """Raise :class:`RunCancelled` if the run is to stop. For loops in threads."""
        if self._host.stopping:
            raise RunCancelled("the run is to stop")


def _checked(record: RunRecord, check: bool) -> RunRecord:
    if check and not record.status.ok:
        raise ChildRunFailed(record)
    return record


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number, not {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is finite and not negative, and it is {value}")
    return value
