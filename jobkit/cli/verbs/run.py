"""``jobkit run SELECT…``: run jobs here and now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, verb
from jobkit.cli.debugging import check_debugging
from jobkit.cli.exit_codes import ExitCode, exit_code_of
from jobkit.cli.orders import ask_for_consent, chosen_jobs, current_actor, order_for, parse_parameters
from jobkit.cli.plan import Manner, Order, Outcome
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.reading import configuration
from jobkit.cli.render.runs import planned_line
from jobkit.cli.reporter import Reporter
from jobkit.cli.run_logs import lines_for_people, logging_runs
from jobkit.cli.selecting import selection_options
from jobkit.cli.selection import Selection
from jobkit.cli.session import Session
from jobkit.cli.summary import say_summary
from jobkit.config import Config
from jobkit.durations import parse_duration
from jobkit.exceptions import JobkitError, UsageError
from jobkit.job import JobSpec
from jobkit.project import Project
from jobkit.records import RunRecord
from jobkit.redaction import mask_url
from jobkit.statuses import RunStatus, Trigger

F = TypeVar("F", bound=Callable[..., Any])


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = mask_url(str(value))  # the refusal repeats it
        try:
            duration = parse_duration(float(text) if text.replace(".", "", 1).isdigit() else text)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)
        if not duration:
            self.fail("a timeout must be longer than nothing", param, ctx)
        return duration


def _selecting(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, cls=Option, section="Selection", **attributes)


def _execution(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, cls=Option, section="Execution", **attributes)


@verb(
    "run",
    empty=[],
    examples=[
        ("jobkit run cleanup -p days=30", "one job, with a parameter"),
        ("jobkit run --tag nightly -x", "several, until the first that fails"),
        ("jobkit run --failed", "those whose last run did not succeed"),
        ("jobkit run --all --dry-run", "what would run"),
    ],
)
@selection_options
@_selecting("--all", "everything", is_flag=True, help="Every job.")
@_selecting("--failed", is_flag=True, help="Jobs whose last run did not succeed.")
@_execution("-p", "--param", "parameters", metavar="KEY=VALUE", multiple=True, help="A job parameter.")
@_execution("-x", "--exitfirst", is_flag=True, help="Start nothing more after the first failure.")
@_execution(
    "-j",
    "--jobs",
    "at_once",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=1,
    help="Runs at a time (1).",
)
@_execution("--pdb", "debug", is_flag=True, help="Open Python's debugger where a run raises.")
@_execution("--timeout", type=_Duration(), metavar="DURATION", help="Per attempt, instead of the job's own.")
@_execution("--enforce", is_flag=True, help="Consent to destructive effects.")
@_execution("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
@_execution("--dry-run", is_flag=True, help="Check everything and say what would run.")
@_execution("-y", "--yes", is_flag=True, help="Do not ask in a protected environment.")
def command(session: Session, **given: Any) -> int:
    """Run jobs here and now, in this process, and wait for them."""
    selection = Selection(
        terms=given["terms"], tags=given["tag"], extensions=given["ext"], keywords=given["keywords"]
    )
    if selection.empty and not given["everything"] and not given["failed"]:
        raise UsageError("nothing to run was named", help="name jobs, or select them; --all is every job")
    if given["debug"]:
        check_debugging(session.output.json, given["at_once"], given["timeout"])
    parameters = parse_parameters(given["parameters"])
    names = selection.names or ()
    config = configuration(session, store=False)
    reporter = _reporter(session, config)
    with (
        logging_runs(session, config, reporter),
        loaded(session, only=names[0] if names else None) as project,
    ):
        if given["everything"] and (broken := [*project.errors, *_errors(project.jobs.values())]):
            return _stopped(session, broken)
        mention_broken(session, project)
        chosen = chosen_jobs(session, project, selection, failed=given["failed"])
        broken = _errors(chosen)
        if broken and names:
            return _stopped(session, broken)
        for error in broken:
            session.output.report(error)
        orders = [order_for(spec, parameters) for spec in chosen if spec.error is None]
        if given["dry_run"]:
            _say_plan(session, orders, enforce=given["enforce"])
            return ExitCode.STOPPED if broken else ExitCode.OK
        if not given["yes"]:
            ask_for_consent(session, project, orders)
        code = _run(session, project, orders, reporter, given)
        return code or (ExitCode.STOPPED if broken else ExitCode.OK)


def _reporter(session: Session, config: Config) -> Reporter:
    zone = ZoneInfo(config.scheduler.timezone)
    return Reporter(
        session.output,
        session.clock,
        zone,
        env=config.env,
        quiet=session.options.quiet,
        lines=lines_for_people(session, config),
    )


def _errors(jobs: Iterable[JobSpec]) -> list[JobkitError]:
    return [spec.error for spec in jobs if spec.error is not None]


def _stopped(session: Session, errors: Iterable[JobkitError]) -> ExitCode:
    """What was asked for cannot be had: say why, and run nothing."""
    for error in errors:
        session.output.report(error)
    return ExitCode.STOPPED


def _run(
    session: Session, project: Project, orders: Sequence[Order], reporter: Reporter, given: dict[str, Any]
) -> int:
    from jobkit.cli.execution import execute

    output, clock = session.output, session.clock
    manner = Manner(
        actor=given["actor"] or current_actor(),
        at_once=given["at_once"],
        stop_at_first=given["exitfirst"],
        enforce=True if given["enforce"] else None,
        timeout=given["timeout"],
        debug=given["debug"],
    )
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


def _say_plan(session: Session, orders: Sequence[Order], *, enforce: bool) -> None:
    """What would run. As data: runs that were skipped, and so have neither id nor number."""
    actor = current_actor()
    planned = []
    for order in orders:
        spec = order.spec
        schema = spec.signature.parameters
        configured = schema.from_values(spec.parameters, job=spec.name)
        values = schema.complete({**configured, **order.parameters}, job=spec.name)
        planned.append(
            RunRecord(
                id="",
                number=None,
                job=spec.name,
                extension=spec.extension,
                status=RunStatus.SKIPPED,
                trigger=Trigger.MANUAL,
                attempts=1 + spec.retries.retries,
                actor=actor,
                enforce=enforce or spec.enforce,
                parameters=schema.to_plain(values),
                reason="dry_run",
            )
        )
    session.output.answer([{**run.to_json(), "id": None} for run in planned])
    terminal = session.output.terminal
    session.output.lines([*(planned_line(run, terminal) for run in planned), "nothing was run (--dry-run)"])
