"""``jobkit config``: what is set, which line decided it, how environments differ, what may be set at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobkit.cli.command import VerbGroup, verb
from jobkit.cli.completing import completing
from jobkit.cli.reading import configuration
from jobkit.cli.session import Session

if TYPE_CHECKING:
    from jobkit.config import Config, Setting
    from jobkit.config.plugin_declared import Declared
    from jobkit.config.stacks import Opinion, Stack
    from jobkit.project import Project


@verb(
    "show",
    empty=None,
    examples=[
        ("jobkit config show", "every value, and the line that decided it"),
        ("jobkit config show scheduler --env production", "one table, in an environment"),
        ("jobkit config show jobs.cleanup", "what is said about a job"),
    ],
)
@click.argument("keys", metavar="[KEY]...", nargs=-1)
def show(session: Session, keys: tuple[str, ...]) -> None:
    """Show the values in force and where each comes from; no job is imported.

    Secrets and what comes from ${NAME} are shown as ***. Plugins are loaded where they have tables: they say
    what is right there, and what is secret.
    """
    from jobkit.cli.config_view import to_json, values_table
    from jobkit.cli.render.header import header, place
    from jobkit.config.stacks import stacks_of

    config, output = _with_plugins(session), session.output
    stacks = _chosen(list(stacks_of(config.tree, _hides(config))), keys)
    root, files = config.root, [path.relative_to(config.root).as_posix() for path in config.files]
    values = [{"key": stack.key, **to_json(stack.winner, root)} for stack in stacks]
    output.answer({"env": config.env, "files": files, "values": values})
    terminal = output.terminal
    lines = header([*place(config, session.clock.now()), *files], terminal)
    output.lines([*lines, "", *values_table(stacks, root, terminal)])


@verb(
    "explain",
    examples=[
        ("jobkit config explain cleanup", "who says what about each option of a job"),
        ("jobkit config explain scheduler.store", "the same for one key"),
    ],
)
@click.argument("name", shell_complete=completing("jobs"))
def explain(session: Session, name: str) -> None:
    """Show every layer that has an opinion on the options of a job, the winner marked.

    NAME is a job, or a key with a dot in it, as `config show` lists them.
    """
    from jobkit.cli.config_view import stack_json, stack_lines
    from jobkit.cli.render.header import header

    title, root, env, stacks = _key_stacks(session, name) if "." in name else _job_stacks(session, name)
    output = session.output
    options = [stack_json(stack, root) for stack in stacks]
    output.answer({"name": name, "env": env, "options": options})
    terminal = output.terminal
    lead = header([title, f"env {env}" if env else "no environment"], terminal)
    output.lines([*lead, "", *stack_lines(stacks, root, terminal)])


@verb(
    "diff",
    examples=[
        ("jobkit config diff staging production", "what differs between two environments"),
        ("jobkit config diff '' production", "between no environment and one"),
    ],
)
@click.argument("left", metavar="ENV", shell_complete=completing("environments"))
@click.argument("right", metavar="ENV", shell_complete=completing("environments"))
def diff(session: Session, left: str, right: str) -> None:
    """Show the values that differ between two environments, as their files say.

    Variables are left out: neither JOBKIT__… of this process, nor what ${NAME} stands for here.
    """
    from jobkit.cli.config_view import difference_table, to_json
    from jobkit.cli.reading import project_root
    from jobkit.cli.render.text import count

    root = project_root(session)
    one, two = _both(session, root, left, right)
    keys = [*one, *sorted(two.keys() - one.keys())]
    rows = [(key, one.get(key), two.get(key)) for key in sorted(keys, key=_order) if _differs(one, two, key)]
    output = session.output
    output.answer(
        {
            "left": left or None,
            "right": right or None,
            "differences": [
                {
                    "key": key,
                    "left": to_json(first, root) if first is not None else None,
                    "right": to_json(second, root) if second is not None else None,
                }
                for key, first, second in rows
            ],
        }
    )
    names = [name or "no environment" for name in (left, right)]
    if rows:
        output.lines(difference_table(names[0], names[1], rows, output.terminal))
    output.lines(["", f"{count(len(rows), 'difference')}"] if rows else [f"{' and '.join(names)} are alike"])


@verb(
    "schema",
    examples=[("jobkit config schema > jobkit.schema.json", "for editors, which then check while one types")],
)
def schema(session: Session) -> None:
    """Print the JSON Schema of configuration files; in a project, with the tables of its plugins.

    Editors find it by the first line of a file: #:schema jobkit.schema.json
    """
    from jobkit.cli.output import encode
    from jobkit.config.json_schema import json_schema

    found = json_schema(_declared(session))
    session.output.answer(found)
    session.output.lines([encode(found, indent=2)])


command = VerbGroup(
    "config",
    commands=[show, explain, diff, schema],
    examples=[
        ("jobkit config show", "every value, and the line that decided it"),
        ("jobkit config explain cleanup", "who says what about each option of a job"),
    ],
    help="Show what is set, and which line decided it.",
)


def _job_stacks(session: Session, name: str) -> tuple[str, Path, str | None, Sequence[Stack]]:
    from jobkit.cli.projects import loaded, mention_broken
    from jobkit.cli.selection import job_named
    from jobkit.config.stacks import option_stacks

    with loaded(session) as project:
        spec = job_named(name, project.jobs, project.errors)
        mention_broken(session, project)
        if spec.error is not None:
            session.output.mention(spec.error)
        return name, project.root, project.env, option_stacks(project.proposed[name], project.config)


def _key_stacks(session: Session, name: str) -> tuple[str, Path, str | None, Sequence[Stack]]:
    from jobkit.config.stacks import stacks_of

    config = _with_plugins(session)
    return name, config.root, config.env, _chosen(list(stacks_of(config.tree, _hides(config))), (name,))


def _hides(config: Config) -> Callable[[Sequence[str]], bool] | None:
    return config.accepted.hides if config.accepted is not None else None


def _with_plugins(session: Session) -> Config:
    """The configuration, checked by the plugins that it speaks to; without such, none is loaded."""
    config = configuration(session, store=False)
    if not _speaks_to_plugins(config.tree):
        return config
    with _prepared(session) as project:
        return project.config


def _declared(session: Session) -> Mapping[str, Declared]:
    """What the plugins of this project declared; nothing, and a warning, if that cannot be told."""
    from jobkit.config import find_root
    from jobkit.exceptions import JobkitError

    session.output.root = find_root(Path(session.options.directory or "."))
    if session.output.root is None:
        return {}
    try:
        with _prepared(session) as project:
            tables = project.config.accepted
            return tables.declared if tables is not None else {}
    except JobkitError as error:  # whoever mends a file wants the schema just then
        session.output.report(error, kind="warning")
        return {}


def _prepared(session: Session) -> Project:
    """The project around here, its plugins loaded and no job file imported."""
    from jobkit.cli.plugged import choice_of
    from jobkit.project import Project

    options = session.options
    return Project.prepare(
        options.directory, options.env, plugins=choice_of(options), arguments=options.plugin_options
    )


def _chosen(stacks: list[Stack], keys: Sequence[str]) -> list[Stack]:
    """The stacks of *keys*, each a whole key or the beginning of some. UsageError for one that is neither."""
    from jobkit.cli.usage import did_you_mean, quoted
    from jobkit.exceptions import UsageError

    chosen: list[Stack] = []
    for key in keys:
        found = [stack for stack in stacks if f"{stack.key}.".startswith(f"{key}.")]
        if not found and key not in ("jobs", "plugins"):
            known = {part for stack in stacks for part in (stack.key, stack.key.partition(".")[0])}
            hint = did_you_mean(key, sorted(known), "`jobkit config show` lists the keys that are set")
            raise UsageError(f"nothing is set at {quoted(key, 120)}", help=hint)
        chosen += [stack for stack in found if stack not in chosen]
    return chosen if keys else stacks


def _both(session: Session, root: Path, left: str, right: str) -> tuple[dict[str, Opinion], ...]:
    """Key → what is in force, as their files say, for the environments *left* and *right*."""
    from jobkit.config.loading import load_layers
    from jobkit.config.stacks import stacks_of

    trees = []
    for env in (left, right):
        layers = load_layers(root, env=env)
        for warning in layers.warnings:
            session.output.report(warning, kind="warning")
        trees.append(layers.tree)
    hides = _hiding(session) if any(map(_speaks_to_plugins, trees)) else None
    return tuple({stack.key: stack.winner for stack in stacks_of(tree, hides)} for tree in trees)


def _speaks_to_plugins(tree: Setting) -> bool:
    jobs = tree.at(("jobs",))
    options = (jobs.parts or {}).values() if jobs is not None else ()
    return tree.at(("plugins",)) is not None or any(job.at(("plugins",)) is not None for job in options)


def _hiding(session: Session) -> Callable[[Sequence[str]], bool]:
    """What plugins declared as secret; all that is said to them, with a warning, if they cannot be asked."""
    from jobkit.exceptions import JobkitError

    try:
        tables = _with_plugins(session).accepted
        return tables.hides if tables is not None else _of_plugins
    except JobkitError as error:
        session.output.report(error, kind="warning")
        return _of_plugins


def _of_plugins(path: Sequence[str]) -> bool:
    return "plugins" in (path[0], *path[2:3])


def _differs(one: dict[str, Opinion], two: dict[str, Opinion], key: str) -> bool:
    first, second = one.get(key), two.get(key)
    if first is None or second is None:  # an empty table beside one with keys is told by the keys
        only = first or second
        return only is not None and only.origin.layer != "default"
    return bool(first.said != second.said)


def _order(key: str) -> tuple[int, str]:
    """jobkit's own keys stay in their order; those of jobs and plugins follow by name."""
    table = key.partition(".")[0]
    return (1, key) if table in ("jobs", "plugins") else (0, "")
