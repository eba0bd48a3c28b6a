"""Values out of a few: enumerations, literals, alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag
from typing import Any

from jobkit.values.base import Kind, MisfitError, misfit
from jobkit.values.containers import AnyKind
from jobkit.values.secret import Secret

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class EnumKind:
    """A member of an enumeration, by its value or its name."""

    type: type[Enum]
    inline: bool = True
    secret: bool = False

    @property
    def label(self) -> str:
        return f"{self.type.__name__} ({_listed([_shown(member) for member in self.type])})"

    def read_text(self, text: str) -> Any:
        word = text.strip()
        for member in self.type:
            if str(member.value) == word:
                return member
        return self._by_name(word)

    def read(self, value: Any) -> Any:
        if isinstance(value, self.type):
            return value
        for member in self.type:
            if member.value == value and type(member.value) is type(value):
                return member
        if issubclass(self.type, Flag) and isinstance(value, int) and not isinstance(value, bool):
            try:
                return self.type(value)
            except ValueError:  # it is refused below, with what there is
                pass
        if isinstance(value, str):
            return self._by_name(value.strip())
        raise misfit(value, self.label)

    def is_exactly(self, value: Any) -> bool:
        return isinstance(value, self.type)

    def plain(self, value: Any) -> Any:
        inner = value.value
        return inner if isinstance(inner, str | int | float) else value.name

    def _by_name(self, word: str) -> Enum:
        members: Mapping[str, Enum] = self.type.__members__
        if word in members:
            return members[word]
        raise misfit(word, self.label)


@dataclass(frozen=True, slots=True)
class LiteralKind:
    """One of some values; None among them is written ``null``."""

    values: tuple[Any, ...]
    inline: bool = True
    secret: bool = False

    @property
    def label(self) -> str:
        words = [_shown(value) for value in self.values]
        return words[0] if len(words) == 1 else f"one of {_listed(words)}"

    def read_text(self, text: str) -> Any:
        for value in self.values:
            if _shown(value) == text.strip():
                return value
        raise misfit(text, self.label)

    def read(self, value: Any) -> Any:
        for known in self.values:
            if type(known) is type(value) and known == value:
                return known
        # A member of an enumeration is kept in history by its value.
        for known in self.values:
            if isinstance(known, Enum) and type(known.value) is type(value) and known.value == value:
                return known
        raise misfit(value, self.label)

    def is_exactly(self, value: Any) -> bool:
        return any(type(known) is type(value) and known == value for known in self.values)

    def plain(self, value: Any) -> Any:
        return value.value if isinstance(value, Enum) else value


@dataclass(frozen=True, slots=True)
class UnionKind:
    """One of several types, tried in order; ``null`` where None is among them and text is not."""

    members: tuple[Kind, ...]
    optional: bool

    @property
    def label(self) -> str:
        words = [member.label for member in self.members] + ["null"] * self.optional
        return words[0] if len(words) == 1 else " or ".join(words)

    @property
    def inline(self) -> bool:
        return all(member.inline for member in self.members)

    @property
    def secret(self) -> bool:
        return any(member.secret for member in self.members)

    def read_text(self, text: str) -> Any:
        takes_any_text = [member for member in self.members if _takes_any_text(member)]
        if self.optional and not takes_any_text and text.strip().lower() in ("null", "none"):
            return None
        # Text fits `str` always: it comes last, wherever it stands.
        others = [member for member in self.members if member not in takes_any_text]
        return self._first([*others, *takes_any_text], "read_text", text)

    def read(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        exact = [member for member in self.members if member.is_exactly(value)]
        return self._first([*exact, *self.members], "read", value)

    def is_exactly(self, value: Any) -> bool:
        return (value is None and self.optional) or any(member.is_exactly(value) for member in self.members)

    def plain(self, value: Any) -> Any:
        if value is None:
            return None
        for member in self.members:
            if member.is_exactly(value):
                return member.plain(value)
        return self.members[0].plain(value)

    def _first(self, members: list[Kind], method: str, value: Any) -> Any:
        misfits = []
        for member in members:
            try:
                return getattr(member, method)(value)
            except MisfitError as error:
                misfits.append(error)
        if len(self.members) == 1 and misfits[0].reason != f"is not {self.members[0].label}":
            raise misfits[0]  # it says more than that the value does not fit
        raise misfit(value, self.label)


def _takes_any_text(kind: Kind) -> bool:
    inner = getattr(kind, "inner", kind)
    return isinstance(inner, AnyKind) or getattr(inner, "type", None) in (str, Secret)


def _shown(value: object) -> str:
    """A choice as people write it."""
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str | int | float) else value.name
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(words: list[str]) -> str:
    rest = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
