"""The program ``jobkit``: its verbs, and what becomes of errors before a verb is reached.

The help comes from the table below and imports no verb: `jobkit --help` costs little more than click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from jobkit.cli.command import (
    SETTINGS,
    TakesPluginOptions,
    Verbs,
    no_such_verb,
    schema_name,
    show_help_if_alone,
)
from jobkit.cli.globals import GlobalOptions, global_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from jobkit.clock import Clock

#: Heading → verb → what it does. Each verb lives in ``jobkit.cli.verbs.<verb>`` as ``command``.
VERBS = {
    "Begin": {
        "init": "A new project, ready to run",
        "new": "A new job file and its test",
    },
    "Look": {
        "list": "The jobs, one line each",
        "show": "Everything about one job",
        "next": "When jobs are due, or a schedule fires",
        "timeline": "What ran and what is due, as bars",
        "schedule": "Keep fire times in a file: lock, diff, for CI",
        "check": "Collect and validate everything; the gate for CI",
    },
    "Run": {
        "run": "Run jobs here and now",
        "start": "The scheduler: jobs run when they are due",
        "retry": "Do once more what a run did",
        "cancel": "Have a run end, wherever it goes on",
    },
    "Look back": {
        "history": "What ran, newest first",
        "why": "Why a job ran, did not, or will not",
        "logs": "What a run wrote",
        "stats": "How the runs of each job went, in figures",
    },
    "Decide": {
        "enable": "Switch a job on, in this environment",
        "disable": "Switch a job off, and say why",
        "pause": "No ticks of a job, or of all, for a while",
        "resume": "The end of a pause",
        "config": "What is set: show, explain, diff, schema",
    },
    "Extend": {
        "plugins": "What is plugged in, and how it fares",
        "hooks": "What a plugin can implement",
        "services": "What jobs can ask for, and who provides it",
    },
    "Look after": {
        "health": "Does everything run that should? Also a probe",
        "doctor": "Is everything set up? How to mend it",
        "db": "The store: status, upgrade, prune, export, dead-letters",
    },
    "Learn": {
        "completion": "TAB for bash, zsh, fish, powershell",
        "explain": "The long text of an error code",
        "help": "Topics: schedules, environments, selection, exit-codes",
    },
}

_INTRODUCTION = "Drop a Python file into extensions/<name>/jobs/, and it is listed, run and remembered."
#: What the environment can say, for the help and the reference.
VARIABLES = [
    ("JOBKIT_ENV", "the environment, as --env"),
    ("JOBKIT_PLUGINS", "plugins to load, no:NAME to leave out, with commas between them"),
    ("JOBKIT__TABLE__KEY", "a setting: JOBKIT__SCHEDULER__STORE, JOBKIT__JOBS__NAME__ENABLED"),
    ("NO_COLOR, FORCE_COLOR", "no colour at all, or colour in a pipe too"),
    ("COLUMNS", "how wide tables may be"),
]
_EXAMPLES = [
    ("jobkit list", "which jobs there are"),
    ("jobkit run cleanup -p days=30", "run one here and now"),
    ("jobkit history --status failed", "what went wrong lately"),
]


class Program(TakesPluginOptions, Verbs):
    """The group of all verbs, which are imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for verbs in VERBS.values() for name in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = self.list_commands(ctx)
        if cmd_name not in own:
            return None if ctx.resilient_parsing else _verb_of_plugin(ctx, cmd_name, own)
        command: click.Command = import_module(f"jobkit.cli.verbs.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The verbs from the table, which imports none of them; else what any command completes."""
        if not incomplete or incomplete[0].isalnum():
            from click.shell_completion import CompletionItem

            named = [item for verbs in VERBS.values() for item in verbs.items()]
            named += _verbs_of_plugins(ctx)
            return [CompletionItem(name, help=text) for name, text in named if name.startswith(incomplete)]
        return click.Command.shell_complete(self, ctx, incomplete)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage("jobkit", "[OPTIONS] VERB ...")
        formatter.write_paragraph()
        formatter.write_text(_INTRODUCTION)
        with formatter.section("Examples"):
            formatter.write_dl(_EXAMPLES)
        for heading, verbs in VERBS.items():
            with formatter.section(heading):
                formatter.write_dl(list(verbs.items()), col_max=12)
        if plugged := _verbs_of_plugins(ctx):
            with formatter.section("From plugins"):
                formatter.write_dl(plugged, col_max=12)
        with formatter.section("Options, before the verb or after it"):
            records = (param.get_help_record(ctx) for param in self.get_params(ctx))
            formatter.write_dl([record for record in records if record is not None])
        with formatter.section("Environment variables"):
            formatter.write_dl(VARIABLES)


def _verb_of_plugin(ctx: click.Context, name: str, own: Sequence[str]) -> click.Command | None:
    from jobkit.cli.plugged import plugin_verbs

    found = plugin_verbs(ctx, own)
    if name not in found and found:
        raise no_such_verb(name, "jobkit", [*own, *found])
    return found.get(name)


def _verbs_of_plugins(ctx: click.Context) -> list[tuple[str, str]]:
    """What is remembered of them: no plugin is imported, and nothing at all where there is no memory."""
    options = ctx.find_object(GlobalOptions)
    folder = os.path.abspath((options and options.directory) or ".")  # noqa: PTH100 – pathlib is not free
    while not os.path.exists(os.path.join(folder, ".jobkit", "installed.json")):  # noqa: PTH110, PTH118
        folder, inner = os.path.dirname(folder), folder  # noqa: PTH120
        if folder == inner:
            return []
    from pathlib import Path

    from jobkit.plugins.installed import remembered_commands

    known = remembered_commands(Path(folder))
    return [(verb.name, verb.help) for plugin in known for verb in plugin.verbs]


def _show_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from jobkit.cli.version import version

        click.echo(f"jobkit {version()}")
        ctx.exit()


program = Program(
    "jobkit",
    params=[
        *global_options(),
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
            help="Show the version and exit.",
        ),
    ],
    context_settings=SETTINGS,
    invoke_without_command=True,
    callback=show_help_if_alone,
)  # fmt: skip


def run(arguments: Sequence[str], *, clock: Clock | None = None, for_good: bool = False) -> int:
    """Execute one command line; the exit code. Nothing is raised but what ends processes.

    *clock* replaces the machine's. *for_good* says that the process ends with it: standard output is then not
    given back.
    """
    options = GlobalOptions()
    try:
        with program.make_context("jobkit", [*arguments], obj=options) as ctx:
            ctx.meta["jobkit.clock"] = clock
            ctx.meta["jobkit.for_good"] = for_good
            return int(program.invoke(ctx) or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as alone:
        # A group of a plugin without a verb below it: it answers with its help, as jobkit's own do.
        click.echo(alone.format_message())
        return 0
    except BrokenPipeError:
        return _nobody_reads()
    except KeyboardInterrupt as error:
        return _fail(error, options, arguments)
    except click.ClickException as error:
        from jobkit.cli.usage import usage_error

        context = getattr(error, "ctx", None)
        return _fail(usage_error(error), options, arguments, context)
    except Exception as error:
        return _fail(error, options, arguments)


def _fail(
    error: BaseException, options: GlobalOptions, arguments: Sequence[str], ctx: click.Context | None = None
) -> int:
    """Report what went wrong before a verb had begun; the exit code."""
    from jobkit.cli.output import Output
    from jobkit.cli.session import fail
    from jobkit.cli.streams import owned_streams

    # A line that does not parse may still say, behind the fault, in which form it wants the answer.
    before_dashes = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = options.json or "--json" in before_dashes
    verb = schema_name(ctx) if ctx is not None else ""
    with owned_streams() as streams:
        output = Output(verb, streams, json=as_json, verbosity=options.verbosity)
        if any(getattr(each, "path", None) for each in getattr(error, "errors", (error,))):
            from pathlib import Path

            from jobkit.config import find_root

            output.root = find_root(Path(options.directory or "."))
        code = fail(output, error)
        output.finish(getattr(ctx.command, "empty", None) if ctx is not None else None)
    return code


def _nobody_reads() -> int:
    """The reader of the help has gone away: nothing to say, and nobody to say it to."""
    sys.stdout = None  # or the interpreter would try to flush it at exit
    return 0


def main() -> NoReturn:
    """The console script: execute the process's command line and end the process."""
    from jobkit.cli.ending import end_process

    if "_JOBKIT_COMPLETE" in os.environ:
        from jobkit.cli.completion import answer_tab

        end_process(answer_tab(program, os.environ["_JOBKIT_COMPLETE"], GlobalOptions()))
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from jobkit.cli.streams import open_missing_descriptors

        open_missing_descriptors()
    end_process(run(sys.argv[1:], for_good=True))
