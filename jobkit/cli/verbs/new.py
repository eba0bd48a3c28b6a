"""``jobkit new``: a job, a service, a sink or a plugin, each with its test, to be filled with work."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from jobkit.cli.command import Option, VerbGroup, verb
from jobkit.cli.completing import completing
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.scaffolds.files import Draft, Filed, file_drafts, screen
from jobkit.cli.scaffolds.job import job_drafts, job_name, job_path
from jobkit.cli.scaffolds.plugin import plugin_drafts, plugin_names, refuse_existing
from jobkit.cli.scaffolds.plugin_file import PluginFilePlace, check_name, plugin_file_place
from jobkit.cli.scaffolds.service import service_drafts
from jobkit.cli.scaffolds.sink import sink_drafts
from jobkit.cli.session import Session
from jobkit.exceptions import relative_to


@verb(
    "job",
    examples=[
        ("jobkit new job extensions/web/jobs/cleanup.py", "a job that is run by hand"),
        ('jobkit new job extensions/web/jobs/cleanup.py --schedule "0 0 3 * * *"', "every night at three"),
        ("jobkit new job extensions/web/jobs/cleanup.py --dry-run", "only say what would be written"),
    ],
)
@click.argument("path", shell_complete=completing("files"))
@click.option(
    "--schedule", cls=Option, metavar="TEXT", default="",
    help="When it runs: six fields, seconds first, or 'every 5m'; none: by hand.",
)  # fmt: skip
@click.option("--dry-run", cls=Option, is_flag=True, help="Write nothing, say what would be written.")
def job(session: Session, path: str, schedule: str, dry_run: bool) -> None:
    """Make a job file and its test; the job is called after the file. Nothing that exists is changed."""
    from jobkit.schedules import parse_schedule

    with loaded(session, remember=not dry_run) as project:
        mention_broken(session, project)
        settings = project.config
        here = Path(session.options.directory or ".").absolute()
        file = job_path(path, here, project.root, settings.project.extensions)
        # A broken file may hold the name: it would be claimed twice once that file is mended.
        broken = {name for error in project.errors for name in error.jobs}
        drafts = [*job_drafts(project.root, file, file.stem.replace("-", "_"), schedule)]
        name = job_name(file, {*project.jobs, *broken})
        parse_schedule(schedule, timezone=settings.scheduler.timezone, name=name)
        filed = file_drafts(drafts, dry_run=dry_run)
        root = project.root
    steps = [f"jobkit show {name}", f"jobkit run {name} -p limit=3", f"python -m pytest tests/test_{name}.py"]
    _answer(session, {"job": name}, f"the job {name}", filed, steps, root, dry_run=dry_run)


def _answer(
    session: Session,
    names: dict[str, Any],
    what: str,
    filed: list[Filed],
    steps: list[str],
    root: Path,
    *,
    dry_run: bool,
) -> None:
    files = [each.to_json(root) for each in filed]
    output = session.output
    output.answer({**names, "root": str(root), "dry_run": dry_run, "files": files, "next": steps})
    done = "would make" if dry_run else "made"
    output.lines(screen(f"{done} {what}", filed, steps, root, output.terminal))


@verb(
    "service",
    examples=[
        ("jobkit new service hooks/stock.py", "for all jobs of the project"),
        ("jobkit new service extensions/web/hooks.py", "for the jobs of one extension"),
    ],
)
@click.argument("path", shell_complete=completing("files"))
@click.option("--dry-run", cls=Option, is_flag=True, help="Write nothing, say what would be written.")
def service(session: Session, path: str, dry_run: bool) -> None:
    """Make a plugin's file with a service in it, and a test. Nothing that exists is changed.

    The service is called after the file, or after the extension whose hooks.py it is.
    """
    _plugin_file(session, path, "service", service_drafts, dry_run=dry_run)


@verb(
    "sink",
    examples=[
        ("jobkit new sink hooks/audit.py", "told how every run of the project ended"),
        ("jobkit new sink extensions/web/hooks.py", "told of the runs of one extension"),
    ],
)
@click.argument("path", shell_complete=completing("files"))
@click.option("--dry-run", cls=Option, is_flag=True, help="Write nothing, say what would be written.")
def sink(session: Session, path: str, dry_run: bool) -> None:
    """Make a plugin's file with a sink in it, and a test. Nothing that exists is changed.

    The sink is called after the file, or after the extension whose hooks.py it is.
    """
    _plugin_file(session, path, "sink", sink_drafts, dry_run=dry_run)


def _plugin_file(
    session: Session,
    path: str,
    kind: str,
    drafts_of: Callable[[Path, PluginFilePlace], Iterator[Draft]],
    *,
    dry_run: bool,
) -> None:
    with loaded(session, remember=not dry_run) as project:
        here = Path(session.options.directory or ".").absolute()
        root = project.root
        place = plugin_file_place(path, here, root, project.config.project.extensions, kind=kind)
        drafts = [*drafts_of(root, place)]
        refuse_existing(drafts, root)
        services = {
            provider.spec.name
            for provider in project.services
            if provider.extension in (None, place.extension)
        }
        sinks = {str(getattr(provided.value, "name", "")) for provided in project.sinks}
        plugins = {info.name for info in project.plugins.infos}
        check_name(place, kind, services if kind == "service" else sinks, plugins)
        filed = file_drafts(drafts, dry_run=dry_run)
    listed = "jobkit services" if kind == "service" else "jobkit plugins"
    test = filed[-1].draft.path.relative_to(root)
    steps = [listed, "jobkit check", f"python -m pytest {test.as_posix()}"]
    names = {kind: place.name, "plugin": place.plugin}
    _answer(session, names, f"the {kind} {place.name}", filed, steps, root, dry_run=dry_run)


@verb(
    "plugin",
    examples=[
        ("jobkit new plugin ./jobkit-acme", "the plugin acme, a distribution of its own"),
        ("jobkit new plugin ./jobkit-acme --dry-run", "only say what would be written"),
    ],
)
@click.argument("path", shell_complete=completing("files"))
@click.option("--dry-run", cls=Option, is_flag=True, help="Write nothing, say what would be written.")
def plugin(session: Session, path: str, dry_run: bool) -> None:
    """Make a plugin that can be installed: a service, a sink, a hook, a command, and tests of them.

    The distribution is called after the folder, the plugin is what follows `jobkit-`. It needs no project.
    Nothing that exists is changed.
    """
    from jobkit.cli.main import program
    from jobkit.project_plugins import builtin_plugins
    from jobkit.services.builtin import builtin_specs

    here = Path(session.options.directory or ".").absolute()
    folder = Path(os.path.abspath(here / path))  # noqa: PTH100 – keeps links
    verbs = program.list_commands(click.Context(program))
    plugins = {builtin.name for builtin in builtin_plugins()}
    services = {spec.name for spec in builtin_specs()}
    names = plugin_names(folder, verbs=verbs, plugins=plugins, services=services)
    drafts = [*plugin_drafts(folder, names)]
    refuse_existing(drafts, here)
    filed = file_drafts(drafts, dry_run=dry_run)
    shown = shlex.quote(relative_to(folder, here))
    steps = [f"cd {shown}"] if folder != here else []
    steps += ["pip install -e .", "python -m pytest", "jobkit plugins"]
    answer = {"plugin": names.name, "distribution": names.distribution}
    _answer(session, answer, f"the plugin {names.name}", filed, steps, folder, dry_run=dry_run)


command = VerbGroup(
    "new",
    commands=[job, service, sink, plugin],
    examples=[
        ("jobkit new job extensions/web/jobs/cleanup.py", "a job file and its test"),
        ("jobkit new service hooks/stock.py", "what jobs ask for by type or name"),
        ("jobkit new sink hooks/audit.py", "told how every run ended"),
        ("jobkit new plugin ./jobkit-acme", "a distribution that others can install"),
    ],
    help="Make files to begin with, for people to keep.",
)
