"""Durations as people write them: ``90``, ``"90s"``, ``"1h30m"``, ``timedelta(minutes=5)``."""

from __future__ import annotations

import math
import re
from datetime import timedelta

#: Longest duration that is accepted: a hundred years of days.
LONGEST = timedelta(days=36_525)

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_TERM = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)")
_TEXT = re.compile(rf"(?:{_TERM.pattern})+")


def parse_duration(value: object) -> timedelta:
    """The duration that *value* means: a timedelta, seconds as a number, or text like ``"1h30m"``.

    Units are ``ms s m h d w``, each at most once, largest first or not. Raises TypeError for other
    types and ValueError for text that is not a duration, a negative or non-finite number, and
    more than a hundred years.
    """
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(
            f"a duration is text like '90s' or '1h30m', seconds, or a timedelta, not {_kind(value)}"
        )
    elif isinstance(value, str):
        duration = _from_text(value)
    else:
        duration = _from_seconds(value)
    if duration < timedelta(0):
        raise ValueError("a duration cannot be negative")
    if duration > LONGEST:
        raise ValueError("a duration cannot be longer than a hundred years")
    return duration


def format_duration(duration: timedelta) -> str:
    """*duration* as text that :func:`parse_duration` reads back: ``1h30m``, ``90ms``, ``0s``.

    Exact to the millisecond; what lies below is rounded.
    """
    if duration < timedelta(0):
        text = format_duration(-duration)
        return text if text == "0s" else f"-{text}"
    milliseconds = round(duration / timedelta(milliseconds=1))
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"), (milliseconds, "ms")]
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def _from_text(text: str) -> timedelta:
    compact = text.strip()
    if len(compact) > 64 or not _TEXT.fullmatch(compact):
        shown = compact if len(compact) <= 40 else compact[:40] + "…"
        raise ValueError(f"{shown!r} is not a duration; write it like '300ms', '90s', '5m', '1h30m' or '2d'")
    terms = _TERM.findall(compact)
    units = [unit for _, unit in terms]
    if len(set(units)) != len(units):
        raise ValueError(f"{compact!r} names the same unit twice")
    return _from_seconds(sum(float(number) * _UNITS[unit] for number, unit in terms))


def _from_seconds(seconds: float) -> timedelta:
    try:
        if not math.isfinite(seconds):
            raise ValueError("a duration must be finite")
        return timedelta(seconds=seconds)
    except OverflowError:  # an int of hundreds of digits is too large even to ask
        raise ValueError("a duration cannot be longer than a hundred years") from None


def _kind(value: object) -> str:
    return type(value).__name__
