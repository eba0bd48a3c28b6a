"""The plugins of a project: loaded, asked what they have to declare, and what they bring to a project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jobkit.collection.plugged import absent_plugins
from jobkit.exceptions import JobkitError
from jobkit.logs.known import learn
from jobkit.plugins.failures import NonsenseError
from jobkit.plugins.guards import is_ours_to_pass
from jobkit.plugins.loading import load_plugins
from jobkit.plugins.log_lines import begin_processing, end_processing
from jobkit.plugins.registry import PluginRegistry
from jobkit.plugins.sources import Builtin, PluginChoice
from jobkit.redaction import Redactor

if TYPE_CHECKING:
    from jobkit.collection.finder import ExtensionFinder
    from jobkit.config import Config
    from jobkit.schedules.base import Kinds, ScheduleKind
    from jobkit.services.graph import Provider

#: The plugins of jobkit itself: the name, the class, and whether nothing works without it.
_OWN: Final = (
    ("schedules", "jobkit.plugins.schedules:SchedulesPlugin", True),
    ("stores", "jobkit.stores.plugin:StoresPlugin", True),
    ("local", "jobkit.engines.local:LocalPlugin", False),
    ("sqlite", "jobkit.sqlite.plugin:SqlitePlugin", False),
    ("console", "jobkit.sinks.console:ConsolePlugin", False),
    ("jsonl", "jobkit.sinks.jsonl:JsonlPlugin", False),
)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a project has besides its jobs: *config* knows the tables of plugins. *warnings* are what was
    noticed when files with plugins were executed."""

    config: Config
    registry: PluginRegistry
    warnings: tuple[JobkitError, ...] = ()


def equip(
    config: Config,
    finder: ExtensionFinder,
    *,
    choice: PluginChoice | None,
    arguments: Mapping[str, Any] | None,
    remember: bool,
) -> Equipment:
    """Load the plugins of the project of *config*, read what concerns them, and let them prepare the process.

    Raises ConfigError for tables that are not what plugins declare and for required plugins, UsageError and
    PluginError as :func:`load_plugins` does. Should it raise, what plugins wanted cleaned up has been.
    """
    from jobkit.collection.hook_files import HookFiles
    from jobkit.config.plugin_tables import accept_plugins
    from jobkit.plugins.installed import installed_plugins
    from jobkit.plugins.parser import Parsers

    choice = choice or PluginChoice()
    registry = PluginRegistry(strict=choice.strict)
    registry.trace = choice.trace
    with HookFiles(config, finder, remember=remember) as files:
        load_plugins(
            registry, config, choice, builtins=builtin_plugins(), import_file=files.load, remember=remember
        )
    learn_secrets(registry, config)
    parsers = Parsers()
    registry.hooks.addoption(parsers.of)
    accepted = accept_plugins(
        config,
        registry,
        parsers,
        arguments,
        installed=lambda: [plugin.name for plugin in installed_plugins(config.root, remember=False).plugins],
    )
    learn_secrets(registry, accepted)  # before any hook can tell what it was configured with
    info = registry.info("sqlite")
    if info is not None and info.status == "active" and config.table_setting("plugins", "sqlite") is not None:
        from jobkit.sqlite.other_store import check_other_store

        check_other_store(accepted)
    try:
        registry.hooks.configure(accepted)
    except BaseException:
        clean_up(accepted, registry)
        raise
    begin_processing(registry, accepted)
    return Equipment(accepted, registry, tuple(files.warnings))


def learn_secrets(registry: PluginRegistry, config: Config) -> None:
    """Mask what is secret in *config* wherever this process writes."""
    learn(registry, config.secrets)
    registry.redactor = Redactor(config.secrets)


def builtin_plugins() -> Iterator[Builtin]:
    """The plugins of jobkit itself; none is imported yet."""
    for name, place, essential in _OWN:
        module, _, attribute = place.partition(":")
        yield Builtin(name, lambda m=module, a=attribute: getattr(import_module(m), a), essential)  # type: ignore[misc]


def clean_up(config: Config, registry: PluginRegistry) -> None:
    """Call what plugins wanted called at the end, what was added last first; none keeps the next from it."""
    for callback in config.cleanups.take():
        try:
            callback()
        except BaseException as error:
            if is_ours_to_pass(error):
                raise
            registry.hooks.failed(_owner(callback, registry), "cleanup", error)
    end_processing(registry)


def _owner(callback: object, registry: PluginRegistry) -> str:
    """The plugin that *callback* most likely belongs to: the one in whose module it was written."""
    module = getattr(callback, "__module__", None)
    for info in registry.infos:
        home = getattr(info.plugin, "__name__", None) or type(info.plugin).__module__
        if info.status == "active" and module == home:
            return info.name
    return str(module)


__all__ = ["Equipment", "absent_plugins", "clean_up", "equip", "kinds_of", "learn_secrets", "providers_of"]


# -- what they bring --------------------------------------------------------------------------------------


def kinds_of(config: Config, registry: PluginRegistry) -> Kinds | None:
    """The kinds of schedules: jobkit's own, then those of plugins, each in a guard; cron takes what is left.

    None where no plugin has a say: they are jobkit's own, which are imported when a schedule is read. A kind
    whose first word is taken, or which has none, is a failure of its plugin and left out.
    """
    absent = absent_plugins(registry)
    asked = registry.implementations("jobkit_schedule_kinds")
    if not absent and all(item.plugin.source == "built-in" for item in asked):
        return None
    from jobkit.schedules import BUILTIN_KINDS
    from jobkit.schedules.base import Kinds

    *special, cron = BUILTIN_KINDS
    found: list[ScheduleKind] = [*special]
    for provided in registry.hooks.schedule_kinds(config):
        kind, plugin = provided.value, provided.plugin
        if kind in BUILTIN_KINDS:
            continue
        why = _refusal(kind, found)
        if why is None:
            found.append(_guarded(kind, plugin, registry))
        else:
            error = NonsenseError(why)
            registry.hooks.refused(plugin, "jobkit_schedule_kinds", error, function=kind.parse)
    return Kinds.of([*found, cron], absent)


def _refusal(kind: ScheduleKind, found: Sequence[ScheduleKind]) -> str | None:
    if not isinstance(kind.prefix, str) or not isinstance(kind.description, str) or not callable(kind.parse):
        return "a ScheduleKind has a prefix and a description, both text, and a function that parses"
    if not kind.prefix.strip() and kind.matches is None:
        return "a ScheduleKind without a prefix needs `matches`: it would take every text"
    for other in found:
        if kind.prefix and other.prefix.lower() == kind.prefix.lower():
            whose = f"plugin {other.plugin}" if other.plugin else "jobkit"
            return f"the word {kind.prefix!r} already begins schedules of {whose}"
    return None


def _guarded(kind: ScheduleKind, plugin: str, registry: PluginRegistry) -> ScheduleKind:
    from jobkit.schedules.foreign import guarded_kind

    return guarded_kind(
        kind, plugin, lambda error: registry.hooks.failed(plugin, "jobkit_schedule_kinds", error)
    )


def providers_of(config: Config, registry: PluginRegistry) -> tuple[Provider, ...]:
    """All services: the built-in ones, those of plugins, and each plugin's table for its own factories."""
    from jobkit.config.plugin_tables import table_services
    from jobkit.services.builtin import builtin_specs
    from jobkit.services.graph import Provider

    provided = registry.hooks.services(config)
    return (
        *(Provider(spec, "built-in") for spec in builtin_specs()),
        *(Provider(item.value, item.plugin, item.extension) for item in provided),
        *table_services(config),
    )
