"""Instants as people write them on a command line: ``2d``, ``2h ago``, ``yesterday 03:00``, RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from jobkit.cli.usage import quoted
from jobkit.durations import parse_duration
from jobkit.exceptions import UsageError

_CLOCK = re.compile(r"(?:(today|yesterday|tomorrow)(?:\s+|$))?(?:(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
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


def _ago(text: str, now: datetime) -> datetime | None:
    duration = text.lower().removesuffix("ago").strip()
    if not duration or duration[0] not in "0123456789" or duration.isdigit():
        return None
    try:
        return now - parse_duration(duration.replace(" ", ""))
    except (ValueError, OverflowError):
        return None


def _by_the_clock(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    match = _CLOCK.fullmatch(text)
    if not text or match is None:
        return None
    day, hour, minute, second = match.groups()
    today = now.astimezone(zone).replace(tzinfo=None)
    try:
        local = (today + timedelta(days=_DAYS[day])).replace(
            hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0), microsecond=0
        )
    except ValueError:
        return None
    return _resolved(local, zone)


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
