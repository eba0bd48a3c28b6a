"""Cron expressions and their exceptions in words, for `list`, `show` and `next`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from jobkit.schedules.base import DAY
from jobkit.schedules.fields import FIELDS, FieldValues, read_field
from jobkit.schedules.hashed import draw_hashed
from jobkit.schedules.reading import split_fields

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ORDINALS = ("last", "first", "second", "third", "fourth", "fifth")
#: So many times of day are listed one by one, so many values of a field.
_FEW_TIMES = 6
_FEW_VALUES = 10


def in_words(expression: str, name: str = "") -> str:
    """What a valid *expression* says, without its zone: ``every 15 minutes on Monday to Friday``."""
    texts = draw_hashed(split_fields(expression), name)
    second, minute, hour, monthday, month, weekday = (
        read_field(field, text) for field, text in zip(FIELDS, texts, strict=True)
    )
    times = _times_of_day(second, minute, hour)
    days = _days(monthday, weekday)
    if days is None and times[3].isdigit():  # "at 03:00", not "at minute 3"
        days = "every day"
    months = "" if len(month.plain) == 12 else "in " + _listed(month.plain, _MONTHS.__getitem__)
    separator = ", " if "," in times else " "
    return separator.join(part for part in (times, days, months) if part)


def day_rule_remark(expression: str) -> str | None:
    """Which of cron's two day rules holds, where both day fields are restricted; else None."""
    monthday, _, weekday = split_fields(expression)[3:]
    if "*" in {monthday, weekday}:
        return None
    both = monthday.startswith("*") or weekday.startswith("*")
    rule = "both must match" if both else "either may match"
    why = "one of them starts with `*`" if both else "neither starts with `*`"
    return f"day of month `{monthday}` and weekday `{weekday}` are both restricted: {rule}, because {why}"


def repeated(reading: int) -> str:
    """The note for a fire in the second pass of an overlap."""
    return f"repeated: the clock shows {_clock(reading)} for the second time"


def made_up(first: int, count: int, gap: tuple[int, int], *, own: bool) -> str:
    """The note for a fire right after a *gap* in which *count* readings matched, *first* first.

    *own* tells whether the fire would have happened without them too.
    """
    more = f" and {count - 1} more" if count > 1 else ""
    kind = "also made up" if own else "made up"
    return f"{kind}: {_clock(first)}{more}, as the clock went from {_clock(gap[0])} to {_clock(gap[1])}"


def _clock(reading: int) -> str:
    minutes, second = divmod(reading % DAY, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{second:02}" if second else text


def _times_of_day(second: FieldValues, minute: FieldValues, hour: FieldValues) -> str:
    count = len(second.plain) * len(minute.plain) * len(hour.plain)
    if count <= _FEW_TIMES:
        parts = itertools.product(hour.plain, minute.plain, second.plain)
        readings = sorted(h * 3600 + m * 60 + s for h, m, s in parts)
        return "at " + _joined([_clock(reading) for reading in readings])
    apart = _apart(hour, 24)
    if apart is not None and minute.plain == second.plain == {0}:
        return f"every {apart} hours"
    within = _within_hour(second, minute)
    if len(hour.plain) == 24:
        return _every_hour(within) if len(minute.plain) * len(second.plain) == 1 else within
    return f"{within}, " + (f"every {apart} hours" if apart else f"in {_counted('hour', hour)}")


def _every_hour(within: str) -> str:
    return "every hour" if within == "at minute 0" else f"every hour, {within}"


def _within_hour(second: FieldValues, minute: FieldValues) -> str:
    if len(minute.plain) == 60:
        return _within_minute(second)
    apart = _apart(minute, 60)
    minutes = f"every {apart} minutes" if apart else f"at {_counted('minute', minute)}"
    return minutes if second.plain == {0} else f"{_within_minute(second)}, {minutes}"


def _within_minute(second: FieldValues) -> str:
    if len(second.plain) == 60:
        return "every second"
    if second.plain == {0}:
        return "every minute"
    apart = _apart(second, 60)
    return f"every {apart} seconds" if apart else f"at {_counted('second', second)}"


def _apart(field: FieldValues, size: int) -> int | None:
    """The distance of values that start at 0 and stay equally far apart across the wrap."""
    count = len(field.plain)
    if count < 2 or count == size or size % count:
        return None
    step = size // count
    return step if field.plain == set(range(0, size, step)) else None


def _days(monthday: FieldValues, weekday: FieldValues) -> str | None:
    by_date, by_weekday = _dates(monthday), _named_weekdays(weekday)
    if by_date is None or by_weekday is None:
        return by_date or by_weekday
    if monthday.starred or weekday.starred:
        return f"{by_date}, if that is {by_weekday.removeprefix('on ')}"
    return f"{by_date} or {by_weekday}"


def _dates(field: FieldValues) -> str | None:
    if len(field.plain) == 31:
        return None
    if field.nearest is not None:
        return f"on the Monday to Friday nearest to day {field.nearest} of the month"
    parts = [_counted("day", field)] if field.plain else []
    parts += ["the last day"] if field.last_day else []
    return f"on {_joined(parts)} of the month"


def _named_weekdays(field: FieldValues) -> str | None:
    if field.nth:
        named = [f"{_ORDINALS[which]} {_WEEKDAYS[weekday]}" for weekday, which in sorted(field.nth)]
        return f"on the {_joined(named)} of the month"
    if len(field.plain) == 7:
        return None
    # People's weeks start on Monday.
    return "on " + _listed({value or 7 for value in field.plain}, _WEEKDAYS.__getitem__)


def _counted(noun: str, field: FieldValues) -> str:
    plural = "s" if len(field.plain) > 1 else ""
    return f"{noun}{plural} {_listed(field.plain, str)}"


def _listed(values: frozenset[int] | set[int], named: Callable[[int], str]) -> str:
    """``8 to 18``, ``Monday and Friday``, ``1, 3 to 5 and 9``; long lists end with their number."""
    runs: list[tuple[int, int]] = []
    for value in sorted(values):
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    parts: list[str] = []
    for first, last in runs:
        if last - first > 1:
            parts.append(f"{named(first)} to {named(last)}")
        else:
            parts += [named(value) for value in range(first, last + 1)]
    if len(parts) > _FEW_VALUES:
        return f"{', '.join(parts[:3])}, ... {parts[-1]} ({len(values)} values)"
    return _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
