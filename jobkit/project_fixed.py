"""Which settings a process keeps until it ends, whatever is written into the files meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jobkit.config import Config

#: Keys of ``[scheduler]`` that a process is built upon.
FIXED: Final = frozenset(
    ("store", "engine", "startup", "node", "lease", "loop_stall", "max_concurrent_runs", "probes")
)


def as_far_as_running(wanted: Config, running: Config) -> Config:
    """*wanted* as far as a process that was started with *running* can have it."""
    kept = {key: getattr(running.scheduler, key) for key in FIXED}
    return replace(
        wanted,
        project=running.project,
        scheduler=replace(wanted.scheduler, **kept),
        logs=running.logs,
        secrets=wanted.secrets | running.secrets,
        read_only=running.read_only,
        cleanups=running.cleanups,
    )


def what_needs_restart(wanted: Config, running: Config) -> Iterator[str]:
    """The settings that *wanted* has otherwise, each with the line that says so."""
    for table in ("project", "scheduler", "logs"):
        new, old = getattr(wanted, table), getattr(running, table)
        for key in (item.name for item in fields(new)):
            if (table != "scheduler" or key in FIXED) and getattr(new, key) != getattr(old, key):
                yield _place(wanted, f"{table}.{key}", running)
    names = {*wanted.plugins, *running.plugins}
    for name in sorted(names):
        one, other = wanted.table_setting("plugins", name), running.table_setting("plugins", name)
        if (one and one.value) != (other and other.value):
            yield _place(wanted, f"plugins.{name}", running)


def _place(wanted: Config, key: str, running: Config) -> str:
    """``scheduler.store (jobkit.toml:4)``."""
    origin = wanted.origin(key)
    return f"{key} ({origin.describe(running.root)})" if origin.path is not None else key
