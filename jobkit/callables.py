"""What a callable takes, read cheaply: collection does this for every job.

``inspect.signature`` costs as much as everything else that happens to a small job file together, so
plain functions are read from their code objects; it is asked only about callables of other shapes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple

from jobkit.annotations import NOTHING

_NO_NAMES: Mapping[str, Any] = MappingProxyType({})
_VAR_POSITIONAL = inspect.CO_VARARGS
_VAR_KEYWORD = inspect.CO_VARKEYWORDS


class Argument(NamedTuple):
    """One argument as it was declared; *annotation* and *default* are NOTHING where there is none."""

    name: str
    annotation: Any = NOTHING
    default: Any = NOTHING
    positional_only: bool = False


class Shape(NamedTuple):
    """The arguments of a callable; *names* and *local_names* are what its annotations may refer to."""

    positional: tuple[Argument, ...] = ()
    keyword_only: tuple[Argument, ...] = ()
    var_positional: str | None = None
    var_keyword: str | None = None
    names: Mapping[str, Any] = _NO_NAMES
    local_names: Mapping[str, Any] = _NO_NAMES
    returns: Any = NOTHING

    def without_first(self) -> Shape:
        """The same callable once its first argument is bound (``self``)."""
        return self._replace(positional=self.positional[1:])

    def without(self, count: int, keywords: Mapping[str, Any]) -> Shape:
        """The same callable as a partial with *count* positional arguments and *keywords* given.

        A positional argument that is given by keyword is gone; a keyword-only one gets a new default.
        """
        positional = [item for item in self.positional[count:] if item.name not in keywords]
        keyword_only = [
            item._replace(default=keywords[item.name]) if item.name in keywords else item
            for item in self.keyword_only
        ]
        return self._replace(positional=tuple(positional), keyword_only=tuple(keyword_only))


def shape_of(function: Callable[..., Any], local_names: Mapping[str, Any] | None = None) -> Shape:
    """What *function* takes. A wrapper made with ``functools.wraps`` takes what it wraps.

    Raises TypeError or ValueError where Python cannot tell.
    """
    if "__wrapped__" in getattr(function, "__dict__", ()) or "__signature__" in getattr(
        function, "__dict__", ()
    ):
        return _shape_by_inspection(function, local_names or {})
    if type(function) is FunctionType:
        return _shape_of_plain(function, local_names or {})
    return _shape_by_inspection(function, local_names or {})


def annotations_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """The annotations as they stand: text, types, or forward references."""
    try:
        return function.__annotations__
    except AttributeError:
        return {}
    except NameError:  # from Python 3.14 on they are evaluated when asked for, all at once
        if sys.version_info >= (3, 14):
            import annotationlib

            return annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
        raise


def _shape_of_plain(function: FunctionType, local_names: Mapping[str, Any]) -> Shape:
    code = function.__code__
    names = code.co_varnames
    count, keyword_count = code.co_argcount, code.co_kwonlyargcount
    annotations = annotations_of(function)
    defaults = function.__defaults__ or ()
    first_default = count - len(defaults)
    keyword_defaults = function.__kwdefaults__ or {}
    positional = tuple(
        Argument(
            name,
            annotations.get(name, NOTHING),
            defaults[index - first_default] if index >= first_default else NOTHING,
            index < code.co_posonlyargcount,
        )
        for index, name in enumerate(names[:count])
    )
    keyword_only = tuple(
        Argument(name, annotations.get(name, NOTHING), keyword_defaults.get(name, NOTHING))
        for name in names[count : count + keyword_count]
    )
    rest = count + keyword_count
    var_positional = names[rest] if code.co_flags & _VAR_POSITIONAL else None
    var_keyword = names[rest + (var_positional is not None)] if code.co_flags & _VAR_KEYWORD else None
    return Shape(
        positional,
        keyword_only,
        var_positional,
        var_keyword,
        function.__globals__,
        {**_enclosed(function), **local_names},
        annotations.get("return", NOTHING),
    )


def _enclosed(function: FunctionType) -> dict[str, Any]:
    """What a nested function sees of the functions around it."""
    if not function.__closure__:
        return {}
    seen = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
        try:
            seen[name] = cell.cell_contents
        except ValueError:  # the name is not bound yet
            continue
    return seen


def _shape_by_inspection(function: Callable[..., Any], local_names: Mapping[str, Any]) -> Shape:
    if sys.version_info >= (3, 14):
        import annotationlib

        signature = inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    else:
        signature = inspect.signature(function)
    positional, keyword_only = [], []
    var_positional = var_keyword = None
    for item in signature.parameters.values():
        argument = Argument(
            item.name,
            NOTHING if item.annotation is item.empty else item.annotation,
            NOTHING if item.default is item.empty else item.default,
            item.kind is item.POSITIONAL_ONLY,
        )
        if item.kind is item.VAR_POSITIONAL:
            var_positional = item.name
        elif item.kind is item.VAR_KEYWORD:
            var_keyword = item.name
        elif item.kind is item.KEYWORD_ONLY:
            keyword_only.append(argument)
        else:
            positional.append(argument)
    innermost = inspect.unwrap(function)
    returns = signature.return_annotation
    return Shape(
        tuple(positional),
        tuple(keyword_only),
        var_positional,
        var_keyword,
        getattr(innermost, "__globals__", {}),
        local_names,
        NOTHING if returns is signature.empty else returns,
    )
