"""``jobkit schedule``: when every job is due, kept in a file and compared with it, for reviews and for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, VerbGroup, verb
from jobkit.cli.completing import completing
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.instants import parse_instant
from jobkit.cli.render.header import header, place
from jobkit.cli.render.text import count
from jobkit.cli.render.times import full_moment
from jobkit.cli.session import Session
from jobkit.exceptions import relative_to
from jobkit.records import format_instant

if TYPE_CHECKING:
    from jobkit.cli.lock_file import Lock


@verb(
    "lock",
    empty=None,
    examples=[
        ("jobkit schedule lock", "write schedule.lock; keep it in version control"),
        (
            "jobkit schedule lock --from 2027-03-27 -n 20",
            "twenty fires of each job, over a change of the clocks",
        ),
        ("jobkit schedule lock --env production -o production.lock", "what production would do"),
    ],
)
@click.option(
    "-o",
    "--output",
    "target",
    cls=Option,
    metavar="PATH",
    shell_complete=completing("files"),
    help="Into this file (schedule.lock at the project's root).",
)
@click.option(
    "--from",
    "start",
    cls=Option,
    metavar="TIME",
    help="The fires after then: now, 'tomorrow 03:00', RFC 3339 (the beginning of today, in UTC).",
)
@click.option(
    "-n",
    "--limit",
    cls=Option,
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=5,
    help="So many fires of each job (5).",
)
def lock(session: Session, target: str | None, start: str | None, limit: int) -> int:
    """Write down when every job is due next, for version control.

    The file says for each job its schedule, its zone, why it is not scheduled if it is not, and its next
    fires. The same project gives the same file all day. Exit code 2 if a job file is broken: nothing is
    written then.
    """
    from jobkit.cli.lock_file import NAME, lock_of, to_text, write
    from jobkit.cli.projects import loaded
    from jobkit.cli.running import stopped

    output, now = session.output, session.clock.now()
    with loaded(session, remember=False) as project:
        if project.errors:
            return stopped(session, project.errors)
        zone = ZoneInfo(project.config.scheduler.timezone)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        found = lock_of(project, midnight if start is None else parse_instant(start, now, zone), limit)
        path = Path(target) if target is not None else project.root / NAME
        wrote = write(path, to_text(found))
        shown = relative_to(path, project.root)
        output.answer(_answer(found, shown, wrote))
        done = "written" if wrote else "up to date"
        jobs = count(len(found.jobs), "job")
        due = sum(job.scheduled for job in found.jobs.values())
        lines = header([*place(project.config, now), shown], output.terminal)
        lines.append(f"{done}: {jobs}, {due} of them scheduled")
        since = full_moment(found.start, zone)
        output.lines([*lines, f"{count(found.fires, 'fire')} of each after {since}"])
    return ExitCode.OK


@verb(
    "diff",
    empty=None,
    examples=[
        ("jobkit schedule diff", "for CI: does any job fire otherwise than was agreed?"),
        ("jobkit schedule diff --env production production.lock", "with another lock file"),
    ],
)
@click.argument("file", metavar="[FILE]", required=False, shell_complete=completing("files"))
def diff(session: Session, file: str | None) -> int:
    """Compare when every job is due with a lock file: FILE, or schedule.lock at the project's root.

    The fires are computed anew from the instant that the file begins with: what day it is makes no
    difference. Exit code 1 if jobs differ, 2 if a job file is broken, 6 if there is no lock file.
    """
    from jobkit.cli.lock_difference import differences, notes
    from jobkit.cli.lock_file import NAME, lock_of, read
    from jobkit.cli.lock_view import screen
    from jobkit.cli.projects import loaded
    from jobkit.cli.running import stopped

    output = session.output
    with loaded(session, remember=False) as project:
        if project.errors:
            return stopped(session, project.errors)
        path = Path(file) if file is not None else project.root / NAME
        locked = read(path)
        now = lock_of(project, locked.start, locked.fires)
        changes, remarks = differences(locked, now), notes(locked, now)
        shown = relative_to(path, project.root)
        output.answer(
            {
                "path": shown,
                "from": format_instant(locked.start),
                "fires": locked.fires,
                "jobs": len(now.jobs),
                "differences": [change.to_json() for change in changes],
                "notes": remarks,
            }
        )
        lines = header([*place(project.config, session.clock.now()), shown], output.terminal)
        output.lines([*lines, *screen(changes, remarks, output.terminal, file)])
    return ExitCode.FAILED if changes else ExitCode.OK


def _answer(lock: Lock, path: str, wrote: bool) -> dict[str, object]:
    return {
        "path": path,
        "written": wrote,
        "from": format_instant(lock.start),
        "fires": lock.fires,
        "zone_data": lock.zone_data,
        "env": lock.env,
        "jobs": [job.to_json(name) for name, job in lock.jobs.items()],
    }


command = VerbGroup(
    "schedule",
    commands=[lock, diff],
    examples=[
        ("jobkit schedule lock", "write down when every job is due next"),
        ("jobkit schedule diff", "has that changed?"),
    ],
    help="The next fire times of every job, in a file for reviews and for CI.",
)
