"""Loading the project that a command is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.cli.plugged import choice_of
from jobkit.cli.plugged import remember as remember_commands
from jobkit.cli.plugin_failures import failures_of
from jobkit.cli.render.text import count
from jobkit.exceptions import CollectionError, JobkitError
from jobkit.origin import DEFAULT

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.job import JobSpec
    from jobkit.project import Project


@contextmanager
def loaded(
    session: Session, *, only: str | None = None, lenient: bool = False, remember: bool = True
) -> Iterator[Project]:
    """The project around here, its jobs collected; with *only*, just the file of that job if that is known.

    Broken job files are in the project's ``errors``. Without *remember* nothing is written below the root.
    Raises ConfigError, and with ``--strict``, unless *lenient*, CollectionError if anything is wrong.
    """
    from jobkit.config import find_root
    from jobkit.project import Project

    session.let_go()
    options = session.options
    strict = options.strict and not lenient
    session.output.root = find_root(Path(options.directory or "."))
    single = None if strict else only
    with Project.load(
        options.directory,
        options.env,
        only=single,
        remember=remember,
        plugins=choice_of(options, lenient=lenient),
        arguments=options.plugin_options,
    ) as project:
        if remember:
            remember_commands(project)
        if strict:
            _insist(session, project)
        elif not lenient:
            mention_plugins(session, project)
        yield project


def mention_plugins(session: Session, project: Project) -> None:
    """One line on stderr for each plugin that is left out."""
    for error in project.plugins.warnings:
        session.output.mention(error, kind="warning")


def problems(project: Project) -> list[JobkitError]:
    """What is wrong with files, and with jobs where it is not their file's error already."""
    errors: list[JobkitError] = [*project.errors]
    for spec in project.jobs.values():
        if spec.error is not None and spec.error not in errors:
            errors.append(spec.error)
    return errors


def warnings(project: Project, *, plugins: bool = True) -> list[JobkitError]:
    """What works and is likely not meant, in the configuration, in jobs and in their schedules.

    With *plugins* also what has failed of those that take part.
    """
    found = [*project.warnings, *(failures_of(project) if plugins else ())]
    for spec in project.jobs.values():
        found += [warning for warning in (*spec.warnings, *_remarks(spec)) if warning not in found]
    return found


def _remarks(spec: JobSpec) -> list[JobkitError]:
    """What the schedule of a job remarks, at the line that it is written on."""
    if spec.times is None:
        return []
    origin = spec.origins.get("schedule", DEFAULT)
    return [
        CollectionError(
            f"schedule of job {spec.name}: {remark}",
            code="JK317",
            path=origin.path or spec.path,
            line=origin.line if origin.path is not None else spec.line,
            help=f"`jobkit show {spec.name}` shows when it is due; if only one of them is meant, "
            "write `*` for the other",
        )
        for remark in spec.times.warnings()
    ]


def _insist(session: Session, project: Project) -> None:
    found = problems(project)
    for error in found:
        session.output.report(error)
    doubts = warnings(project)
    for warning in doubts:
        session.output.report(warning, kind="warning")
    number = len(found) + len(doubts)
    if number:
        raise CollectionError(
            f"--strict: {count(number, 'problem')}",
            code="JK807",
            help="mend what is shown above, or leave --strict away",
        )


def mention_broken(session: Session, project: Project) -> None:
    """One line on stderr for each broken job file."""
    for error in project.errors:
        session.output.mention(error)


def broken_footer(project: Project) -> str:
    """``2 files could not be loaded: a.py, b.py (jobkit check)``."""
    places = {error.location(project.root) or "?": None for error in project.errors}
    return f"{count(len(places), 'file')} could not be loaded: {', '.join(places)} (jobkit check)"
