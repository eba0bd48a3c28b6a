"""The structs that plugins declare: their fields, and which of those are secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jobkit.config.plugin_reading import tag_of, tagless
from jobkit.values.base import Kind
from jobkit.values.choices import UnionKind
from jobkit.values.containers import DictKind, ListKind, TupleKind
from jobkit.values.structures import ConstrainedKind, ModelKind, StructureKind
from jobkit.values.types import fields_of

#: Stands for any key in what :func:`_secret_paths` gives.
ANY = "*"


def described(struct: type) -> StructureKind:
    """The fields of *struct*, and of everything in it; TypeError if one cannot be written in TOML."""
    kind = fields_of(struct)
    _describe(kind, set())
    return kind


def _describe(kind: Kind, seen: set[int]) -> None:
    """Read the structs with tags now: when one is used, its module may be forgotten."""
    if id(kind) in seen:
        return
    seen.add(id(kind))
    inside: list[Kind] = []
    match kind:
        case ModelKind() if tag_of(kind) is not None:
            inside = [tagless(kind)]
        case StructureKind():
            inside = [item.kind for item in kind.fields.values()]
        case UnionKind():
            inside = [*kind.members]
        case TupleKind():
            inside = [*kind.items]
        case ListKind() | DictKind():
            inside = [kind.item]
        case ConstrainedKind():
            inside = [kind.inner]
    for each in inside:
        _describe(each, seen)


def is_secret(kind: Kind, path: tuple[str, ...]) -> bool:
    """Whether what stands at *path* in a table of *kind* is secret, or holds or is part of what is."""
    return any(
        all(mine in (theirs, ANY) for mine, theirs in zip(secret, path, strict=False))
        for secret in _secret_paths(kind, (), frozenset())
    )


def open_keys(kind: Kind) -> frozenset[str]:
    """The keys of a table of *kind*, and of all in it, that stand for no secret wherever they stand."""
    open_: set[str] = set()
    secret: set[str] = set()
    waiting, seen = [kind], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        for name, inside in _keys_of(each).items():
            (secret if any(True for _ in _secret_leaves(inside)) else open_).add(name)
            waiting.append(inside)
        waiting += _inside(each)
    return frozenset(open_ - secret)


def _keys_of(kind: Kind) -> Mapping[str, Kind]:
    if isinstance(kind, ModelKind) and tag_of(kind) is not None:
        return {key: item.kind for key, item in tagless(kind).fields.items()}
    if isinstance(kind, StructureKind):
        return {key: item.kind for key, item in kind.fields.items()}
    return {}


def _inside(kind: Kind) -> list[Kind]:
    """What is in *kind* without a key of its own."""
    match kind:
        case UnionKind():
            return [*kind.members]
        case TupleKind():
            return [*kind.items]
        case ListKind():
            return [kind.item]
        case DictKind():
            return [kind.key, kind.item]
        case ConstrainedKind():
            return [kind.inner]
    return []


def _secret_leaves(kind: Kind) -> Iterator[Kind]:
    """The secrets below a key that have no other key of a table between."""
    inside = _inside(kind)
    if not inside and not _keys_of(kind) and kind.secret:
        yield kind
    for each in inside:
        yield from _secret_leaves(each)


def _secret_paths(kind: Kind, path: tuple[str, ...], around: frozenset[int]) -> Iterator[tuple[str, ...]]:
    """The keys below a table of *kind* that hold secrets; a list that has one in it counts as a whole."""
    if id(kind) in around:  # a struct that may hold itself: its keys are known from the outermost
        return
    around |= {id(kind)}
    below: Mapping[str, Kind] = {}
    if isinstance(kind, ModelKind) and tag_of(kind) is not None:
        below = {key: item.kind for key, item in tagless(kind).fields.items()}
    elif isinstance(kind, StructureKind):
        below = {key: item.kind for key, item in kind.fields.items()}
    elif isinstance(kind, DictKind):
        below = {ANY: kind.item}
    elif isinstance(kind, UnionKind):
        for member in kind.members:
            yield from _secret_paths(member, path, around)
    elif kind.secret:
        yield path
    for key, inner in below.items():
        yield from _secret_paths(inner, (*path, key), around)
