"""The schema of configuration files as JSON Schema, for editors that complete and check while one types.

Made from the tables of :mod:`jobkit.config.schema` and the options of :mod:`jobkit.options`. It accepts every
file that jobkit accepts; what it cannot say – whether a zone exists, a cron text can fire – jobkit checks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobkit.config.schema import KEYS, Key
from jobkit.options import HIGHEST_PRIORITY, LONGEST_NAME, MOST_ITEMS, OPTIONS, Option
from jobkit.records import to_plain

if TYPE_CHECKING:
    from jobkit.config.plugin_declared import Declared

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]

_DURATION = {"$ref": "#/$defs/duration"}
_WORDS = {"type": "array", "items": {"type": "string"}, "maxItems": MOST_ITEMS}
_TABLES = {
    "project": "What the project is, and how its files are found and loaded.",
    "scheduler": "What decides when and how much is run, and where it is remembered.",
    "logs": "How jobkit's programs write their logs.",
}

# What an option's type, as people read it, is to an editor.
_TYPES: Mapping[str, _Schema] = {
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "int": {"type": "integer", "minimum": -HIGHEST_PRIORITY, "maximum": HIGHEST_PRIORITY},
    "duration": {"anyOf": [_DURATION, {"const": "none"}]},
    'duration or "auto"': {"anyOf": [_DURATION, {"const": "auto"}]},
    "list of str": _WORDS,
    "str or list of str": {"anyOf": [{"type": "string"}, _WORDS]},
    "IANA name": {"type": "string"},
    "mapping": {"type": "object"},
    "int or Retry": {
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 1000}, {"$ref": "#/$defs/retry"}]
    },
    "Expect": {"$ref": "#/$defs/expect"},
}


def json_schema(tables: Mapping[str, Declared] | None = None) -> _Schema:
    """The whole schema, as a new object; *tables* are what plugins declared, by the plugin's name."""
    plugins, settings, definitions = _of_plugins(tables or {})
    options = {option.name: _option(option) for option in OPTIONS.values() if option.in_config}
    options["plugins"] |= settings
    own = {
        table: {
            "description": _TABLES[table],
            **_closed({key.name: _key(key) for key in keys.values()}),
        }
        for table, keys in KEYS.items()
    }
    return {
        "$schema": DIALECT,
        "title": "jobkit configuration",
        "description": "jobkit.toml, and the operators' files in services/scheduler/.",
        **_closed(
            {
                **own,
                "jobs": {
                    "type": "object",
                    "description": "What configuration says about single jobs.",
                    "propertyNames": {"pattern": "^[a-z][a-z0-9_-]*$", "maxLength": LONGEST_NAME},
                    "additionalProperties": {"$ref": "#/$defs/job"},
                },
                "plugins": {
                    "type": "object",
                    "description": "One table for each plugin, checked by the plugin.",
                    **plugins,
                },
            }
        ),
        "$defs": {
            "job": {"description": "The options of one job.", **_closed(options)},
            **_shared(),
            **definitions,
        },
    }


def _of_plugins(tables: Mapping[str, Declared]) -> tuple[_Schema, _Schema, _Schema]:
    """``[plugins]``, the option ``plugins`` of a job, and what they refer to.

    A plugin that declared nothing takes any table.
    """
    anything: _Schema = {"additionalProperties": {"type": "object"}}
    if not tables:
        return anything, {}, {}
    from jobkit.config.plugin_schema import PluginSchemas

    found = PluginSchemas(tables)
    plugins = {"properties": found.tables, **anything} if found.tables else anything
    settings = {"properties": found.settings, **anything} if found.settings else {}
    return plugins, settings, found.definitions


def _shared() -> _Schema:
    return {
        "duration": {
            "description": 'Seconds, or text like "90s", "5m", "1h30m", "2d".',
            "anyOf": [
                {"type": "string", "pattern": r"^\s*([0-9]{1,12}(\.[0-9]{1,6})?(ms|s|m|h|d|w))+\s*$"},
                {"type": "number", "minimum": 0},
            ],
        },
        "variable": {
            "description": "Text with ${NAME}, which stands for an environment variable.",
            "type": "string",
            "pattern": r"\$\{",
        },
        "retry": _closed(
            {
                "retries": {"type": "integer", "minimum": 0, "maximum": 1000},
                "delay": _open(_DURATION),
                "backoff": {"type": "number", "minimum": 1, "maximum": 100},
                "max_delay": _open(_DURATION),
                "jitter": {"type": "boolean"},
            }
        ),
        "expect": _closed(
            {
                "min_processed": {"type": "integer", "minimum": 0},
                "max_error_ratio": {"type": "number", "minimum": 0, "maximum": 1},
                "max_duration": _open(_DURATION),
            }
        ),
    }


def _key(key: Key) -> _Schema:
    default = {"default": to_plain(key.default)} if key.default_text is None else {}
    words = f"{key.summary}; default: {key.default_text}" if key.default_text else key.summary
    return {"description": words, **default, **_open(key.shape.schema)}


def _option(option: Option) -> _Schema:
    listed = re.findall(r'"(\w+)"', option.type)
    schema = _TYPES.get(option.type) or {"enum": listed}
    return {"description": option.summary, **_open(schema)}


def _closed(properties: Mapping[str, _Schema]) -> _Schema:
    """A table with these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _open(schema: Mapping[str, Any]) -> _Schema:
    """*schema*, and where it takes text of a certain form also text with a variable in it.

    What a variable gives is always text: it cannot stand for a number, a flag or a list.
    """
    choices = schema.get("anyOf", [schema])
    if _DURATION in choices or "enum" in schema:
        return {"anyOf": [*choices, {"$ref": "#/$defs/variable"}]}
    return dict(schema)
