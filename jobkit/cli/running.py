"""Running what a command line asks for, in this process, and saying how it went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from jobkit.cli.exit_codes import ExitCode, exit_code_of
from jobkit.cli.plan import Manner, Order, Outcome
from jobkit.cli.reporter import Reporter
from jobkit.cli.run_logs import lines_for_people
from jobkit.cli.session import Session
from jobkit.cli.summary import say_summary
from jobkit.config import Config
from jobkit.exceptions import JobkitError
from jobkit.project import Project


def reporter_of(session: Session, config: Config) -> Reporter:
    """What shows runs to the person at the terminal."""
    zone = ZoneInfo(config.scheduler.timezone)
    return Reporter(
        session.output,
        session.clock,
        zone,
        env=config.env,
        quiet=session.options.quiet,
        lines=lines_for_people(session, config),
    )


def stopped(session: Session, errors: Iterable[JobkitError]) -> ExitCode:
    """What was asked for cannot be had: say why, and run nothing."""
    for error in errors:
        session.output.report(error)
    return ExitCode.STOPPED


def run_here(
    session: Session, project: Project, orders: Sequence[Order], reporter: Reporter, manner: Manner
) -> int:
    """Execute *orders*, answer with their records, and give the exit code."""
    from jobkit.cli.execution import execute

    output, clock = session.output, session.clock
    began = clock.monotonic()
    reporter.start()
    try:
        outcome = execute(orders, manner, project, session, reporter)
    finally:
        reporter.stop()
        output.answer([run.to_json() for run in reporter.records])
    say_summary(session, project, outcome, reporter.children, clock.monotonic() - began)
    if outcome.dropped is not None:
        output.report(outcome.dropped)
    return _code(outcome)


def _code(outcome: Outcome) -> int:
    """Being interrupted explains everything else; a failed run counts more than one that was refused."""
    if outcome.interrupted:
        return ExitCode.STOPPED
    if outcome.dropped is not None:
        return ExitCode.INTERNAL
    if any(not run.status.ok for run in outcome.records):
        return ExitCode.FAILED
    return exit_code_of(outcome.refused[0]) if outcome.refused else ExitCode.OK
