"""A second reading of cron text and of clock changes: slow, obvious, and sharing no code with ours.

Text is matched against one regular expression per form; instants are found by looking at every
minute of a window, one after another, and asking `zoneinfo` what the clock shows.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

MINUTE = timedelta(minutes=1)
THREE_HOURS = timedelta(hours=3)
LIMITS = [(0, 59, 59), (0, 59, 59), (0, 23, 23), (1, 31, 31), (1, 12, 12), (0, 7, 7)]
NAMES: list[list[str]] = [
    [],
    [],
    [],
    [],
    list(calendar.month_abbr)[1:],
    ["Sun", *list(calendar.day_abbr)[:6]],
]


class RefusedError(Exception):
    """The text is outside the grammar."""


@dataclass
class Cron:
    """An expression as the sets that its fields list; None in `days` and `weekdays` stands aside."""

    seconds: set[int]
    minutes: set[int]
    hours: set[int]
    days: list[str]
    months: set[int]
    weekdays: list[str]
    interval: bool
    both: bool

    def on(self, day: date) -> bool:
        """Whether the expression may fire on that date."""
        if day.month not in self.months:
            return False
        by_day = any(self._day(term, day) for term in self.days)
        by_weekday = any(self._weekday(term, day) for term in self.weekdays)
        return by_day and by_weekday if self.both else by_day or by_weekday

    def _day(self, term: str, day: date) -> bool:
        length = calendar.monthrange(day.year, day.month)[1]
        if term == "L":
            return day.day == length
        if term.endswith("W"):
            wanted = int(term[:-1])
            if wanted > length:
                return False
            near = sorted(range(1, length + 1), key=lambda d: (abs(d - wanted), d))
            return day.day == next(d for d in near if date(day.year, day.month, d).weekday() < 5)
        return day.day in plain(term, 3)

    def _weekday(self, term: str, day: date) -> bool:
        ours = day.isoweekday() % 7
        if term.endswith("L"):
            return ours in plain(term[:-1], 5) and (day + timedelta(days=7)).month != day.month
        if "#" in term:
            weekday, which = term.split("#")
            earlier = sum((day - timedelta(weeks=n)).month == day.month for n in range(1, 5))
            return ours in plain(weekday, 5) and earlier + 1 == int(which)
        return ours in plain(term, 5)


def plain(term: str, index: int) -> set[int]:
    """The values of ``*``, ``n`` or ``a-b``, each with or without a step."""
    low, high, largest_step = LIMITS[index]
    words = "|".join(["[0-9]{1,4}", *(name.upper() for name in NAMES[index])])
    match = re.fullmatch(
        rf"(?P<all>\*)(/(?P<s>\d{{1,4}}))?|(?P<a>{words})(-(?P<b>{words}))?(/(?P<t>\d{{1,4}}))?", term
    )
    if not match:
        raise RefusedError(term)
    step = int(match["s"] or match["t"] or 1)
    if not 0 < step <= largest_step:
        raise RefusedError(term)
    last = 6 if index == 5 else high
    if match["all"]:
        values = range(low, last + 1)[::step]
    else:
        first = _value(match["a"], index)
        end = _value(match["b"], index) if match["b"] else first
        if not low <= first <= end <= high:
            raise RefusedError(term)
        if not match["b"] and match["t"]:
            first, end = (first % 7 if index == 5 else first), last
        values = range(first, end + 1)[::step]
    return {value % 7 if index == 5 else value for value in values}


def _value(word: str, index: int) -> int:
    names = [name.upper() for name in NAMES[index]]
    return names.index(word) + (index == 4) if word in names else int(word)


def read(text: str) -> Cron:
    """The expression that *text* is, without ``H``; RefusedError if it is none."""
    if len(text) > 256 or not re.fullmatch(r"[\t\x20-\x7e]*", text):
        raise RefusedError(text)
    fields = text.replace("\t", " ").upper().split()
    if len(fields) != 6:
        raise RefusedError(text)
    terms = [field.split(",") for field in fields]
    sets = [set().union(*(plain(term, i) for term in terms[i])) for i in (0, 1, 2, 4)]
    _check_days(terms[3])
    _check_weekdays(terms[5])
    cron = Cron(
        seconds=sets[0],
        minutes=sets[1],
        hours=sets[2],
        days=terms[3],
        months=sets[3],
        weekdays=terms[5],
        interval=fields[1][0] == "*" or fields[2][0] == "*",
        both=fields[3][0] == "*" or fields[5][0] == "*",
    )
    if not any(cron.on(day) for day in _sample_days()):
        raise RefusedError("never")
    return cron


def _check_days(terms: list[str]) -> None:
    for term in terms:
        if match := re.fullmatch(r"([0-9]{1,4})W", term):
            if len(terms) > 1 or not 1 <= int(match[1]) <= 31:
                raise RefusedError(term)
        elif term != "L":
            plain(term, 3)


def _check_weekdays(terms: list[str]) -> None:
    special = [term for term in terms if re.fullmatch(r"\w+L|\w+#[0-9]{1,4}", term)]
    if special and special != terms:
        raise RefusedError(terms[0])
    for term in terms:
        weekday, _, which = term.removesuffix("L").partition("#")
        if term not in special:
            plain(term, 5)
        elif not re.fullmatch(r"[0-9]{1,4}|[A-Z]{3}", weekday) or not 1 <= int(which or 1) <= 5:
            raise RefusedError(term)
        else:
            plain(weekday, 5)


def _sample_days() -> Iterator[date]:
    """Every date of 28 years, in which each date has fallen on each weekday."""
    day = date(2000, 1, 1)
    while day.year < 2028:
        yield day
        day += timedelta(days=1)


def fires(text: str, zone: tzinfo, start: datetime, end: datetime) -> list[datetime]:
    """Every fire after *start* up to *end* (aware), by looking at each minute between them."""
    cron = read(text)
    found = _interval(cron, zone, start, end) if cron.interval else _fixed(cron, zone, start, end)
    return sorted({instant for instant in found if start < instant <= end})


def _interval(cron: Cron, zone: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    minute = start.astimezone(UTC).replace(second=0, microsecond=0)
    days: dict[date, bool] = {}
    while minute <= end:
        local = minute.astimezone(zone)
        if local.second == 0:
            time_fits = local.minute in cron.minutes and local.hour in cron.hours
            if time_fits and _remembered(cron, local.date(), days):
                yield from (minute + timedelta(seconds=second) for second in cron.seconds)
        else:  # an offset with seconds: no minute of the clock begins with one of UTC
            yield from _interval_by_second(cron, zone, minute)
        minute += MINUTE


def _remembered(cron: Cron, day: date, days: dict[date, bool]) -> bool:
    if day not in days:
        days[day] = cron.on(day)
    return days[day]


def _interval_by_second(cron: Cron, zone: tzinfo, minute: datetime) -> Iterator[datetime]:
    for second in range(60):
        instant = minute + timedelta(seconds=second)
        local = instant.astimezone(zone)
        time_fits = local.second in cron.seconds and local.minute in cron.minutes and local.hour in cron.hours
        if time_fits and cron.on(local.date()):
            yield instant


def _fixed(cron: Cron, zone: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    day = start.astimezone(zone).date() - timedelta(days=2)
    last = end.astimezone(zone).date() + timedelta(days=2)
    while day <= last:
        if cron.on(day):
            for hour in sorted(cron.hours):
                for minute in sorted(cron.minutes):
                    for second in sorted(cron.seconds):
                        shown = datetime(day.year, day.month, day.day, hour, minute, second)
                        instant = first_instant(shown, zone)
                        if instant is not None:
                            yield instant
        day += timedelta(days=1)


def first_instant(shown: datetime, zone: tzinfo) -> datetime | None:
    """When the clock first shows *shown*; after a gap of up to three hours, the instant after it."""
    before = shown.replace(tzinfo=zone, fold=0)
    instant = before.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == shown:
        return instant
    after = shown.replace(tzinfo=zone, fold=1)
    offset, other = after.utcoffset(), before.utcoffset()
    assert offset is not None
    assert other is not None
    if offset - other > THREE_HOURS:
        return None
    # The clock is set between these two; find the first second that has the new offset.
    low, high = after.astimezone(UTC), instant
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == other:
            low = middle
        else:
            high = middle
    return high


def next_in_utc(text: str, start: datetime, count: int) -> list[datetime]:
    """The next *count* fires after *start* on a clock in UTC, day by day, for thirty years at most."""
    cron = read(text)
    found: list[datetime] = []
    day = start.date()
    for _ in range(30 * 366):
        if cron.on(day):
            for hour in sorted(cron.hours):
                for minute in sorted(cron.minutes):
                    for second in sorted(cron.seconds):
                        instant = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                        if instant > start:
                            found.append(instant)
                        if len(found) == count:
                            return found
        day += timedelta(days=1)
    return found
