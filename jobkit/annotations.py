"""Annotations, evaluated one at a time.

``typing.get_type_hints`` gives all annotations of a function or none: one name that is imported under
``TYPE_CHECKING`` only would take the others with it. Here each stands for itself.
"""

from __future__ import annotations

import builtins
import sys
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from jobkit.sanitising import safe_text

#: No annotation was given.
NOTHING: Any = type("NOTHING", (), {"__repr__": lambda self: "NOTHING", "__slots__": ()})()

_LONGEST = 80
_UNION_ORIGINS = (Union, types.UnionType)

# Where names are found that a module imports under TYPE_CHECKING only, and that jobkit can read anyway.
_FAMILIAR = {
    "Any": "typing",
    "Annotated": "typing",
    "Literal": "typing",
    "Optional": "typing",
    "Union": "typing",
    "Path": "pathlib",
    "date": "datetime",
    "datetime": "datetime",
    "time": "datetime",
    "timedelta": "datetime",
    "Decimal": "decimal",
    "UUID": "uuid",
    "Iterable": "collections.abc",
    "Mapping": "collections.abc",
    "Sequence": "collections.abc",
}


class UnresolvedError(Exception):
    """An annotation cannot be evaluated where it stands; the text says why."""


def evaluate(annotation: object, names: Mapping[str, Any], local_names: Mapping[str, Any]) -> Any:
    """The type that *annotation* means, seen from a module with the globals *names*.

    Text is evaluated; everything else is itself. Raises UnresolvedError if that is not possible.
    """
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation
    if not isinstance(annotation, str):
        forward = getattr(annotation, "__forward_arg__", None)
        if not isinstance(forward, str):
            return _evaluate(annotation, names, local_names) if _holds_text(annotation) else annotation
        annotation = forward
    text = annotation.strip()
    return _named(text, names, local_names) if text.isidentifier() else _evaluate(text, names, local_names)


def _holds_text(annotation: Any) -> bool:
    """Whether a part of it is text: ``list["Item"]``, ``Optional["Item"]``."""
    if get_origin(annotation) is typing.Literal:
        return False
    parts = getattr(annotation, "__args__", ())
    return isinstance(parts, tuple) and any(
        isinstance(part, str) or hasattr(part, "__forward_arg__") or _holds_text(part) for part in parts
    )


def _named(name: str, names: Mapping[str, Any], local_names: Mapping[str, Any]) -> Any:
    """A single name, which most annotations are."""
    for scope in (local_names, names, vars(builtins)):
        if name in scope:
            found = scope[name]
            # An alias may be text again.
            return evaluate(found, names, local_names) if isinstance(found, str) and found != name else found
    familiar = _familiar(name)
    if name in familiar:
        return familiar[name]
    raise UnresolvedError(f"name {name!r} is not defined")


def annotations_of_class(kind: type) -> Mapping[str, Any]:
    """The annotations in the body of *kind* itself, as they stand."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(kind, format=annotationlib.Format.FORWARDREF)
    found = vars(kind).get("__annotations__", {})
    return found if isinstance(found, dict) else {}


def _evaluate(annotation: Any, names: Mapping[str, Any], local_names: Mapping[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    reason = ""
    for more in ({}, _familiar(annotation if isinstance(annotation, str) else repr(annotation))):
        seen = {**more, **local_names}
        try:
            return typing.get_type_hints(holder, dict(names), seen, include_extras=True)["it"]
        except Exception as error:  # an annotation may hold any expression, and raise anything
            reason = safe_text(error, 200)
    raise UnresolvedError(reason)


def _familiar(text: str) -> dict[str, Any]:
    from importlib import import_module

    return {name: getattr(import_module(module), name) for name, module in _FAMILIAR.items() if name in text}


def unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """*annotation* without ``Annotated`` around it, and what was annotated."""
    if get_origin(annotation) is Annotated:
        return annotation.__origin__, annotation.__metadata__
    return annotation, ()


def without_none(annotation: Any) -> tuple[Any, bool]:
    """``X | None`` as (X, True); anything else as (itself, False). Looks through ``Annotated`` too."""
    if not is_union(annotation):
        return annotation, False
    members = get_args(annotation)
    rest = tuple(member for member in members if member not in (None, types.NoneType))
    if len(rest) == len(members):
        return annotation, False
    return (rest[0] if len(rest) == 1 else Union[rest]), True  # noqa: UP007 - the members are a tuple


def is_union(annotation: Any) -> bool:
    """Whether it is ``X | Y`` in either spelling."""
    return get_origin(annotation) in _UNION_ORIGINS


def text_of_annotation(annotation: object) -> str:
    """*annotation* as people write it: ``int``, ``list[str]``, ``date | None``; empty if there is none."""
    if annotation is NOTHING:
        return ""
    if isinstance(annotation, str):
        text = " ".join(annotation.split())
    else:
        text = _spelled(annotation)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _spelled(annotation: Any) -> str:
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is ...:
        return "..."
    if isinstance(annotation, str):
        return annotation
    if is_union(annotation):
        return " | ".join(_spelled(member) for member in get_args(annotation))
    base, metadata = unwrap(annotation)
    if metadata:
        return _spelled(base)
    origin = get_origin(annotation)
    if origin is typing.Literal:
        return f"Literal[{', '.join(repr(value) for value in get_args(annotation))}]"
    if origin is not None:
        arguments = ", ".join(_spelled(argument) for argument in get_args(annotation))
        return f"{_spelled(origin)}[{arguments}]" if arguments else _spelled(origin)
    for name in ("__name__", "_name", "__forward_arg__"):
        known = getattr(annotation, name, None)
        if isinstance(known, str):
            return known
    return repr(annotation).removeprefix("typing.")
