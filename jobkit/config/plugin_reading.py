"""Reading a plugin's table by the struct that the plugin declared: key by key, every mistake at once.

The tree of settings is walked along the fields of the struct, so that each error has the line and the layer
of its own value, and reads like an error in one of jobkit's own tables. What a value may be is decided by
:mod:`jobkit.values`, the words are those of :mod:`jobkit.config.plugin_words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from jobkit.config import plugin_words as words
from jobkit.config.check import config_error, named, refusal, unknown_key
from jobkit.config.expansion import expands_variables, holds_variable
from jobkit.config.layers import DeepPath, Setting
from jobkit.config.plugin_nodes import Node
from jobkit.config.shapes import kind_of
from jobkit.exceptions import ConfigError, PluginError
from jobkit.redaction import looks_secret, mask_url, redact, secrets_of
from jobkit.sanitising import bounded, safe_text
from jobkit.values.base import Kind, MisfitError
from jobkit.values.choices import LiteralKind, UnionKind
from jobkit.values.containers import DictKind, ListKind, TupleKind
from jobkit.values.scalars import Scalar
from jobkit.values.structures import ConstrainedKind, ModelKind, StructureKind
from jobkit.values.types import fields_of, struct_defaults

#: What a value is that was refused: its errors are in ``Reading.errors``.
REFUSED: Any = type("REFUSED", (), {"__repr__": lambda self: "REFUSED", "__slots__": ()})()

_NOT_SHOWN = "(the value is not shown)"
#: How a missing value may look, by what is expected.
_EXAMPLES = {"text": '"…"', "true or false": "true", "a duration": '"90s"', "a list": "[…]"}


class Reading:
    """Reads values, and collects what is wrong with them in ``errors`` and what is secret in ``secrets``.

    Relative paths are taken to begin at *root*. What lower layers say and is not in force is checked too,
    as in jobkit's own tables; but not with *in_force* only.
    """

    def __init__(self, root: Path, *, in_force: bool = False) -> None:
        self.errors: list[ConfigError] = []
        self.secrets: set[str] = set()
        self._root = root
        self._in_force = in_force

    def table(self, kind: StructureKind, path: DeepPath, setting: Setting | None) -> Any:
        """A struct of *kind* out of what *setting* says at *path*; REFUSED if there is anything wrong."""
        value = self._read(kind, Node.of(path, setting) if setting is not None else Node(path, {}))
        if self.errors:
            from jobkit.config.plugin_structs import open_keys

            shown = open_keys(kind)
            for error in self.errors:
                error.shown_keys = shown if error.shown_keys is None else error.shown_keys
        return value

    def value(self, kind: Kind, node: Node) -> Any:
        """One value of *kind*; a variable may have meant the text, where another value is not taken."""
        before = len(self.errors)
        value = self._walk(kind, node)
        if value is not REFUSED or node.written is None or isinstance(node.value, str):
            return value
        attempt = Reading(self._root, in_force=self._in_force)
        found = attempt._walk(kind, replace(node, value=node.written))
        if found is not REFUSED or any(error.code != "JK205" for error in attempt.errors):
            self.errors[before:] = attempt.errors
            self.secrets |= attempt.secrets
        return found

    def _read(self, kind: Kind, node: Node) -> Any:
        lower = node.setting.stack[:-1] if node.setting is not None and not self._in_force else ()
        for statement in lower:
            waits = holds_variable(statement.value) and expands_variables(statement.origin)
            if not waits and not isinstance(statement.value, Mapping):
                self.value(kind, Node.said(node.path, statement))
        return self.value(kind, node)

    def _walk(self, kind: Kind, node: Node) -> Any:
        match kind:
            case ConstrainedKind():
                return self._constrained(kind, node)
            case UnionKind():
                return self._union(kind, node)
            case StructureKind():
                return self._table(kind, node)
            case ModelKind() if tag_of(kind) is not None:
                return self._table(tagless(kind), node)
            case DictKind():
                return self._dictionary(kind, node)
            case ListKind() | TupleKind():
                return self._list(kind, node)
            case _:
                return self._leaf(kind, node)

    # -- what holds other values ------------------------------------------------------------------------

    def _table(self, kind: StructureKind, node: Node) -> Any:
        if not isinstance(node.value, Mapping):
            if not kind.is_mapping and isinstance(node.value, kind.type):  # code may give one
                return node.value
            return self._refuse("JK205", node, f"a table is expected, not {kind_of(node.value)}")
        before = len(self.errors)
        self._check_keys(kind, node)
        values: dict[str, Any] = {}
        for key, item in kind.fields.items():
            if key in node.value:
                values[item.name] = self._read(item.kind, node.child(key))
            elif item.required:
                self._missing(node, key, item.kind)
            elif _is_path(item.kind):
                values |= self._default_path(kind.type, item.name)
        if len(self.errors) > before:
            return REFUSED
        if kind.is_mapping:
            return values
        try:
            return kind.type(**values)
        except Exception as error:  # a check of the plugin's own; it decides what it raises
            return self._refuse("JK745", node, self._why(error, node))

    def _check_keys(self, kind: StructureKind, node: Node) -> None:
        tag = _tag(kind.type)
        for key in node.value:
            if tag is not None and key == tag[0]:
                self._leaf(LiteralKind((tag[1],)), node.child(key))
            elif key not in kind.fields:
                child = node.child(key)
                self.errors.append(unknown_key(child.path, kind.fields, child.origin))

    def _why(self, error: Exception, node: Node) -> str:
        """What the plugin says, without what is secret in what it was given.

        Where a variable stands, only a PluginError is believed to repeat nothing of it.
        """
        if node.holds_expanded and not isinstance(error, PluginError):
            return "the plugin refuses it (why is not shown, because a variable is in it)"
        secrets = self.secrets | secrets_of(node.value)
        return redact(safe_text(error, 400), secrets) or type(error).__name__

    def _dictionary(self, kind: DictKind, node: Node) -> Any:
        if not isinstance(node.value, Mapping):
            return self._refuse("JK205", node, f"a table is expected, not {kind_of(node.value)}")
        before = len(self.errors)
        found: dict[Any, Any] = {}
        for key in node.value:
            try:
                name = kind.key.read_text(key) if isinstance(key, str) else kind.key.read(key)
            except MisfitError:
                what, shown = words.expected(kind.key), bounded(str(key), 80)
                self._refuse("JK206", node.child(key), f"{what} is expected as a key, not {shown!r}")
                continue
            found[name] = self._read(kind.item, node.child(key))
        return REFUSED if len(self.errors) > before else found

    def _list(self, kind: ListKind | TupleKind, node: Node) -> Any:
        if isinstance(node.value, set | frozenset):  # code may give one
            node = replace(node, value=sorted(node.value, key=repr))
        value = node.value
        if not isinstance(value, list | tuple):
            shown = isinstance(value, str) and not self._hidden(kind, node)
            hint = f"; write [{value[:60]!r}]" if shown else ""
            return self._refuse("JK205", node, f"a list is expected, not {kind_of(value)}{hint}")
        if isinstance(kind, TupleKind) and len(value) != len(kind.items):
            return self._refuse("JK206", node, f"{len(kind.items)} items are expected, not {len(value)}")
        before = len(self.errors)
        kinds = kind.items if isinstance(kind, TupleKind) else (kind.item,) * len(value)
        items = [self._read(item, node.child(number)) for number, item in enumerate(kinds)]
        if len(self.errors) > before:
            return REFUSED
        try:
            return tuple(items) if isinstance(kind, TupleKind) else kind.make(items)
        except TypeError:  # what cannot be hashed cannot be in a set
            return self._refuse("JK205", node, "its items have to be single values")

    # -- choices and single values ----------------------------------------------------------------------

    def _union(self, kind: UnionKind, node: Node) -> Any:
        if node.value is None and kind.optional:
            return None
        if len(kind.members) == 1:
            return self._walk(kind.members[0], node)
        tagged = {tag: member for member in kind.members if (tag := tag_of(member)) is not None}
        if len(tagged) > 1 and isinstance(node.value, Mapping):
            return self._by_tag(tagged, node)
        close: list[Reading] = []
        for member in sorted(kind.members, key=lambda each: not each.is_exactly(node.value)):
            attempt = Reading(self._root, in_force=self._in_force)
            value = attempt._walk(member, node)
            if value is not REFUSED:
                self.secrets |= attempt.secrets
                return value
            if not attempt._says_wrong_type(node):
                close.append(attempt)
        if len(close) == 1:  # only one of them takes such a value at all: what it says is what is wrong
            self.errors += close[0].errors
            return REFUSED
        whole = close and not isinstance(node.value, Mapping | list)
        shown = kind_of(node.value) if not whole else repr(node.value)[:60]
        if whole and self._hidden(kind, node):
            shown = "this"
        code = "JK206" if close else "JK205"
        return self._refuse(code, node, f"{words.expected(kind)} is expected, not {shown}")

    def _by_tag(self, tagged: Mapping[tuple[str, Any], Kind], node: Node) -> Any:
        """The one of several tables that its tag says it is."""
        key = next(iter(tagged))[0]
        choice = LiteralKind(tuple(tag for _, tag in tagged))
        if key not in node.value:
            self._missing(node, key, choice)
            return REFUSED
        tag = self._leaf(choice, node.child(key))
        return REFUSED if tag is REFUSED else self._walk(tagged[key, tag], node)

    def _says_wrong_type(self, node: Node) -> bool:
        """Whether all that was found is that the value as a whole is of another type."""
        error = self.errors[0]
        return len(self.errors) == 1 and error.code == "JK205" and _head(node) in error.message

    def _constrained(self, kind: ConstrainedKind, node: Node) -> Any:
        value = self._walk(kind.inner, node)
        if value is REFUSED:
            return value
        try:
            kind.check(value)
        except ValueError as error:
            why = words.broken_constraint(value, kind.constraints, str(error))
            if self._hidden(kind, node):
                why = f"it is not what the plugin accepts {_NOT_SHOWN}"
            return self._refuse("JK206", node, why)
        return value

    def _leaf(self, kind: Kind, node: Node) -> Any:
        shape = words.shape_of(kind)
        try:
            value = shape.decode(node.value)
        except (TypeError, ValueError) as error:
            code = "JK205" if isinstance(error, TypeError) else "JK206"
            why = refusal(error, shape.type, expanded=node.expanded)
            if code == "JK206" and not node.expanded and self._hidden(kind, node):
                why = f"{words.expected(kind)} is expected {_NOT_SHOWN}"
            return self._refuse(code, node, why)
        if kind.secret and isinstance(value, str):
            self.secrets.add(str.__str__(value))
        return self._root / value if isinstance(value, Path) else value

    # -- errors -----------------------------------------------------------------------------------------

    def _hidden(self, kind: Kind, node: Node) -> bool:
        """Whether no error may repeat the value."""
        below = node.path[2:] if node.path[0] == "plugins" else node.path[4:]  # without names
        return node.expanded or kind.secret or any(looks_secret(str(key)) for key in below)

    def _refuse(self, code: str, node: Node, why: str) -> Any:
        self.errors.append(config_error(code, _head(node) + mask_url(why), node.origin))
        return REFUSED

    def _missing(self, node: Node, key: str, kind: Kind) -> None:
        help = f"write `{key} = {_EXAMPLES.get(words.expected(kind), '…')}` into {named(node.path)}"
        if len(node.path) == 2:
            help += f", or leave the plugin out: --plugin no:{node.path[1]}"
        what = f"{named((*node.path, key))}: it is missing"
        self.errors.append(config_error("JK743", what, node.beginning, help))

    def _default_path(self, kind: type, name: str) -> dict[str, Path]:
        """The default of a path begins at the root, too."""
        if not hasattr(kind, "__struct_fields__"):
            return {}
        default = struct_defaults(kind)[name]()
        return {name: self._root / default} if isinstance(default, Path) else {}


def tag_of(kind: Kind) -> tuple[str, Any] | None:
    """The key and the value that tell tables of *kind* from others, if it has such."""
    return _tag(kind.type) if isinstance(kind, ModelKind) else None


def tagless(kind: ModelKind) -> StructureKind:
    """The fields of a struct with a tag."""
    return _fields_of(kind.type)


@lru_cache(maxsize=256)
def _fields_of(kind: type) -> StructureKind:
    return fields_of(kind)


def _tag(kind: type) -> tuple[str, Any] | None:
    config = getattr(kind, "__struct_config__", None)
    if config is None or config.tag is None or config.array_like:
        return None
    return config.tag_field, config.tag


def _is_path(kind: Kind) -> bool:
    if isinstance(kind, UnionKind):
        return any(map(_is_path, kind.members))
    return isinstance(kind, Scalar) and kind.type is Path


def _head(node: Node) -> str:
    return f"{named(node.path)}: "
