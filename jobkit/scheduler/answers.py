"""The answer to "why did it (not) run?": one decisive sentence, and whatever else holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from jobkit.durations import format_duration
from jobkit.records import format_instant, to_plain

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.scheduler.presence import Gap, Stay
    from jobkit.stores.control import Pause
    from jobkit.stores.ledger import SpanRecord
    from jobkit.stores.replicas import EventRecord


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that holds: a word for programs, a sentence for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Minute:
    """What became of the ticks of one minute; those that neither ran nor were skipped are not due yet, or
    nothing accounts for them."""

    ticks: int
    ran: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why a job ran, did not, or will (not), at *at*. *code* and *text* are decisive, *facts* hold as well.

    *previous* and *next* are the nearest ticks around an instant that is none.
    """

    job: str
    at: datetime | None
    code: str
    text: str
    facts: tuple[Fact, ...] = ()
    run: RunRecord | None = None
    span: SpanRecord | None = None
    pause: Pause | None = None
    events: tuple[EventRecord, ...] = ()
    previous: datetime | None = None
    next: datetime | None = None
    minute: Minute | None = None

    def adding(self, facts: Iterable[Fact]) -> Answer:
        """The same with more *facts*, none twice."""
        known = {fact.text for fact in self.facts} | {self.text}
        return replace(self, facts=(*self.facts, *(fact for fact in facts if fact.text not in known)))

    def to_json(self, zone: tzinfo, zone_name: str) -> dict[str, Any]:
        """The data of ``jobkit why --json``."""
        at, pause, minute = self.at, self.pause, self.minute
        return {
            "job": self.job,
            "at": to_plain(at),
            "local": None if at is None else at.astimezone(zone).isoformat(),
            "timezone": zone_name,
            "code": self.code,
            "text": self.text,
            "facts": [{"code": fact.code, "text": fact.text} for fact in self.facts],
            "run": None if self.run is None else self.run.to_json(),
            "span": None if self.span is None else span_json(self.span),
            "pause": None if pause is None else pause_json(pause),
            "events": [event_json(record) for record in self.events],
            "previous": to_plain(self.previous),
            "next": to_plain(self.next),
            "minute": None
            if minute is None
            else {"ticks": minute.ticks, "ran": minute.ran, "skipped": minute.skipped},
        }


def span_json(record: SpanRecord) -> dict[str, Any]:
    """A span as JSON."""
    span = record.span
    return {
        "reason": span.reason,
        "cause": span.cause,
        "node": span.node,
        "first": format_instant(span.first),
        "last": format_instant(span.last),
        "count": span.count,
        "recorded_at": format_instant(record.recorded_at),
    }


def pause_json(pause: Pause) -> dict[str, Any]:
    """A pause as JSON."""
    return {
        "job": pause.job,
        "since": format_instant(pause.since),
        "until": to_plain(pause.until),
        "by": pause.by,
        "reason": pause.reason,
        "resumed_at": to_plain(pause.resumed_at),
        "resumed_by": pause.resumed_by,
    }


def event_json(record: EventRecord) -> dict[str, Any]:
    """An event as JSON."""
    event = record.event
    return {
        "kind": event.kind,
        "at": format_instant(event.at),
        "job": event.job,
        "actor": event.actor,
        "data": to_plain(event.data),
    }


# -- words --------------------------------------------------------------------------------------------


def when(instant: datetime, zone: tzinfo) -> str:
    """``2026-11-22 03:00:00``, by the clock in *zone*."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def took(span: timedelta) -> str:
    """A time that has passed, without more digits than it takes: ``12ms``, ``4.2s``, ``3h12m``."""
    seconds = max(span.total_seconds(), 0)
    if seconds < 1:
        return format_duration(timedelta(milliseconds=round(seconds * 1000)))
    if seconds < 60:
        return f"{seconds:.1f}s"
    if seconds < 3600:
        return format_duration(timedelta(seconds=round(seconds)))
    return format_duration(timedelta(minutes=round(seconds / 60)))


def pause_text(pause: Pause, zone: tzinfo) -> str:
    """``paused by ops@x from … to …: reason``."""
    what = "all jobs were paused" if pause.job is None else "it was paused"
    end = pause.end
    text = f"{what} by {pause.by} from {when(pause.since, zone)}"
    if end is not None:
        text += f" to {when(end, zone)}"
    if pause.resumed_by and end == pause.resumed_at:
        text += f" (resumed by {pause.resumed_by})"
    return f"{text}: {pause.reason}" if pause.reason else text


def gap_text(gap: Gap, zone: tzinfo) -> str:
    """``no scheduler was running from … to …``, and how the last one ended."""
    last, following = gap.last, gap.following
    if last is None and following is None:
        return "no scheduler has served this store yet"
    if last is None:
        assert following is not None
        return f"no scheduler was running before {when(following.since, zone)}"
    assert last.until is not None
    if following is None:
        return f"no scheduler has been running since {when(last.until, zone)}: {_ended(last)}"
    between = f"from {when(last.until, zone)} to {when(following.since, zone)}"
    return f"no scheduler was running {between}: {_ended(last)}"


def _ended(stay: Stay) -> str:
    who = f"the one on {stay.node} (process {stay.pid})"
    return f"{who} vanished" if stay.vanished else f"{who} had stopped"


def sentence(text: str) -> str:
    """*text* with a capital and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
