"""Instants as people write them on a command line: ``2d``, ``2h ago``, ``yesterday 03:00``, RFC 3339."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from jobkit.cli.usage import quoted
from jobkit.durations import parse_duration
from jobkit.exceptions import UsageError

_CLOCK = re.compile(r"(?:(today|yesterday|tomorrow)(?:\s+|$))?(?:(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
#: Hours, minutes and seconds: a time without them means its whole minute where that makes a difference.
_SECONDS = re.compile(r"\d{1,2}:\d{2}:\d{2}")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1, None: 0}


def parse_instant(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The instant (aware, UTC) that *text* means at *now*.

    ``now``, ``2d`` and ``2h ago`` (before now), ``03:00``, ``yesterday``, ``yesterday 03:00``,
    ``2026-11-20``, RFC 3339; local times are in *zone*. UsageError for anything else.
    """
    wanted = text.strip()
    if wanted.lower() == "now":
        return now
    found = _ago(wanted, now) or _by_the_clock(wanted.lower(), now, zone) or _written_out(wanted, zone)
    if found is None:
        raise UsageError(
            f"{quoted(text, 60)} is not a time",
            code="JK806",
            help="write it like 2d, '2h ago', 03:00, 'yesterday 03:00' or 2026-11-20T03:00:00Z",
        )
    return found


@dataclass(frozen=True, slots=True)
class Moment:
    """What a time on a command line means; *whole_minute* says that it was written without seconds.

    *unreal* is a local reading that did not exist, because the clock was put forward over it; *instant* is
    then that of the change, *before* and *after* what the clock showed at it.
    """

    instant: datetime
    whole_minute: bool = False
    unreal: datetime | None = None
    before: datetime | None = None
    after: datetime | None = None


def parse_moment(text: str, now: datetime, zone: tzinfo) -> Moment:
    """As :func:`parse_instant`, and how exactly it was written. UsageError (JK806)."""
    instant = parse_instant(text, now, zone)
    wanted = text.strip()
    if wanted.lower() == "now" or _ago(wanted, now) is not None:
        return Moment(instant)
    whole = _SECONDS.search(wanted) is None
    local = _local(wanted, now, zone)
    if local is None or instant.astimezone(zone).replace(tzinfo=None) == local:
        return Moment(instant, whole)
    change = _change_before(instant, zone)
    before = (change - timedelta(seconds=1)).astimezone(zone) + timedelta(seconds=1)
    return Moment(change, whole, local, before, change.astimezone(zone))


def _local(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    """The reading of a clock in *zone* that *text* means; None where it names its own zone."""
    found = _reading(text.lower(), now, zone)
    if found is None:
        written = datetime.fromisoformat(text)
        found = written if written.tzinfo is None else None
    return None if found is None else found.replace(fold=0)


def _change_before(instant: datetime, zone: tzinfo) -> datetime:
    """The first second after the change of the clock that lies in the day before *instant*."""
    shift = instant.astimezone(zone).utcoffset()
    first, last = instant - timedelta(days=1), instant
    while last - first > timedelta(seconds=1):
        middle = first + (last - first) // 2
        if middle.astimezone(zone).utcoffset() == shift:
            last = middle
        else:
            first = middle
    return last.replace(microsecond=0)


def _ago(text: str, now: datetime) -> datetime | None:
    duration = text.lower().removesuffix("ago").strip()
    if not duration or duration[0] not in "0123456789" or duration.isdigit():
        return None
    try:
        return now - parse_duration(duration.replace(" ", ""))
    except (ValueError, OverflowError):
        return None


def _by_the_clock(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    local = _reading(text, now, zone)
    return None if local is None else _resolved(local, zone)


def _reading(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    match = _CLOCK.fullmatch(text)
    if not text or match is None:
        return None
    day, hour, minute, second = match.groups()
    today = now.astimezone(zone).replace(tzinfo=None)
    try:
        return (today + timedelta(days=_DAYS[day])).replace(
            hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0), microsecond=0
        )
    except ValueError:
        return None


def _written_out(text: str, zone: tzinfo) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo is not None else _resolved(instant, zone)


def _resolved(local: datetime, zone: tzinfo) -> datetime | None:
    try:
        return local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return None
