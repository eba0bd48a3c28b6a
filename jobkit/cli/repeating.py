"""Doing once more what a run did: which run may be repeated, with which parameters, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio

from jobkit.cli.plan import Order
from jobkit.exceptions import ParameterError, RunRefused
from jobkit.runner.queued import given, is_lost
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.records import RunRecord


def check_ended(run: RunRecord) -> None:
    """RunRefused (JK537) for a run that has not ended: there is nothing to repeat yet."""
    if run.status.finished:
        return
    raise RunRefused(
        f"run {run.number} of {run.job} has not ended: it is {run.status}",
        code="JK537",
        help=f"wait for it (jobkit logs {run.number} -f), or end it with `jobkit cancel {run.number}`; then"
        " repeat it",
    )


def repetition(spec: JobSpec, run: RunRecord, replaced: Mapping[str, str]) -> Order:
    """The order to do once more what *run*, of *spec*, did; *replaced* parameters are as people wrote them.

    ParameterError for those that do not fit, RunRefused (JK536) for a secret that was not kept and is not
    known here.
    """
    schema = spec.signature.parameters
    new = schema.from_text(replaced, job=spec.name)
    try:
        kept = given(spec, {name: value for name, value in run.parameters.items() if name not in new})
    except ParameterError as error:
        if error.code != "JK534":
            raise
        raise RunRefused(
            f"run {run.number} cannot be repeated: {error.message}",
            code="JK536",
            help=f"give it again with -p, or {error.help}",
        ) from None
    values = {**kept, **new}
    own = schema.from_values(spec.parameters, job=spec.name)
    schema.complete({**own, **schema.from_values(values, job=spec.name)}, job=spec.name)
    return Order(spec, values, Trigger.RETRY, run)


def remarks(order: Order, *, enforce: bool) -> list[str]:
    """What is not as it was, though nobody said so."""
    run, spec = order.retry_of, order.spec
    assert run is not None
    found = []
    if run.enforce and not (enforce or spec.enforce):
        found.append(f"run {run.number} had --enforce; consent is not repeated, so this one only observes")
    declared = {parameter.name: parameter for parameter in spec.signature.parameters.parameters}
    secret = [
        name
        for name, value in run.parameters.items()
        if name not in order.parameters and is_lost(name, value, declared.get(name))
    ]
    if secret:
        found.append(
            f"{', '.join(secret)}: secrets are not kept; it is what the job's configuration says now"
        )
    if not spec.enabled:
        found.append(f"{spec.name} is disabled; it runs because it was named")
    return found


def somebody_is_there(project: Project) -> bool:
    """Whether a scheduler or a worker is there to execute runs. StoreError."""
    from jobkit.runner.takers import takers

    async def look() -> bool:
        async with project.open_store() as store:
            return bool(await takers(store))

    return anyio.run(look)


def mention(session: Session, remarks: list[str]) -> None:
    """One note each on stderr."""
    for remark in remarks:
        session.output.aside(f"note: {remark}")
