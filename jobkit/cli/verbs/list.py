"""``jobkit list``: the jobs, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from jobkit.cli.command import verb
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.job_view import JobView
from jobkit.cli.pauses import pause_text, pauses_of, until_text
from jobkit.cli.projects import broken_footer, loaded
from jobkit.cli.reading import History, read_or_report
from jobkit.cli.render.errors import error_line
from jobkit.cli.render.header import header, place
from jobkit.cli.render.sparkline import sparkline
from jobkit.cli.render.table import Cell, Column, Heading, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import distance, near, short_duration
from jobkit.cli.render.words import short_status, status_style
from jobkit.cli.selecting import selection_options
from jobkit.cli.selection import Selection, nothing_selected, select
from jobkit.cli.session import Session
from jobkit.cli.standing import why, why_enabled
from jobkit.cli.trouble import look_for_trouble, trouble_lines
from jobkit.exceptions import StoreError
from jobkit.project import Project
from jobkit.records import RunRecord

if TYPE_CHECKING:
    from jobkit.scheduler.differences import Difference
    from jobkit.scheduler.tardiness import Late
    from jobkit.stores.control import Pause

#: How many runs the small picture shows: of few jobs on wide terminals, on narrow ones, of very many jobs.
_RUNS, _FEWER_RUNS, _FEWEST_RUNS = 20, 12, 7
_WIDE, _MANY = 100, 100
#: Of how many jobs that are off the reasons are told.
_REASONS = 10


class JobRuns(NamedTuple):
    """What the store knows of one job."""

    last: RunRecord | None = None
    recent: Sequence[RunRecord] = ()
    late: Late | None = None
    difference: Difference | None = None
    pauses: Sequence[Pause] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What the screen shows."""

    project: Project
    views: Sequence[JobView]
    now: datetime
    store: str
    #: Whether the store has said what ran.
    known: bool = True


@verb(
    "list",
    empty=[],
    examples=[
        ("jobkit list", "all jobs"),
        ("jobkit list --tag nightly", "some of them"),
        ("jobkit list --json | jq '.data[].name'", "for scripts"),
    ],
)
@selection_options
def command(
    session: Session, terms: tuple[str, ...], tag: str | None, ext: tuple[str, ...], keywords: str | None
) -> int:
    """List the jobs: schedule, next and last run, and how the last runs went."""
    selection = Selection(terms=terms, tags=tag, extensions=ext, keywords=keywords)
    output = session.output
    with loaded(session) as project:
        chosen = select(selection, project.jobs, root=project.root, broken=project.errors).jobs
        if not chosen and not selection.empty:
            raise nothing_selected(selection, project.jobs)
        for error in project.errors:
            output.add_error(error)
        now = session.clock.now()
        names = [spec.name for spec in chosen]
        pictures = 0 if output.json else _pictured(output.terminal, len(names))

        async def look(history: History) -> dict[str, JobRuns]:
            last = await history.last_runs()
            seen = [name for name in names if name in last] if pictures else []
            recent = await history.recent(seen, pictures or 1)
            trouble = await look_for_trouble(history.store, project, chosen, now)
            pauses = await history.store.pauses()
            return {
                name: JobRuns(
                    last.get(name), recent.get(name, ()), *trouble.of(name), pauses_of(name, pauses)
                )
                for name in names
            }

        nothing: dict[str, JobRuns] = {}
        runs, code = read_or_report(session, project.config, look, nothing)
        views = [JobView(spec, project.config, now, *runs.get(spec.name, JobRuns())) for spec in chosen]
        output.answer([view.to_json() for view in views])
        listing = Listing(project, views, now, _address(project), known=code == ExitCode.OK)
        output.lines(screen(listing, output.terminal))
        return code


def _address(project: Project) -> str:
    try:
        return project.open_store().url
    except StoreError:
        return "no store"  # reading it has said why


def screen(listing: Listing, terminal: Terminal) -> list[str]:
    """The table with its header and its footer."""
    lines = header(_header(listing), terminal)
    if listing.views:
        lines += ["", *_table(listing, terminal)]
    else:
        lines += [
            "",
            "No jobs yet: drop a Python file into extensions/<name>/jobs/ and call submit_job in it.",
        ]
    return [*lines, *_footer(listing, terminal)]


def _pictured(terminal: Terminal, jobs: int) -> int:
    if jobs > _MANY:
        return _FEWEST_RUNS
    return _RUNS if terminal.width is None or terminal.width >= _WIDE else _FEWER_RUNS


def _header(listing: Listing) -> list[str]:
    extensions = {view.spec.extension for view in listing.views}
    parts = [*place(listing.project.config, listing.now)]
    parts.append(f"{count(len(listing.views), 'job')} in {count(len(extensions), 'extension')}")
    # A job that a broken file once held has the file's error.
    errors = listing.project.errors
    broken = [view for view in listing.views if view.spec.error is not None and view.spec.error not in errors]
    if number := len(errors) + len(broken):
        parts.append(count(number, "error"))
    if number := sum(view.late is not None for view in listing.views):
        parts.append(f"{number} late")
    config = listing.project.config
    if not config.scheduler.enabled:
        parts.append(f"scheduler off ({config.origin('scheduler.enabled').describe(config.root)})")
    return [*parts, listing.store]


def _table(listing: Listing, terminal: Terminal) -> list[str]:
    columns = [
        Column("NAME", shrink_to=16),
        Column("SCHEDULE", shrink_to=8),
        Column("NEXT", shrink_to=4),
        Column("LAST"),
        Column("TOOK", right=True, optional=1),
        Column("RUNS", shrink_to=7, newest=True, optional=2),
    ]
    zone = ZoneInfo(listing.project.config.scheduler.timezone)
    rows: list[Row | Heading] = []
    extension = None
    for view in sorted(listing.views, key=lambda view: (view.spec.extension, view.spec.name)):
        if view.spec.extension != extension:
            extension = view.spec.extension
            rows.append(Heading(f"{extension}/"))
        rows.append(
            [
                f"  {view.spec.name}",
                Cell(view.spec.schedule_text or "manual", None if view.spec.schedule else "dim"),
                _next(view, zone),
                *(_last(view, listing.now) if listing.known else (Cell("?", "dim"), "")),
                _picture(reversed(view.recent), terminal),
            ]
        )
    return table(columns, rows, terminal)


def _next(view: JobView, zone: ZoneInfo) -> Cell:
    if view.spec.error is not None:
        return Cell(f"error {view.spec.error.code}", "error")
    if not view.spec.enabled:
        return Cell("off", "warning")
    if not view.spec.schedule:
        return Cell("-", "dim")
    if not view.listed:
        return Cell("unlisted", "warning")
    fire = view.next_run_at
    if not view.config.scheduler.enabled:
        return Cell("-", "dim")
    if view.pauses:
        return Cell(f"PAUSED {until_text(view.pauses[0], view.now, zone)}", "warning")
    if fire is None:
        return Cell("never", "warning")
    return Cell(f"{distance(fire - view.now):>3}  {near(fire, view.now, zone)}")


def _last(view: JobView, now: datetime) -> tuple[Cell, str]:
    run = view.last_run
    if view.late is not None:
        cell, took = _last(replace(view, late=None), now)
        return Cell(f"late, {cell.text}", "error"), took
    if run is None:
        return Cell("never", "dim"), ""
    at = run.finished_at or run.started_at or run.queued_at
    age = f" {distance(now - at)}" if at is not None else ""
    took = short_duration(run.duration_ms) if run.duration_ms is not None else ""
    return Cell(f"{short_status(run.status)}{age}", status_style(run.status)), took


def _picture(runs: Iterable[RunRecord], terminal: Terminal) -> Cell:
    return Cell(sparkline(runs, terminal))


def _footer(listing: Listing, terminal: Terminal) -> list[str]:
    root = listing.project.root
    cross = terminal.style(terminal.glyphs.cross, "error")
    lines = [
        f"{cross} {view.spec.name}: {error_line(view.spec.error, terminal, root=root)}"
        for view in listing.views
        if view.spec.error is not None
    ]
    lines += trouble_lines(listing.views, terminal)
    lines += _off(listing, terminal)
    lines += _paused(listing, terminal)
    if listing.project.errors:
        footer = f"{cross} {broken_footer(listing.project)}"
        lines += wrap(footer, terminal.width) if terminal.width is not None else [footer]
    return ["", *lines] if lines else []


def _off(listing: Listing, terminal: Terminal) -> list[str]:
    """One line for each job that is off or unlisted, with what decided it; of many, the first few."""
    found = [
        view for view in listing.views if view.spec.error is None and not (view.spec.enabled and view.listed)
    ]
    lines: list[str] = []
    for view in found[:_REASONS]:
        state = "off" if not view.spec.enabled else "unlisted"
        lead = f"{terminal.style(state, 'warning')} {view.spec.name}: "
        reason = why_enabled(view) if not view.spec.enabled else why(view)
        lines += wrap(lead + reason, terminal.width) if terminal.width is not None else [lead + reason]
    if len(found) > _REASONS:
        lines.append(f"{len(found) - _REASONS} more are off or unlisted (jobkit show NAME)")
    return lines


def _paused(listing: Listing, terminal: Terminal) -> list[str]:
    """One line for each pause that keeps jobs from running, with whose it is; of many, the first few."""
    zone = ZoneInfo(listing.project.config.scheduler.timezone)
    held = [view for view in listing.views if view.pauses and view.standing.fires]
    found = {pause.id: pause for view in held for pause in view.pauses}
    lines: list[str] = []
    for pause in [*found.values()][:_REASONS]:
        name = "all jobs" if pause.job is None else pause.job
        text = f"{terminal.style('paused', 'warning')} {name}: {pause_text(pause, listing.now, zone)}"
        lines += wrap(text, terminal.width) if terminal.width is not None else [text]
    if len(found) > _REASONS:
        lines.append(f"{len(found) - _REASONS} more are paused (jobkit show NAME)")
    return lines
