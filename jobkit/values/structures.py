"""Values with named fields: dataclasses, typed dictionaries, named tuples, structs, models.

They are written as tables in TOML and as JSON objects in text. A key that is no field is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobkit.sanitising import safe_text
from jobkit.values.base import Kind, MisfitError, misfit, parse_json


@dataclass(frozen=True, slots=True)
class Field:
    """One field: *key* is its name in TOML and JSON, *name* the one in Python."""

    name: str
    key: str
    kind: Kind
    required: bool


@dataclass(slots=True)
class StructureKind:
    """A class with fields. They are filled in after it was made, because a field may hold the class again."""

    type: type
    fields: dict[str, Field] = field(default_factory=dict)
    is_mapping: bool = False
    inline: bool = False
    secret: bool = False

    @property
    def label(self) -> str:
        return self.type.__name__

    def add(self, item: Field) -> None:
        """One more field; used while the kind is being made."""
        self.fields[item.key] = item
        self.secret = self.secret or item.kind.secret

    def read_text(self, text: str) -> Any:
        return self.read(parse_json(text, f"{self.label} with {self._listed()}"))

    def read(self, value: Any) -> Any:
        if not self.is_mapping and isinstance(value, self.type):
            return value
        if not isinstance(value, Mapping):
            raise misfit(value, f"a table with {self._listed()}")
        unknown = [key for key in value if key not in self.fields]
        if unknown:
            raise MisfitError(unknown[0], f"is no field of {self.label}; it has {self._listed()}")
        missing = [key for key, item in self.fields.items() if item.required and key not in value]
        if missing:
            raise MisfitError(dict(value), f"has no {missing[0]!r}; {self.label} has {self._listed()}")
        return self._made({self.fields[key].name: self._read_field(key, part) for key, part in value.items()})

    def is_exactly(self, value: Any) -> bool:
        if self.is_mapping:
            return type(value) is dict and value.keys() <= self.fields.keys()
        return isinstance(value, self.type)

    def plain(self, value: Any) -> Any:
        if self.is_mapping:
            return {key: self.fields[key].kind.plain(part) for key, part in value.items()}
        return {key: item.kind.plain(getattr(value, item.name)) for key, item in self.fields.items()}

    def _read_field(self, key: str, part: Any) -> Any:
        try:
            return self.fields[key].kind.read(part)
        except MisfitError as error:
            raise error.inside(f".{key}") from None

    def _made(self, values: dict[str, Any]) -> Any:
        if self.is_mapping:
            return values
        try:
            return self.type(**values)
        except Exception as error:  # a check of the user's own, in __post_init__ or the like
            raise MisfitError(values, f"is refused by {self.label}: {safe_text(error, 200)}") from None

    def _listed(self) -> str:
        if not self.fields:
            return "no fields"
        return ", ".join(
            f"{key}: {item.kind.label if item.kind is not self else self.label}"
            + ("" if item.required else " (optional)")
            for key, item in self.fields.items()
        )


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A class that reads tables itself: *convert* raises whatever it likes, *plainly* gives JSON values."""

    type: type
    convert: Callable[[Any], Any]
    plainly: Callable[[Any], Any]
    secret: bool = False
    inline: bool = False

    @property
    def label(self) -> str:
        return self.type.__name__

    def read_text(self, text: str) -> Any:
        return self.read(parse_json(text, self.label))

    def read(self, value: Any) -> Any:
        if isinstance(value, self.type):
            return value
        try:
            return self.convert(value)
        except Exception as error:  # the class decides what it raises
            raise MisfitError(value, f"is refused by {self.label}: {safe_text(error, 400)}") from None

    def is_exactly(self, value: Any) -> bool:
        return isinstance(value, self.type)

    def plain(self, value: Any) -> Any:
        return self.plainly(value)


@dataclass(frozen=True, slots=True)
class ConstrainedKind:
    """A kind whose values msgspec checks further (``Annotated[int, msgspec.Meta(ge=1)]``).

    *check* raises ValueError for a value that breaks one of *constraints*, the ``Meta`` objects.
    """

    inner: Kind
    check: Callable[[Any], Any]
    constraints: tuple[Any, ...] = ()

    @property
    def label(self) -> str:
        return self.inner.label

    @property
    def inline(self) -> bool:
        return self.inner.inline

    @property
    def secret(self) -> bool:
        return self.inner.secret

    def read_text(self, text: str) -> Any:
        return self._checked(self.inner.read_text(text))

    def read(self, value: Any) -> Any:
        return self._checked(self.inner.read(value))

    def is_exactly(self, value: Any) -> bool:
        return self.inner.is_exactly(value)

    def plain(self, value: Any) -> Any:
        return self.inner.plain(value)

    def _checked(self, value: Any) -> Any:
        try:
            self.check(value)
        except ValueError as error:
            raise MisfitError(value, f"is refused: {_first_lower(str(error))}") from None
        return value


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]
