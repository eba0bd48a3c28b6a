"""The names for writing plugins: what hooks are given, what they give back, and what that is made of.

A plugin begins with ``from jobkit import hookimpl, ServiceSpec, Sink``; here is what it needs besides.
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
    from jobkit.registration import at_line as at_line
    from jobkit.sanitising import safe_text as safe_text
    from jobkit.schedules.base import Schedule as Schedule
    from jobkit.schedules.base import ScheduleKind as ScheduleKind
    from jobkit.sinks.notices import LateJob as LateJob
    from jobkit.stores.base import Store as Store

_HOMES = {
    "CollectReport": "plugins.values",
    "Config": "config",
    "Defer": "plugins.values",
    "Engine": "engines.base",
    "LateJob": "sinks.notices",
    "LogProcessor": "plugins.values",
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
    "loaded_project": "project",
    "safe_text": "sanitising",
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
