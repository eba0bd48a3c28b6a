"""Why a job ran, did not, or will not: from what is on record, one true and specific answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from jobkit.scheduler.accounted import by_runs, by_span
from jobkit.scheduler.answers import Answer, Fact, Minute, sentence, when
from jobkit.scheduler.evidence import Evidence, Question, gathered, schedule_of, schedule_then
from jobkit.scheduler.policies import second_of
from jobkit.scheduler.unaccounted import by_silence, fires, no_tick
from jobkit.schedules.base import from_epoch
from jobkit.stores.ledger import SpanQuery

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.schedules.base import Schedule
    from jobkit.stores.base import Store
    from jobkit.stores.ledger import SpanRecord

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A reading that no clock showed, for it was put forward at *at* from *before* to *after*."""

    text: str
    before: str
    after: str
    at: datetime


async def explained(
    store: Store, question: Question, *, whole_minute: bool = False, skipped: Skipped | None = None
) -> Answer:
    """The answer to *question* from what *store* knows. StoreError.

    *whole_minute* says that no seconds were given: the first tick of that minute is explained, and the others
    counted. *skipped* says that the question was about a reading that did not exist.
    """
    if skipped is not None:
        return await _in_gap(store, question, skipped)
    evidence = await gathered(store, question)
    if not whole_minute:
        return await _answered(store, question, evidence)
    schedule, _ = schedule_then(question, evidence)
    ticks = [] if schedule is None else _ticks(schedule, question.second)
    if ticks and ticks[0] != question.second:
        question = replace(question, second=ticks[0])
        evidence = await gathered(store, question)
    answer = await _answered(store, question, evidence)
    if len(ticks) < 2:
        return answer
    return await _counted(store, answer, question, ticks)


async def newest_due(store: Store, question: Question) -> datetime | None:
    """The newest tick that was due, by the schedule in force or the last one on record.

    Of a job without either its newest run or span; None if there is nothing.
    """
    spec = question.spec
    times = None if spec is None else spec.times
    if times is None:
        evidence = await gathered(store, question)
        for record in evidence.changes:
            times = schedule_of(question, record)
            if times is not None:
                break
    if times is not None:
        tick = times.previous_epoch(second_of(question.now) + 1)
        return None if tick is None else from_epoch(tick)
    found = [
        record.span.last for record in (await store.spans(SpanQuery(jobs=[question.job], limit=1))).spans
    ]
    last = (await store.last_runs([question.job])).get(question.job)
    found += [last.scheduled_at or last.queued_at] if last is not None and last.queued_at else []
    return max(found, default=None)


async def _answered(store: Store, question: Question, evidence: Evidence, *, alone: bool = False) -> Answer:
    schedule, certain = schedule_then(question, evidence)
    own = [run for run in evidence.runs if run.scheduled_at == question.second]
    if own or not certain or schedule is None or fires(schedule, question) or _is_edge(question, evidence):
        if evidence.runs:
            return await by_runs(store, question, evidence)
        if evidence.spans:
            return await by_span(store, question, evidence)
    answer = by_silence(question, evidence)
    if alone:
        return answer
    if answer.code == "not_a_tick" and answer.previous is not None and answer.previous <= question.now:
        return answer.adding([await _became(store, question, answer.previous)])
    return answer


def _is_edge(question: Question, evidence: Evidence) -> bool:
    """Whether the instant begins or ends what is on record, so that it was a tick whatever is said now."""
    edges = [at for record in evidence.spans for at in (record.span.first, record.span.last)]
    edges += [at for run in evidence.runs if run.covers for at in (run.covers.first, run.covers.last)]
    return question.second in edges


async def _became(store: Store, question: Question, tick: datetime) -> Fact:
    """What became of another tick, in one sentence."""
    asked = replace(question, second=tick)
    answer = await _answered(store, asked, await gathered(store, asked), alone=True)
    text = answer.text[:1].lower() + answer.text[1:]
    return Fact("previous", sentence(f"of the tick of {when(tick, question.zone)}: {text}"))


# -- a minute -----------------------------------------------------------------------------------------


def _ticks(schedule: Schedule, start: datetime) -> list[datetime]:
    """The ticks of the minute that begins at *start*."""
    return [tick for tick in schedule.upcoming(start - timedelta(seconds=1), 61) if tick < start + _MINUTE]


async def _counted(store: Store, answer: Answer, question: Question, ticks: Sequence[datetime]) -> Answer:
    start = ticks[0]
    runs = await store.tick_runs(question.job, since=start, limit=1000)
    query = SpanQuery(jobs=[question.job], since=start, until=ticks[-1] + timedelta(seconds=1), limit=200)
    spans = (await store.spans(query)).spans
    ran = [tick for tick in ticks if _runs_at(runs, tick)]
    skipped = [tick for tick in ticks if tick not in ran and _skips_at(spans, tick)]
    minute = Minute(len(ticks), len(ran), len(skipped))
    counts = [f"{minute.ran} with a run"] if minute.ran else []
    if minute.skipped:
        reasons = sorted({record.span.reason for record in spans})
        counts.append(f"{minute.skipped} skipped ({', '.join(reasons)})")
    rest = minute.ticks - minute.ran - minute.skipped
    if counts and rest:
        counts.append(f"{rest} not accounted for")
    text = f"that minute has {minute.ticks} ticks{': ' if counts else ''}{', '.join(counts)}"
    text += f"; this is about {when(start, question.zone)}"
    return replace(answer, minute=minute).adding([Fact("minute", sentence(text))])


def _runs_at(runs: Sequence[RunRecord], tick: datetime) -> bool:
    return any(
        run.scheduled_at == tick or (run.covers is not None and run.covers.first <= tick <= run.covers.last)
        for run in runs
    )


def _skips_at(spans: Sequence[SpanRecord], tick: datetime) -> bool:
    return any(record.span.first <= tick <= record.span.last for record in spans)


# -- a reading that did not exist ---------------------------------------------------------------------


async def _in_gap(store: Store, question: Question, skipped: Skipped) -> Answer:
    """The answer for a reading that the clock left out when it was put forward."""
    question = replace(question, second=skipped.at)
    evidence = await gathered(store, question)
    schedule, _ = schedule_then(question, evidence)
    lead = f"{skipped.text} did not exist: the clock went from {skipped.before} to {skipped.after}"
    if schedule is None or schedule.note(skipped.at) is None:
        how = "" if schedule is None else ", and nothing was due in between or made up for it"
        facts = () if schedule is None else (Fact("ticks", no_tick(question, schedule, "around it").text),)
        return Answer(
            job=question.job, at=skipped.at, code="clock_change", text=sentence(lead + how), facts=facts
        )
    answer = await _answered(store, question, evidence)
    made_up = f"{lead}, and its tick is that of {when(skipped.at, question.zone)}"
    return answer.adding([Fact("clock_change", sentence(made_up))])
