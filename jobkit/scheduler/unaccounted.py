"""What to say of an instant that no row accounts for: unscheduled, unknown, not due, not yet, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from jobkit.scheduler.answers import Answer, Fact, gap_text, pause_text, sentence, took, when
from jobkit.scheduler.evidence import schedule_of, schedule_then
from jobkit.scheduler.marks import UNSCHEDULED
from jobkit.scheduler.policies import second_of
from jobkit.scheduler.presence import gap_at
from jobkit.schedules.base import from_epoch

if TYPE_CHECKING:
    from jobkit.scheduler.evidence import Evidence, Question
    from jobkit.schedules.base import Schedule
    from jobkit.stores.replicas import EventRecord

#: So long a tick that is due may take to be claimed without anything being wrong.
_SOON: Final = timedelta(seconds=5)


def by_silence(question: Question, evidence: Evidence) -> Answer:
    """The answer for an instant that neither a run nor a span accounts for."""
    if question.second > question.now:
        answer = _in_future(question, evidence)
    else:
        answer = _in_past(question, evidence)
    return answer.adding(_beside(question, evidence, answer.code))


def _answer(question: Question, code: str, text: str, *events: EventRecord) -> Answer:
    return Answer(job=question.job, at=question.second, code=code, text=sentence(text), events=events)


# -- what was -----------------------------------------------------------------------------------------


def _in_past(question: Question, evidence: Evidence) -> Answer:
    then = evidence.change_at(question.second)
    if then is not None and not then.event.data.get("scheduled", True):
        return _unscheduled_then(question, evidence, then)
    known = evidence.known_since
    if known is None or question.second < known:
        return _before_all(question, evidence)
    schedule, certain = schedule_then(question, evidence)
    if certain and schedule is not None and not fires(schedule, question):
        return no_tick(question, schedule, "it does not fire then")
    if then is None and question.standing is not None and not question.standing.fires:
        since = [state.since for state in evidence.states if state.hash == UNSCHEDULED and state.since]
        if not since or question.second >= min(since):
            text = _not_scheduled(question, f" since {when(min(since), question.zone)}" if since else "")
            return _answer(question, _code_of_standing(question), text)
    if not certain or (evidence.registered is not None and question.second <= evidence.registered):
        return _registered_anew(question, evidence)
    mark = evidence.mark
    if mark is None or question.second > mark:
        return _not_accounted_yet(question, evidence)
    if question.second < question.now - question.retention:
        text = f"{_older(question)}: what accounted for it has been deleted"
        return _answer(question, "pruned", text)
    return _answer(
        question,
        "pruned",
        "it was accounted for, and what accounted for it was deleted since, as `jobkit db prune` does",
    )


def _older(question: Question) -> str:
    return f"that is longer ago than the retention of {took(question.retention)}"


def _unscheduled_then(question: Question, evidence: Evidence, then: EventRecord) -> Answer:
    event, zone = then.event, question.zone
    until = evidence.change_after(question.second)
    span = f"from {when(event.at, zone)}"
    span += f" to {when(until.event.at, zone)}" if until is not None else " on"
    why = str(event.data.get("why") or "it was not scheduled")
    place = event.data.get("place")
    text = f"it was not scheduled {span}: {why}"
    if place and str(place) not in why:
        text += f" ({place})"
    if event.actor and event.actor not in text:
        text += f", by {event.actor}"
    schedule = schedule_of(question, then)
    code = _code_of(event.data.get("enabled", True), str(event.data.get("schedule") or ""), why)
    events = (then,) if until is None else (until, then)
    answer = _answer(question, code, text, *events)
    if schedule is not None and not fires(schedule, question):
        return answer.adding([Fact("not_a_tick", "Its schedule does not fire then either.")])
    return answer


#: The word for each cause of a standing.
_CODES: Final = {
    "error": "error",
    "disabled": "disabled",
    "no schedule": "manual",
    "unlisted": "not_listed",
    "off": "scheduler_off",
}
#: What such a cause begins with where only its sentence was written down.
_SENTENCES: Final = (
    ("it has an error", "error"),
    ("disabled", "disabled"),
    ("it has no schedule", "manual"),
    ("unlisted", "not_listed"),
    ("the scheduler is off", "scheduler_off"),
)


def _code_of_standing(question: Question) -> str:
    assert question.standing is not None
    return _CODES.get(question.standing.cause, "not_scheduled")


def _not_scheduled(question: Question, since: str = "") -> str:
    """``it is not scheduled: disabled (…)``; a job without a schedule says only that."""
    standing = question.standing
    assert standing is not None
    return standing.why if standing.cause == "no schedule" else f"it is not scheduled{since}: {standing.why}"


def _code_of(enabled: object, schedule: str, why: str) -> str:
    """The word for why a job was not scheduled, from what was written down then."""
    for beginning, code in _SENTENCES:
        if why.startswith(beginning):
            return code
    if not enabled:
        return "disabled"
    return "not_scheduled" if schedule else "manual"


def _before_all(question: Question, evidence: Evidence) -> Answer:
    standing, known = question.standing, evidence.known_since
    if standing is not None and not standing.fires:
        return _answer(question, _code_of_standing(question), _not_scheduled(question))
    if known is None:
        times = None if question.spec is None else question.spec.times
        if times is not None and not fires(times, question):
            return no_tick(question, times, "it does not fire then")
        gap = gap_at(evidence.stays, question.second)
        if gap is not None:
            return _answer(question, "no_scheduler", gap_text(gap, question.zone))
        return _answer(question, "unknown", "no scheduler has registered the job yet")
    text = f"that was before the job was known here: it was first registered at {when(known, question.zone)}"
    answer = _answer(question, "before", text)
    if question.second < question.now - question.retention:
        return answer.adding([Fact("pruned", sentence(f"{_older(question)}, for which records are kept"))])
    return answer


def _registered_anew(question: Question, evidence: Evidence) -> Answer:
    changes = [each for each in (evidence.change_after(question.second),) if each is not None]
    at = changes[0].event.at if changes else evidence.registered
    if at is None:
        return _answer(question, "unknown", "nothing is known of its schedule at that time")
    text = f"its schedule was registered anew at {when(at, question.zone)}"
    said = changes[0].event.data.get("schedule") if changes else None
    text += f' as "{said}"' if said else ""
    text += "; what was due before that and had not been accounted for is not made up"
    return _answer(question, "changed", text, *changes)


def _not_accounted_yet(question: Question, evidence: Evidence) -> Answer:
    stays, zone = evidence.stays, question.zone
    if not any(stay.until is None for stay in stays):
        gap = gap_at(stays, question.now)
        text = "none is running now" if gap is None else gap_text(gap, zone)
        events = evidence.traffic_around(question.now)
        return _answer(question, "no_scheduler", f"nothing has looked at it yet: {text}", *events).adding(
            [Fact("policy", _when_one_starts(question))] if question.spec is not None else []
        )
    if evidence.registered_by and not evidence.registered_by & {state.hash for state in evidence.states}:
        text = (
            "the schedulers that are running have another schedule for it than the one that is registered, "
            "as while a new version is rolled out; they make no ticks for it"
        )
        return _answer(question, "superseded", text)
    waited = question.now - question.second
    if waited <= _SOON:
        return _answer(question, "due", "it is due right now, and about to be claimed")
    mark = evidence.mark
    upto = f"; its ticks are accounted for up to {when(mark, zone)}" if mark is not None else ""
    text = f"it is {took(waited)} overdue: a scheduler is running, and has not accounted for it yet{upto}"
    return _answer(question, "overdue", text)


def _when_one_starts(question: Question) -> str:
    assert question.spec is not None
    misfire = question.spec.misfire
    if misfire == "none":
        return 'When one starts, the tick is passed over: misfire is "none".'
    which = "the newest missed tick" if misfire == "latest" else "each missed tick, oldest first,"
    return f'When one starts, {which} is made up if it is within grace: misfire is "{misfire}".'


# -- what is not due ----------------------------------------------------------------------------------


def fires(schedule: Schedule, question: Question) -> bool:
    """Whether *schedule* fires at the second in question."""
    second = second_of(question.second)
    return schedule.next_epoch(second - 1) == second


def no_tick(question: Question, schedule: Schedule, text: str) -> Answer:
    """The answer for an instant at which *schedule* does not fire, with the ticks around it."""
    second = second_of(question.second)
    before, after = schedule.previous_epoch(second), schedule.next_epoch(second)
    around = [f"the tick before is {when(from_epoch(before), question.zone)}"] if before is not None else []
    around += [f"the next is {when(from_epoch(after), question.zone)}"] if after is not None else []
    told = f'{text}: its schedule is "{schedule.text}" ({schedule.timezone})'
    answer = _answer(question, "not_a_tick", f"{told}; {', '.join(around)}" if around else told)
    return replace(
        answer,
        previous=None if before is None else from_epoch(before),
        next=None if after is None else from_epoch(after),
    )


# -- what will be -------------------------------------------------------------------------------------


def _in_future(question: Question, evidence: Evidence) -> Answer:
    spec, standing = question.spec, question.standing
    if spec is None or standing is None:
        return _answer(question, "gone", "it will not run: no job of that name is collected any more")
    if not standing.fires or spec.times is None:
        return _answer(question, _code_of_standing(question), f"it will not run then: {standing.why}")
    if not fires(spec.times, question):
        return no_tick(question, spec.times, "it will not run then")
    pause = evidence.pause_at(question.second)
    if pause is not None:
        answer = _answer(question, "paused", f"it will not run then: {pause_text(pause, question.zone)}")
        return replace(answer, pause=pause)
    away = took(question.second - question.now)
    return _answer(question, "will_run", f"it will run then, in {away}")


# -- and besides --------------------------------------------------------------------------------------


def _beside(question: Question, evidence: Evidence, code: str) -> Iterator[Fact]:
    """What holds as well, and may have been the reason asked for."""
    zone, future = question.zone, question.second > question.now
    pause = evidence.pause_at(question.second)
    if pause is not None and code != "paused":
        yield Fact("paused", sentence(pause_text(pause, zone)))
    stays = evidence.stays
    if future:
        if not any(stay.until is None for stay in stays):
            yield Fact("no_scheduler", "No scheduler is running now: `jobkit start` starts one.")
    elif code not in ("no_scheduler", "before", "pruned", "not_a_tick", "manual"):
        gap = gap_at(stays, question.second)
        if gap is not None and (gap.last is not None or gap.following is not None):
            yield Fact("no_scheduler", sentence(gap_text(gap, zone)))
    standing = question.standing
    if question.spec is None:
        yield Fact("gone", "No job of that name is collected any more: this is what the store remembers.")
    elif standing is not None and not standing.fires and not future and code in ("before", "changed"):
        yield Fact("not_scheduled", sentence(f"at present it is not scheduled: {standing.why}"))
    note = (
        None
        if question.spec is None or question.spec.times is None
        else question.spec.times.note(question.second)
    )
    if note is not None:
        yield Fact("clock_change", sentence(note))
