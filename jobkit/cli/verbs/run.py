"""``jobkit run SELECT…``: run jobs here and now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from jobkit.cli.command import Option, verb
from jobkit.cli.debugging import check_debugging
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.orders import ask_for_consent, chosen_jobs, current_actor, order_for, parse_parameters
from jobkit.cli.plan import Manner, Order
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.reading import configuration
from jobkit.cli.render.runs import planned_line
from jobkit.cli.run_logs import logging_runs
from jobkit.cli.running import reporter_of, run_here, stopped
from jobkit.cli.selecting import selection_options
from jobkit.cli.selection import Selection
from jobkit.cli.session import Session
from jobkit.cli.spans import Span
from jobkit.exceptions import JobkitError, UsageError
from jobkit.job import JobSpec
from jobkit.records import RunRecord
from jobkit.statuses import RunStatus, Trigger

F = TypeVar("F", bound=Callable[..., Any])


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
        ("jobkit run cleanup --queue", "not here: whichever scheduler is there takes it"),
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
@_execution("--timeout", type=Span(), metavar="DURATION", help="Per attempt, instead of the job's own.")
@_execution("--enforce", is_flag=True, help="Consent to destructive effects.")
@_execution("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
@_execution("--queue", is_flag=True, help="Leave it to a scheduler or worker, and do not wait.")
@_execution("--dry-run", is_flag=True, help="Check everything and say what would run.")
@_execution("-y", "--yes", is_flag=True, help="Do not ask in a protected environment.")
def command(session: Session, **given: Any) -> int:
    """Run jobs here and now, in this process, and wait for them."""
    selection = Selection(
        terms=given["terms"], tags=given["tag"], extensions=given["ext"], keywords=given["keywords"]
    )
    if selection.empty and not given["everything"] and not given["failed"]:
        raise UsageError("nothing to run was named", help="name jobs, or select them; --all is every job")
    if given["queue"]:
        _check_queueing(given)
    if given["debug"]:
        check_debugging(session.output.json, given["at_once"], given["timeout"])
    parameters = parse_parameters(given["parameters"])
    names = selection.names or ()
    config = configuration(session, store=False)
    reporter = reporter_of(session, config)
    with (
        logging_runs(session, config, reporter),
        loaded(session, only=names[0] if names else None) as project,
    ):
        if given["everything"] and (broken := [*project.errors, *_errors(project.jobs.values())]):
            return stopped(session, broken)
        mention_broken(session, project)
        chosen = chosen_jobs(session, project, selection, failed=given["failed"])
        broken = _errors(chosen)
        if broken and names:
            return stopped(session, broken)
        for error in broken:
            session.output.report(error)
        orders = [order_for(spec, parameters) for spec in chosen if spec.error is None]
        if given["dry_run"]:
            _say_plan(session, orders, enforce=given["enforce"])
            return ExitCode.STOPPED if broken else ExitCode.OK
        if not given["yes"]:
            ask_for_consent(session, project, orders)
        if given["queue"]:
            from jobkit.cli.queueing import queue_runs

            code = queue_runs(session, project, orders, _manner(given))
        else:
            code = run_here(session, project, orders, reporter, _manner(given))
        return code or (ExitCode.STOPPED if broken else ExitCode.OK)


def _errors(jobs: Iterable[JobSpec]) -> list[JobkitError]:
    return [spec.error for spec in jobs if spec.error is not None]


def _manner(given: dict[str, Any]) -> Manner:
    return Manner(
        actor=given["actor"] or current_actor(),
        at_once=given["at_once"],
        stop_at_first=given["exitfirst"],
        enforce=True if given["enforce"] else None,
        timeout=given["timeout"],
        debug=given["debug"],
    )


def _check_queueing(given: dict[str, Any]) -> None:
    """UsageError for options that say how this process is to execute runs that it does not execute."""
    options = {"-x": "exitfirst", "--pdb": "debug", "--timeout": "timeout"}
    senseless = [option for option, name in options.items() if given[name]]
    senseless += ["-j"] if given["at_once"] != 1 else []
    if senseless:
        raise UsageError(
            f"--queue and {senseless[0]} exclude each other: a queued run is executed elsewhere",
            help="leave one of them away; how a job is executed stands where it is registered",
        )


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
