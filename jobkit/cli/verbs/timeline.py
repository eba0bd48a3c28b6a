"""``jobkit timeline``: what ran and what is due, as bars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, verb
from jobkit.cli.completing import completing
from jobkit.cli.instants import parse_instant
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.reading import History, read_or_report
from jobkit.cli.render.gantt import gantt
from jobkit.cli.render.header import header, place
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count
from jobkit.cli.render.times import full_moment
from jobkit.cli.selecting import selection_options
from jobkit.cli.selection import Selection, nothing_selected, select
from jobkit.cli.session import Session
from jobkit.cli.timetable import Past, Timetable, Window, past, timetable
from jobkit.config import Config
from jobkit.durations import parse_duration
from jobkit.exceptions import UsageError

#: So many rows are shown; a selection brings the others.
_ROWS = 100


@verb(
    "timeline",
    examples=[
        ("jobkit timeline", "six hours back, six hours ahead"),
        ("jobkit timeline --since 'yesterday 00:00' --until now --tag nightly", "last night"),
        ("jobkit timeline send_invoices --until 7d", "one job, a week ahead"),
    ],
)
@selection_options
@click.option(
    "--job",
    "jobs",
    metavar="NAME",
    multiple=True,
    cls=Option,
    section="Selection",
    shell_complete=completing("jobs"),
    help="This job, as if it was named first; several add up.",
)
@click.option(
    "--since", metavar="TIME", default="6h", help="From then on: 6h back, 'yesterday 03:00', RFC 3339 (6h)."
)
@click.option(
    "--until", metavar="TIME", default="6h", help="Before then: 6h ahead, 'tomorrow 03:00', RFC 3339 (6h)."
)
def command(
    session: Session,
    terms: tuple[str, ...],
    tag: str | None,
    ext: tuple[str, ...],
    keywords: str | None,
    jobs: tuple[str, ...],
    since: str,
    until: str,
) -> int:
    """Show what ran and what is due as bars, a line for each job.

    The length of a bar is how long the run took; a digit says how many runs of the job went on at a time.
    Jobs with nothing in the window are left out, and counted below.
    """
    selection = Selection(terms=(*jobs, *terms), tags=tag, extensions=ext, keywords=keywords)
    output, now = session.output, session.clock.now()
    with loaded(session) as project:
        config = project.config
        chosen = select(selection, project.jobs, root=project.root, broken=project.errors).jobs
        if not chosen and not selection.empty:
            raise nothing_selected(selection, project.jobs)
        mention_broken(session, project)
        window = _window(since, until, now, ZoneInfo(config.scheduler.timezone))
        names = None if selection.empty else [spec.name for spec in chosen]

        async def look(history: History) -> tuple[Past, str]:
            return await past(history, window, names), history.url

        (known, store), code = read_or_report(session, config, look, (Past(), ""))
        table = timetable(window, chosen, config, known, others=selection.empty)
        if output.json:
            output.answer(table.to_json())
        output.lines(screen(table, config, store, output.terminal))
        return code


def _window(since: str, until: str, now: datetime, zone: tzinfo) -> Window:
    window = Window(parse_instant(since, now, zone), _ahead(until, now, zone), now)
    if window.since >= window.until:
        raise UsageError(
            "--until lies before --since",
            help="a duration means so long ago for --since, and so long from now for --until",
        )
    return window


def _ahead(text: str, now: datetime, zone: tzinfo) -> datetime:
    """As :func:`parse_instant`, but a bare duration lies ahead."""
    bare = text.strip().replace(" ", "")
    if bare[:1].isdigit() and not bare.isdigit():
        try:
            return min(now + parse_duration(bare), datetime.max.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            pass  # a time of day, a date, or "2h ago"
    return parse_instant(text, now, zone)


def screen(table: Timetable, config: Config, store: str, terminal: Terminal) -> list[str]:
    """The bars between a header and what was left out."""
    zone, window = ZoneInfo(config.scheduler.timezone), table.window
    lines = header([part for part in (*place(config, window.now), store) if part], terminal)
    between = f"{full_moment(window.since, zone)} {terminal.glyphs.arrow} {full_moment(window.until, zone)}"
    lines += [between, ""]
    if table.rows:
        lines += gantt(table.rows[:_ROWS], window, zone, terminal)
    else:
        ran = "Nothing ran in that time" if store else "What ran in that time is not known"
        lines.append(f"{ran}, and nothing is due.")
    return [*lines, *(terminal.style(line, "dim") for line in _left_out(table, zone))]


def _left_out(table: Timetable, zone: tzinfo) -> Iterator[str]:
    more = len(table.rows) - _ROWS
    if more > 0:
        yield f"{count(more, 'more job')}: name some, or narrow them down with --tag, --ext or -k"
    if table.idle:
        yield f"{count(table.idle, 'job has', 'jobs have')} nothing in that time"
    if table.cut is not None:
        yield f"what was before {full_moment(table.cut, zone)} is left out: there is too much of it"
