"""Plugins that declare things, and the configuration that speaks to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from jobkit import hookimpl
from jobkit.config import Config
from jobkit.config.plugin_tables import accept_plugins
from jobkit.exceptions import ConfigError
from jobkit.plugins.parser import Parser, Parsers
from jobkit.plugins.registry import PluginInfo, PluginRegistry

if TYPE_CHECKING:
    from tests.config.conftest import Tree

Declare = Callable[[Parser], None]


class Plugins:
    """A registry with plugins that declare what a test gives them."""

    def __init__(self) -> None:
        self.registry = PluginRegistry()
        self.parsers = Parsers()
        self._asked = False

    def add(self, name: str, declare: Declare) -> PluginInfo:
        """A plugin whose ``jobkit_addoption`` does *declare*."""

        class Plugin:
            @hookimpl
            def jobkit_addoption(self, parser: Parser) -> None:
                declare(parser)

        return self.registry.register(Plugin(), name, source="project")

    def declared(self) -> PluginRegistry:
        """The registry, after every plugin was asked what it declares."""
        if not self._asked:
            self._asked = True
            self.registry.hooks.addoption(self.parsers.of)
        return self.registry

    def accept(self, config: Config, arguments: Mapping[str, Any] | None = None) -> Config:
        """*config*, accepted by the plugins."""
        return accept_plugins(config, self.declared(), self.parsers, arguments)


def accepted(
    tree: Tree,
    struct: type,
    text: str | None = None,
    *,
    name: str = "webhook",
    variables: Mapping[str, str] | None = None,
) -> Config:
    """The configuration of *tree*, with *text* as its ``jobkit.toml``, for one plugin that has a table."""
    if text is not None:
        tree.write("jobkit.toml", text)
    plugins = Plugins()
    plugins.add(name, lambda parser: parser.table(struct))
    return plugins.accept(tree.load(None, variables))


def refused(
    tree: Tree,
    struct: type,
    text: str | None = None,
    *,
    name: str = "webhook",
    variables: Mapping[str, str] | None = None,
) -> list[ConfigError]:
    """What is wrong with it; the test fails if nothing is."""
    with pytest.raises(ConfigError) as caught:
        accepted(tree, struct, text, name=name, variables=variables)
    return list(caught.value.errors)
