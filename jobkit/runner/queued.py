"""A run that was accepted earlier, perhaps elsewhere, and is executed from what is written of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobkit.exceptions import JobkitError, ParameterError, RunRefused
from jobkit.parameters import is_reference
from jobkit.redaction import MASK, looks_secret
from jobkit.runner.request import Request
from jobkit.runner.requests import request_for

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.parameters import Parameter
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment


def queued_request(environment: Environment, spec: JobSpec, record: RunRecord) -> Request:
    """The request of *record*; one that cannot be executed as it is has a ``failure``.

    RunRefused if it can be executed, but not in this process.
    """
    options: dict[str, Any] = {
        "trigger": record.trigger,
        "actor": record.actor,
        "enforce": record.enforce,
        "run_id": record.id,
        "parent": record.parent,
    }
    try:
        return request_for(environment, spec, given(spec, record.parameters), **options)
    except RunRefused:
        raise
    except JobkitError as error:
        return Request(
            id=record.id,
            spec=spec,
            parameters={},
            trigger=record.trigger,
            actor=record.actor,
            enforce=record.enforce,
            timeout=None,
            secrets=environment.secrets,
            failure=error,
        )


def given(spec: JobSpec, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What of the parameters in history to lay over those that *spec* has here.

    History keeps no secrets: where one was, the value has to be the one that this process has itself.
    Raises ParameterError for those that it does not have.
    """
    schema = spec.signature.parameters
    own = schema.from_values(spec.parameters, job=spec.name)
    shown = schema.to_plain(own)
    declared = {parameter.name: parameter for parameter in schema.parameters}
    laid_over, unknown = {}, []
    for name, value in kept.items():
        parameter = declared.get(name)
        if _is_secret(name, value, parameter):
            if name not in own and (parameter is None or parameter.required):
                unknown.append(name)
        elif not _masked(value):
            laid_over[name] = value
        elif shown.get(name) != value:
            unknown.append(name)
    if unknown:
        names = ", ".join(f"`{name}`" for name in unknown)
        raise ParameterError(
            f"job {spec.name} needs {names}, which was secret where the run was asked for: "
            "it was not stored, and is not configured here",
            code="JK534",
            help="put it into the configuration of every process that executes the job: "
            f'[jobs.{spec.name}] parameters = {{ {unknown[0]} = "${{NAME}}" }}',
        )
    return laid_over


def is_lost(name: str, value: Any, parameter: Parameter | None) -> bool:
    """Whether *value*, as history has it of *parameter*, stands for something that is not kept there."""
    return _is_secret(name, value, parameter) or _masked(value)


def _is_secret(name: str, value: Any, parameter: Parameter | None) -> bool:
    return is_reference(value) and (looks_secret(name) if parameter is None else parameter.secret)


def _masked(value: Any) -> bool:
    """Whether something in the JSON value *value* was masked."""
    if isinstance(value, Mapping):
        return any(_masked(part) for part in (*value, *value.values()))
    if isinstance(value, list | tuple):
        return any(_masked(part) for part in value)
    return isinstance(value, str) and MASK in value
