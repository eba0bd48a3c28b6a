"""What a verb is to click: global options anywhere, examples first in its help, our own way to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobkit.cli.globals import IN_SHORT, GlobalOption, GlobalOptions, global_options

if TYPE_CHECKING:
    from jobkit.exceptions import UsageError

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Option(click.Option):
    """An option that stands under a heading in the help."""

    def __init__(self, *args: Any, section: str = "Options", **attributes: Any) -> None:
        self.section = section
        super().__init__(*args, **attributes)


class TakesPluginOptions(click.Command):
    """A command that loads plugins before it refuses an option, and then takes theirs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, [*args])
        except click.NoSuchOption:
            return self._parse_with_plugins(ctx, args)

    def _parse_with_plugins(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Once more, with the options that plugins have; the error stays if that does not help."""
        from jobkit.cli.plugged import plugin_options

        options = ctx.find_object(GlobalOptions) or GlobalOptions()
        known = {name for param in self.params for name in param.opts}
        added = [param for param in plugin_options(options, args) if known.isdisjoint(param.opts)]
        self.params += added
        try:
            return super().parse_args(ctx, [*args])
        finally:
            self.params = self.params[: len(self.params) - len(added)]


class Verb(TakesPluginOptions):
    """One verb. Its callback gets the :class:`~jobkit.cli.session.Session` and returns an exit code.

    *examples* are pairs of a command line and what it does. *empty* is the data of ``--json`` when the verb
    fails before it has an answer.
    """

    def __init__(
        self,
        name: str,
        *,
        examples: Sequence[tuple[str, str]] = (),
        empty: object = None,
        params: Sequence[click.Parameter] = (),
        **attributes: Any,
    ) -> None:
        self.examples = examples
        self.empty = empty
        super().__init__(name, params=[*params, *global_options()], context_settings=SETTINGS, **attributes)

    def invoke(self, ctx: click.Context) -> int:
        from jobkit.cli.output import Output
        from jobkit.cli.session import Session, conduct
        from jobkit.cli.streams import owned_streams
        from jobkit.logs.streams import masked_streams

        options = ctx.find_object(GlobalOptions)
        callback = self.callback
        assert options is not None
        assert callback is not None
        with (
            owned_streams(for_good=ctx.meta.get("jobkit.for_good", False)) as streams,
            masked_streams(),  # what job files and plugins print
        ):
            output = Output(schema_name(ctx), streams, json=options.json, verbosity=options.verbosity)
            session = Session(options, output, ctx.meta.get("jobkit.clock"))
            return conduct(session, lambda: ctx.invoke(callback, session, **ctx.params), empty=self.empty)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        _write_examples(self.examples, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option) and not isinstance(param, GlobalOption):
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
        _write_everywhere(formatter)


class Verbs(click.Group):
    """A group of verbs whose mistakes are ours to explain."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and ctx.resilient_parsing:
            return None, None, args  # a TAB in a line that is not right yet
        if command is None:
            raise no_such_verb(name, ctx.command_path, self.list_commands(ctx))
        return name, command, args[1:]


@click.pass_context
def show_help_if_alone(ctx: click.Context) -> None:
    """What a group does that is given no verb."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


class VerbGroup(Verbs):
    """Verbs below a verb, as ``db prune`` is; it takes the global options too."""

    def __init__(
        self, name: str, *, commands: Sequence[click.Command], examples: Sequence[tuple[str, str]], help: str
    ) -> None:
        self.examples = examples
        super().__init__(
            name, commands=commands, params=global_options(), help=help, context_settings=SETTINGS,
            subcommand_metavar="VERB ...", invoke_without_command=True, callback=show_help_if_alone,
        )  # fmt: skip

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        _write_examples(self.examples, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
            formatter.write_dl(
                [(name, each.get_short_help_str(100)) for name, each in named if each is not None]
            )
        _write_everywhere(formatter)


def _write_examples(examples: Sequence[tuple[str, str]], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            formatter.write_dl(examples)


def _write_everywhere(formatter: click.HelpFormatter) -> None:
    with formatter.section("Everywhere"):
        formatter.write_text(f"{IN_SHORT}   (jobkit --help)")


def no_such_verb(name: str, group: str, verbs: Sequence[str]) -> UsageError:
    """The error for a word that is none of the *verbs* of *group*."""
    from jobkit.cli.usage import closest, quoted
    from jobkit.exceptions import UsageError

    guess = closest(name, verbs)
    return UsageError(
        f"there is no verb {quoted(name, 60)}" + ("" if group == "jobkit" else f" of `{group}`"),
        help=f"did you mean `{group} {guess}`?" if guess else f"`{group} --help` lists the verbs",
    )


def verb(name: str, **attributes: Any) -> Callable[[Callable[..., int | None]], Verb]:
    """Make the decorated function, with click's options and arguments on it, a :class:`Verb`."""

    def decorate(function: Callable[..., int | None]) -> Verb:
        params = list(reversed(getattr(function, "__click_params__", [])))
        return Verb(name, callback=function, help=function.__doc__, params=params, **attributes)

    return decorate


def schema_name(ctx: click.Context) -> str:
    """``list``, ``db.status``: the verb's words below the program's name."""
    words: list[str] = []
    current: click.Context | None = ctx
    while current is not None and current.parent is not None:
        words.insert(0, current.info_name or "")
        current = current.parent
    return ".".join(words)
