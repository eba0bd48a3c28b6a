"""Layers of settings, laid over each other; each value remembers who said it, and who said something else.

Two rules: where both layers have a table, the tables are merged key by key; anything else – a value over a
value, a list over a list, a table over a value or the reverse – is replaced by the later layer. Laying
over is associative: neighbouring layers can be merged first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobkit.origin import DEFAULT, Origin
from jobkit.redaction import MASK, looks_secret, redact

#: Keys from the top to one setting.
Path = tuple[str, ...]
#: The same, with the numbers of items where lists are on the way.
DeepPath = tuple[str | int, ...]

_Places = tuple[tuple[DeepPath, Origin], ...]

_VARIABLE = re.compile(r"(?<!\$)\$\{[^}]*\}")


class Statement(NamedTuple):
    """What one layer says: *value* as it is written there, variables not expanded.

    *written* is the text that a variable has, of which *value* is one reading. *inside* has the origins of
    what stands in a list, where they are others than *origin*.
    """

    value: Any
    origin: Origin
    written: str | None = None
    inside: _Places = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, or a table of them, after all layers have spoken.

    ``stack`` holds what each layer said, the lowest first. A table has ``parts``, and its ``value`` is
    made of theirs. ``cuts`` is True for a table that was laid over something that is no table: it
    hides what lies below.
    """

    name: str
    stack: tuple[Statement, ...]
    parts: Mapping[str, Setting] | None = None
    cuts: bool = False
    expanded: Any = field(default=None, compare=False)

    @property
    def value(self) -> Any:
        """The value in force; for a table a new dictionary."""
        if self.parts is not None:
            return {key: part.value for key, part in self.parts.items()}
        return self.stack[-1].value if self.expanded is None else self.expanded

    @property
    def origin(self) -> Origin:
        """Where the value comes from: the layer that spoke last."""
        return self.stack[-1].origin

    @property
    def by_variables_only(self) -> bool:
        """Whether no file says anything about it."""
        return all(statement.origin.layer == "variable" for statement in self.stack)

    @property
    def shown(self) -> Any:
        """The value as it may be shown: variables and secrets are ``***``."""
        if self.parts is not None:
            return {key: part.shown for key, part in self.parts.items()}
        return self.show(self.stack[-1])

    def show(self, statement: Statement) -> Any:
        """What *statement* said about this setting, as it may be shown."""
        if looks_secret(self.name) and not isinstance(statement.value, bool | dict):
            return MASK
        return redact(without_variables(statement.value))

    def leaves(self, path: Path = ()) -> Iterator[tuple[Path, Setting]]:
        """Every setting below that is no table, with the keys that lead to it."""
        if self.parts is None:
            yield path, self
        else:
            for key, part in self.parts.items():
                yield from part.leaves((*path, key))

    def at(self, path: Path) -> Setting | None:
        """The setting at *path* below this one, None if nobody said anything about it."""
        found: Setting | None = self
        for key in path:
            if found is None or found.parts is None:
                return None
            found = found.parts.get(key)
        return found


#: What stands before any layer has spoken.
NOTHING = Setting("", (Statement({}, DEFAULT),), {})


def layer(
    name: str,
    value: Any,
    origin_of: Callable[[DeepPath], Origin],
    path: Path = (),
    written: str | None = None,
) -> Setting:
    """One layer as a tree: *value* is what it says under *name*, *origin_of* gives the place of a path.

    *written* is the text of a variable, where there is only one value.
    """
    parts = None
    if isinstance(value, Mapping):
        parts = {key: layer(key, item, origin_of, (*path, key), written) for key, item in value.items()}
        written = None
    origin = origin_of(path)
    return Setting(name, (Statement(value, origin, written, _inside(value, origin, origin_of, path)),), parts)


def _inside(value: Any, around: Origin, origin_of: Callable[[DeepPath], Origin], path: DeepPath) -> _Places:
    """The origins of what stands in the list *value*, each with the way that leads there from the list."""
    if not isinstance(value, list):
        return ()
    found: list[tuple[DeepPath, Origin]] = []
    waiting: list[tuple[DeepPath, Any]] = [((number,), item) for number, item in enumerate(value)]
    while waiting:
        below, item = waiting.pop()
        origin = origin_of((*path, *below))
        if origin != around:
            found.append((below, origin))
        if isinstance(item, Mapping):
            waiting += [((*below, key), one) for key, one in item.items()]
        elif isinstance(item, list):
            waiting += [((*below, number), one) for number, one in enumerate(item)]
    return tuple(found)


def overlay(lower: Setting, upper: Setting) -> Setting:
    """*upper* laid over *lower*."""
    stack = lower.stack + upper.stack
    if upper.parts is None:
        return replace(upper, stack=stack)
    if lower.parts is None:
        return replace(upper, stack=stack, cuts=True)
    if upper.cuts:
        return replace(upper, stack=stack)
    parts = dict(lower.parts)
    for key, part in upper.parts.items():
        below = parts.get(key)
        parts[key] = part if below is None else overlay(below, part)
    return Setting(upper.name, stack, parts, lower.cuts)


def merged(layers: Iterable[Setting]) -> Setting:
    """All *layers*, the lowest first, laid over each other."""
    result = NOTHING
    for one in layers:
        result = overlay(result, one)
    return result


def nested(path: Path, value: Any) -> dict[str, Any]:
    """*value* as the table that says it: ``nested(("a", "b"), 1)`` is ``{"a": {"b": 1}}``."""
    for key in reversed(path):
        value = {key: value}
    result: dict[str, Any] = value
    return result


def always(origin: Origin) -> Callable[[object], Origin]:
    """For a layer all of which has the same origin: what to give as *origin_of*."""

    def origin_of(path: object) -> Origin:
        return origin

    return origin_of


def without_variables(value: Any) -> Any:
    """*value* with every ``${NAME}`` in its texts as ``***``."""
    if isinstance(value, str):
        return _VARIABLE.sub(MASK, value) if "${" in value else value
    if isinstance(value, Mapping):
        return {key: without_variables(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_variables(item) for item in value]
    return value
