"""From an annotation to the kind of value that it means."""

from __future__ import annotations

import builtins
import collections.abc
import operator
import sys
import types
import typing
from collections.abc import Callable
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from jobkit.annotations import (
    NOTHING,
    UnresolvedError,
    annotations_of_class,
    evaluate,
    is_union,
    text_of_annotation,
    unwrap,
)
from jobkit.values.base import Kind
from jobkit.values.choices import EnumKind, LiteralKind, UnionKind
from jobkit.values.containers import AnyKind, DictKind, ListKind, TupleKind
from jobkit.values.scalars import SCALARS, decimal_kind, uuid_kind
from jobkit.values.secret import Secret
from jobkit.values.structures import ConstrainedKind, Field, ModelKind, StructureKind

_ANYTHING = (NOTHING, Any, object)

_LISTS: dict[Any, type] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}
_TABLES = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def kind_for(annotation: Any) -> Kind:
    """The kind of value that *annotation* means.

    Raises TypeError for a type whose values cannot be written in TOML, JSON or text.
    """
    try:
        known = SCALARS.get(annotation)
    except TypeError:  # an annotation need not be hashable: Annotated[int, [1]]
        known = None
    return known or _Reading().kind(annotation)


def fields_of(struct: type) -> StructureKind:
    """The fields of a msgspec struct; TypeError if values of one cannot be written in TOML or JSON.

    A tag is left out of account: it says which struct is meant, and that is known.
    """
    return _Reading().structure(struct)


def struct_defaults(struct: Any) -> dict[str, Callable[[], Any]]:
    """What makes the default of each field of a msgspec struct that has one, by the name of the field.

    ``msgspec.structs.fields`` would evaluate all annotations, and with names that are imported for type
    checkers only, or once the module is forgotten, it could not.
    """
    import msgspec

    found: dict[str, Any] = {}
    given = struct.__struct_defaults__
    for name, default in zip(struct.__struct_fields__[-len(given) :] if given else (), given, strict=True):
        if default is not msgspec.NODEFAULT:  # a keyword without a default may stand between others
            factory = type(default).__module__.startswith("msgspec") and hasattr(default, "factory")
            found[name] = default.factory if factory else lambda default=default: default
    return found


def is_plain_value(annotation: Any) -> bool:
    """Whether nothing but a value can be meant: ``int``, ``list[str]``, an enumeration; not a class.

    A path is left out: the project's root is one, and it is a service.
    """
    base, _ = unwrap(annotation)
    base = getattr(base, "__supertype__", base)
    if is_union(base):
        members = [member for member in get_args(base) if member is not types.NoneType]
        return bool(members) and all(map(is_plain_value, members))
    origin = get_origin(base) or base
    if origin is Literal:
        return True
    if not isinstance(origin, type):
        return False
    if origin in (tuple, bytes, bytearray, complex) or origin in _LISTS or origin in _TABLES:
        return True
    scalar = SCALARS.get(origin)
    return (scalar is not None and scalar.label != "a path") or issubclass(origin, Enum)


class _Reading:
    """One annotation being read; remembers structures, so that one may hold itself."""

    def __init__(self) -> None:
        self._structures: dict[type, StructureKind] = {}

    def kind(self, annotation: Any) -> Kind:
        base, metadata = unwrap(annotation)
        if metadata:
            return self._annotated(base, metadata)
        if any(base is anything for anything in _ANYTHING):
            return AnyKind()
        if is_union(base):
            return self._union(get_args(base))
        if isinstance(base, TypeVar):
            return self.kind(base.__bound__ or Any)
        further = getattr(base, "__supertype__", None) or getattr(base, "__value__", None)
        if further is not None and not isinstance(base, type):  # NewType, `type X = …`
            return self.kind(further)
        origin = get_origin(base)
        if origin is Literal:
            return self._literal(base)
        if origin in (typing.Required, typing.NotRequired) or getattr(origin, "_name", "") == "ReadOnly":
            return self.kind(get_args(base)[0])
        return self._of_class(origin or base, get_args(base), base)

    def _of_class(self, kind: Any, arguments: tuple[Any, ...], annotation: Any) -> Kind:
        if kind in SCALARS:
            return SCALARS[kind]
        if kind in _LISTS:
            make = _LISTS[kind]
            return ListKind(self.kind(arguments[0] if arguments else Any), make, make)
        if kind is tuple:
            return self._tuple(arguments)
        if kind in _TABLES:
            key, item = arguments or (str, Any)
            return DictKind(self.kind(key), self.kind(item))
        if isinstance(kind, type) and not arguments:
            found = self._of_plain_class(kind)
            if found is not None:
                return found
        raise TypeError(f"values of {text_of_annotation(annotation)} cannot be written in TOML, JSON or text")

    def _of_plain_class(self, kind: type) -> Kind | None:
        if issubclass(kind, Enum):
            if not len(kind):
                raise TypeError(f"{kind.__name__} has no members")
            return EnumKind(kind)
        name = (kind.__module__, kind.__qualname__)
        # Compared by name, so that nobody pays for modules that nobody uses.
        if name in (("decimal", "Decimal"), ("_decimal", "Decimal"), ("_pydecimal", "Decimal")):
            return decimal_kind()
        if name == ("uuid", "UUID"):
            return uuid_kind()
        if hasattr(kind, "model_validate") and hasattr(kind, "model_dump"):
            return ModelKind(kind, kind.model_validate, lambda value: value.model_dump(mode="json"))
        if kind in self._structures:
            return self._structures[kind]
        if hasattr(kind, "__struct_fields__"):
            return self._struct(kind)
        if hasattr(kind, "__dataclass_fields__"):
            return self._dataclass(kind)
        if typing.is_typeddict(kind):
            return self._typed_dict(kind)
        if issubclass(kind, tuple) and hasattr(kind, "_field_defaults"):
            return self._named_tuple(kind)
        return None

    def _annotated(self, base: Any, metadata: tuple[Any, ...]) -> Kind:
        if any(item is Secret or isinstance(item, Secret) for item in metadata):
            if base is not str:
                raise TypeError(
                    f"Secret marks text: write Annotated[str, Secret], not {text_of_annotation(base)}"
                )
            base = Secret
        inner = self.kind(base)
        constraints = tuple(item for item in metadata if _is_constraint(item))
        if not constraints:
            return inner
        _check_meaning(base, constraints)
        return ConstrainedKind(inner, _checker(constraints), constraints)

    def _union(self, members: tuple[Any, ...]) -> Kind:
        rest = [member for member in members if member not in (None, types.NoneType)]
        return UnionKind(tuple(map(self.kind, rest)), optional=len(rest) < len(members))

    def _literal(self, annotation: Any) -> Kind:
        return LiteralKind(get_args(annotation))

    def _tuple(self, arguments: tuple[Any, ...]) -> Kind:
        if not arguments:
            return ListKind(AnyKind(), tuple, tuple)
        if len(arguments) == 2 and arguments[1] is ...:
            return ListKind(self.kind(arguments[0]), tuple, tuple)
        if arguments == ((),):
            return TupleKind(())
        return TupleKind(tuple(map(self.kind, arguments)))

    # -- structures ---------------------------------------------------------------------------------

    def _struct(self, kind: Any) -> Kind:
        import msgspec

        if kind.__struct_config__.tag is not None or kind.__struct_config__.array_like:
            return ModelKind(kind, lambda value: msgspec.convert(value, kind), msgspec.to_builtins)
        return self.structure(kind)

    def structure(self, kind: Any) -> StructureKind:
        """The fields of a msgspec struct, whatever tag it has."""
        structure = self._started(kind)
        hints = self._hints(kind)
        defaults = struct_defaults(kind)
        for name, key in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
            inner = self._field_kind(kind, name, hints[name])
            structure.add(Field(name, key, inner, name not in defaults))
        return structure

    def _dataclass(self, kind: Any) -> Kind:
        import dataclasses

        structure = self._started(kind)
        hints = self._hints(kind)
        for item in dataclasses.fields(kind):
            if item.init:
                required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
                inner = self._field_kind(kind, item.name, hints[item.name])
                structure.add(Field(item.name, item.name, inner, required))
        return structure

    def _typed_dict(self, kind: Any) -> Kind:
        structure = self._started(kind, is_mapping=True)
        for name, annotation in self._hints(kind).items():
            required = name in kind.__required_keys__
            if get_origin(annotation) in (typing.Required, typing.NotRequired):
                required = get_origin(annotation) is typing.Required
            structure.add(Field(name, name, self._field_kind(kind, name, annotation), required))
        return structure

    def _named_tuple(self, kind: Any) -> Kind:
        structure = self._started(kind)
        hints = self._hints(kind)
        for name in kind._fields:
            inner = self._field_kind(kind, name, hints.get(name, Any))
            structure.add(Field(name, name, inner, name not in kind._field_defaults))
        return structure

    def _started(self, kind: type, *, is_mapping: bool = False) -> StructureKind:
        structure = self._structures[kind] = StructureKind(kind, is_mapping=is_mapping)
        return structure

    def _field_kind(self, owner: type, name: str, annotation: Any) -> Kind:
        try:
            return self.kind(annotation)
        except TypeError as error:
            raise TypeError(f"field {name!r} of {owner.__name__}: {error}") from None

    def _hints(self, kind: type) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            names = vars(sys.modules.get(base.__module__, builtins))
            for name, annotation in annotations_of_class(base).items():
                try:
                    found[name] = evaluate(annotation, names, {**vars(base), base.__name__: base})
                except UnresolvedError as error:
                    raise TypeError(
                        f"the annotation of {name!r} in {kind.__name__} cannot be evaluated ({error})"
                    ) from None
        return found


def _is_constraint(item: object) -> bool:
    return type(item).__module__ == "msgspec" and type(item).__name__ == "Meta"


def _check_meaning(base: Any, constraints: tuple[Any, ...]) -> None:
    """Raise TypeError for constraints that say nothing about values of *base*, as a length of numbers."""
    import msgspec

    written = str if isinstance(base, type) and issubclass(base, str | PurePath) else base
    try:
        msgspec.inspect.type_info(operator.getitem(Annotated, (written, *constraints)))
    except TypeError as error:
        reason = str(error).partition(" - type ")[0]
        raise TypeError(f"the constraints of {text_of_annotation(base)}: {reason}") from None


def _checker(constraints: tuple[Any, ...]) -> Callable[[Any], Any]:
    """A function that raises ValueError for a value that breaks one of msgspec's *constraints*."""

    def check(value: Any) -> Any:
        import msgspec

        if isinstance(value, str | PurePath):  # to msgspec a Secret, or a path, is an object like any other
            value = str.__str__(value) if isinstance(value, str) else str(value)
        return msgspec.convert(value, operator.getitem(Annotated, (type(value), *constraints)))

    return check
