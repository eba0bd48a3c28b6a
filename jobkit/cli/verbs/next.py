"""``jobkit next``: when jobs are due, or a schedule fires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.instants import parse_instant
from jobkit.cli.render.header import header
from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import wrap
from jobkit.cli.render.times import distance, full_moment, zone_label
from jobkit.cli.session import Session
from jobkit.exceptions import JobkitError, ScheduleError, UsageError
from jobkit.records import format_instant
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.schedules import Schedule
    from jobkit.stores.control import Pause


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the screen shows: the fires of *schedule* after *start*."""

    schedule: Schedule
    zone: tzinfo
    start: datetime
    now: datetime
    fires: Sequence[datetime]


@verb(
    "next",
    empty=[],
    examples=[
        ("jobkit next", "what is due next, of all jobs"),
        ("jobkit next send_invoices -n 10", "the next ten times of one job"),
        ('jobkit next --schedule "0 30 2 * * *"', "when would that be?"),
        (
            'jobkit next --schedule "0 0 3 * * *" --timezone Europe/Berlin --from 2027-03-27',
            "the night in spring",
        ),
        ('jobkit next --schedule "every 90m" -n 20', "twenty of them"),
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completing("selection"))
@click.option(
    "--schedule",
    "texts",
    metavar="EXPR",
    multiple=True,
    help="Instead of jobs: six cron fields, seconds first, or another kind of schedule; several add up.",
)
@click.option("--timezone", metavar="ZONE", help="The time zone that --schedule is read in (UTC).")
@click.option(
    "--from", "start", metavar="TIME", default="now", help="After then: 'tomorrow 03:00', RFC 3339 (now)."
)
@click.option(
    "-n",
    "--limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=5,
    help="So many: of each job that is named, else of all together (5).",
)
def command(
    session: Session,
    names: tuple[str, ...],
    texts: tuple[str, ...],
    timezone: str | None,
    start: str,
    limit: int,
) -> int | None:
    """Show when jobs are due: those that are named, or all that are scheduled, in the order of time.

    Local times of each job's zone. What a clock change makes up or repeats is marked, and what a pause keeps
    from running. With --schedule no job and no project is needed.
    """
    if texts:
        if names:
            raise UsageError(
                "names of jobs and --schedule exclude each other",
                help="name jobs, or give a schedule",
            )
        _of_schedule(session, texts, timezone or "UTC", start, limit)
        return None
    if timezone is not None:
        raise UsageError(
            "--timezone is for --schedule: a job has its own zone",
            help="leave it out, or say --schedule 'EXPR' too",
        )
    return _of_jobs(session, names, start, limit)


def _of_jobs(session: Session, names: tuple[str, ...], start: str, limit: int) -> int:
    from jobkit.cli.coming import coming
    from jobkit.cli.coming import screen as screen_of_jobs
    from jobkit.cli.projects import loaded, mention_broken
    from jobkit.cli.reading import History, read_or_report
    from jobkit.cli.selection import Selection, nothing_selected, select

    output, now = session.output, session.clock.now()
    with loaded(session) as project:
        selection = Selection(terms=names)
        jobs = select(selection, project.jobs, root=project.root, broken=project.errors).jobs
        if names and not jobs:
            raise nothing_selected(selection, project.jobs)
        mention_broken(session, project)
        times = jobs[0].times if len(jobs) == 1 else None
        zone = ZoneInfo(project.config.scheduler.timezone if times is None else times.timezone)
        after = parse_instant(start, now, zone)

        async def look(history: History) -> Sequence[Pause]:
            return await history.store.pauses()

        nothing: Sequence[Pause] = ()
        pauses, code = read_or_report(session, project.config, look, nothing)
        found = coming(project, jobs, pauses, now=now, start=after, limit=limit, named=bool(names))
        output.answer([fire.to_json() for fire in found.fires])
        output.lines(screen_of_jobs(found, output.terminal))
        if output.json and names:
            for name, reason in found.silent.items():
                output.aside(f"{name} is not due: {escape_controls(reason)}")
        return code


def _of_schedule(session: Session, texts: tuple[str, ...], timezone: str, start: str, limit: int) -> None:
    from jobkit.schedules.zones import find_zone

    output, now = session.output, session.clock.now()
    find_zone(timezone)
    schedule = _parsed(session, texts[0] if len(texts) == 1 else texts, timezone)
    zone = ZoneInfo(timezone)
    after = parse_instant(start, now, zone)
    if schedule is None:
        output.answer([])
        output.lines(["No schedule: such a job is only started by hand."])
        return
    fires = schedule.upcoming(after, limit)
    output.answer([_item(schedule, fire, zone) for fire in fires])
    output.lines(screen(Outlook(schedule, zone, after, now, fires), output.terminal))


def _parsed(session: Session, text: str | tuple[str, ...], timezone: str) -> Schedule | None:
    """The schedule that *text* means here: plugins of the project are asked for what jobkit does not know."""
    from jobkit.schedules import parse_schedule

    try:
        return parse_schedule(text, timezone=timezone)
    except ScheduleError:
        project = _prepared(session)
        if project is None:
            raise
        return parse_schedule(text, timezone=timezone, kinds=project.kinds)


def _prepared(session: Session) -> Project | None:
    """The project around here, if there is one that can be loaded; it stays so until the command ends."""
    from jobkit.cli.plugged import prepared

    try:
        project = prepared(session.options)
    except JobkitError:
        return None  # what is wrong with it is for other verbs to say: this one needs none
    if project is not None:
        session.prepared.append(project)
    return project


def _item(schedule: Schedule, fire: datetime, zone: tzinfo) -> dict[str, Any]:
    return {
        "job": None,
        "at": format_instant(fire),
        "local": fire.astimezone(zone).isoformat(),
        "timezone": schedule.timezone,
        "note": schedule.note(fire),
    }


def screen(outlook: Outlook, terminal: Terminal) -> list[str]:
    """The schedule in words, the table of its fires, and what is easily overlooked about it."""
    schedule, zone = outlook.schedule, outlook.zone
    lines = header([schedule.text, zone_label(schedule.timezone, outlook.start, zone)], terminal)
    lines += [*wrap(schedule.describe(), terminal.columns), ""]
    if outlook.fires:
        lines += table(_columns(outlook), [_row(outlook, fire) for fire in outlook.fires], terminal)
    else:
        lines.append(f"It does not fire after {full_moment(outlook.start, zone)}.")
    for warning in schedule.warnings():
        lines += ["", *wrap(f"note: {warning}", terminal.columns)]
    return lines


def _columns(outlook: Outlook) -> list[Column]:
    columns = [Column("LOCAL TIME"), Column("UTC"), Column("IN", right=True, optional=1)]
    noted = any(outlook.schedule.note(fire) for fire in outlook.fires)
    return [*columns, Column("NOTE", shrink_to=8)] if noted else columns


def _row(outlook: Outlook, fire: datetime) -> Row:
    away = distance(fire - outlook.now)
    note = outlook.schedule.note(fire)
    return [
        full_moment(fire, outlook.zone),
        f"{fire:%Y-%m-%d %H:%M:%S}Z",
        away if fire > outlook.now else f"-{away}",
        Cell(note or "", "warning"),
    ]
