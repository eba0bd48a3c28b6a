"""What every kind of value can do, and how one is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn, Protocol

LARGEST_TEXT = 1_000_000
MOST_ITEMS = 100_000
DEEPEST = 32
LARGEST_INT = 2**63 - 1

_OVERSIZED = f"a whole number of at most 64 bits (up to {LARGEST_INT})"


class MisfitError(ValueError):
    """A value does not fit: *value* is the part that does not, *reason* completes "… is not/has no …".

    *where* leads to the part: ``[2]``, ``.port``, empty for the whole.
    """

    def __init__(self, value: object, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.where = where

    def inside(self, step: str) -> MisfitError:
        """The same misfit, seen from one level further out."""
        return MisfitError(self.value, self.reason, step + self.where)


class Kind(Protocol):
    """How values of one type are written. Immutable once made, safe to share between threads.

    *label* names the type as an error does. *inline* says that a text without brackets is enough, so
    that it can stand in a comma-separated list. *secret* says that a part of it is.
    """

    @property
    def label(self) -> str: ...
    @property
    def inline(self) -> bool: ...
    @property
    def secret(self) -> bool: ...

    def read_text(self, text: str) -> Any:
        """The value that a person wrote as *text* (``-p key=text``). Raises MisfitError."""

    def read(self, value: Any) -> Any:
        """The value that TOML, JSON or Python code gave. Raises MisfitError."""

    def is_exactly(self, value: Any) -> bool:
        """Whether *value* already is one, without any reading."""

    def plain(self, value: Any) -> Any:
        """*value* as JSON values that :meth:`read` takes back."""


def misfit(value: object, expected: str) -> MisfitError:
    """The ordinary refusal: *value* is not what was *expected*."""
    return MisfitError(value, f"is not {expected}")


def parse_json(text: str, expected: str) -> Any:
    """The JSON value in *text*; MisfitError for anything that is not strict JSON."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise MisfitError(text, f"is not {expected}, written as JSON") from None


def check_bounds(value: Any) -> None:
    """Refuse what is too large, too deep or too long before anything walks it."""
    left = MOST_ITEMS
    level = [value]
    for _ in range(DEEPEST + 1):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str) and len(item) > LARGEST_TEXT:
                raise MisfitError(item, f"is longer than {LARGEST_TEXT:,} characters")
            if isinstance(item, dict):
                deeper += item.keys()
                deeper += item.values()
            elif isinstance(item, list | tuple | set | frozenset):
                deeper += item
            left -= 1
            if left < 0 or len(deeper) > MOST_ITEMS:
                raise MisfitError(value, f"holds more than {MOST_ITEMS:,} values")
        if not deeper:
            return
        level = deeper
    raise MisfitError(value, f"is nested deeper than {DEEPEST} levels")


def whole(value: int) -> int:
    """*value* if it fits 64 bits, which is what stores and JSON readers can be trusted with."""
    if -LARGEST_INT - 1 <= value <= LARGEST_INT:
        return value
    raise misfit(value, _OVERSIZED)
