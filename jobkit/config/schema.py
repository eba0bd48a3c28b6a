"""The tables of a configuration file: every key, what it may be, what it is if nobody says, what it means.

One schema for all layers. ``[jobs.NAME]`` has the options of :mod:`jobkit.options`; ``[plugins.NAME]`` is
kept as it is, for the plugin to check.
"""

# ruff: noqa: RUF009 - _key is a dataclasses.field
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from jobkit.config import shapes
from jobkit.config.shapes import Shape


def _key(shape: Shape, default: Any, summary: str, *, default_text: str | None = None) -> Any:
    """A key of a table; *default_text* is how a file would say *default*, if it can."""
    metadata = {"shape": shape, "summary": summary, "default_text": default_text}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=shape.decode(default), metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """``[project]``: what the project is, and how its files are found and loaded."""

    name: str = _key(
        shapes.text(longest=128),
        "",
        "a store belongs to one project name and refuses another",
        default_text="the folder's name",
    )
    extensions: str = _key(shapes.folder(), "extensions", "the folder that is walked for job files")
    pythonpath: tuple[str, ...] = _key(
        shapes.texts(shapes.text(empty=False)),
        ["."],
        "where the project's own code is imported from, appended once after everything else",
    )
    required_plugins: tuple[str, ...] = _key(
        shapes.texts(shapes.text(longest=128, empty=False)),
        [],
        "distributions that must be installed and load without an error",
    )
    protected: bool = _key(shapes.flag(), False, "`jobkit run` asks before it acts in this environment")
    import_timeout: timedelta = _key(
        shapes.duration("10ms", "1h"), "10s", "the time that one job file may take to be imported"
    )
    trust_permissions: bool = _key(
        shapes.flag(), False, "accept files and folders that everybody may write to"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """``[scheduler]``: what decides when and how much is run, and where it is remembered."""

    enabled: bool = _key(shapes.flag(), True, "whether schedules fire at all")
    store: str = _key(
        shapes.text(empty=False),
        "sqlite:///.jobkit/jobkit.db",
        "where runs are kept; a path is relative to the root",
    )
    engine: str = _key(
        shapes.text(longest=128, empty=False), "local", "what carries runs to the processes that execute them"
    )
    timezone: str = _key(shapes.timezone(), "UTC", "the zone of schedules that name none")
    unlisted: str = _key(
        shapes.one_of("schedule", "ignore"),
        "schedule",
        'with "ignore", jobs without a [jobs.NAME] table are not scheduled',
    )
    startup: tuple[str, ...] = _key(
        shapes.texts(shapes.text(longest=128, empty=False)),
        [],
        "jobs that are run one after another before the first tick",
    )
    startup_interval: timedelta = _key(
        shapes.duration("0s", "30d"),
        "5m",
        "a startup run that another replica began within this time is shared, not repeated",
    )
    max_concurrent_runs: int = _key(
        shapes.whole(1, 100_000), 100, "how many runs one process executes at a time"
    )
    shutdown_grace: timedelta = _key(
        shapes.duration("0s", "1d"), "20s", "the time that running jobs get to end when the scheduler stops"
    )
    retention: timedelta = _key(
        shapes.duration("1m"), "30d", "finished runs and their logs that are older are pruned"
    )
    limits: Mapping[str, int] = _key(
        shapes.table_of(shapes.whole(1, 100_000)),
        {},
        "how many runs may hold each named limit at a time",
    )
    node: str = _key(shapes.text(longest=253), "", "the name of this node", default_text="the host's name")
    lease: timedelta = _key(
        shapes.duration("1s", "10m"),
        "10s",
        "how long a run stays with a process that is not heard of; renewed every 3/10 of it",
    )
    loop_stall: timedelta = _key(
        shapes.duration("5s", "1d"), "5m", "a process whose event loop stands still for longer ends itself"
    )
    probes: str = _key(
        shapes.address(), "", "where /healthz, /readyz and /metrics are served", default_text="nowhere"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsSettings:
    """``[logs]``: how jobkit's programs write their logs."""

    format: str = _key(
        shapes.one_of("auto", "console", "json", "logfmt", "ecs"),
        "auto",
        "auto is console on a terminal, json otherwise",
    )
    level: str = _key(
        shapes.one_of("debug", "info", "warning", "error", "critical"),
        "info",
        "the least level that is written",
    )


class Key(NamedTuple):
    """One key of a table, for error texts, documentation and editors."""

    name: str
    shape: Shape
    default: Any
    summary: str
    default_text: str | None


def _keys(settings: type[Any]) -> Mapping[str, Key]:
    return MappingProxyType(
        {
            item.name: Key(
                item.name,
                item.metadata["shape"],
                item.default if item.default is not MISSING else {},
                item.metadata["summary"],
                item.metadata["default_text"],
            )
            for item in fields(settings)
        }
    )


#: The settings of each table with fixed keys.
SETTINGS: Mapping[str, type[Any]] = MappingProxyType(
    {"project": ProjectSettings, "scheduler": SchedulerSettings, "logs": LogsSettings}
)

#: Every key of those tables.
KEYS: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {name: _keys(settings) for name, settings in SETTINGS.items()}
)

#: Every table of a file, in the order in which they are documented.
TABLES = (*SETTINGS, "jobs", "plugins")

#: Written beside the options of a job in an overrides file: who changed it, when, and why.
CHANGED = "changed"
