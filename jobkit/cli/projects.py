"""Loading the project that a command is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobkit.cli.render.text import count

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.project import Project


@contextmanager
def loaded(session: Session, *, only: str | None = None) -> Iterator[Project]:
    """The project around here, its jobs collected; with *only*, just the file of that job if that is known.

    Raises ConfigError. Broken job files are in the project's ``errors``.
    """
    from jobkit.project import Project

    options = session.options
    with Project.load(options.directory, options.env, only=only) as project:
        session.output.root = project.root
        yield project


def mention_broken(session: Session, project: Project) -> None:
    """One line on stderr for each broken job file."""
    for error in project.errors:
        session.output.mention(error)


def broken_footer(project: Project) -> str:
    """``2 files could not be loaded: a.py, b.py (jobkit check)``."""
    places = {error.location(project.root) or "?": None for error in project.errors}
    return f"{count(len(places), 'file')} could not be loaded: {', '.join(places)} (jobkit check)"
