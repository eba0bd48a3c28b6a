"""``jobkit check``: collect everything, validate everything, touch nothing."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobkit.cli.command import verb
from jobkit.cli.enforcement import observers
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.notes import notes_on
from jobkit.cli.plugin_failures import ask_everything
from jobkit.cli.projects import loaded, problems, warnings
from jobkit.cli.render.errors import error_block
from jobkit.cli.render.header import header, place
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, wrap
from jobkit.cli.session import Session
from jobkit.cli.version import version
from jobkit.exceptions import ConfigError, JobkitError
from jobkit.project import Project
from jobkit.scheduler.engines import chosen_engine
from jobkit.sinks.jsonl import unwritable


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: *errors* of files and of jobs, *warnings*, and *notes* on who decided what."""

    project: Project
    errors: Sequence[JobkitError]
    warnings: Sequence[JobkitError]
    notes: Sequence[str]
    strict: bool
    now: datetime
    took: float

    @property
    def passed(self) -> bool:
        return not self.errors and not (self.strict and self.warnings)


@verb(
    "check",
    examples=[
        ("jobkit check", "would everything load?"),
        ("jobkit check --strict --env production", "for CI: warnings fail it too"),
    ],
)
def command(session: Session) -> int:
    """Collect all jobs and validate everything about them; nothing is run, nothing is written.

    Exit code 2 if anything is wrong with jobs (with --strict: or merely doubtful), 6 for the configuration.
    """
    output, clock = session.output, session.clock
    began = clock.monotonic()
    with loaded(session, lenient=True, remember=False) as project:
        ask_everything(project)
        unusable = _engine(project)
        took = clock.monotonic() - began
        now = clock.now()
        doubts = [*warnings(project), *observers(project, now), *unwritable(project.sinks)]
        notes = notes_on(project, now)
        report = Report(
            project, [*unusable, *problems(project)], doubts, notes, session.options.strict, now, took
        )
        for error in (*report.errors, *(report.warnings if report.strict else ())):
            output.add_error(error)
        output.answer(
            {
                "ok": report.passed,
                "jobs": len(project.jobs),
                "warnings": [warning.to_json(project.root) for warning in report.warnings],
                "notes": list(report.notes),
            }
        )
        output.lines(screen(report, output.terminal))
        if unusable:
            return ExitCode.UNUSABLE
        return ExitCode.OK if report.passed else ExitCode.STOPPED


def _engine(project: Project) -> list[ConfigError]:
    """What is wrong with the engine that the configuration names; plugins bring engines, so it is late."""
    try:
        chosen_engine(project)
    except ConfigError as error:
        return [error]
    return []


def screen(report: Report, terminal: Terminal) -> list[str]:
    """The report, in the form that test runners have made familiar."""
    project = report.project
    tools = [f"jobkit {version()}", f"Python {platform.python_version()}"]
    lines = header([*tools, *place(project.config, report.now)], terminal)
    lines += [f"collected {count(len(project.jobs), 'job')}", ""]
    for kind, errors in (("error", report.errors), ("warning", report.warnings)):
        if errors:
            lines += [terminal.rule(f"{kind}s".upper(), "strong"), ""]
        for error in errors:
            lines += [*error_block(error, terminal, root=project.root, kind=kind), ""]
    for note in report.notes:
        first, *rest = wrap(f"note: {note}", terminal.columns)
        lines += [first, *(f"  {line}" for line in rest)]
    if report.notes:
        lines.append("")
    if report.errors or report.warnings or report.notes:
        lines[-1:] = []
    style = "good" if report.passed else "error"
    return [*lines, terminal.rule(_summary(report), style)]


def _summary(report: Report) -> str:
    found = [count(len(report.project.jobs), "job")]
    found += [count(len(report.errors), "error")] if report.errors else []
    found += [count(len(report.warnings), "warning")] if report.warnings else []
    verdict = "no errors" if not report.errors else ""
    return ", ".join(part for part in (*found, verdict) if part) + f" in {report.took:.2f}s"
