"""What to say of a tick that a run or a span accounts for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from jobkit.exceptions import RunNotFound
from jobkit.scheduler.answers import Answer, Fact, gap_text, pause_text, sentence, took, when
from jobkit.scheduler.policies import Policy, second_of
from jobkit.scheduler.presence import gap_at, lives
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunQuery

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.scheduler.evidence import Evidence, Question
    from jobkit.stores.base import Store
    from jobkit.stores.ledger import SpanRecord
    from jobkit.stores.replicas import ReplicaState

_ENDED: Final = {
    RunStatus.SUCCEEDED: "succeeded",
    RunStatus.FAILED: "failed",
    RunStatus.TIMED_OUT: "timed out",
    RunStatus.CANCELLED: "was cancelled",
    RunStatus.LOST: "was lost",
    RunStatus.SKIPPED: "said that there was nothing to do",
}
_TRIED_AGAIN: Final = (RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST)
_RUN_IN_CAUSE: Final = re.compile(r"run #?(\d{1,18})")
_LONGEST: Final = 300
_YEARS: Final = timedelta(days=3650)


async def by_runs(store: Store, question: Question, evidence: Evidence) -> Answer:
    """The answer for a tick that has a run, or that a later one stands for; of several nodes' the worst."""
    runs = sorted(evidence.runs, key=lambda run: run.status.ok)
    run, *others = runs
    facts = [Fact("node", sentence(f"on {each.node}: run {each.number} {each.status}")) for each in others]
    facts += [
        Fact("node", sentence(f"on {record.span.node}: skipped, {record.span.cause or record.span.reason}"))
        for record in evidence.spans
        if record.span.node
    ]
    if run.status is RunStatus.QUEUED:
        text, code = await _waiting(store, run, question), "waiting"
    else:
        text, code = _run_text(run, question)
    if run.scheduled_at != question.second:
        code = "caught_up" if code == "ran" else code
    facts = [*_run_facts(run, question, evidence), *facts, *await _retries(store, run)]
    answer = Answer(job=question.job, at=question.second, code=code, text=sentence(text), run=run)
    return answer.adding(facts)


def _run_text(run: RunRecord, question: Question) -> tuple[str, str]:
    zone, number = question.zone, run.number
    if run.status is RunStatus.RUNNING and run.started_at is not None:
        return f"it is running: run {number}, since {when(run.started_at, zone)}{_late(run)}", "running"
    if run.started_at is None:
        return _not_started(run, question)
    took_ = "" if run.duration_ms is None else f" after {took(timedelta(milliseconds=run.duration_ms))}"
    if run.scheduled_at is not None and run.scheduled_at != question.second:
        made_up = f"it was made up by run {number}, the tick of {when(run.scheduled_at, zone)}, which"
        return f"{made_up} started at {when(run.started_at, zone)} and {_ENDED[run.status]}{took_}", "ran"
    return f"it ran: run {number} {_ENDED[run.status]}{took_}{_late(run)}", "ran"


def _late(run: RunRecord) -> str:
    if run.started_at is None or run.scheduled_at is None:
        return ""
    return f", begun {took(run.started_at - run.scheduled_at)} after its time"


def _not_started(run: RunRecord, question: Question) -> tuple[str, str]:
    number, said = run.number, run.message or run.reason or ""
    if run.status is RunStatus.SKIPPED and run.reason == "misfire":
        waited = f"run {number} could not begin within the grace of its tick"
        return f"it did not run: {waited}{_grace(question)}, and was given up", "misfire"
    if run.status is RunStatus.SKIPPED and run.reason == "unknown_job":
        return (
            f"it did not run: for ten minutes no live scheduler or worker knew the job of run {number}",
            "unknown_job",
        )
    if run.reason == "superseded":
        return (
            f"it did not run: run {number} was waiting, and a newer tick displaced it ({said})",
            "superseded",
        )
    what = "was cancelled before it began" if run.status is RunStatus.CANCELLED else f"ended {run.status}"
    code = "cancelled" if run.status is RunStatus.CANCELLED else "not_started"
    return f"it did not run: run {number} {what}{f' ({_short(said)})' if said else ''}", code


def _run_facts(run: RunRecord, question: Question, evidence: Evidence) -> Iterator[Fact]:
    if run.trigger is Trigger.CATCHUP:
        yield Fact("missed", sentence(_why_missed(question, evidence)))
        if run.covers is not None and run.covers.count > 1:
            first, last = (when(at, question.zone) for at in (run.covers.first, run.covers.last))
            yield Fact("covers", f"Run {run.number} stands for {run.covers.count} ticks, {first} to {last}.")
    if run.attempt > 1 or (run.attempts > 1 and run.status in _TRIED_AGAIN):
        gave_way = ": while it waited for the next, a newer tick took its place" * (
            run.reason == "superseded"
        )
        yield Fact("attempts", f"That was attempt {run.attempt} of at most {run.attempts}{gave_way}.")
    if run.error is not None:
        name = run.error.type.rpartition(".")[2]
        yield Fact("error", _short(f"{name}: {run.error.message}"))
    elif run.message and run.started_at is not None:
        yield Fact("message", _short(run.message))
    pause = evidence.pause_at(question.second)
    if pause is not None:
        yield Fact("paused", sentence(f"{pause_text(pause, question.zone)}, after the tick had been claimed"))


async def _retries(store: Store, run: RunRecord) -> list[Fact]:
    """Whether somebody had a run that went wrong tried again."""
    if run.status.ok or run.queued_at is None or not run.status.finished:
        return []
    query = RunQuery(jobs=[run.job], triggers=[Trigger.RETRY], since=run.queued_at, limit=100)
    again = [each for each in (await store.runs(query)).runs if each.retry_of == run.id]
    return [Fact("retried", f"It was retried: run {each.number} {each.status}.") for each in again]


async def _waiting(store: Store, run: RunRecord, question: Question) -> str:
    """What keeps a queued run from being started."""
    number, spec = run.number, question.spec

    async def there(*, later: bool = False, limits: bool = True) -> bool:
        found = await store.queued(
            jobs=[run.job],
            now=question.now + _YEARS if later else None,
            limits=question.limits if limits else None,
            limit=10_000,
        )
        return any(each.id == run.id for each in found)

    lead = f"it waits: run {number} is queued"
    if await there():
        return f"{lead} and may start; {_nobody_starts(await store.replicas(hashes=False))}"
    if await there(later=True):
        return f"{lead} {_not_before(run, question)}"
    if await there(later=True, limits=False):
        names = ", ".join(spec.limits) if spec is not None and spec.limits else "named limits"
        return f"{lead} until a place of its limits ({names}) is free"
    query = RunQuery(jobs=[run.job], statuses=[RunStatus.RUNNING], limit=5)
    running = [each for each in (await store.runs(query)).runs if each.id != run.id]
    if running:
        return f"{lead} behind run {running[0].number} of the same job, which is still running"
    return f"{lead}, and a process holds it: it waits for its next attempt, or for a thread that goes on"


def _nobody_starts(replicas: Sequence[ReplicaState]) -> str:
    if any(map(lives, replicas)):
        return "the next free scheduler or worker takes it"
    return "no scheduler or worker is running that would take it"


def _not_before(run: RunRecord, question: Question) -> str:
    if run.attempt:
        return f"until the delay before attempt {run.attempt + 1} of at most {run.attempts} is over"
    spec = question.spec
    if spec is not None and spec.jitter and run.scheduled_at is not None:
        until = Policy.of(spec).not_before(spec.name, second_of(run.scheduled_at))
        if until is not None and until > question.now:
            return f"until {when(until, question.zone)}: its jitter spreads ticks over {took(spec.jitter)}"
    return "because a plugin deferred it: its time has not come"


# -- spans --------------------------------------------------------------------------------------------


async def by_span(store: Store, question: Question, evidence: Evidence) -> Answer:
    """The answer for a tick that a span accounts for."""
    record = evidence.spans[0]
    reason, pause, run = record.span.reason, None, None
    if reason == "overlap":
        run = await _in_the_way(store, record)
        text = _overlap(record, run, question)
    elif reason == "paused":
        pause = evidence.pause_at(question.second)
        text = record.span.cause or "it was paused" if pause is None else pause_text(pause, question.zone)
    elif reason == "admission":
        text = f"a plugin was against it: {record.span.cause or 'it gave no reason'}"
    else:
        text = f"it was missed: {_why_missed(question, evidence)}"
    answer = Answer(
        job=question.job, at=question.second, code=reason, text=sentence(f"it did not run: {text}"),
        run=run, span=record, pause=pause,
        events=(*evidence.steps, *evidence.traffic_around(question.second)) if reason == "misfire" else (),
    )  # fmt: skip
    return answer.adding(_span_facts(record, question))


def _span_facts(record: SpanRecord, question: Question) -> Iterator[Fact]:
    span, zone, spec = record.span, question.zone, question.spec
    if span.count > 1:
        first, last = when(span.first, zone), when(span.last, zone)
        yield Fact("span", f"The same holds for {span.count} ticks in a row, {first} to {last}.")
    if span.reason != "misfire":
        return
    late = record.recorded_at - span.first
    known = span.first == question.second and late > timedelta(0)
    if known:
        at = when(record.recorded_at, zone)
        yield Fact("noticed", f"It was noticed at {at}, {took(late)} after its time.")
    if spec is not None and spec.misfire == "none":
        yield Fact("policy", 'Its misfire policy is "none": what was missed is not made up.')
    elif spec is not None and known and late > _grace_of(question):
        yield Fact("policy", f"Its grace was over{_grace(question)}: what is older is not made up.")
    elif spec is not None and spec.misfire == "latest":
        yield Fact("policy", 'Its misfire policy is "latest": of several missed ticks the newest is made up.')


def _grace(question: Question) -> str:
    grace = _grace_of(question)
    return "" if grace == timedelta.max else f" ({took(grace)})"


def _grace_of(question: Question) -> timedelta:
    """The grace of the tick by the options of now; endless for a job that is gone."""
    spec = question.spec
    if spec is None or spec.times is None:
        return timedelta.max
    grace = Policy.of(spec).grace_at(second_of(question.second), spec.times)
    return timedelta(microseconds=grace)


async def _in_the_way(store: Store, record: SpanRecord) -> RunRecord | None:
    found = _RUN_IN_CAUSE.search(record.span.cause or "")
    if found is None:
        return None
    try:
        return await store.run(int(found[1]))
    except RunNotFound:
        return None  # pruned: its number is all that is left


def _overlap(record: SpanRecord, run: RunRecord | None, question: Question) -> str:
    zone = question.zone
    if run is None:
        return f"{record.span.cause or 'another run'} of the job was in the way"
    if run.started_at is None:
        return f"run {run.number} of the same job was waiting to begin"
    if run.started_at > max(question.second, record.recorded_at):
        return f"run {run.number} of the same job was waiting to begin, until {when(run.started_at, zone)}"
    until = "now" if run.finished_at is None else when(run.finished_at, zone)
    busy = (
        f"run {run.number} of the same job was being executed, from {when(run.started_at, zone)} to {until}"
    )
    # A tick that is claimed late meets whatever goes on by then.
    return busy if run.started_at <= question.second else f"by the time it was looked at, {busy}"


def _why_missed(question: Question, evidence: Evidence) -> str:
    gap = gap_at(evidence.stays, question.second)
    if gap is not None and (gap.last is not None or gap.following is not None):
        return gap_text(gap, question.zone)
    if evidence.steps:
        step = evidence.steps[-1].event
        return f"a clock was stepped at {when(step.at, question.zone)}"
    if gap is not None:
        return "nothing tells that a scheduler was running then"
    if (stopping := evidence.stopping_at(question.second)) is not None:
        since, record = stopping
        who = f"{record.event.data.get('node')} (process {record.event.data.get('pid')})"
        until = when(record.event.at, question.zone)
        return f"the scheduler on {who} was being stopped, from {when(since, question.zone)} to {until}"
    return (
        "a scheduler was running, and could not account for it in time: "
        "the store was out of reach, or the process stood still"
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
