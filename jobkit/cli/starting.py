"""What ``jobkit start`` says before its logs begin."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jobkit.cli.render.header import header, place
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import distance, near
from jobkit.exceptions import StoreError
from jobkit.redaction import redact
from jobkit.scheduler.standing import standing

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.project import Project


def banner(project: Project, session: Session) -> Iterator[str]:
    """Lines for a terminal: which project, how many jobs, what comes next. None anywhere else."""
    terminal, config = session.output.aside_terminal, project.config
    if not terminal.tty or session.options.quiet:
        return
    now = session.clock.now()
    node = config.scheduler.node or socket.gethostname()
    yield from header([*place(config, now), _address(project), f"node {node}"], terminal)
    yield f"  {standing_text(project)}"
    if not config.scheduler.enabled:
        text = f"the scheduler is off ({off_by(project)}): only queued runs are executed"
        yield from (terminal.style(line, "caution") for line in wrap(text, terminal.columns, "  "))
    elif (following := _next(project, now)) is not None:
        instant, name = following
        zone = ZoneInfo(config.scheduler.timezone)
        yield f"  next: {name} at {near(instant, now, zone)}, in {distance(instant - now)}"
    yield f"  Ctrl-C stops it: running jobs get {config.scheduler.shutdown_grace.total_seconds():g} s"


def _address(project: Project) -> str:
    """The run store as every other screen calls it."""
    try:
        return project.open_store().url
    except StoreError:
        return redact(project.config.scheduler.store)  # opening it says why


def off_by(project: Project) -> str:
    """The place of what decided ``[scheduler] enabled``."""
    return project.config.origin("scheduler.enabled").describe(project.root)


def standing_text(project: Project) -> str:
    """``12 jobs: 9 scheduled, 2 off, 1 with an error``."""
    numbers = {"scheduled": 0, "not scheduled": 0, "with an error": 0}
    for spec in project.jobs.values():
        if spec.error is not None:
            numbers["with an error"] += 1
        else:
            numbers["scheduled" if standing(spec, project.config).scheduled else "not scheduled"] += 1
    found = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
    return f"{count(len(project.jobs), 'job')}{f': {found}' if found else ''}"


def _next(project: Project, now: datetime) -> tuple[datetime, str] | None:
    found = [
        (instant, spec.name)
        for spec in project.jobs.values()
        if spec.times is not None
        and standing(spec, project.config).fires
        and (instant := spec.times.next_after(now)) is not None
    ]
    return min(found, default=None)
