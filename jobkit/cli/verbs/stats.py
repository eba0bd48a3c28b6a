"""``jobkit stats [NAME…]``: how the runs of each job went, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, verb
from jobkit.cli.completing import completing
from jobkit.cli.instants import parse_instant
from jobkit.cli.paging import all_runs
from jobkit.cli.projects import loaded
from jobkit.cli.reading import History, configuration, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.times import moment, short_duration
from jobkit.cli.selection import Selection, select
from jobkit.cli.session import Session
from jobkit.cli.statistics import JobStatistics, by_job, in_order
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.config import Config


@dataclass(frozen=True, slots=True)
class Figures:
    """What the screen shows; *since* is None for everything that is kept."""

    config: Config
    now: datetime
    store: str
    since: datetime | None
    jobs: Sequence[JobStatistics]


@verb(
    "stats",
    empty=[],
    examples=[
        ("jobkit stats", "every job, all runs that are kept"),
        ("jobkit stats cleanup --since 7d", "one job, one week"),
        ("jobkit stats --json | jq '.data[] | select(.success_rate < 0.9)'", "for scripts"),
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completing("jobs"))
@click.option(
    "--since", cls=Option, section="Filters", metavar="TIME",
    help="Runs from then on: 2d, '2h ago', 'yesterday 03:00', RFC 3339 (all that are kept).",
)  # fmt: skip
def command(session: Session, names: tuple[str, ...], since: str | None) -> None:
    """Show how the runs of each job went: how many succeeded, and how long those took."""
    config = configuration(session)
    now = session.clock.now()
    start = parse_instant(since, now, ZoneInfo(config.scheduler.timezone)) if since else None

    async def look(history: History) -> tuple[dict[str, JobStatistics], str]:
        from jobkit.stores.base import RunQuery

        figures: dict[str, JobStatistics] = {}
        async for runs in all_runs(history.page, RunQuery(jobs=names or None, since=start)):
            by_job(runs, figures)
        return figures, history.url

    found, store = read(config, look)
    if any(name not in found for name in names):
        _insist(session, [name for name in names if name not in found])
    jobs = [*in_order(found.values())]
    session.output.answer([each.to_json() for each in jobs])
    session.output.lines(screen(Figures(config, now, store, start, jobs), session.output.terminal))


def _insist(session: Session, names: Sequence[str]) -> None:
    """A job without runs is nothing special; a name that no job has is a mistake. UsageError."""
    with loaded(session) as project:
        select(Selection(terms=tuple(names)), project.jobs, root=project.root, broken=project.errors)


def screen(figures: Figures, terminal: Terminal) -> list[str]:
    """The table with its header."""
    zone = ZoneInfo(figures.config.scheduler.timezone)
    span = f"since {moment(figures.since, figures.now, zone)}" if figures.since else "all that is kept"
    lines = header([*place(figures.config, figures.now), span, figures.store], terminal)
    if not figures.jobs:
        return [*lines, "", "Nothing has run in that time." if figures.since else "Nothing has run yet."]
    columns = [
        Column("JOB", shrink_to=14),
        Column("RUNS", right=True),
        Column("OK", right=True),
        Column("FAILED", right=True),
        Column("SKIPPED", right=True, optional=3),
        Column("P50", right=True),
        Column("P95", right=True),
        Column("MAX", right=True),
        Column("DONE", right=True, optional=1),
        Column("ERR", right=True, optional=2),
        Column("LAST", optional=4),
    ]
    return [*lines, "", *table(columns, [_row(job, figures.now, zone) for job in figures.jobs], terminal)]


def _row(job: JobStatistics, now: datetime, zone: ZoneInfo) -> Row:
    durations = job.durations() or (None, None, None)
    rate = job.success_rate
    skipped = job.counts[RunStatus.SKIPPED]
    return [
        job.job,
        str(job.runs),
        Cell(percent(rate), "good" if rate == 1 else "warning") if rate is not None else "-",
        Cell(str(job.failures), "error") if job.failures else "-",
        str(skipped) if skipped else "-",
        *(short_duration(each) for each in durations),
        str(job.processed),
        str(job.errors),
        moment(job.last_at, now, zone) if job.last_at is not None else "-",
    ]


def percent(share: float) -> str:
    """``100%``, ``99.9%``, ``7%``: 100 is said of all only, 0 of none only."""
    shown = share * 100
    if shown in (0, 100):
        return f"{shown:.0f}%"
    if shown >= 99:
        return f"{min(shown, 99.9):.1f}%"
    return f"{max(round(shown), 1)}%"
