"""What a TAB offers: verbs and options from click, and names from the project around here.

Nothing is imported that is the project's, and nothing is written. Names of jobs and tags are those of the
last collection, from its index.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

if TYPE_CHECKING:
    from jobkit.cli.completing import Kind
    from jobkit.cli.globals import GlobalOptions
    from jobkit.collection.index import IndexedJob

#: Set by the scripts of `jobkit completion SHELL`: the program answers a TAB instead of doing anything.
VARIABLE = "_JOBKIT_COMPLETE"
SHELLS = ("bash", "zsh", "fish", "powershell")

Items = list[CompletionItem[str]]
#: What a parameter's ``shell_complete`` is.
Completer = Callable[[click.Context, click.Parameter, str], Items]


def answer_tab(program: click.Group, instruction: str, options: GlobalOptions) -> int:
    """Write what fits the line in the shell's variables to stdout; never an error, never a word more.

    *instruction* is ``<shell>_complete``; *options* are filled with what the line says.
    """
    shell, _, _ = instruction.partition("_")
    kind = get_completion_class(shell)
    if kind is None:
        return 1
    try:
        text = kind(program, {"obj": options}, "jobkit", VARIABLE).complete()
        sys.stdout.buffer.write(f"{text}\n".encode(errors="replace"))
        sys.stdout.flush()
    except Exception:
        return 1  # in the middle of a line that somebody types, silence is the best that can be said
    return 0


def script(shell: str) -> str:
    """The text that makes *shell* ask jobkit at a TAB."""
    kind = get_completion_class(shell)
    assert kind is not None
    asking = kind(click.Group("jobkit"), {}, "jobkit", VARIABLE)
    return asking.source_template % asking.source_vars()


# -- names ------------------------------------------------------------------------------------------


def jobs(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of jobs."""
    return _items(((job.name, job.description) for job in _indexed(ctx)), incomplete)


def selection(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of jobs, or files once a path has begun."""
    if "/" in incomplete or incomplete.startswith("."):
        return [CompletionItem(incomplete, type="file")]
    return jobs(ctx, param, incomplete)


def tags(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Tags of jobs."""
    return _items(((tag, "") for job in _indexed(ctx) for tag in job.tags), incomplete)


def extensions(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of extensions that have jobs."""
    return _items(((job.extension, "") for job in _indexed(ctx)), incomplete)


def environments(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Environments that have files of their own."""
    from jobkit.config import known_environments

    root = _root(ctx)
    return _items(((name, "") for name in known_environments(root)), incomplete) if root is not None else []


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The word for the newest run."""
    return _items([("last", "the newest run")], incomplete)


def statuses(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """How runs may stand."""
    from jobkit.statuses import RunStatus

    return _items(((str(status), "") for status in RunStatus), incomplete)


def triggers(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """What may have asked for runs."""
    from jobkit.statuses import Trigger

    return _items(((str(trigger), "") for trigger in Trigger), incomplete)


def codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Error codes, in any case of letters."""
    from jobkit.codes import all_codes

    return _items(((code, "") for code in all_codes()), incomplete.upper())


def topics(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Topics of the help, and verbs."""
    from jobkit.cli.topics import all_topics

    program = ctx.find_root().command
    verbs = program.list_commands(ctx) if isinstance(program, click.Group) else []
    return _items([*((verb, "") for verb in verbs), *all_topics().items()], incomplete)


def plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Installed plugins, to be loaded or, behind ``no:``, left out."""
    from jobkit.plugins.installed import installed_plugins

    names = [plugin.name for plugin in installed_plugins(_root(ctx), remember=False).plugins]
    return _items(((f"{lead}{name}", "") for lead in ("", "no:") for name in names), incomplete)


def hooks(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Hooks, with or without their prefix."""
    from jobkit.hookspecs import RULES

    names = [name if incomplete.startswith("jobkit") else name.removeprefix("jobkit_") for name in RULES]
    return _items(((name, "") for name in names), incomplete)


def folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The shell knows its folders."""
    return [CompletionItem(incomplete, type="dir")]


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """The shell knows its files."""
    return [CompletionItem(incomplete, type="file")]


#: Every kind that a parameter may name.
COMPLETERS: Mapping[Kind, Completer] = {
    "jobs": jobs,
    "selection": selection,
    "tags": tags,
    "extensions": extensions,
    "environments": environments,
    "runs": runs,
    "statuses": statuses,
    "triggers": triggers,
    "codes": codes,
    "topics": topics,
    "plugins": plugins,
    "hooks": hooks,
    "folders": folders,
    "files": files,
}


def _items(named: Iterable[tuple[str, str]], incomplete: str) -> Items:
    """Each name once, in order, that can be typed as it is."""
    found = {name: text for name, text in named if name.startswith(incomplete) and name.isprintable()}
    return [CompletionItem(name, help=_one_line(text)) for name, text in sorted(found.items())]


def _one_line(text: str) -> str | None:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split()) or None


def _indexed(ctx: click.Context) -> Iterator[IndexedJob]:
    from jobkit.collection import indexed_jobs

    root = _root(ctx)
    if root is not None:
        yield from indexed_jobs(root)


def _root(ctx: click.Context) -> Path | None:
    from jobkit.config import find_root

    options: GlobalOptions = ctx.find_root().obj
    return find_root(Path(os.path.expanduser(options.directory or ".")))  # noqa: PTH111 – a name may be unknown
