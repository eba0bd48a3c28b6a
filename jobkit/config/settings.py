"""A project's configuration after all layers have spoken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobkit.config.check import as_one
from jobkit.config.cleanups import Cleanups
from jobkit.config.layers import NOTHING, Setting, overlay
from jobkit.config.outside import option_layers, spelled
from jobkit.config.plugin_tables import job_plugins, plain_table
from jobkit.config.schema import KEYS, SETTINGS, LogsSettings, ProjectSettings, SchedulerSettings
from jobkit.exceptions import ConfigError, JobkitError
from jobkit.origin import DEFAULT, Origin

if TYPE_CHECKING:
    from jobkit.config.plugin_declared import PluginOption
    from jobkit.config.plugin_tables import PluginTables
    from jobkit.job import JobSpec

_NONE: Mapping[str, Setting] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What is in force, and which layer decided it. Made by ``load_config``; safe to share.

    ``files`` are the files that were read, the lowest layer first. ``tree`` holds every value that
    somebody set; ``project``, ``scheduler`` and ``logs`` have the defaults filled in. ``secrets`` are the
    texts that came from ``${NAME}``, or that a plugin declared as secret: they are not for logs.
    ``read_only`` says that nothing may be written below the root or into a store. ``accepted`` is what the
    plugins declared, once they are loaded.
    """

    root: Path
    env: str | None
    files: tuple[Path, ...]
    project: ProjectSettings
    scheduler: SchedulerSettings
    logs: LogsSettings
    tree: Setting = NOTHING
    secrets: frozenset[str] = frozenset()
    warnings: tuple[JobkitError, ...] = ()
    read_only: bool = False
    accepted: PluginTables | None = field(default=None, compare=False, repr=False)
    cleanups: Cleanups = field(default_factory=Cleanups, compare=False, repr=False)

    @property
    def jobs(self) -> Mapping[str, Mapping[str, Setting]]:
        """The options of every job that has a ``[jobs.NAME]`` in some layer."""
        return self._tables("jobs")

    @property
    def plugins(self) -> Mapping[str, Mapping[str, Setting]]:
        """What ``[plugins.NAME]`` says, not checked yet: each plugin knows its own keys."""
        return self._tables("plugins")

    def job(self, name: str) -> Mapping[str, Setting]:
        """The options that configuration has for the job *name*; empty if no layer speaks of it.

        In a variable's name ``-`` and ``_`` look the same: one that no file spells out speaks for both.
        """
        return self._table("jobs", name)

    def plugin_table(self, name: str) -> Mapping[str, Setting]:
        """What ``[plugins.NAME]`` says, with the same rule for variables."""
        return self._table("plugins", name)

    def plugin(self, name: str) -> Any:
        """The table of the plugin *name*, as the struct that the plugin declared for it.

        For a plugin that declared none, and before the plugins are loaded, a read-only mapping of plain
        values. LookupError if there is no such plugin.
        """
        if self.accepted is not None:
            return self.accepted.table(name, self)
        return plain_table(self.table_setting("plugins", name))

    def plugin_settings(self, job: JobSpec | str, name: str) -> Any:
        """What *job* says to the plugin *name*, code and configuration together, as the plugin's struct.

        A struct of defaults if neither says anything; a read-only mapping if the plugin declared none.
        Raises LookupError if there is no such plugin, and ConfigError for settings that it does not take –
        a job that has such settings is listed with the error and not run.
        """
        if self.accepted is not None:
            return self.accepted.job_settings(job, name, self)
        said = self.job(job).get("plugins") if isinstance(job, str) else job_plugins(job, self)
        return plain_table(said.at((name,)) if said is not None else None)

    def option(self, flag: str) -> Any:
        """The value of a plugin's option of the command line, as ``"--flag"``; its default if not given.

        LookupError for an option that no plugin has.
        """
        if self.accepted is None:
            raise LookupError(f"{flag}: the plugins are not loaded yet")
        return self.accepted.option(flag)

    def declared_options(self, plugin: str | None = None) -> list[PluginOption]:
        """The options of the command line that plugins declared; with *plugin*, just those of that one."""
        declared = self.accepted.declared if self.accepted is not None else {}
        return [
            option
            for name, one in declared.items()
            if plugin is None or name == plugin
            for option in one.options.values()
        ]

    def add_cleanup(self, callback: Callable[[], object]) -> None:
        """Have *callback* called when the project is closed; what was added last is called first."""
        self.cleanups.add(callback)

    def job_origin(self, name: str) -> Origin:
        """The lowest layer that has a ``[jobs.NAME]``, and the line of it."""
        found = self.tree.at(("jobs", name))
        return found.stack[0].origin if found is not None else DEFAULT

    def setting(self, path: str | tuple[str, ...]) -> Setting | None:
        """What was said about a key (``"scheduler.store"``, or its parts), None if nobody set it."""
        return self.tree.at(tuple(path.split(".")) if isinstance(path, str) else path)

    def origin(self, path: str | tuple[str, ...]) -> Origin:
        """Which layer decided the value of a key; the default if nobody set it."""
        found = self.setting(path)
        return found.origin if found is not None else DEFAULT

    def with_options(self, options: Mapping[str, Any]) -> Config:
        """The same configuration with values of the command line, by dotted key, laid over it.

        Raises ConfigError for an unknown key or a value that is not accepted.
        """
        errors: list[ConfigError] = []
        tree = self.tree
        for one in option_layers(options, errors):
            tree = overlay(tree, one)
        if errors:
            raise as_one(errors)
        changed = replace(self, tree=tree, **settings_of(tree, self.root))
        return changed if self.accepted is None else self.accepted.again(changed)

    def _tables(self, name: str) -> Mapping[str, Mapping[str, Setting]]:
        tables = self.tree.at((name,))
        if tables is None:
            return MappingProxyType({})
        return MappingProxyType({key: part.parts or _NONE for key, part in (tables.parts or {}).items()})

    def table_setting(self, kind: str, name: str) -> Setting | None:
        """What was said about ``[jobs.NAME]`` or ``[plugins.NAME]``; see ``job`` for names in variables."""
        found = self.tree.at((kind, name))
        if found is None and spelled(name) != name:
            other = self.tree.at((kind, spelled(name)))
            found = other if other is not None and other.by_variables_only else None
        return found

    def _table(self, kind: str, name: str) -> Mapping[str, Setting]:
        found = self.table_setting(kind, name)
        return MappingProxyType(dict(found.parts or {})) if found is not None else _NONE


def settings_of(tree: Setting, root: Path) -> dict[str, Any]:
    """``project``, ``scheduler`` and ``logs`` as *tree* has them; what it does not set is the default.

    The values have been checked.
    """
    found: dict[str, Any] = {}
    for table, settings in SETTINGS.items():
        parts = (tree.at((table,)) or NOTHING).parts or {}
        given = {key: KEYS[table][key].shape.decode(part.value) for key, part in parts.items()}
        found[table] = settings(**given)
    if not found["project"].name:
        found["project"] = replace(found["project"], name=_folder_name(root))
    return found


def _folder_name(root: Path) -> str:
    name = "".join(character for character in root.name if character.isprintable())[:128]
    return name or "project"
