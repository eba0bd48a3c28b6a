"""Taking a run into the queue: for whichever scheduler or worker comes, in this process or another."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobkit.clock import SystemClock
from jobkit.exceptions import ParameterError, RunRefused
from jobkit.records import new_run_id
from jobkit.runner.admission import admission as asked_plugins
from jobkit.runner.admission import refusal, run_request
from jobkit.runner.queued import is_lost
from jobkit.runner.request import Request
from jobkit.runner.requests import refused_job, secret_texts, values_of
from jobkit.runner.starting import new_run

if TYPE_CHECKING:
    from datetime import datetime

    from jobkit.clock import Clock
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks
    from jobkit.records import RunRecord
    from jobkit.statuses import Trigger
    from jobkit.stores.base import Store


async def accept(
    store: Store,
    spec: JobSpec,
    parameters: Mapping[str, Any] | None = None,
    *,
    trigger: Trigger,
    actor: str | None = None,
    enforce: bool | None = None,
    config: Config,
    hooks: Hooks | None = None,
    clock: Clock | None = None,
    retry_of: RunRecord | None = None,
) -> RunRecord:
    """Queue a run of *spec* in *store*; its record as it is queued, which is durable.

    *parameters* lie over those of the configuration; None means what the job says. Plugins are asked now: one
    that defers the run gives it its not-before time. *retry_of* is the run that it repeats. Overlap is judged
    now, limits when it is to start. A run for one node is for this one, or for the one of *retry_of*.

    Raises, and queues nothing: ParameterError for parameters that do not fit, and (JK535) for a secret that
    was given, since none is stored; RunError for a job with an error; RunRefused if a plugin is against it,
    RunInTheWay if another run of the job is; StoreError.
    """
    if spec.error is not None:
        raise refused_job(spec)
    values = values_of(spec, parameters)
    _refuse_secrets(spec, parameters or {}, values)
    request = Request(
        id=new_run_id((clock or SystemClock()).now()),
        spec=spec,
        parameters=values,
        trigger=trigger,
        actor=spec.owner if actor is None else actor,
        enforce=spec.enforce if enforce is None else enforce,
        timeout=spec.timeout,
        secrets=config.secrets | secret_texts(spec, values),
        retry_of=retry_of,
    )
    not_before = await _not_before(hooks, request)
    node = config.scheduler.node or socket.gethostname()
    if retry_of is not None and retry_of.node:
        node = retry_of.node
    return await store.add_run(replace(new_run(request, node), not_before=not_before), overlap=spec.overlap)


def refuse_memory(store: Store) -> None:
    """RunRefused (JK538) for a *store* that was opened for this only, and that nobody else will ever see."""
    if store.url.startswith("memory:"):
        raise RunRefused(
            "a run cannot be queued in a store in memory: it is forgotten when this process lets go of it",
            code="JK538",
            help="name a store that is kept in [scheduler] store, such as sqlite:///.jobkit/jobkit.db, or run"
            " the job here",
        )


async def _not_before(hooks: Hooks | None, request: Request) -> datetime | None:
    """Until when plugins defer the run. RunRefused if one does not want it at all."""
    if hooks is None or not hooks.implemented("run_admit"):
        return None
    from jobkit.plugins.values import Defer

    objection = await asked_plugins(hooks, run_request(request))
    if objection is None:
        return None
    if isinstance(objection.value, Defer):
        return objection.value.until
    raise refusal(request, objection)


def _refuse_secrets(spec: JobSpec, given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """ParameterError for what was *given*, among *values*, and would not be kept."""
    schema = spec.signature.parameters
    if not given:
        return
    own, kept = schema.from_values(spec.parameters, job=spec.name), schema.to_plain(values)
    declared = {parameter.name: parameter for parameter in schema.parameters}
    lost = [
        name
        for name in given
        if name in values
        and is_lost(name, kept.get(name), declared.get(name))
        and (name not in own or own[name] != values[name])
    ]
    if lost:
        names = ", ".join(f"`{name}`" for name in lost)
        raise ParameterError(
            f"job {spec.name} cannot be queued with {names}: secrets are not stored, so whoever executes the"
            " run could not know the value",
            code="JK535",
            help=f"run it here (`jobkit run {spec.name} -p {lost[0]}=…`), or configure it where the job is"
            f' executed: [jobs.{spec.name}] parameters = {{ {lost[0]} = "${{NAME}}" }}',
        )
