"""The tables that plugins declare, for people who read or type them: keys, types, defaults, JSON Schema."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobkit.config import plugin_words as words
from jobkit.config.plugin_declared import Declared
from jobkit.config.plugin_reading import tag_of, tagless
from jobkit.records import to_plain
from jobkit.values.base import Kind
from jobkit.values.choices import UnionKind
from jobkit.values.containers import DictKind, ListKind, TupleKind
from jobkit.values.structures import ConstrainedKind, ModelKind, StructureKind
from jobkit.values.types import struct_defaults

_Schema = dict[str, Any]

_VARIABLE = {"$ref": "#/$defs/variable"}
#: What a constraint is in JSON Schema, by the type that it stands beside.
_NUMBERS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_SIZES = {"string": "Length", "array": "Items", "object": "Properties"}


class TableKey(NamedTuple):
    """One key of a plugin's table. *default* is plain; None if there is none, or if it is not to be told."""

    name: str
    type: str
    default: Any
    summary: str
    required: bool


def keys_of(kind: StructureKind) -> list[TableKey]:
    """The keys of a table, in the order of the struct."""
    defaults = _defaults(kind)
    return [
        TableKey(key, words.type_of(item.kind), defaults.get(key), _description(item.kind), item.required)
        for key, item in kind.fields.items()
    ]


def summary_of(kind: StructureKind) -> str:
    """What a table is for: the first line of the struct's docstring."""
    text = kind.type.__dict__.get("__doc__") or ""
    return inspect.cleandoc(text).partition("\n")[0] if isinstance(text, str) else ""


class PluginSchemas:
    """The schemas of what plugins declared; ``definitions`` are what they refer to, for ``$defs``."""

    def __init__(self, declared: Mapping[str, Declared]) -> None:
        self.definitions: dict[str, _Schema] = {}
        self._names: dict[tuple[str, type], str] = {}
        self.tables = {
            name: self._table(name, each.table, each.table.type)
            for name, each in declared.items()
            if each.table is not None
        }
        self.settings = {
            name: self._table(name, each.settings, each.settings.type)
            for name, each in declared.items()
            if each.settings is not None
        }

    def _table(self, plugin: str, kind: StructureKind, struct: type, tag: _Schema | None = None) -> _Schema:
        """A closed table. Nothing is required: another file may say it."""
        defaults = _defaults(kind)
        properties = dict(tag or {})
        for key, item in kind.fields.items():
            schema = self._schema(plugin, item.kind)
            if key in defaults:
                schema["default"] = defaults[key]
            properties[key] = schema
        summary = summary_of(kind)
        head = {"description": summary} if summary else {}
        return {**head, "type": "object", "additionalProperties": False, "properties": properties}

    def _schema(self, plugin: str, kind: Kind) -> _Schema:
        match kind:
            case ConstrainedKind():
                return self._constrained(plugin, kind)
            case UnionKind():
                return _any_of([self._schema(plugin, member) for member in kind.members])
            case StructureKind():
                return self._reference(plugin, kind, kind.type)
            case ModelKind() if (tag := tag_of(kind)) is not None:
                return self._reference(plugin, tagless(kind), kind.type, {tag[0]: {"const": tag[1]}})
            case DictKind():
                return {"type": "object", "additionalProperties": self._schema(plugin, kind.item)}
            case ListKind():
                return {"type": "array", "items": self._schema(plugin, kind.item)}
            case TupleKind():
                items = [self._schema(plugin, item) for item in kind.items]
                return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
            case _:
                return _open(dict(words.shape_of(kind).schema))

    def _reference(
        self, plugin: str, kind: StructureKind, struct: type, tag: _Schema | None = None
    ) -> _Schema:
        """A nested struct stands in the definitions, because it may hold itself."""
        known = (plugin, struct)
        if known not in self._names:
            name = f"{plugin}.{struct.__name__}"
            while name in self.definitions:
                name += "_"
            self._names[known] = name
            self.definitions[name] = {}
            self.definitions[name] = self._table(plugin, kind, struct, tag)
        return {"$ref": f"#/$defs/{self._names[known]}"}

    def _constrained(self, plugin: str, kind: ConstrainedKind) -> _Schema:
        schema = self._schema(plugin, kind.inner)
        limits: _Schema = {}
        for each in kind.constraints:
            limits |= {
                word: getattr(each, name)
                for name, word in _NUMBERS.items()
                if getattr(each, name) is not None and schema.get("type") in ("integer", "number")
            }
            size = _SIZES.get(schema.get("type", ""))
            if size is not None:
                lengths = {f"min{size}": each.min_length, f"max{size}": each.max_length}
                limits |= {word: limit for word, limit in lengths.items() if limit is not None}
            if each.pattern is not None and schema.get("type") == "string":
                limits["pattern"] = each.pattern
        if limits and schema.get("type") == "string":  # text with a variable in it may look different
            schema = {"anyOf": [{**schema, **limits}, _VARIABLE]}
        else:
            schema |= limits
        description = _description(kind)
        return {"description": description, **schema} if description else schema


def _open(schema: _Schema) -> _Schema:
    """Where text of a certain form is taken, text with a variable in it is taken too."""
    if "enum" in schema or schema == {"$ref": "#/$defs/duration"}:
        return {"anyOf": [schema, _VARIABLE]}
    return schema


def _any_of(schemas: list[_Schema]) -> _Schema:
    different = [schema for number, schema in enumerate(schemas) if schema not in schemas[:number]]
    if {} in different:
        return {}
    return different[0] if len(different) == 1 else {"anyOf": different}


def _description(kind: Kind) -> str:
    """What ``msgspec.Meta(description=...)`` says, also inside of ``X | None``."""
    if isinstance(kind, UnionKind):
        return next(filter(None, map(_description, kind.members)), "")
    if not isinstance(kind, ConstrainedKind):
        return ""
    found = [each.description for each in kind.constraints if each.description]
    return " ".join(found[-1].split()) if found else ""


def _defaults(kind: StructureKind) -> dict[str, Any]:
    """The defaults that a file could spell out, as plain values; those of secrets are not told."""
    if not hasattr(kind.type, "__struct_fields__"):
        return {}
    defaults = struct_defaults(kind.type)
    found: dict[str, Any] = {}
    for key, item in kind.fields.items():
        if item.kind.secret or item.name not in defaults:
            continue
        try:
            value = defaults[item.name]()
            if value is not None:
                found[key] = to_plain(item.kind.plain(value))
        except Exception:  # the plugin makes it, or its type is not what it says: then it is not told
            continue
    return found
