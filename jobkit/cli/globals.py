"""The options that every verb takes, before the verb or after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from jobkit.cli.completing import completing

#: What the help of a verb says of them; their own help stands in `jobkit --help`.
IN_SHORT = "-C DIR, --env NAME (JOBKIT_ENV), --json, --strict, -q, -v"


class GlobalOptions:
    """What the global options said so far; the later place on the command line wins."""

    __slots__ = (
        "autoload",
        "directory",
        "env",
        "json",
        "plugin_options",
        "plugins",
        "quiet",
        "strict",
        "trace_hooks",
        "verbosity",
    )

    # Not a dataclass: that would be a tenth of what `jobkit --help` costs.
    def __init__(self) -> None:
        self.autoload = True
        self.directory: str | None = None
        self.env: str | None = None
        self.json = False
        #: What options of plugins say, by their flag.
        self.plugin_options: dict[str, Any] = {}
        #: What ``--plugin`` says, word by word.
        self.plugins: list[str] = []
        self.quiet = False
        self.strict = False
        self.trace_hooks = False
        self.verbosity = 0


class GlobalOption(click.Option):
    """An option whose value goes to :class:`GlobalOptions`, wherever on the line it stands."""

    def __init__(self, *names: str, apply: Callable[[GlobalOptions, Any], None], **attributes: Any) -> None:
        self.apply = apply
        super().__init__([*names], expose_value=False, callback=_remember, **attributes)


def _remember(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    assert isinstance(option, GlobalOption)
    options = ctx.find_object(GlobalOptions)
    if value and options is not None:
        option.apply(options, value)


def _setter(name: str) -> Callable[[GlobalOptions, Any], None]:
    return lambda options, value: setattr(options, name, value)


def _add_plugins(options: GlobalOptions, value: tuple[str, ...]) -> None:
    options.plugins += value


def _no_autoload(options: GlobalOptions, value: bool) -> None:
    options.autoload = False


def _more_verbose(options: GlobalOptions, value: int) -> None:
    options.verbosity += value


def global_options() -> list[click.Parameter]:
    """Fresh parameters; the group and each verb have their own."""
    return [
        GlobalOption(
            "-C", "--project", "directory", apply=_setter("directory"), metavar="DIR",
            shell_complete=completing("folders"),
            help="The project's folder, or one inside it (default: here).",
        ),
        GlobalOption(
            "--env", "env", apply=_setter("env"), metavar="NAME",
            shell_complete=completing("environments"),
            help="The environment to work in.  [env var: JOBKIT_ENV]",
        ),
        GlobalOption(
            "--plugin", "plugins", apply=_add_plugins, metavar="NAME", multiple=True,
            shell_complete=completing("plugins"),
            help="Load a plugin; no:NAME leaves one out.  [env var: JOBKIT_PLUGINS]",
        ),
        GlobalOption(
            "--disable-plugin-autoload", "no_autoload", apply=_no_autoload, is_flag=True,
            help="Load no installed plugin that is not named.  [env var: JOBKIT_DISABLE_PLUGIN_AUTOLOAD]",
        ),
        GlobalOption(
            "--trace-hooks", "trace_hooks", apply=_setter("trace_hooks"), is_flag=True,
            help="Write every call of a hook to stderr: plugin, duration, outcome.",
        ),
        GlobalOption(
            "--json", "json", apply=_setter("json"), is_flag=True,
            help="Answer with one JSON object on stdout.",
        ),
        GlobalOption(
            "--strict", "strict", apply=_setter("strict"), is_flag=True, help="Treat warnings as errors.",
        ),
        GlobalOption(
            "-q", "--quiet", "quiet", apply=_setter("quiet"), is_flag=True, help="Say only what matters.",
        ),
        GlobalOption(
            "-v", "--verbose", "verbose", apply=_more_verbose, count=True,
            help="Say more; twice: with jobkit's own frames in errors.",
        ),
    ]  # fmt: skip
