"""``jobkit services``: what jobs can ask for, who provides it, and who uses it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobkit.annotations import text_of_annotation
from jobkit.cli.command import Option, verb
from jobkit.cli.completing import completing
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.render.table import Cell, Column, Heading, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.selection import Selection, select
from jobkit.cli.session import Session
from jobkit.exceptions import ServiceError, relative_to
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.services.graph import Provider


@dataclass(frozen=True, slots=True)
class Line:
    """One service, with what is known of it here."""

    provider: Provider
    root: Path
    users: tuple[str, ...]

    @property
    def types(self) -> list[str]:
        """The types under which it is found."""
        spec = self.provider.spec
        named = [name for _, name in getattr(spec, "type_names", ())]
        return named or [text_of_annotation(kind) for kind in spec.types]

    @property
    def place(self) -> str | None:
        """Where its factory is written."""
        path, line = self.provider.spec.place
        return f"{relative_to(path, self.root)}:{line}" if path is not None else None

    @property
    def description(self) -> str:
        """The first line of its factory's docstring."""
        return (inspect.getdoc(self.provider.spec.factory) or "").partition("\n")[0]

    @property
    def needs(self) -> list[str]:
        """The services that its factory takes, as it names them."""
        try:
            return [request.parameter for request in self.provider.spec.requests]
        except ServiceError:
            return []

    def to_json(self) -> dict[str, Any]:
        """One service, as ``--json`` gives it."""
        spec = self.provider.spec
        return {
            "name": spec.name,
            "types": self.types,
            "scope": spec.scope,
            "plugin": self.provider.source or "built-in",
            "extension": self.provider.extension,
            "source": self.place,
            "description": self.description,
            "autouse": spec.autouse,
            "replaces": spec.replaces,
            "ping": spec.ping is not None,
            "needs": self.needs,
            "jobs": [*self.users],
        }


@verb(
    "services",
    empty=[],
    examples=[
        ("jobkit services", "name, type, scope, who provides it"),
        ("jobkit services -v", "with file, line, description, and the jobs that use each"),
        ("jobkit services --job cleanup", "what one job may ask for, and what it does ask for"),
    ],
)
@click.option(
    "--job", "name", cls=Option, section="Filters", metavar="NAME", shell_complete=completing("jobs"),
    help="Only what this job may ask for; what it uses is marked.",
)  # fmt: skip
def command(session: Session, name: str | None) -> int:
    """Show the services that jobs can ask for, as `pytest --fixtures` shows fixtures."""
    output = session.output
    with loaded(session) as project:
        job = _job(project, name)
        mention_broken(session, project)
        lines = _lines(project, job)
        output.answer([line.to_json() for line in lines])
        marked = _used_by(project, job) if job is not None else set()
        output.lines(_screen(lines, output.terminal, marked, details=session.options.verbosity > 0))
        for error in project.graph.errors:
            output.report(error)
        if job is not None and isinstance(job.error, ServiceError):
            output.report(job.error)
            return ExitCode.STOPPED
        return ExitCode.STOPPED if project.graph.errors else ExitCode.OK


def _job(project: Project, name: str | None) -> JobSpec | None:
    if name is None:
        return None
    chosen = select(Selection(terms=(name,)), project.jobs, root=project.root, broken=project.errors)
    return chosen.jobs[0]


def _lines(project: Project, job: JobSpec | None) -> list[Line]:
    users = _users(project)
    graph = project.graph
    if job is not None:
        providers: Sequence[Provider] = graph.available(job.extension)
    else:
        extensions = sorted({spec.extension for spec in project.jobs.values()})
        own = [item for each in extensions for item in graph.available(each) if item.extension is not None]
        providers = [*graph.available(), *own]
    return [Line(item, project.root, tuple(sorted(users.get(item, ())))) for item in providers]


def _users(project: Project) -> Mapping[Provider, set[str]]:
    """Service → the jobs that ask for it themselves."""
    found: dict[Provider, set[str]] = {}
    for job in project.jobs.values():
        for provider in _used_by(project, job):
            found.setdefault(provider, set()).add(job.name)
    return found


def _used_by(project: Project, job: JobSpec) -> set[Provider]:
    try:
        return {node.provider for node in project.graph.plan(job)}
    except ServiceError:
        return set()


def _screen(lines: Sequence[Line], terminal: Terminal, marked: set[Provider], *, details: bool) -> list[str]:
    columns = [
        Column("NAME"),
        Column("TYPE", shrink_to=12),
        Column("SCOPE"),
        Column("FROM", shrink_to=10),
        Column("JOBS" if not marked else "USED", right=True, optional=1),
        Column("WHERE", shrink_to=12, optional=2),
    ]
    rows: list[Row | Heading] = []
    for line in lines:
        rows.append(_row(line, marked))
        if details:
            rows += [Heading(escape_controls(f"    {text}")) for text in _details(line)]
    return table(columns, rows, terminal)


def _row(line: Line, marked: set[Provider]) -> Row:
    spec = line.provider.spec
    origin = line.provider.source or "built-in"
    used = ("yes" if line.provider in marked else "-") if marked else str(len(line.users) or "-")
    flags = "".join(f" ({word})" for word, on in (("autouse", spec.autouse),) if on)
    return [
        Cell(escape_controls(spec.name), "strong"),
        escape_controls(", ".join(line.types)) or "-",
        f"{spec.scope}{flags}",
        escape_controls(origin),
        used,
        escape_controls(line.place or "-"),
    ]


def _details(line: Line) -> list[str]:
    found = [line.description] if line.description else []
    found += [f"needs {', '.join(line.needs)}"] if line.needs else []
    found += ["can be asked how it is (ping)"] if line.provider.spec.ping is not None else []
    return [*found, f"used by {', '.join(line.users)}"] if line.users else found
