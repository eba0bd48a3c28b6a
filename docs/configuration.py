"""Writes reference/configuration.md from the tables of keys in jobkit/config/schema.py and jobkit/options.py.

``python docs/configuration.py`` writes it; with ``--check`` it only says whether that is needed.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from jobkit.cli.render.toml_text import toml_text
from jobkit.config.plugin_schema import TableKey, keys_of, summary_of
from jobkit.config.schema import KEYS, SETTINGS, Key
from jobkit.expect import Expect
from jobkit.options import OPTIONS, Option
from jobkit.plugins.parser import Parsers
from jobkit.plugins.registry import PluginRegistry
from jobkit.project_plugins import builtin_plugins
from jobkit.records import to_plain
from jobkit.retry import Retry
from jobkit.values.structures import StructureKind

DOCS = Path(__file__).parent
PAGE = DOCS / "reference" / "configuration.md"

#: Defaults of options that are not values.
_DEFAULTS = {
    "description": "the docstring's first line",
    "schedule": '`""`',
    "timezone": "the scheduler's",
    "retries": "`0`",
}

HEAD = """\
---
title: Configuration keys
description: Every table and key of a configuration file, with type, default and meaning
---

# Configuration keys

One schema holds for every file. Where the files lie, which of them wins, and what happens when one is wrong
is described in [Configuration files](configuration-files.md). Every key can also be set by a variable:
`JOBKIT__SCHEDULER__STORE`, `JOBKIT__JOBS__NAME__ENABLED`. `jobkit config schema` prints the same as JSON
Schema, for editors; `jobkit config show` prints the values in force and the line that decided each.

Durations are seconds, or text such as `"90s"`, `"5m"`, `"1h30m"`, `"2d"`.
"""

JOBS = """\
## [jobs.NAME]

The options of one job. What is not given stays as the code has it; what neither gives has the default.
"""

AFTER_JOBS = """\
- `retries` is a number, or a table with {retry}.
- `expect` is a table with {expect}.
- Both merge key by key with what the code says.
- `run_on_startup` can only be switched off here.
- `extension` changes nothing: it is an error if the job belongs to another extension.
- Options marked "configuration only" cannot be given in code.

```toml
[jobs.cleanup_old_records]
enabled = true
schedule = "0 0 4 * * *"
timeout = "10m"
retries = {{ retries = 3, delay = "1m" }}
parameters = {{ retention_days = 90 }}
```

In the file of overrides an entry also says who changed it, when and why: `changed = {{ by, at, reason }}`.

## [plugins.NAME]

One table for each plugin, checked by the plugin: see [Configure plugins](../how-to/configure-plugins.md).
`jobkit config schema` prints the tables of those that a project has.
[PostgreSQL](../how-to/run-several-schedulers.md) and [notifications](../how-to/notify.md) have theirs on
their pages. These belong to jobkit itself:
"""


def render() -> str:
    """The whole page: a section for each table."""
    parts = [HEAD]
    for table, keys in KEYS.items():
        what = (SETTINGS[table].__doc__ or "").partition(": ")[2].partition("\n")[0]
        parts.append(f"## [{table}]\n\n{what[:1].upper()}{what[1:]}\n")
        parts.append(_rows(["key", "type", "default", "meaning"], [_key(key) for key in keys.values()]))
    options = [_option(option) for option in OPTIONS.values() if option.in_config]
    parts += [JOBS, _rows(["key", "type", "default", "meaning"], options)]
    retry = [item.name for item in fields(Retry) if item.name != "on"]
    parts.append(
        AFTER_JOBS.format(retry=_names(retry), expect=_names([item.name for item in fields(Expect)]))
    )
    for name, declared in _builtin_tables().items():
        summary = summary_of(declared).rstrip(".")
        parts.append(f"### [plugins.{name}]\n\n{summary}.\n")
        rows = [_plugin_key(key) for key in keys_of(declared)]
        parts.append(_rows(["key", "type", "default", "meaning"], rows))
    return "\n".join(parts)


def _builtin_tables() -> dict[str, StructureKind]:
    """The tables of jobkit's own plugins, by name."""
    registry, parsers = PluginRegistry(strict=True), Parsers()
    for builtin in builtin_plugins():
        registry.register(builtin.load(), builtin.name, source="built-in")
    registry.hooks.addoption(parsers.of)
    declared = {name: parser.declared.table for name, parser in parsers.items()}
    return {name: table for name, table in sorted(declared.items()) if table is not None}


def _rows(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _key(key: Key) -> list[str]:
    return [f"`{key.name}`", key.shape.type, key.default_text or _default(key.default), key.summary]


def _plugin_key(key: TableKey) -> list[str]:
    default = "required" if key.required else _default(key.default)
    return [f"`{key.name}`", key.type, default, key.summary]


def _option(option: Option) -> list[str]:
    where = "" if option.in_code else "; configuration only"
    default = _DEFAULTS.get(option.name) or _default(option.default)
    return [f"`{option.name}`", option.type, default, option.summary + where]


def _default(value: Any) -> str:
    return "none" if value is None else f"`{toml_text(to_plain(value))}`"


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main() -> int:
    """Write or check; the exit code is 1 if the page is out of date."""
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(DOCS.parent)} is out of date: run python docs/configuration.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
