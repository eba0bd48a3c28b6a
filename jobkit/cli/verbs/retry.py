"""``jobkit retry RUN``: do once more what a run did."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.orders import ask_for_consent, current_actor, parse_parameters
from jobkit.cli.plan import Manner
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.reading import configuration, read
from jobkit.cli.repeating import check_ended, mention, remarks, repetition, somebody_is_there
from jobkit.cli.run_logs import logging_runs
from jobkit.cli.run_references import find_run
from jobkit.cli.running import reporter_of, run_here, stopped
from jobkit.cli.selection import job_named
from jobkit.cli.session import Session


@verb(
    "retry",
    empty=[],
    examples=[
        ("jobkit retry 1423", "once more what run 1423 did"),
        ("jobkit retry last -p days=7 --here", "with another parameter, in this process"),
    ],
)
@click.argument("run", shell_complete=completing("runs"))
@click.option("-p", "--param", "parameters", metavar="KEY=VALUE", multiple=True, help="In place of the old.")
@click.option("--enforce", is_flag=True, help="Consent to destructive effects.")
@click.option("--here", is_flag=True, help="In this process, even if a scheduler is there.")
@click.option("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask in a protected environment.")
def command(session: Session, **options: Any) -> int:
    """Do once more what a run did, as a new run. RUN is its number, its full id, or `last`.

    It has the parameters of the old run, its scheduled time and its window, and is no tick. A scheduler or
    worker executes it, if one is there; otherwise this process does, and waits for it.
    """
    replaced = parse_parameters(options["parameters"])
    config = configuration(session)
    old = read(config, partial(find_run, text=options["run"]))
    check_ended(old)
    reporter = reporter_of(session, config)
    with logging_runs(session, config, reporter), loaded(session, only=old.job) as project:
        mention_broken(session, project)
        spec = job_named(old.job, project.jobs, project.errors)
        if spec.error is not None:
            return stopped(session, [spec.error])
        order = repetition(spec, old, replaced)
        mention(session, remarks(order, enforce=options["enforce"]))
        if not options["yes"]:
            ask_for_consent(session, project, [order])
        manner = Manner(
            actor=options["actor"] or current_actor(), enforce=True if options["enforce"] else None
        )
        if options["here"] or not somebody_is_there(project):
            return run_here(session, project, [order], reporter, manner)
        from jobkit.cli.queueing import queue_runs

        return queue_runs(session, project, [order], manner)
