"""What plugins add to the command line: verbs, and options that any verb takes.

Plugins are loaded only where the line has a word that is not jobkit's own; help and completion know of them
from what is remembered of the last time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobkit.cli.globals import GlobalOption, GlobalOptions, global_options

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.config.plugin_declared import PluginOption
    from jobkit.plugins.provided import Provided
    from jobkit.plugins.registry import PluginRegistry
    from jobkit.plugins.remembered import PluginCommands
    from jobkit.plugins.sources import PluginChoice
    from jobkit.plugins.tracing import HookCall
    from jobkit.project import Project


def choice_of(options: GlobalOptions, *, lenient: bool = False) -> PluginChoice:
    """Which plugins the line asks for. Raises UsageError for a ``--plugin`` without a name."""
    from jobkit.plugins.sources import PluginChoice

    return PluginChoice.of(
        options.plugins,
        disable_autoload=not options.autoload,
        strict=options.strict and not lenient,
        trace=show_call if options.trace_hooks else None,
    )


def show_call(call: HookCall) -> None:
    """One line on stderr for ``--trace-hooks``; while a job runs, too, whose own output it is not."""
    from jobkit.logs.streams import outside_of_runs
    from jobkit.sanitising import escape_controls

    words = f"hook {call.hook} {call.plugin} {call.seconds * 1000:.2f}ms {call.outcome}"
    click.echo(escape_controls(words), file=outside_of_runs(sys.stderr))


# -- verbs --------------------------------------------------------------------------------------------


def plugin_verbs(ctx: click.Context, taken: Iterable[str]) -> dict[str, click.Command]:
    """The verbs of the plugins of the project around here, which stays loaded until *ctx* is closed.

    Nothing outside of a project. A verb that is called like one of *taken* is a failure of its plugin. Raises
    whatever keeps the plugins from being loaded.
    """
    from jobkit.logs.streams import masked_streams

    ctx.with_resource(masked_streams())
    project = prepared(ctx.find_object(GlobalOptions) or GlobalOptions())
    if project is None:
        return {}
    ctx.call_on_close(project.close)
    found: dict[str, click.Command] = {}
    settings = [_given_later(project.config, option) for option in _declared(project.config)]
    for name, provided in offered_verbs(project, taken).items():
        found[name] = _guarded(provided, settings)
    remember(project)
    return found


def offered_verbs(project: Project, taken: Iterable[str]) -> dict[str, Provided[click.Command]]:
    """The verbs of plugins by name. One called like one of *taken*, or like another, is left out and told."""
    from jobkit.plugins.failures import NonsenseError

    found: dict[str, Provided[click.Command]] = {}
    for provided in project.hooks.commands(project.config):
        name = provided.value.name or ""
        if name in taken or name in found:
            whose = "jobkit" if name in taken else f"plugin {found[name].plugin}"
            trouble = NonsenseError(f"the verb {name!r} belongs to {whose}: call it otherwise")
            written = provided.value.callback
            project.hooks.refused(provided.plugin, "jobkit_commands", trouble, function=written)
        else:
            found[name] = provided
    return found


def _guarded(provided: Provided[click.Command], settings: Sequence[click.Parameter]) -> click.Command:
    """The plugin's command; it takes global options as any verb, and what it raises is the plugin's."""
    command = provided.value
    own = {word for param in command.params for word in (*param.opts, *param.secondary_opts)}
    command.params = [
        *command.params,
        *(option for option in (*settings, *global_options()) if own.isdisjoint(option.opts)),
    ]
    invoke = command.invoke

    def guarded(ctx: click.Context) -> Any:
        try:
            return invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            raise _failed(provided, error) from error

    command.invoke = guarded  # type: ignore[method-assign]
    return command


def _failed(provided: Provided[click.Command], error: Exception) -> Exception:
    from jobkit.exceptions import JobkitError, PluginVerbFailed
    from jobkit.plugins.failures import place_of
    from jobkit.sanitising import safe_text

    if isinstance(error, JobkitError):
        return error
    path, line = place_of(error, provided.value.callback)
    return PluginVerbFailed(
        f"the verb {provided.value.name} of plugin {provided.plugin} failed: "
        f"{type(error).__name__}: {safe_text(error, 1000)}",
        path=path,
        line=line,
        help="-vv shows the whole traceback",
    )


# -- options ------------------------------------------------------------------------------------------


def plugin_options(said: GlobalOptions, arguments: Sequence[str]) -> list[click.Parameter]:
    """The options of plugins, for a line that has one which is not jobkit's own; empty outside of a project.

    *said* is what stands before the verb. Raises whatever keeps the plugins from being loaded.
    """
    from jobkit.logs.streams import masked_streams

    options = _early(said, arguments)
    with masked_streams():
        project = prepared(options)
        if project is None:
            return []
        with project:
            remember(project)
            return [_option(declared) for declared in _declared(project.config)]


def _option(declared: PluginOption) -> click.Parameter:
    def apply(options: GlobalOptions, value: Any) -> None:
        options.plugin_options[declared.flag] = value

    return _parameter(declared, apply)


def _given_later(config: Config, declared: PluginOption) -> click.Parameter:
    """The same behind a plugin's verb, when *config* is made already. Raises ConfigError."""

    def apply(options: GlobalOptions, value: Any) -> None:
        if config.accepted is not None:
            config.accepted.give({declared.flag: value})

    return _parameter(declared, apply)


def _parameter(declared: PluginOption, apply: Callable[[GlobalOptions, Any], None]) -> click.Parameter:
    return GlobalOption(
        declared.flag, declared.flag.strip("-").replace("-", "_"), apply=apply, is_flag=declared.is_flag,
        help=declared.help,
    )  # fmt: skip


def _declared(config: Config, plugin: str | None = None) -> list[PluginOption]:
    """The options that plugins have declared; those of one *plugin*, or all."""
    declared = config.accepted.declared if config.accepted is not None else {}
    chosen = [*declared.values()] if plugin is None else [declared[plugin]] if plugin in declared else []
    return [option for each in chosen for option in each.options.values()]


def _early(said: GlobalOptions, arguments: Sequence[str]) -> GlobalOptions:
    """What the global options of a line say that cannot be read as a whole yet; *said* is left alone."""
    options = copy(said)
    options.plugins = [*said.plugins]
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    reader = click.Command("jobkit", params=global_options(), context_settings=settings)
    reader.make_context("jobkit", [*arguments], obj=options)
    return options


# -- what is remembered -------------------------------------------------------------------------------


def remember(project: Project) -> None:
    """Note for help and completion what the plugins of *project* add to the command line."""
    from jobkit.plugins.installed import remember_commands

    registry = project.plugins
    if not registry.hooks.implemented("commands") and not registry.hooks.implemented("addoption"):
        remember_commands(project.root, ())
        return
    remember_commands(project.root, _added(project, registry))


def _added(project: Project, registry: PluginRegistry) -> list[PluginCommands]:
    from jobkit.plugins.remembered import Offered, PluginCommands

    verbs: dict[str, list[Offered]] = {}
    for provided in registry.hooks.commands(project.config):
        text = provided.value.get_short_help_str(60)
        verbs.setdefault(provided.plugin, []).append(Offered(provided.value.name or "", text))
    found = []
    for info in registry.infos:
        flags = [Offered(item.flag, item.help) for item in _declared(project.config, info.name)]
        own = verbs.get(info.name, [])
        if (own or flags) and info.status == "active" and info.path is not None:
            found.append(
                PluginCommands(info.name, tuple(own), tuple(flags), info.distribution, str(info.path))
            )
    return found


def remembered(directory: str) -> list[PluginCommands]:
    """What plugins added when the project around *directory* was last loaded; imports none of them."""
    from jobkit.config import find_root
    from jobkit.plugins.installed import remembered_commands

    root = find_root(Path(directory))
    return remembered_commands(root) if root is not None else []


def prepared(options: GlobalOptions) -> Project | None:
    """The project that *options* name, its plugins loaded and no job file imported; None outside of one."""
    from jobkit.config import find_root
    from jobkit.project import Project

    if find_root(Path(options.directory or ".")) is None:
        return None
    return Project.prepare(
        options.directory, options.env, plugins=choice_of(options), arguments=options.plugin_options
    )
