"""The JSON Schema for editors: it has what the tables have, and refuses what jobkit refuses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import pytest

from jobkit.config.check import check
from jobkit.config.json_schema import json_schema
from jobkit.config.layers import always
from jobkit.config.schema import KEYS, TABLES
from jobkit.expect import Expect
from jobkit.options import OPTIONS
from jobkit.origin import Origin
from jobkit.retry import Retry

SCHEMA = json_schema()
_IS = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "default", "type", "enum", "const", "anyOf",
    "pattern", "minLength", "maxLength", "minimum", "maximum", "items", "maxItems", "properties",
    "propertyNames", "prefixItems", "minItems", "exclusiveMinimum", "exclusiveMaximum",
    "additionalProperties",
}  # fmt: skip


def problems(value: Any, schema: Any, path: str = "", whole: Any = None) -> Iterator[str]:
    """What a validator of the dialect 2020-12 finds; an unknown word of the schema is a mistake of ours.

    References are looked up in *whole*, by default the schema without plugins.
    """
    whole = whole or SCHEMA
    assert isinstance(schema, Mapping)
    assert set(schema) <= _KNOWN, set(schema) - _KNOWN
    if "$ref" in schema:
        yield from problems(value, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], path, whole)
    if "type" in schema and not _IS[schema["type"]](value):
        yield f"{path} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{path} is not {schema['const']}"
    if "anyOf" in schema and all([*problems(value, each, path, whole)] for each in schema["anyOf"]):
        yield f"{path} fits none"
    yield from _sizes(value, schema, path)
    yield from _inside(value, schema, path, whole)


def _sizes(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{path} has the wrong length"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{path} does not look right"
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{path} has the wrong length"
    elif isinstance(value, int | float):
        least, most = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
        if not (least <= value <= most and above < value < below):
            yield f"{path} is out of range"


def _inside(value: Any, schema: Mapping[str, Any], path: str, whole: Any) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            each = [*schema.get("prefixItems", [])][index : index + 1] or [schema.get("items", {})]
            yield from problems(item, each[0], f"{path}[{index}]", whole)
    if not isinstance(value, dict):
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, item in value.items():
        if "propertyNames" in schema:
            yield from problems(key, schema["propertyNames"], f"{path}.{key}", whole)
        if key in known:
            yield from problems(item, known[key], f"{path}.{key}", whole)
        elif others is False:
            yield f"{path} has no {key}"
        elif others is not True:
            yield from problems(item, others, f"{path}.{key}", whole)


def refused(text: str) -> bool:
    """Whether jobkit refuses a file with this text."""
    return bool(check("config", tomllib.loads(text), always(Origin("config"))))


def test_it_has_every_table_key_and_option() -> None:
    """No key that jobkit knows is missing, none is invented; each is described as in the tables."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(SCHEMA["properties"]) == list(TABLES)
    for table, keys in KEYS.items():
        properties = SCHEMA["properties"][table]["properties"]
        assert list(properties) == list(keys)
        for name, key in keys.items():
            assert properties[name]["description"].startswith(key.summary)
    options = SCHEMA["$defs"]["job"]["properties"]
    assert {name: each["description"] for name, each in options.items()} == {
        option.name: option.summary for option in OPTIONS.values() if option.in_config
    }
    assert set(SCHEMA["$defs"]["retry"]["properties"]) == {item.name for item in fields(Retry)} - {"on"}
    assert set(SCHEMA["$defs"]["expect"]["properties"]) == {item.name for item in fields(Expect)}


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, keys in KEYS.items() for key in keys])
def test_every_default_is_accepted(table: str, key: str) -> None:
    """A file that spells out the default of a key is valid."""
    schema = SCHEMA["properties"][table]["properties"][key]
    if "default" in schema:
        assert [*problems(schema["default"], schema)] == []


GOOD = """\
[project]
name = "shop"
pythonpath = [".", "src"]
import_timeout = 30

[scheduler]
store = "${DATABASE_URL}"
unlisted = "ignore"
startup = ["migrate_content"]
startup_interval = "${PAUSE}"
limits = { db = 2 }
probes = "127.0.0.1:9464"

[logs]
format = "${LOG_FORMAT}"

[jobs.cleanup]
enabled = true
schedule = ["0 0 4 * * *", "@daily"]
timeout = "none"
retries = { retries = 3, delay = "1m", backoff = 2.5, jitter = false }
misfire_grace = "auto"
misfire = "all"
expect = { min_processed = 1, max_error_ratio = 0.5, max_duration = "1h30m" }
parameters = { retention_days = 90 }
plugins = { webhook = { url = "https://example.com" } }

[jobs.publish]
schedule = ""
retries = 3
timeout = 2.5
priority = -4

[plugins.webhook]
anything = [1, "two", { three = 3 }]
"""


def test_what_jobkit_accepts_is_accepted() -> None:
    """A file that uses everything: neither jobkit nor the schema finds anything."""
    assert not refused(GOOD)
    assert [*problems(tomllib.loads(GOOD), SCHEMA)] == []


@pytest.mark.parametrize(
    "text",
    [
        "[projct]",
        "[project]\nnam = 'x'",
        "[project]\nname = 1",
        "[project]\nprotected = 'yes'",
        "[project]\nprotected = '${PROTECTED}'\n[logs]\nlevel = 'loud'",
        "[project]\npythonpath = 'src'",
        "[project]\npythonpath = ['']",
        "[project]\nimport_timeout = 'soon'",
        "[scheduler]\nunlisted = 'sometimes'",
        "[scheduler]\nmax_concurrent_runs = 0",
        "[scheduler]\nmax_concurrent_runs = 1.5",
        "[scheduler]\nlimits = { db = 'two' }",
        "[scheduler]\nstore = ''",
        "[jobs]\ncleanup = 1",
        "[jobs.Cleanup]\nenabled = true",
        "[jobs.cleanup]\nenabld = true",
        "[jobs.cleanup]\nname = 'x'",
        "[jobs.cleanup]\nenabled = 'yes'",
        "[jobs.cleanup]\ntags = 'nightly'",
        "[jobs.cleanup]\nschedule = 5",
        "[jobs.cleanup]\nretries = { tries = 3 }",
        "[jobs.cleanup]\nretries = true",
        "[jobs.cleanup]\nexpect = { min = 3 }",
        "[jobs.cleanup]\nparameters = 3",
        "[jobs.cleanup]\npriority = 'high'",
        "[plugins]\nwebhook = 'x'",
    ],
)
def test_what_jobkit_refuses_is_refused(text: str) -> None:
    """Unknown tables and keys, wrong types, bad values: jobkit and the editor agree."""
    assert refused(text)
    assert [*problems(tomllib.loads(text), SCHEMA)]


@pytest.mark.parametrize(
    "text", ["[jobs.a]\noverlap = 'wait'", "[jobs.a]\ntimeout = 'soon'", "[jobs.a]\nmisfire_grace = 'none'"]
)
def test_bad_values_of_jobs_are_found_while_typing(text: str) -> None:
    """For jobkit they harm only their job; the editor may say it at once."""
    assert [*problems(tomllib.loads(text), SCHEMA)]
