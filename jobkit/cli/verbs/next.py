"""``jobkit next``: when a schedule fires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import verb
from jobkit.cli.instants import parse_instant
from jobkit.cli.render.header import header
from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import wrap
from jobkit.cli.render.times import distance, full_moment, zone_label
from jobkit.cli.session import Session
from jobkit.exceptions import JobkitError, ScheduleError
from jobkit.records import format_instant

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.schedules import Schedule


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
        ('jobkit next --schedule "0 30 2 * * *"', "when would that be?"),
        (
            'jobkit next --schedule "0 0 3 * * *" --timezone Europe/Berlin --from 2027-03-27',
            "the night in spring",
        ),
        ('jobkit next --schedule "every 90m" -n 20', "twenty of them"),
    ],
)
@click.option(
    "--schedule",
    "texts",
    metavar="EXPR",
    multiple=True,
    required=True,
    help="The schedule: six cron fields, seconds first, or another kind; several add up.",
)
@click.option("--timezone", metavar="ZONE", default="UTC", help="The time zone that it is read in (UTC).")
@click.option(
    "--from", "start", metavar="TIME", default="now", help="After then: 'tomorrow 03:00', RFC 3339 (now)."
)
@click.option("-n", "--limit", metavar="N", type=click.IntRange(1, 10_000), default=5, help="So many (5).")
def command(session: Session, texts: tuple[str, ...], timezone: str, start: str, limit: int) -> None:
    """Show when a schedule fires: local time and UTC; what a clock change makes up or repeats is marked."""
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
