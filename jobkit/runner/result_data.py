"""The ``data`` of a result as JSON values: what has one plain form gets it, the rest is refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any
from uuid import UUID

from jobkit.durations import format_duration

#: Most characters of text, and items counted as ten each, that ``data`` may hold.
LARGEST = 1_000_000
_DEEPEST = 32
_LARGEST_INTEGER = 2**63


def plain_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """*data* as objects, lists, text, numbers, true, false and null.

    Dates, times, durations, decimals, UUIDs, paths and enums become text or their value, tuples
    lists. TypeError for other types, ValueError for NaN, infinities, numbers beyond 64 bits, and for what
    is too deep or too large; both name the place.
    """
    plain = _Walk().value(data, "data", 0)
    assert isinstance(plain, dict)
    return plain


class _Walk:
    def __init__(self) -> None:
        self._room = LARGEST

    def value(self, value: Any, place: str, depth: int) -> Any:
        self._take(10)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.value(value.value, place, depth)
        if isinstance(value, str):
            self._take(len(value))
            return str.__str__(value)
        if isinstance(value, Integral | Real):
            return _number(value, place)
        if isinstance(value, Mapping | list | tuple):
            return self._container(value, place, depth + 1)
        return _text(value, place)

    def _container(self, value: Any, place: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError(f"the result's data is nested more than {_DEEPEST} levels deep")
        if isinstance(value, Mapping):
            return {
                _key(key, place): self.value(item, f"{place}[{key!r:.60}]", depth)
                for key, item in value.items()
            }
        return [self.value(item, f"{place}[{index}]", depth) for index, item in enumerate(value)]

    def _take(self, cost: int) -> None:
        self._room -= cost
        if self._room < 0:
            raise ValueError(
                f"the result's data is too large (more than {LARGEST:,} characters); "
                "store it elsewhere, and put where into data"
            )


def _key(key: object, place: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int | date | UUID):
        return str(key)
    raise TypeError(f"{place} of the result has a key that is not text, but {_kind(key)}")


def _number(value: Any, place: str) -> int | float:
    if isinstance(value, Integral):
        whole = int(value)
        if not -_LARGEST_INTEGER <= whole < _LARGEST_INTEGER:
            raise ValueError(f"{place} of the result is a number beyond 64 bits")
        return whole
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{place} of the result is {number}, which JSON does not know")
    return number


def _text(value: Any, place: str) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Decimal | UUID | PurePath):
        return str(value)
    raise TypeError(f"{place} of the result is {_kind(value)}, which is not a JSON value")


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
