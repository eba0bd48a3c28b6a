"""Values that are one word: numbers, text, times, paths."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from jobkit.durations import format_duration, parse_duration
from jobkit.values.base import MisfitError, misfit, whole
from jobkit.values.secret import Secret

_WHOLE = re.compile(r"[+-]?[0-9](?:_?[0-9]){0,40}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})
_OPEN = (Path, PurePath, PurePosixPath)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A kind given by functions; *from_text* and *convert* raise ValueError or TypeError to refuse."""

    label: str
    type: type
    from_text: Callable[[str], Any]
    convert: Callable[[Any], Any]
    plainly: Callable[[Any], Any]
    secret: bool = False
    inline: bool = True

    def read_text(self, text: str) -> Any:
        try:
            return self.from_text(text)
        except MisfitError:
            raise
        except (ValueError, TypeError, ArithmeticError):
            raise misfit(text, self.label) from None

    def read(self, value: Any) -> Any:
        try:
            return self.convert(value)
        except MisfitError:
            raise
        except (ValueError, TypeError, ArithmeticError):
            raise misfit(value, self.label) from None

    def is_exactly(self, value: Any) -> bool:
        # True is an int to isinstance, a datetime a date, a member of a StrEnum a str.
        return type(value) is self.type or (self.type in _OPEN and isinstance(value, self.type))

    def plain(self, value: Any) -> Any:
        return self.plainly(value)


def _same(value: Any) -> Any:
    return value


def _int_text(text: str) -> int:
    compact = text.strip()
    if not _WHOLE.fullmatch(compact):
        raise ValueError
    return whole(int(compact))


def _int(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError
    return whole(int(value.__index__()))


def _float_text(text: str) -> float:
    compact = text.strip().replace("_", "")
    if not _NUMBER.fullmatch(compact):
        raise ValueError
    return _finite(float(compact))


def _float(value: Any) -> float:
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise TypeError
    return _finite(float(value))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _bool_text(text: str) -> bool:
    word = text.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError


def _instance(kind: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError
        return value

    return convert


def _or_text(kind: type, from_text: Callable[[str], Any]) -> Callable[[Any], Any]:
    """TOML and Python give such values as they are, JSON as text."""

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            return from_text(value)
        if not isinstance(value, kind):
            raise TypeError
        return value

    return convert


def _date_text(text: str) -> date:
    compact = text.strip()
    if not _DATE.fullmatch(compact):
        raise ValueError
    return date.fromisoformat(compact)


def _date(value: Any) -> date:
    if isinstance(value, str):
        return _date_text(value)
    # A datetime is a date to isinstance, and yet not what was meant.
    if isinstance(value, datetime) or not isinstance(value, date):
        raise TypeError
    return value


def _datetime_text(text: str) -> datetime:
    compact = text.strip()
    if not _DATE.fullmatch(compact[:10]):
        raise ValueError
    return datetime.fromisoformat(compact)


def _duration_text(text: str) -> timedelta:
    compact = text.strip()
    sign, compact = (-1, compact[1:]) if compact.startswith("-") else (1, compact)
    return sign * parse_duration(float(compact) if _NUMBER.fullmatch(compact) else compact)


def _duration(value: Any) -> timedelta:
    if isinstance(value, str):
        return _duration_text(value)
    if isinstance(value, timedelta):
        return -parse_duration(-value) if value < timedelta(0) else parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return -parse_duration(-value) if value < 0 else parse_duration(value)


def plain_duration(value: timedelta) -> str | float:
    """Our own text where that is exact, seconds otherwise."""
    text = format_duration(value)
    return text if _duration_text(text) == value else value.total_seconds()


def _path_text(kind: type[PurePath]) -> Callable[[str], PurePath]:
    def from_text(text: str) -> PurePath:
        if not text or "\0" in text:
            raise ValueError
        return kind(text)

    return from_text


def path_kind(kind: type[PurePath]) -> Scalar:
    """Paths; a relative one stays relative, to the working directory of whoever opens it."""
    from_text = _path_text(kind)
    return Scalar("a path", kind, from_text, _or_text(kind, from_text), str)


def decimal_kind() -> Scalar:
    """``decimal.Decimal``, imported by whoever annotates with it."""
    from decimal import Decimal

    def from_text(text: str) -> Decimal:
        if len(text) > 100:
            raise ValueError
        number = Decimal(text.strip().replace("_", ""))
        if not number.is_finite():
            raise ValueError
        return number

    def convert(value: Any) -> Decimal:
        if isinstance(value, bool):
            raise TypeError
        return from_text(str(value) if isinstance(value, int | float | Decimal) else _text(value))

    return Scalar("Decimal", Decimal, from_text, convert, str)


def uuid_kind() -> Scalar:
    """``uuid.UUID``, imported by whoever annotates with it."""
    from uuid import UUID

    return Scalar("UUID", UUID, UUID, _or_text(UUID, UUID), str)


_text = _instance(str)

#: The kinds that nearly every parameter is of.
SCALARS: dict[Any, Scalar] = {
    int: Scalar("int", int, _int_text, _int, _same),
    float: Scalar("float", float, _float_text, _float, _same),
    bool: Scalar("bool (true or false)", bool, _bool_text, _instance(bool), _same),
    str: Scalar("str", str, _same, _text, str),
    Secret: Scalar("text", Secret, Secret, lambda value: Secret(_text(value)), str.__str__, secret=True),
    date: Scalar("date (like 2027-01-31)", date, _date_text, _date, date.isoformat),
    datetime: Scalar(
        "datetime (like 2027-01-31T03:00:00Z)",
        datetime,
        _datetime_text,
        _or_text(datetime, _datetime_text),
        datetime.isoformat,
    ),
    time: Scalar(
        "time (like 03:00)", time, time.fromisoformat, _or_text(time, time.fromisoformat), time.isoformat
    ),
    timedelta: Scalar("timedelta (like 90s or 1h30m)", timedelta, _duration_text, _duration, plain_duration),
    Path: path_kind(Path),
    PurePath: path_kind(PurePath),
    PurePosixPath: path_kind(PurePosixPath),
}
