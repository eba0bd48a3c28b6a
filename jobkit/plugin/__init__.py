"""The names for writing plugins: what hooks are given, what they give back, and what that is made of.

A plugin begins with ``from jobkit import hookimpl, ServiceSpec, Sink``; here is what it needs besides.
Whoever builds a run store finds the rest in :mod:`jobkit.plugin.stores` and :mod:`jobkit.plugin.rows`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.config import Config as Config
    from jobkit.engines.base import Engine as Engine
    from jobkit.exceptions import PluginError as PluginError
    from jobkit.plugins.failures import PluginFailure as PluginFailure
    from jobkit.plugins.parser import Parser as Parser
    from jobkit.plugins.terminal import Terminal as Terminal
    from jobkit.plugins.values import CollectReport as CollectReport
    from jobkit.plugins.values import Defer as Defer
    from jobkit.plugins.values import LogProcessor as LogProcessor
    from jobkit.plugins.values import Panel as Panel
    from jobkit.plugins.values import Run as Run
    from jobkit.plugins.values import RunRequest as RunRequest
    from jobkit.plugins.values import Skip as Skip
    from jobkit.project import loaded_project as loaded_project
    from jobkit.redaction import redact as redact
    from jobkit.registration import at_line as at_line
    from jobkit.sanitising import escape_controls as escape_controls
    from jobkit.sanitising import safe_text as safe_text
    from jobkit.sanitising import shorten as shorten
    from jobkit.schedules.base import Schedule as Schedule
    from jobkit.schedules.base import ScheduleKind as ScheduleKind
    from jobkit.sinks.notices import LateJob as LateJob
    from jobkit.stores.base import Store as Store
    from jobkit.stores.migrations import Migrations as Migrations

_HOMES = {
    "CollectReport": "plugins.values",
    "Config": "config",
    "Defer": "plugins.values",
    "Engine": "engines.base",
    "LateJob": "sinks.notices",
    "LogProcessor": "plugins.values",
    "Migrations": "stores.migrations",
    "Panel": "plugins.values",
    "Parser": "plugins.parser",
    "PluginError": "exceptions",
    "PluginFailure": "plugins.failures",
    "Run": "plugins.values",
    "RunRequest": "plugins.values",
    "Schedule": "schedules.base",
    "ScheduleKind": "schedules.base",
    "Skip": "plugins.values",
    "Store": "stores.base",
    "Terminal": "plugins.terminal",
    "at_line": "registration",
    "escape_controls": "sanitising",
    "loaded_project": "project",
    "redact": "redaction",
    "safe_text": "sanitising",
    "shorten": "sanitising",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"jobkit.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
