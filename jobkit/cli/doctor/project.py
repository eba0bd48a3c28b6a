"""The project: configuration and its layers, job files, permissions, jobs that only observe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from jobkit.cli.doctor.finding import Finding, State, fail, from_error, ok, warn
from jobkit.cli.doctor.plugged import look_at_plugins, look_at_services
from jobkit.cli.enforcement import observers
from jobkit.cli.globals import GlobalOptions
from jobkit.cli.plugged import choice_of
from jobkit.cli.plugin_failures import ask_everything
from jobkit.cli.projects import problems, warnings
from jobkit.cli.render.text import count
from jobkit.config import Config, find_root, load_config
from jobkit.exceptions import ConfigError, relative_to
from jobkit.project import Project


def look_at_configuration(start: Path, env: str | None) -> tuple[Config | None, list[Finding]]:
    """The configuration of the project around *start*, if it can be used, and what was found."""
    root = find_root(start)
    if root is None:
        mend = "`jobkit init` makes a project; -C DIR names one that is elsewhere"
        return None, [fail("configuration", f"there is no jobkit project in {start.absolute()}", mend)]
    try:
        config = load_config(root, env=env)
    except ConfigError as error:
        return None, [from_error("configuration", each, root) for each in error.errors]
    found = [ok("configuration", _layers(config))]
    found += [from_error("configuration", each, root, state=State.WARN) for each in config.warnings]
    return config, found


def _layers(config: Config) -> str:
    """Which files were read, the lowest first, and what the variables add."""
    parts = [relative_to(path, config.root) for path in config.files]
    number = sum(name.startswith("JOBKIT__") for name in os.environ)
    if number:
        parts.append(count(number, "JOBKIT__ variable"))
    place = f"environment {config.env}" if config.env else "no environment"
    return f"{config.root}, {place}: {', '.join(parts)}"


def look_at_project(options: GlobalOptions, now: datetime) -> Iterator[Finding]:
    """Plugins, their services, and job files, after they were all imported; nothing is written for it."""
    start = Path(options.directory or ".")
    try:
        project = Project.load(
            start,
            options.env,
            remember=False,
            plugins=choice_of(options, lenient=True),
            arguments=options.plugin_options,
        )
    except ConfigError as error:
        root = find_root(start)
        yield from (from_error("jobs", each, root) for each in error.errors)
        return
    with project:
        ask_everything(project)
        yield from look_at_plugins(project)
        yield from _look_at_jobs(project, now)
        yield from look_at_services(project)


def _look_at_jobs(project: Project, now: datetime) -> Iterator[Finding]:
    broken = problems(project)
    yield from (from_error("jobs", each, project.root) for each in broken)
    known = [*project.config.warnings, *project.plugins.warnings]
    doubts = [each for each in warnings(project, plugins=False) if each not in known]
    yield from (from_error("jobs", each, project.root, state=State.WARN) for each in doubts)
    extensions = len({spec.extension for spec in project.jobs.values()})
    number = len(project.jobs)
    yield ok("jobs", f"{count(number, 'job')} in {count(extensions, 'extension')}, {len(broken)} broken")
    for each in observers(project, now):
        yield from_error("consent", each, project.root, state=State.WARN)


def look_at_permissions(config: Config) -> Finding:
    """Whether others could change what is executed; files that they could are refused when they are read."""
    if config.project.trust_permissions:
        return warn(
            "permissions",
            "trust_permissions is on: files that every user may write to are executed",
            f"take it out ({config.origin('project.trust_permissions').describe(config.root)})"
            " and run `chmod -R o-w` on the project",
        )
    return ok("permissions", "what every user may write to is refused")
