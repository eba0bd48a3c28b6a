"""What a value in a configuration file may be: one small decoder per kind of value.

As in :mod:`jobkit.options`, a decoder takes what stands in the file and gives what the settings hold; it
raises TypeError for a wrong type and ValueError for a wrong value, with a text that is made to be read
after the key and a colon.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jobkit.durations import format_duration, parse_duration

LONGEST_TEXT = 4096
MOST_ITEMS = 1000

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
    dt.datetime: "a date with time",
    dt.date: "a date",
    dt.time: "a time",
}


class Shape(NamedTuple):
    """A kind of value: *type* is for people, *decode* for the reader; a table's values are *items*.

    *schema* says the same to editors, as JSON Schema: it may accept more than *decode*, never less.
    """

    type: str
    decode: Callable[[Any], Any]
    schema: Mapping[str, Any]
    items: Shape | None = None


def kind_of(value: object) -> str:
    """What *value* is, in the words of a TOML file."""
    return _KINDS.get(type(value), type(value).__name__)


def text(*, longest: int = LONGEST_TEXT, empty: bool = True) -> Shape:
    """Text of at most *longest* characters on one line."""

    def decode(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"text is expected, not {kind_of(value)}")
        if not value and not empty:
            raise ValueError("it is empty")
        if len(value) > longest:
            raise ValueError(f"at most {longest:,} characters, not {len(value):,}")
        if not value.isprintable():
            raise ValueError("it holds characters that cannot be printed")
        return value

    return Shape("text", decode, {"type": "string", "minLength": int(not empty), "maxLength": longest})


def flag() -> Shape:
    """``true`` or ``false``."""

    def decode(value: object) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"true or false is expected, not {kind_of(value)}")
        return value

    return Shape("true or false", decode, {"type": "boolean"})


def whole(least: int, most: int) -> Shape:
    """A whole number from *least* to *most*."""

    def decode(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"a whole number is expected, not {kind_of(value)}")
        if not least <= value <= most:
            raise ValueError(f"it lies between {least:,} and {most:,}, and {value:,} does not")
        return value

    return Shape("whole number", decode, {"type": "integer", "minimum": least, "maximum": most})


def duration(least: str = "0s", most: str = "36525d") -> Shape:
    """A duration between *least* and *most*."""
    shortest, longest = parse_duration(least), parse_duration(most)

    def decode(value: object) -> dt.timedelta:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"a duration like '90s' or '1h30m' is expected, not {kind_of(value)}")
        given = parse_duration(value)
        if not shortest <= given <= longest:
            raise ValueError(f"it lies between {least} and {most}, and {format_duration(given)} does not")
        return given

    return Shape("duration", decode, {"$ref": "#/$defs/duration"})


def one_of(*words: str) -> Shape:
    """One of *words*."""
    listed = ", ".join(f'"{word}"' for word in words[:-1]) + f' or "{words[-1]}"'

    def decode(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{listed} is expected, not {kind_of(value)}")
        if value not in words:
            import difflib

            close = difflib.get_close_matches(value.lower()[:100], words, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            raise ValueError(f"{listed} is expected, not {value[:60]!r}{hint}")
        return value

    return Shape(listed, decode, {"enum": list(words)})


def texts(item: Shape) -> Shape:
    """A list, each item of which has the shape *item*."""

    def decode(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            hint = f"; write [{value[:60]!r}]" if isinstance(value, str) else ""
            raise TypeError(f"a list of text is expected, not {kind_of(value)}{hint}")
        if len(value) > MOST_ITEMS:
            raise ValueError(f"at most {MOST_ITEMS:,} items, not {len(value):,}")
        return tuple(
            dict.fromkeys(_inside(f"item {number}", item, one) for number, one in enumerate(value, 1))
        )

    schema = {"type": "array", "items": item.schema, "maxItems": MOST_ITEMS}
    return Shape("list of text", decode, schema)


def table_of(item: Shape) -> Shape:
    """A table with keys of the user's choice, each value of which has the shape *item*."""

    def decode(value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"a table is expected, not {kind_of(value)}")
        return {key: _inside(key, item, one) for key, one in value.items()}

    schema = {"type": "object", "additionalProperties": item.schema}
    return Shape(f"table of {item.type}s", decode, schema, item)


def timezone() -> Shape:
    """The IANA name of a zone that exists."""

    def decode(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"an IANA name like 'Europe/Berlin' is expected, not {kind_of(value)}")
        if value != "UTC":
            _check_zone(value)
        return value

    return Shape("IANA name", decode, {"type": "string"})


def folder() -> Shape:
    """A path below the project root."""

    def decode(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"a path is expected, not {kind_of(value)}")
        parts = value.replace("\\", "/").split("/")
        if not value or value.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise ValueError(f"{value[:60]!r} is not a path below the project's root")
        if len(value) > LONGEST_TEXT or not value.isprintable():
            raise ValueError("it is too long, or holds characters that cannot be printed")
        return value

    return Shape("path", decode, {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT})


def address() -> Shape:
    """``host:port``; empty for none."""

    def decode(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"an address like '127.0.0.1:9464' is expected, not {kind_of(value)}")
        host, _, port = value.rpartition(":")
        right = re.fullmatch(r"\[[0-9A-Fa-f:.]+\]|[\w.-]{1,253}", host, re.ASCII) is not None
        if value and not (right and re.fullmatch("[0-9]{1,5}", port) and int(port) < 65_536):
            raise ValueError(f"an address like '127.0.0.1:9464' is expected, not {value[:60]!r}")
        return value

    return Shape("host:port", decode, {"type": "string"})


def _inside(where: str, item: Shape, value: object) -> Any:
    try:
        return item.decode(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}: {error}") from None


def _check_zone(name: str) -> None:
    from jobkit.exceptions import ScheduleError
    from jobkit.schedules.zones import find_zone

    try:
        find_zone(name)
    except ScheduleError as error:
        raise ValueError(f"{error.message}; {error.help}" if error.help else error.message) from None
