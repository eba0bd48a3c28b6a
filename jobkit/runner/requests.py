"""What was asked for, checked before anything is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobkit.exceptions import RunError, ServiceError
from jobkit.job import NO_RETRY
from jobkit.records import new_run_id
from jobkit.runner.executors.calling import executor_of
from jobkit.runner.request import Request
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.orders import Limit


def request_for(
    environment: Environment,
    spec: JobSpec,
    parameters: Mapping[str, Any] | None,
    *,
    trigger: Trigger,
    actor: str | None,
    enforce: bool | None,
    timeout: timedelta | None = None,
    run_id: str | None = None,
    parent: str | None = None,
    ancestors: tuple[str, ...] = (),
    limit: Limit | None = None,
    inherited: frozenset[str] = frozenset(),
    retry_of: RunRecord | None = None,
) -> Request:
    """A run of *spec* with everything that it needs; None stands for what the job itself says.

    *parameters* lie over those that configuration has for the job. Raises RunError for a job that is
    listed with an error, RunRefused where no thread is left for it, ParameterError for parameters that do
    not fit.
    """
    if spec.error is not None and not _mended(environment, spec):
        raise refused_job(spec)
    if environment.site.inspects:
        # Whoever looks at an exception needs it in this process, once, and all the time in the world.
        spec, timeout = _for_inspection(spec), None
    if executor_of(spec) == "thread":
        environment.site.threads.check_room()
    values = values_of(spec, parameters)
    return Request(
        id=run_id or new_run_id(environment.site.clock.now()),
        spec=spec,
        parameters=values,
        trigger=trigger,
        actor=spec.owner if actor is None else actor,
        enforce=spec.enforce if enforce is None else enforce,
        timeout=spec.timeout if timeout is None else timeout,
        secrets=environment.secrets | secret_texts(spec, values),
        parent=parent,
        ancestors=ancestors,
        limit=limit,
        inherited=inherited,
        retry_of=retry_of,
    )


def _for_inspection(spec: JobSpec) -> JobSpec:
    executor = "auto" if spec.executor == "process" else spec.executor
    return replace(spec, executor=executor, retries=NO_RETRY, timeout=None)


def _mended(environment: Environment, spec: JobSpec) -> bool:
    """Whether all that the job lacks is a service that this runner was given."""
    if not isinstance(spec.error, ServiceError):
        return False
    try:
        environment.site.services.graph.plan(spec)
    except ServiceError:
        return False
    return True


def refused_job(spec: JobSpec) -> RunError:
    """The error of a run of *spec*, which is listed with an error."""
    error = spec.error
    assert error is not None
    return RunError(
        f"job {spec.name} cannot run: {error.message}",
        path=error.path or spec.path,
        line=error.line if error.path is not None else spec.line,
        help=error.help,
    )


def values_of(spec: JobSpec, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The parameters of a run of *spec*: *given* ones over those of the configuration, over defaults."""
    schema = spec.signature.parameters
    if not (schema.parameters or schema.accepts_any or given or spec.parameters):
        return {}
    read = schema.from_values({**spec.parameters, **(given or {})}, job=spec.name)
    return schema.complete(read, job=spec.name)


def secret_texts(spec: JobSpec, values: Mapping[str, Any]) -> frozenset[str]:
    """The texts of secret parameters: they are masked wherever the run writes something."""
    return spec.signature.parameters.secret_texts(values)
