"""Loading the plugins of a project: from everywhere, in a fixed order, each for itself.

A plugin that cannot be imported harms only itself: it is left out, with the reason, and the rest load. The
first to have a name keeps it.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from jobkit.exceptions import PluginError, UsageError, relative_to
from jobkit.plugins.import_errors import NothingThere, describe, leads_nowhere, resolve
from jobkit.plugins.installed import Installed, InstalledPlugin, installed_plugins, normalised
from jobkit.plugins.registry import PluginInfo, rename_one
from jobkit.plugins.required import check_required, is_required
from jobkit.plugins.sources import (
    PLUGINS,
    Builtin,
    PluginChoice,
    autoloads,
    named_by,
    plugin_files,
)
from jobkit.redaction import Redactor

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.plugins.registry import PluginRegistry

#: Imports the file at a path as the module of that name. Raises what importing it raised, or a
#: CollectionError that describes it.
ImportFile = Callable[[Path, str], ModuleType]

_NAMED: dict[str, str] = {"option": "--plugin", "variable": PLUGINS}


def load_plugins(
    registry: PluginRegistry,
    config: Config,
    choice: PluginChoice | None = None,
    *,
    builtins: Iterable[Builtin] = (),
    import_file: ImportFile,
    variables: Mapping[str, str] = os.environ,
    remember: bool = True,
) -> None:
    """Fill *registry* with the plugins that take part in the project of *config*.

    *import_file* executes the plugins that are files of the project. Without *remember* nothing is written,
    not even what is installed. A plugin that cannot be loaded is a warning of *registry*. Raises ConfigError
    for ``required_plugins``, UsageError for a ``--plugin`` that there is not, and PluginError for anything
    that would be a warning if *registry* is strict. What ``pythonpath`` says must be in force.
    """
    registry.choice = choice
    choice = choice or PluginChoice()
    wanted, left_out = named_by(variables)
    # What the command line asks for by name, the environment cannot take away.
    also = tuple(name for name in left_out if name not in (*choice.load, *choice.block))
    blocking = replace(choice, block=(*choice.block, *also))
    loading = _Loading(registry, config, blocking, import_file, variables, remember)
    loading.builtins(builtins)
    loading.objects()
    loading.named("option", loading.choice.load)
    loading.entry_points()
    loading.named("variable", wanted)
    loading.files()
    loading.check_blocks(choice.block)
    check_required(registry, config, loading.installed, autoload=loading.autoload)


class _Loading:
    def __init__(
        self,
        registry: PluginRegistry,
        config: Config,
        choice: PluginChoice,
        import_file: ImportFile,
        variables: Mapping[str, str],
        remember: bool,
    ) -> None:
        self.choice = choice
        self.autoload = autoloads(choice, variables)
        self.installed: Installed = installed_plugins(config.root, remember=remember)
        self._registry = registry
        self._config = config
        self._import_file = import_file
        self._redactor = Redactor(config.secrets)
        self._files = plugin_files(config.root, config.project.extensions)
        self._met: set[InstalledPlugin] = set()
        self._essential: set[str] = set()

    # -- from where, in this order ----------------------------------------------------------------------

    def builtins(self, builtins: Iterable[Builtin]) -> None:
        """What jobkit itself brings."""
        for builtin in builtins:
            if builtin.essential:
                self._essential.add(builtin.name)
            elif self._is_blocked(builtin.name):
                self._registry.add_blocked(builtin.name, source="built-in")
                continue
            what = f"the built-in {builtin.name}"
            self._take(builtin.name, builtin.load, what, "jobkit", source="built-in")

    def objects(self) -> None:
        """What a program brings itself."""
        for name, plugin in self.choice.objects:
            if self._is_blocked(name):
                self._registry.add_blocked(name, source="option")
            else:
                self._take(name, lambda it=plugin: it, name, name, source="option")  # type: ignore[misc]

    def named(self, source: Literal["option", "variable"], words: Sequence[str]) -> None:
        """What an option or a variable asks for: entry points first, then modules."""
        for word in dict.fromkeys(words):
            plugins = [plugin for plugin in self.installed.plugins if plugin.means(word)]
            for plugin in plugins:
                self._entry_point(plugin, source)
            if not plugins and not self._is_there(word):
                self._module(word, source)

    def entry_points(self) -> None:
        """What is installed."""
        for path, reason in self.installed.unreadable.items():
            help = "install the distribution again"
            said = self._redactor.show(reason, 200, multiline=False)
            text = f"what {path.parent.name} offers cannot be read: {said}"
            self._warn(PluginError(text, code="JK712", path=path, help=help))
        for plugin in self.installed.plugins if self.autoload else ():
            self._entry_point(plugin, "entry point")

    def files(self) -> None:
        """The project's own: ``hooks/*.py``, then what speaks for one extension only."""
        for file in self._files:
            facts: dict[str, Any] = {
                "source": "extension" if file.extension is not None else "project",
                "path": file.path,
                "extension": file.extension,
            }
            shown = relative_to(file.path, self._config.root)
            if self._is_blocked(file.name):
                self._registry.add_blocked(file.name, **facts)
            elif file.error is not None:
                self._broken(file.name, file.error, facts)
            else:
                load = partial(self._import_file, file.path, file.module)
                self._take(file.name, load, shown, file.module, **facts)

    # -- one plugin -------------------------------------------------------------------------------------

    def _entry_point(self, plugin: InstalledPlugin, source: str) -> None:
        if plugin in self._met:
            return
        self._met.add(plugin)
        facts: dict[str, Any] = {
            "source": source,
            "version": plugin.version,
            "distribution": plugin.distribution,
        }
        if self._is_blocked(plugin.name, plugin.distribution):
            self._registry.add_blocked(plugin.name, **facts)
            return
        module = plugin.value.partition(":")[0].strip()
        load, package = partial(resolve, plugin.value), module.partition(".")[0]
        self._take(plugin.name, load, f"{module} ({plugin.origin})", package, installed=plugin, **facts)

    def _module(self, name: str, source: Literal["option", "variable"]) -> None:
        if self._is_blocked(name):
            self._registry.add_blocked(name, source=source)
            return
        try:
            self._take(name, partial(resolve, name), name, name.partition(".")[0], source=source)
        except NothingThere as error:
            missing = self._no_such_plugin(name, _NAMED[source], error)
            if source == "option":
                raise missing from None
            found = PluginError(missing.message, code=missing.code, help=missing.help)
            self._broken(name, found, {"source": source})

    def _take(
        self,
        name: str,
        load: Callable[[], object],
        what: str,
        package: str,
        *,
        installed: InstalledPlugin | None = None,
        **facts: Any,
    ) -> None:
        """Import and register one plugin, or say why not. Only NothingThere is raised, and Ctrl-C passes."""
        taken = self._registry.info(name)
        if taken is not None and taken.status != "blocked":
            # Also of one that is broken: nobody should get another plugin in its place unasked.
            self._registry.add_broken(name, self._twice(name, taken, what, facts), **facts)
            return
        try:
            plugin = load()
        except KeyboardInterrupt:
            raise
        except NothingThere as error:
            if installed is None:
                raise
            self._broken(name, leads_nowhere(error, installed), facts)
        except BaseException as error:
            # SystemExit, and what test tools raise to end a test: a plugin ends nobody but itself.
            self._broken(name, describe(error, what, package, self._redactor), facts)
        else:
            self._tolerant(name, facts, lambda more: self._registry.register(plugin, name, **facts, **more))

    def _broken(self, name: str, error: PluginError, facts: Mapping[str, Any]) -> None:
        self._tolerant(name, facts, lambda more: self._registry.add_broken(name, error, **facts, **more))

    def _tolerant(
        self, name: str, facts: Mapping[str, Any], note: Callable[[dict[str, Any]], PluginInfo]
    ) -> None:
        """Note a plugin; that a required one is broken is said at the end, with the setting's line."""
        required = is_required(self._config, name, facts.get("distribution"))
        try:
            note({"required": required})
        except PluginError:
            if not required:
                raise

    # -- what is asked for ------------------------------------------------------------------------------

    def _is_blocked(self, name: str, distribution: str | None = None) -> bool:
        return any(
            word == name or (distribution is not None and normalised(word) == normalised(distribution))
            for word in self.choice.block
        )

    def _is_there(self, name: str) -> bool:
        """Whether a plugin of that name takes part anyway."""
        return any(file.name == name for file in self._files) or any(
            info.name == name for info in self._registry.infos
        )

    def check_blocks(self, by_option: Collection[str]) -> None:
        """Warn of ``no:NAME`` that has no effect: whoever wrote it believes that the plugin is off.

        *by_option* are those of the command line; the others come from the environment.
        """
        known = {info.name for info in self._registry.infos}
        known |= {name for plugin in self.installed.plugins for name in (plugin.name, plugin.distribution)}
        for word in dict.fromkeys(self.choice.block):
            said = _NAMED["option" if word in by_option else "variable"]
            if word in self._essential:
                help = f"leave no:{word} out"
                text = f"{said} no:{word}: nothing works without this plugin of jobkit, so it stays"
                self._warn(PluginError(text, code="JK713", help=help))
            elif normalised(word) not in map(normalised, known):
                close = difflib.get_close_matches(word, sorted(known), n=1)
                help = f"did you mean no:{close[0]}?" if close else "`jobkit plugins` lists what there is"
                text = f"{said} no:{word}: there is no plugin or distribution of that name"
                self._warn(PluginError(text, code="JK713", help=help))

    # -- what is said -----------------------------------------------------------------------------------

    def _no_such_plugin(self, name: str, by: str, error: NothingThere) -> UsageError:
        known = sorted(
            {each for plugin in self.installed.plugins for each in (plugin.name, plugin.distribution)}
        )
        close = difflib.get_close_matches(name, known, n=1)
        if close:
            hint = f"did you mean {close[0]}?"
        elif known:
            hint = f"installed are {', '.join(known)}"
        else:
            hint = f"install it into the environment of {sys.executable}; no plugin is installed there"
        return UsageError(
            f"{by} {name}: no plugin is installed under that name, and {error}", code="JK711", help=hint
        )

    def _twice(self, name: str, taken: PluginInfo, what: str, facts: Mapping[str, Any]) -> PluginError:
        there = (
            f"{taken.distribution} {taken.version or ''}".rstrip()
            if taken.distribution
            else f"{taken.source} {name}"
        )
        return PluginError(
            f"two plugins are called {name}: the first is that of {there}, so {what} is not loaded",
            code="JK707",
            path=facts.get("path"),
            help=rename_one(taken, PluginInfo(name, **facts)),
        )

    def _warn(self, error: PluginError) -> None:
        if self._registry.strict:
            raise error
        self._registry.warnings.append(error)
