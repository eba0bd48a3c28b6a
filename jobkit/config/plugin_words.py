"""How configuration speaks of the values that plugins declare: a shape for each kind of value.

What a value may be is said by :mod:`jobkit.values`, as for job parameters. The words for it are those of
jobkit's own tables, and so are the decoders wherever those tables have such values.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from jobkit.config import shapes
from jobkit.config.shapes import Shape, kind_of
from jobkit.values.base import LARGEST_INT, Kind, MisfitError
from jobkit.values.choices import EnumKind, LiteralKind, UnionKind
from jobkit.values.containers import AnyKind, DictKind, ListKind, TupleKind
from jobkit.values.scalars import SCALARS, Scalar
from jobkit.values.secret import Secret
from jobkit.values.structures import ConstrainedKind, ModelKind, StructureKind

_SHOWN = 60


def shape_of(kind: Kind) -> Shape:
    """The shape of a *kind* of single values: its ``type`` for people, its decoder, its JSON Schema."""
    if isinstance(kind, LiteralKind):
        return _choice(kind, [_plain(value) for value in kind.values])
    if isinstance(kind, EnumKind):
        return _choice(kind, [_plain(member) for member in kind.type])
    if isinstance(kind, Scalar):
        known = _SHAPES.get(kind.type)
        return known if known is not None else _text_of(kind)
    return Shape(kind.label, _converting(kind), {})


def type_of(kind: Kind) -> str:
    """What a *kind* of values is called in a table of keys: ``text``, ``list of whole numbers``."""
    match kind:
        case ConstrainedKind():
            return type_of(kind.inner)
        case UnionKind():
            return " or ".join(dict.fromkeys(map(type_of, kind.members)))
        case ListKind():
            return "list" if isinstance(kind.item, AnyKind) else f"list of {type_of(kind.item)}"
        case TupleKind():
            return f"list of {len(kind.items)}"
        case DictKind():
            return "table" if isinstance(kind.item, AnyKind) else f"table of {type_of(kind.item)}"
        case StructureKind() | ModelKind():
            return "table"
        case AnyKind():
            return "anything"
        case _:
            return shape_of(kind).type


def expected(kind: Kind) -> str:
    """A *kind* of values as an error expects it: ``text``, ``a whole number``, ``a table``."""
    match kind:
        case ConstrainedKind():
            return expected(kind.inner)
        case UnionKind():
            return " or ".join(dict.fromkeys(map(expected, kind.members)))
        case ListKind() | TupleKind():
            return "a list"
        case DictKind() | StructureKind():
            return "a table"
        case ModelKind():
            return "a list" if _is_array(kind.type) else "a table"
        case _:
            name = shape_of(kind).type
            return name if name in _WITHOUT_ARTICLE or name.startswith('"') else f"a {name}"


def broken_constraint(value: Any, constraints: tuple[Any, ...], said: str) -> str:
    """What is wrong with *value*, which breaks one of *constraints*; *said* is how msgspec puts it."""
    facts = {name: _fact(constraints, name) for name in _LIMITS}
    number = isinstance(value, int | float)
    least, most = facts["ge"], facts["le"]
    if number and least is not None and most is not None and not least <= value <= most:
        return f"it lies between {least:,} and {most:,}, and {value:,} does not"
    for name, (words, breaks) in _LIMITS.items():
        limit = facts[name]
        if limit is not None and _applies(name, value) and breaks(value, limit):
            return words(value, limit)
    return said[:1].lower() + said[1:]


def _fact(constraints: tuple[Any, ...], name: str) -> Any:
    return next((found for each in reversed(constraints) if (found := getattr(each, name)) is not None), None)


def _applies(name: str, value: Any) -> bool:
    if name in ("min_length", "max_length"):
        return hasattr(value, "__len__") or isinstance(value, PurePath)
    return isinstance(value, int | float) == (name in ("ge", "gt", "le", "lt", "multiple_of"))


def _size(value: Any) -> int:
    return len(str(value)) if isinstance(value, PurePath) else len(value)


def _counted(value: Any, count: int) -> str:
    word = "character" if isinstance(value, str | PurePath) else "item"
    return f"{count:,} {word}" + ("s" if count != 1 else "")


def _matches(value: Any, pattern: str) -> bool:
    import re

    return re.search(pattern, str(value)) is not None


_Words = Callable[[Any, Any], str]


def _bound(words: str) -> _Words:
    return lambda value, limit: f"{words} {limit:,} is expected, not {value:,}"


def _too_short(value: Any, limit: int) -> str:
    return f"at least {_counted(value, limit)}, not {_size(value):,}" if _size(value) else "it is empty"


def _zone(value: Any, limit: bool) -> str:
    if limit:
        return "a zone is expected, as in 2027-01-31T03:00:00Z"
    return "no zone is expected, as in 2027-01-31T03:00:00"


#: For each constraint what is said, and when it is broken.
_LIMITS: Mapping[str, tuple[_Words, Callable[[Any, Any], bool]]] = {
    "ge": (_bound("at least"), lambda value, limit: value < limit),
    "gt": (_bound("more than"), lambda value, limit: value <= limit),
    "le": (_bound("at most"), lambda value, limit: value > limit),
    "lt": (_bound("less than"), lambda value, limit: value >= limit),
    "multiple_of": (_bound("a multiple of"), lambda value, limit: value % limit != 0),
    "min_length": (_too_short, lambda value, limit: _size(value) < limit),
    "max_length": (
        lambda value, limit: f"at most {_counted(value, limit)}, not {_size(value):,}",
        lambda value, limit: _size(value) > limit,
    ),
    "pattern": (
        lambda value, limit: f"text that matches {limit!r} is expected, not {str(value)[:_SHOWN]!r}",
        lambda value, limit: isinstance(value, str | PurePath) and not _matches(value, limit),
    ),
    "tz": (
        _zone,
        lambda value, limit: isinstance(value, dt.datetime | dt.time) and (value.tzinfo is not None) != limit,
    ),
}


# -- shapes -----------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    """Text of any length, on any number of lines: what fits is for the plugin to say."""
    if not isinstance(value, str):
        raise TypeError(f"text is expected, not {kind_of(value)}")
    return str.__str__(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number is expected, not {kind_of(value)}")
    return float(value)


def _duration(value: object) -> dt.timedelta:
    if isinstance(value, dt.timedelta):  # code may give one
        return value
    found: dt.timedelta = _DURATION.decode(value)
    return found


def _converting(kind: Kind) -> Callable[[Any], Any]:
    """The decoder of a kind that has no words of its own here."""

    def decode(value: object) -> Any:
        try:
            return kind.read(value)
        except MisfitError as error:
            raise ValueError(f"{error.where}{': ' if error.where else 'it '}{error.reason}") from None

    return decode


def _text_of(kind: Scalar, example: str = "", types: tuple[type, ...] = ()) -> Shape:
    """Values that are written as text, or as they are."""
    name = _NAMES.get(kind.type, kind.label)
    like = f" like {example}" if example else ""

    def decode(value: object) -> Any:
        try:
            return kind.read(value)
        except MisfitError:
            if not isinstance(value, str):
                raise TypeError(f"a {name}{like} is expected, not {kind_of(value)}") from None
            raise ValueError(f"a {name}{like} is expected, not {value[:_SHOWN]!r}") from None

    return Shape(name, decode, {"type": "string"} if not types else {})


def _choice(kind: Kind, values: list[Any]) -> Shape:
    """One of *values*."""
    words = [f'"{value}"' if isinstance(value, str) else _toml(value) for value in values]
    listed = " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]

    def decode(value: object) -> Any:
        try:
            return kind.read(value)
        except MisfitError:
            if type(value) not in {type(each) for each in values}:
                raise TypeError(f"{listed} is expected, not {kind_of(value)}") from None
            texts = [each for each in values if isinstance(each, str)]
            close = difflib.get_close_matches(str(value).lower()[:100], texts, n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            shown = repr(value[:_SHOWN]) if isinstance(value, str) else _toml(value)
            raise ValueError(f"{listed} is expected, not {shown}{hint}") from None

    return Shape(listed, decode, {"enum": [value for value in values if value is not None]})


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str | int | float) else value.name
    return value


def _toml(value: object) -> str:
    from jobkit.records import to_plain

    return str(value).lower() if isinstance(value, bool) else str(to_plain(value))


def _is_array(kind: type) -> bool:
    config = getattr(kind, "__struct_config__", None)
    return config is not None and config.array_like


_DURATION = shapes.duration()
_NAMES: Mapping[type, str] = {
    dt.date: "date",
    dt.datetime: "date with time",
    dt.time: "time",
    **{kind: "path" for kind in SCALARS if issubclass(kind, PurePath)},
}
_WITHOUT_ARTICLE = frozenset(("text", "true or false"))


def _shapes() -> dict[Any, Shape]:
    found = {
        bool: shapes.flag(),
        int: shapes.whole(-LARGEST_INT - 1, LARGEST_INT),
        float: Shape("number", _number, {"type": "number"}),
        str: Shape("text", _text, {"type": "string"}),
        Secret: Shape("text", lambda value: Secret(_text(value)), {"type": "string"}),
        dt.timedelta: _DURATION._replace(decode=_duration),
        # An editor that knows TOML shows dates to a schema in different ways: it is told nothing.
        dt.date: _text_of(SCALARS[dt.date], "2027-01-31", (dt.date,)),
        dt.datetime: _text_of(SCALARS[dt.datetime], "2027-01-31T03:00:00Z", (dt.datetime,)),
        dt.time: _text_of(SCALARS[dt.time], "03:00", (dt.time,)),
    }
    paths = {kind: scalar for kind, scalar in SCALARS.items() if issubclass(kind, PurePath)}
    return found | {kind: _text_of(scalar) for kind, scalar in paths.items()}


_SHAPES = _shapes()
