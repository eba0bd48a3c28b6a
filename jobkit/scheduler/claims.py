"""Claims out of steps: what a tick's run is made with, and what a plugin has to say about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobkit.exceptions import JobkitError
from jobkit.records import TickSpan, new_run_id
from jobkit.redaction import Redactor
from jobkit.runner.admission import admission
from jobkit.runner.requests import values_of
from jobkit.sanitising import safe_text
from jobkit.scheduler.ticks import Due, Passed, Step, deferred, refused
from jobkit.statuses import Trigger
from jobkit.stores.base import NewRun
from jobkit.stores.ledger import Claim, JobKey, Span

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks

_LONGEST_CAUSE = 500


def claim_of(key: JobKey, hash: str, spec: JobSpec, step: Step, now: datetime) -> Claim:
    """*step* as it is claimed by whoever makes the ticks of the schedule of *hash*, at *now*."""
    run = step.run
    return Claim(
        key,
        step.expected,
        hash,
        step.mark,
        passed=None if step.passed is None else _span(key, step.passed),
        run=None if run is None else run_of(key, spec, run, now),
        tick=None if run is None else run.tick,
        span=None if step.span is None else _span(key, step.span),
        overlap=spec.overlap,
        in_turn=run is not None and spec.misfire == "all",
    )


def run_of(key: JobKey, spec: JobSpec, due: Due, now: datetime) -> NewRun:
    """The run of a tick."""
    return NewRun(
        id=new_run_id(now),
        job=spec.name,
        extension=spec.extension,
        trigger=trigger_of(due),
        actor=spec.owner,
        enforce=spec.enforce,
        parameters=_kept(spec),
        attempts=1 + spec.retries.retries,
        scheduled_at=due.tick,
        not_before=due.not_before,
        window=due.window,
        covers=TickSpan(due.covers.first, due.covers.last, due.covers.count),
        node=key.node,
        limits=spec.limits,
        queue=spec.queue,
        priority=spec.priority,
    )


def trigger_of(due: Due) -> Trigger:
    """What makes it run."""
    return Trigger.CATCHUP if due.missed else Trigger.SCHEDULE


def _span(key: JobKey, passed: Passed) -> Span:
    ticks = passed.ticks
    return Span(key.job, key.node, passed.reason, passed.cause, ticks.first, ticks.last, ticks.count)


# -- parameters ---------------------------------------------------------------------------------------


def _values(spec: JobSpec) -> Mapping[str, Any]:
    """The effective parameters. What does not fit fails the run when it is executed, and stops no tick."""
    try:
        return values_of(spec, None)
    except JobkitError:
        return {}


def _kept(spec: JobSpec) -> Mapping[str, Any]:
    values = _values(spec)
    return spec.signature.parameters.to_plain(values) if values else {}


# -- admission ----------------------------------------------------------------------------------------


async def admitted(hooks: Hooks | None, spec: JobSpec, step: Step, secrets: frozenset[str]) -> Step:
    """*step* as it is once plugins were asked about its run: that one, a span instead of it, or a later run.

    *secrets* are masked in what they say.
    """
    if step.run is None or hooks is None or not hooks.implemented("run_admit"):
        return step
    from jobkit.plugins.values import Defer, RunRequest

    values = _values(spec)
    request = RunRequest(
        spec=spec,
        trigger=trigger_of(step.run),
        actor=spec.owner,
        enforce=spec.enforce,
        parameters=MappingProxyType(dict(values)),
        scheduled_at=step.run.tick,
    )
    objection = await admission(hooks, request)
    if objection is None:
        return step
    answer = objection.value
    if isinstance(answer, Defer):
        return deferred(step, _utc(answer.until))
    redactor = Redactor(secrets | spec.signature.parameters.secret_texts(values))
    plugin = safe_text(objection.plugin, 200)
    return refused(step, f"{plugin}: {redactor.show(answer.reason, _LONGEST_CAUSE)}")


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the last day there is, in a zone where it is another one
        return datetime.max.replace(tzinfo=UTC)
