"""Values that hold other values: lists, sets, tuples, tables, and values of no declared type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from jobkit.values.base import Kind, MisfitError, misfit, parse_json, whole
from jobkit.values.scalars import plain_duration


@dataclass(frozen=True, slots=True)
class ListKind:
    """A list, set or tuple of any length; as text ``a,b,c`` or JSON."""

    item: Kind
    make: Callable[[list[Any]], Any]
    type: type
    inline: bool = False

    @property
    def label(self) -> str:
        return f"{self.type.__name__}[{self.item.label}]"

    @property
    def secret(self) -> bool:
        return self.item.secret

    def read_text(self, text: str) -> Any:
        parts = _split(text, self.label, inline=self.item.inline)
        if isinstance(parts, list):
            return self._made([_at(index, self.item.read_text, part) for index, part in enumerate(parts)])
        return self.read(parts[0])

    def read(self, value: Any) -> Any:
        if not isinstance(value, list | tuple | set | frozenset):
            raise misfit(value, self.label)
        return self._made([_at(index, self.item.read, part) for index, part in enumerate(value)])

    def is_exactly(self, value: Any) -> bool:
        parts: Any = value
        return type(value) is self.type and all(map(self.item.is_exactly, parts))

    def plain(self, value: Any) -> Any:
        items = [self.item.plain(part) for part in value]
        # A set has no order of its own, and history should not change from one reading to the next.
        return sorted(items, key=repr) if isinstance(value, set | frozenset) else items

    def _made(self, items: list[Any]) -> Any:
        try:
            return self.make(items)
        except TypeError:  # what cannot be hashed cannot be in a set
            raise misfit(items, self.label) from None


@dataclass(frozen=True, slots=True)
class TupleKind:
    """A tuple with a type for each place."""

    items: tuple[Kind, ...]
    inline: bool = False

    @property
    def label(self) -> str:
        return f"tuple[{', '.join(item.label for item in self.items)}]"

    @property
    def secret(self) -> bool:
        return any(item.secret for item in self.items)

    def read_text(self, text: str) -> Any:
        parts = _split(text, self.label, inline=all(item.inline for item in self.items))
        if isinstance(parts, tuple):
            return self.read(parts[0])
        self._count(text, len(parts))
        pairs = zip(self.items, parts, strict=True)
        return tuple(_at(index, item.read_text, part) for index, (item, part) in enumerate(pairs))

    def read(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise misfit(value, self.label)
        self._count(value, len(value))
        pairs = zip(self.items, value, strict=True)
        return tuple(_at(index, item.read, part) for index, (item, part) in enumerate(pairs))

    def is_exactly(self, value: Any) -> bool:
        return (
            type(value) is tuple
            and len(value) == len(self.items)
            and all(item.is_exactly(part) for item, part in zip(self.items, value, strict=True))
        )

    def plain(self, value: Any) -> Any:
        return [item.plain(part) for item, part in zip(self.items, value, strict=True)]

    def _count(self, value: object, count: int) -> None:
        if count != len(self.items):
            raise MisfitError(value, f"has {count} parts, and {self.label} has {len(self.items)}")


@dataclass(frozen=True, slots=True)
class DictKind:
    """A table with keys of one type and values of one type; as text JSON."""

    key: Kind
    item: Kind
    inline: bool = False

    @property
    def label(self) -> str:
        return f"dict[{self.key.label}, {self.item.label}]"

    @property
    def secret(self) -> bool:
        return self.key.secret or self.item.secret

    def read_text(self, text: str) -> Any:
        return self.read(parse_json(text, self.label))

    def read(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise misfit(value, self.label)
        return {self._read_key(key): _at(key, self.item.read, part) for key, part in value.items()}

    def is_exactly(self, value: Any) -> bool:
        return (
            type(value) is dict
            and all(map(self.key.is_exactly, value))
            and all(map(self.item.is_exactly, value.values()))
        )

    def plain(self, value: Any) -> Any:
        return {_key_text(self.key.plain(key)): self.item.plain(part) for key, part in value.items()}

    def _read_key(self, key: Any) -> Any:
        # The keys of JSON and TOML are text, whatever they stand for.
        return self.key.read_text(key) if isinstance(key, str) else self.key.read(key)


@dataclass(frozen=True, slots=True)
class AnyKind:
    """No declared type: text stays text, values stay as they are if they can be recorded."""

    label: str = "a value that can be recorded"
    inline: bool = True
    secret: bool = False

    def read_text(self, text: str) -> Any:
        return text

    def read(self, value: Any) -> Any:
        self.plain(value)
        return value

    def is_exactly(self, value: Any) -> bool:
        return True

    def plain(self, value: Any) -> Any:
        """JSON for what has an obvious form. Raises MisfitError for everything else."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return whole(int(value))
        if isinstance(value, float):
            if not math.isfinite(value):
                raise misfit(value, "a finite number")
            return float(value)
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if isinstance(value, timedelta):
            return plain_duration(value)
        if isinstance(value, PurePath):
            return str(value)
        if isinstance(value, Mapping):
            return {_key_text(self.plain(key)): _at(key, self.plain, part) for key, part in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [_at(index, self.plain, part) for index, part in enumerate(value)]
        raise misfit(value, self.label)


def _split(text: str, label: str, *, inline: bool) -> list[str] | tuple[Any]:
    """The parts of ``a,b,c``; or, in a tuple by itself, the JSON value that *text* is."""
    compact = text.strip()
    if compact.startswith("[") or not inline:
        return (parse_json(compact, label),)
    return [part.strip() for part in compact.split(",")] if compact else []


def _at(step: object, read: Callable[[Any], Any], part: Any) -> Any:
    """Read one part; a misfit says where it is."""
    try:
        return read(part)
    except MisfitError as error:
        raise error.inside(f"[{step!r:.60}]") from None


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
