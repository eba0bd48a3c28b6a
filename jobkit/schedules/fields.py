"""The grammar of one cron field: what may stand in it, and which values that means.

This is the guard before croniter: what it lets through has one meaning, and that meaning is
computed here, term by term, without croniter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jobkit.exceptions import ScheduleError
from jobkit.schedules.refusal import closest, refused, shown


@dataclass(frozen=True)
class Field:
    """One of the six places: its name, its numbers (both ends included), its words."""

    name: str
    low: int
    high: int
    largest_step: int
    words: Mapping[str, int]

    @property
    def largest(self) -> int:
        """The largest number that may be written: in the weekday field 7, which is Sunday."""
        return 7 if self is WEEKDAY else self.high

    def range_text(self) -> str:
        """What may be written, for an error: ``0 to 59``, or ``1 to 12 or JAN to DEC``."""
        numbers = f"{self.low} to {self.largest}"
        words = [*self.words]
        return f"{numbers} or {words[0]} to {words[-1]}" if words else numbers


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

SECOND: Final = Field("second", 0, 59, 59, {})
MINUTE: Final = Field("minute", 0, 59, 59, {})
HOUR: Final = Field("hour", 0, 23, 23, {})
MONTHDAY: Final = Field("day of month", 1, 31, 31, {})
MONTH: Final = Field("month", 1, 12, 12, {word: number for number, word in enumerate(_MONTHS, 1)})
WEEKDAY: Final = Field("weekday", 0, 6, 7, {word: number for number, word in enumerate(_WEEKDAYS)})
#: In the order in which they are written.
FIELDS: Final = (SECOND, MINUTE, HOUR, MONTHDAY, MONTH, WEEKDAY)


@dataclass(frozen=True)
class FieldValues:
    """What the text of one field means.

    *plain* are the values that it lists. *starred* tells whether the text starts with ``*``, on
    which two of cron's rules hang. *last_day* is ``L`` and *nearest* the day of ``15W``; *nth*
    are pairs of weekday and occurrence, 1 to 5, or 0 for the last. *canonical* is the same in
    the words of croniter.
    """

    plain: frozenset[int]
    starred: bool
    canonical: str
    last_day: bool = False
    nearest: int | None = None
    nth: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class _Term:
    """One entry of a field's list."""

    canonical: str
    plain: tuple[int, ...] = ()
    last_day: bool = False
    nearest: int | None = None
    nth: tuple[int, int] | None = None


_TERM = re.compile(r"(\*|[0-9A-Z]+)(?:-([0-9A-Z]+))?(?:/([0-9A-Z]+))?")
_NEAREST = re.compile(r"([0-9]+)W")
_LAST_WEEKDAY = re.compile(r"([0-9]+|[A-Z]{3})L")
_NTH_WEEKDAY = re.compile(r"([0-9]+|[A-Z]{3})#([0-9]+)")


def read_field(field: Field, text: str) -> FieldValues:
    """What *text* means in *field*; ScheduleError for whatever the grammar does not have.

    *text* is printable ASCII without blanks. ``H`` has been replaced by its value before.
    """
    entries = text.upper().split(",")
    terms = [_read_term(field, entry) for entry in entries]
    nth = frozenset(term.nth for term in terms if term.nth is not None)
    nearest = next((term.nearest for term in terms if term.nearest is not None), None)
    if nearest is not None and len(terms) > 1:
        raise _foreign(field, text, "`W` stands alone in its field", "write two schedules, as a list")
    if nth and any(term.nth is None for term in terms):
        why = "`#` and `L` cannot be mixed with plain weekdays"
        raise _foreign(field, text, why, "write two schedules, as a list")
    return FieldValues(
        plain=frozenset(value for term in terms for value in term.plain),
        starred=text.startswith("*"),
        canonical=",".join(term.canonical for term in terms),
        last_day=any(term.last_day for term in terms),
        nearest=nearest,
        nth=nth,
    )


def _read_term(field: Field, entry: str) -> _Term:
    special = _special_term(field, entry)
    if special is not None:
        return special
    match = _TERM.fullmatch(entry)
    if match is None or (match[1] == "*" and match[2] is not None):
        raise _not_understood(field, entry)
    first, last, step = match.groups()
    if first == "*":
        start, end = field.low, field.high
    else:
        start = _number(field, first, entry)
        end = start if last is None else _number(field, last, entry)
        if start > end:
            raise _reversed(field, entry, start, end)
        if last is None and step is not None:
            start, end = start % 7 if field is WEEKDAY else start, field.high
    values = range(start, end + 1, _step(field, step, entry) if step is not None else 1)
    return _Term(canonical=_canonical(field, first, start, end, step), plain=tuple(_folded(field, values)))


def _canonical(field: Field, first: str, start: int, end: int, step: str | None) -> str:
    suffix = f"/{int(step)}" if step is not None else ""
    if first == "*":
        return f"*{suffix}"
    if start == end:  # croniter reads an equal range as the whole field
        return str(*_folded(field, [start]))
    return f"{start}-{end}{suffix}"


def _folded(field: Field, values: range | list[int]) -> list[int]:
    return [value % 7 for value in values] if field is WEEKDAY else list(values)


def _special_term(field: Field, entry: str) -> _Term | None:
    """``L`` and ``15W`` among the days of a month, ``5L`` and ``5#2`` among the weekdays."""
    if field is MONTHDAY:
        if entry == "L":
            return _Term("l", last_day=True)
        if match := _NEAREST.fullmatch(entry):
            day = _number(field, match[1], entry)
            return _Term(f"{day}w", nearest=day)
    if field is WEEKDAY:
        if match := _LAST_WEEKDAY.fullmatch(entry):
            weekday = _number(field, match[1], entry) % 7
            return _Term(f"l{weekday}", nth=(weekday, 0))
        if match := _NTH_WEEKDAY.fullmatch(entry):
            weekday = _number(field, match[1], entry) % 7
            which = _occurrence(match[2], entry)
            return _Term(f"{weekday}#{which}", nth=(weekday, which))
    return None


def _number(field: Field, word: str, entry: str) -> int:
    if word in field.words:
        return field.words[word]
    if not word.isdigit():
        raise _not_understood(field, entry)
    if len(word) > 4:
        raise _out_of_range(field, word)
    number = int(word)
    if not field.low <= number <= field.largest:
        raise _out_of_range(field, word)
    return number


def _step(field: Field, step: str, entry: str) -> int:
    if not step.isdigit():
        raise _not_understood(field, entry)
    if len(step) > 4 or not 1 <= int(step) <= field.largest_step:
        raise refused(
            "JK306",
            f"{field.name}: the step of `{shown(entry)}` is not 1 to {field.largest_step}",
            f"a step counts within one round of the field; write one from 1 to {field.largest_step}, "
            "or `every ...` for a distance that does not start anew",
        )
    return int(step)


def _occurrence(word: str, entry: str) -> int:
    if len(word) > 4 or not 1 <= int(word) <= 5:
        raise refused(
            "JK304",
            f"weekday: `{shown(entry)}` names an occurrence outside 1 to 5",
            "a weekday comes at most five times a month; the last one is written `5L`",
        )
    return int(word)


def _out_of_range(field: Field, word: str) -> ScheduleError:
    hints = {
        ("hour", "24"): "midnight is hour 0",
        ("second", "60"): "the full minute is second 0",
        ("minute", "60"): "the full hour is minute 0",
    }
    hint = hints.get((field.name, word), f"write {field.range_text()}")
    return refused("JK304", f"{field.name}: {shown(word)} is out of range ({field.range_text()})", hint)


def _reversed(field: Field, entry: str, start: int, end: int) -> ScheduleError:
    if "/" in entry:
        fix = "list the values one by one"
    elif field is WEEKDAY:
        tail = {0: "", 1: ",1"}.get(end, f",1-{end}")
        also, first = (7, f"{start}-7") if start < 7 else (0, "0")
        fix = f"Sunday is also {also}: write `{first}{tail}`"
    else:
        parts = [(start, field.high), (field.low, end)]
        written = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
        fix = f"a range does not wrap around: write `{written}`"
    what = f"the range `{shown(entry)}` runs backwards ({start} to {end})"
    return refused("JK305", f"{field.name}: {what}", fix)


def _not_understood(field: Field, entry: str) -> ScheduleError:
    """The error for a term outside the grammar, with the fix where another cron has that term."""
    if not entry:
        return refused(
            "JK303",
            f"{field.name}: there is nothing before or after a comma",
            "a list has a value on both sides of each comma: `1,15`",
        )
    if (why := _habit(field, entry)) is not None:
        return _foreign(field, entry, *why)
    word = re.sub(r"[^A-Z]", "", entry)
    near = closest(word, field.words) if word else None
    forms = f"write {field.range_text()}, `*`, `a-b`, `*/n` or a list of these"
    hint = f"did you mean `{near}`?" if near else forms
    for other, place in ((MONTH, "fifth"), (WEEKDAY, "sixth")):
        if field is not other and word in other.words:
            hint = f"the {other.name} is the {place} field; the seconds come first"
    return refused("JK303", f"{field.name}: `{shown(entry)}` is not understood", hint)


def _habit(field: Field, entry: str) -> tuple[str, str] | None:
    """What another cron means by *entry*, and how it is written here."""
    weekday, monthday = field is WEEKDAY, field is MONTHDAY
    if entry == "?":
        return "it says nothing that a star does not say", "write `*`"
    if re.fullmatch(r"R(\(.*\))?(/\d+)?", entry):
        return "it would draw anew in each process", "write `H`: it is drawn from the job's name"
    if entry.startswith("H"):
        return "it stands alone in its field", "write `H`, `H/15`, `H(0-29)` or `H(0-29)/10`"
    if monthday and entry in {"LW", "WL"}:
        return "the last working day cannot be written", "write `L` for the last day of the month"
    if monthday and re.fullmatch(r"L-\d+|\d+-L|L/\d+", entry):
        return "the last day cannot be part of a range", "write `L`, or the days themselves: `28-31`"
    if monthday and (match := re.fullmatch(r"W(\d+)", entry)):
        return "the day comes before `W`", f"write `{shown(match[1], 4)}W`"
    if weekday and (match := re.fullmatch(r"L(\d|[A-Z]{3})", entry)):
        return "the weekday comes before `L`", f"write `{match[1]}L`"
    if weekday and entry == "L":
        return "it needs a weekday", "write `5L` for the last Friday, or `L` as the day of month"
    return None


def _foreign(field: Field, entry: str, why: str, fix: str) -> ScheduleError:
    return refused("JK307", f"{field.name}: `{shown(entry)}` is not accepted: {why}", fix)
