"""A registry to register things in, and somebody to be told of failures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobkit import hookimpl
from jobkit.hookspecs import RULES
from jobkit.plugins.failures import PluginFailure
from jobkit.plugins.registry import PluginInfo, PluginRegistry


class Listener:
    """Hears of every failure, through the hook that is for it."""

    def __init__(self) -> None:
        self.failures: list[PluginFailure] = []

    @hookimpl
    def jobkit_plugin_error(self, error: PluginFailure) -> None:
        self.failures.append(error)


class Plugins(PluginRegistry):
    """A registry in which a test puts functions together as plugins."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = Listener()
        self.register(self.listener, "listener", source="built-in")

    def add(self, name: str, *, extension: str | None = None, **functions: Any) -> PluginInfo:
        """A plugin with these implementations, each marked here."""
        members = {hook: staticmethod(hookimpl(function)) for hook, function in functions.items()}
        return self.register(type(name, (), members)(), name, source="project", extension=extension)

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """What the listener heard: plugin, hook, message."""
        return [(failure.plugin, failure.hook, failure.message) for failure in self.listener.failures]


@pytest.fixture
def plugins() -> Plugins:
    return Plugins()


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asynchronous hooks have a twentieth of a second."""
    for name, rule in RULES.items():
        if rule.timeout is not None:
            monkeypatch.setitem(RULES, name, replace(rule, timeout=0.05))
