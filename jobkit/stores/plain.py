"""Text and values from anywhere, as databases and JSON hold them.

What a job hands over may be of any class, so nothing here asks such a value for its ``str`` or
``repr``: they run code of others, and may show a secret.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

from jobkit.records import format_instant

DEPTH: Final = 64
"""Values nested deeper than this are replaced by their type's name."""

MOST: Final = 100_000
"""A value that holds more values than this is cut off after them."""

_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")

# Made once: `json.dumps` would make an encoder at each call.
dump: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""A plain value as the text of its JSON."""


def clean_text(text: str) -> str:
    """*text* without what databases refuse: NUL and lone surrogates become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSAFE.sub("\ufffd", text)


class _Walk:
    """How far into a value we are, so that every walk ends."""

    __slots__ = ("around", "left")

    def __init__(self) -> None:
        self.around: list[int] = []
        self.left = MOST


def plain(value: Any) -> Any:
    """*value* as JSON holds it, by the rules of :mod:`jobkit.stores.base`. Never raises."""
    return _plain(value, _Walk())


def _plain(value: Any, walk: _Walk) -> Any:
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind is int:
        # Larger ones have no decimal text within the interpreter's limit.
        return value if value.bit_length() < 4096 else _named(value)
    if kind is float:
        return value if math.isfinite(value) else None
    try:
        return _plain_other(value, walk)
    except Exception:
        # Iterating or reading a value of somebody else's class ran their code, and it failed.
        return _named(value)


def _plain_other(value: Any, walk: _Walk) -> Any:
    if isinstance(value, Mapping | list | tuple):
        # A container inside itself would never end, and JSON readers give up on deep nesting.
        if id(value) in walk.around or len(walk.around) >= DEPTH:
            return _named(value)
        walk.around.append(id(value))
        try:
            return _plain_container(value, walk)
        finally:
            walk.around.pop()
    if isinstance(value, Enum):
        return _plain(value.value, walk)
    # The classes' own methods make plain values of those derived from them, whatever these override.
    if isinstance(value, str):
        return clean_text(str.__str__(value))
    if isinstance(value, int):
        return _plain(int.__int__(value), walk)
    if isinstance(value, float):
        return _plain(float.__float__(value), walk)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return format_instant(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return clean_text(str(value)) if _has_plain_text(value) else _named(value)


def _plain_container(value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], walk: _Walk) -> Any:
    # What holds the same list twice, and that one the next, is small in memory and endless as text.
    items: Iterable[Any] = value.items() if isinstance(value, Mapping) else value
    found = []
    for item in items:
        walk.left -= 1
        if walk.left < 0:
            break
        found.append(item)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, walk) for key, item in found}
    return [_plain(item, walk) for item in found]


def _has_plain_text(value: Any) -> bool:
    """Whether *value* is of one of the standard library's classes whose text says it all."""
    if isinstance(value, PurePath):
        return True
    # Not imported here, because most processes never see one: what was never imported made no value.
    homes = (("uuid", "UUID"), ("decimal", "Decimal"))
    return any(
        home in sys.modules and isinstance(value, getattr(sys.modules[home], name)) for home, name in homes
    )


def _key(key: Any) -> str:
    made = plain(key)
    return made if isinstance(made, str) else dump(made)


def _named(value: Any) -> str:
    kind = type(value)
    return clean_text(f"<{kind.__module__}.{kind.__qualname__}>")
