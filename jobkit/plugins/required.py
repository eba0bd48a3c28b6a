"""``[project] required_plugins``: what must be installed, wanted and whole before anything is done."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING

from jobkit.config.check import as_one, config_error
from jobkit.plugins.installed import Installed, normalised

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.exceptions import ConfigError
    from jobkit.plugins.registry import PluginInfo, PluginRegistry


def is_required(config: Config, name: str, distribution: str | None) -> bool:
    """Whether the plugin *name*, of *distribution* if it has one, is in ``required_plugins``."""
    return any(_means(word, name, distribution) for word in config.project.required_plugins)


def check_required(registry: PluginRegistry, config: Config, installed: Installed, *, autoload: bool) -> None:
    """Raise ConfigError for everything in ``required_plugins`` that is not there or does not work."""
    errors = []
    for word in dict.fromkeys(config.project.required_plugins):
        infos = _meant(word, registry)
        broken = next((info for info in infos if info.status == "broken"), None)
        if broken is not None:
            errors.append(_broken(word, broken, config))
        elif not any(info.status == "active" for info in infos):
            errors.append(_missing(word, infos, config, installed, autoload))
    if errors:
        raise as_one(errors)


def _meant(word: str, registry: PluginRegistry) -> list[PluginInfo]:
    """All plugins of the distribution *word*; else the plugin of that name, the first if several claim it."""
    of_distribution = [
        info
        for info in registry.infos
        if info.distribution and normalised(info.distribution) == normalised(word)
    ]
    named = registry.info(word)
    return of_distribution or ([named] if named is not None else [])


def _broken(word: str, info: PluginInfo, config: Config) -> ConfigError:
    why = info.error
    where = why.location(config.root) if why is not None else None
    message = f"{word} is required, and {why.message if why is not None else 'it is broken'}"
    help = f"{why.help}; " if why is not None and why.help else ""
    return _error(
        f"{message} ({where})" if where is not None else message,
        config,
        f"{help}or take {word} out of required_plugins",
    )


def _missing(
    word: str, infos: list[PluginInfo], config: Config, installed: Installed, autoload: bool
) -> ConfigError:
    if any(info.status == "blocked" for info in infos):
        help = "leave the option out, or take it out of required_plugins"
        return _error(f"{word} is required, and blocked by --plugin no:…", config, help)
    found = next((plugin for plugin in installed.plugins if plugin.means(word)), None)
    if found is not None and not autoload:
        help = f"add --plugin {found.name}, or let plugins be loaded"
        return _error(f"{word} is required, and plugins are not loaded automatically", config, help)
    if normalised(word) in installed.distributions:
        message = f"{word} is required, and what is installed under that name offers no plugin"
        return _error(message, config, "it has no entry point in the group `jobkit`: install another version")
    known = sorted({name for plugin in installed.plugins for name in (plugin.name, plugin.distribution)})
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {close[0]!r}? Else install it" if close else "install it"
    return _error(
        f"{word} is required and not installed", config, f"{hint} into the environment of {sys.executable}"
    )


def _means(word: str, name: str, distribution: str | None) -> bool:
    return word == name or (distribution is not None and normalised(word) == normalised(distribution))


def _error(message: str, config: Config, help: str) -> ConfigError:
    return config_error("JK710", message, config.origin("project.required_plugins"), help)
