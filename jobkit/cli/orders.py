"""From a command line to the runs it asks for: which jobs, with which parameters, with whose consent."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from jobkit.cli.plan import Order
from jobkit.cli.render.text import count
from jobkit.cli.selection import Selection, nothing_selected, select
from jobkit.cli.usage import quoted
from jobkit.exceptions import NothingSelected, RunRefused, UsageError

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.job import JobSpec
    from jobkit.project import Project


def parse_parameters(given: Iterable[str]) -> dict[str, str]:
    """``-p KEY=VALUE`` as a mapping; the last one of a key counts. UsageError for anything else."""
    parameters = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"-p {quoted(text, 60)} is no parameter", help="write it -p KEY=VALUE")
        parameters[key.strip()] = value
    return parameters


def chosen_jobs(session: Session, project: Project, selection: Selection, *, failed: bool) -> list[JobSpec]:
    """The jobs to run. Disabled ones are left out unless they were named, and both is said.

    NothingSelected if none is left; UsageError for a name that no job has.
    """
    selected = select(selection, project.jobs, root=project.root, broken=project.errors)
    jobs = list(selected.jobs)
    if failed:
        jobs = _last_failed(project, jobs)
        if not jobs:
            raise NothingSelected("no job's last run failed", help="`jobkit history` shows what ran")
    if not jobs:
        raise nothing_selected(selection, project.jobs)
    running = [spec for spec in jobs if spec.enabled or spec.name in selected.named]
    left = [spec.name for spec in jobs if spec not in running]
    if left and not running:
        raise NothingSelected(
            f"every job that fits is disabled: {', '.join(left)}", help="a disabled job runs when it is named"
        )
    if left:
        disabled = count(len(left), "disabled job")
        session.output.aside(
            f"note: {disabled} left out: {', '.join(left)} (name a job to run it all the same)"
        )
    for spec in running:
        if not spec.enabled:
            session.output.aside(f"note: {spec.name} is disabled; it runs because it was named")
    return running


def order_for(spec: JobSpec, given: Mapping[str, str]) -> Order:
    """The order to run *spec* with *given* parameters; ParameterError if it could not begin with them."""
    schema = spec.signature.parameters
    values = schema.from_text(given, job=spec.name)
    schema.complete({**schema.from_values(spec.parameters, job=spec.name), **values}, job=spec.name)
    return Order(spec, values)


def ask_for_consent(session: Session, project: Project, orders: Sequence[Order]) -> None:
    """In a protected environment: ask on the terminal, or refuse. RunRefused."""
    names = ", ".join(order.spec.name for order in orders[:5]) + (" …" if len(orders) > 5 else "")
    confirm(session, project, f"Run {names}", help="-y runs it without asking")


def confirm(session: Session, project: Project, what: str, *, help: str) -> None:
    """In a protected environment: ask on the terminal whether to do *what*, or refuse. RunRefused."""
    if not project.config.project.protected:
        return
    where = f"the environment {project.env}" if project.env else f"the project {project.config.project.name}"
    if sys.stdin is not None and sys.stdin.isatty() and session.output.aside_terminal.live:
        session.output.raw_aside(f"{where} is protected. {what}? [y/N] ")
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise RunRefused(f"{where} is protected", code="JK808", help=help)


def current_actor() -> str:
    """Who gives the command: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"


def _last_failed(project: Project, jobs: Iterable[JobSpec]) -> list[JobSpec]:
    from jobkit.cli.reading import History, read
    from jobkit.records import RunRecord

    async def look(history: History) -> Mapping[str, RunRecord]:
        return await history.last_runs()

    last = read(project.config, look)
    return [
        spec
        for spec in jobs
        if (run := last.get(spec.name)) is not None and run.status.finished and not run.status.ok
    ]
