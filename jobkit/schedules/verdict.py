"""croniter's reading of an expression, compared with ours before the expression is used.

Two programs must agree on what text means before anything fires by it. If a later croniter reads
a form otherwise, that is an error at collection and never a changed schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobkit.exceptions import ScheduleError
from jobkit.schedules.fields import FIELDS, MONTHDAY, WEEKDAY, Field, FieldValues
from jobkit.schedules.refusal import refused, shown

#: Where croniter puts each of our fields in its answer: it moves the second to the end.
_PLACES = (5, 0, 1, 2, 3, 4)


def confirm(fields: Sequence[FieldValues]) -> None:
    """Ask croniter about the six *fields*; ScheduleError (JK316) unless it reads the same values.

    About 100 µs, and the import of croniter the first time: the caller remembers the answer.
    """
    from croniter import croniter

    canonical = " ".join(field.canonical for field in fields)
    try:
        expanded, nth = croniter.expand(canonical, second_at_beginning=True)
    except Exception as error:  # its own errors, and whatever else a release may raise on odd text
        raise _disagreement(canonical, f"croniter refuses it ({shown(str(error))})") from None
    for field, ours, place in zip(FIELDS, fields, _PLACES, strict=True):
        theirs = _values(field, expanded[place])
        if field is WEEKDAY and nth:
            theirs = _occurrences(nth)
        if theirs != _expected(field, ours):
            raise _disagreement(canonical, f"croniter reads another {field.name}")


def _occurrences(nth: Mapping[Any, Iterable[object]]) -> set[object]:
    """croniter's answer for ``5#2`` and ``5L`` in the form of `_expected`."""
    return {(weekday, 0 if which == "l" else which) for weekday, numbers in nth.items() for which in numbers}


def _values(field: Field, entries: Iterable[int | str]) -> set[object]:
    """croniter's answer for one field in the form of `_expected`."""
    values: set[object] = set(entries)
    if "*" in values:
        values = {*(values - {"*"}), *range(field.low, field.high + 1)}
    return values


def _expected(field: Field, ours: FieldValues) -> set[object]:
    values: set[object] = {*ours.plain, *ours.nth}
    if field is MONTHDAY:
        # croniter keeps the W apart, and its day among the plain ones.
        values |= {"l"} if ours.last_day else set()
        values |= {ours.nearest} if ours.nearest is not None else set()
    return values


def _disagreement(canonical: str, why: str) -> ScheduleError:
    return refused(
        "JK316",
        f"`{shown(canonical)}` cannot be confirmed: {why}",
        "write it in simpler terms, and check that croniter 7 is installed",
    )
