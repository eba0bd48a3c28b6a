"""``jobkit history``: what ran, newest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, verb
from jobkit.cli.completing import completing
from jobkit.cli.instants import parse_instant
from jobkit.cli.reading import History, configuration, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.runs import failure_text
from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, first_line
from jobkit.cli.render.times import moment, short_duration
from jobkit.cli.render.words import status_cell
from jobkit.cli.session import Session
from jobkit.cli.usage import did_you_mean, quoted
from jobkit.exceptions import UsageError
from jobkit.records import RunRecord, TickSpan
from jobkit.sanitising import escape_controls
from jobkit.statuses import RunStatus, Trigger

if TYPE_CHECKING:
    from jobkit.cli.span_rows import Rows
    from jobkit.config import Config
    from jobkit.stores.base import RunQuery

_LONGEST_MESSAGE = 200
Callback = TypeVar("Callback", bound=Callable[..., Any])
_FORMATS = ["table", "json", "jsonl", "csv"]


@dataclass(frozen=True, slots=True)
class Page:
    """What the screen shows."""

    config: Config
    now: datetime
    store: str
    runs: Sequence[RunRecord]
    more: bool
    narrowed: bool


def _filter(name: str, metavar: str, help: str, **attributes: Any) -> Callable[[Callback], Callback]:
    return click.option(name, cls=Option, section="Filters", metavar=metavar, help=help, **attributes)


@verb(
    "history",
    empty=[],
    examples=[
        ("jobkit history --since 2d", "the last two days"),
        ("jobkit history --status failed", "what went wrong"),
        ("jobkit history --format csv", "for a spreadsheet"),
    ],
)
@_filter(
    "--job", "NAME", "Runs of this job; several add up.", multiple=True, shell_complete=completing("jobs")
)
@_filter(
    "--status",
    "STATUS",
    "Runs that stand so: failed, lost, ...; several add up.",
    multiple=True,
    shell_complete=completing("statuses"),
)
@_filter(
    "--trigger",
    "TRIGGER",
    "Runs asked for by this: schedule, manual, ...",
    multiple=True,
    shell_complete=completing("triggers"),
)
@_filter("--since", "TIME", "From then on: 2d, '2h ago', 'yesterday 03:00', RFC 3339.")
@_filter("--until", "TIME", "Before then.")
@click.option(
    "-n", "--limit", metavar="N", type=click.IntRange(1, 10_000), default=20, help="At most this many (20)."
)
@click.option(
    "--format", "form", metavar="FORMAT", type=click.Choice(_FORMATS), help="table, json, jsonl or csv."
)
def command(session: Session, limit: int, form: str | None, **filters: Any) -> None:
    """Show what ran, and which ticks had no run, newest first.

    Ticks in a row that were skipped for the same reason are one row, without a number.
    """
    output = session.output
    if output.json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other", help="give one of them")
    output.json = output.json or form == "json"
    config = configuration(session)
    now = session.clock.now()
    query = _query(limit, filters, now, ZoneInfo(config.scheduler.timezone))

    async def look(history: History) -> tuple[Rows, str]:
        return await history.rows(query), history.url

    page, store = read(config, look)
    output.answer([row.to_json() for row in page.rows])
    if form == "jsonl":
        for row in page.rows:
            output.stream(row.to_json())
    elif form == "csv":
        from jobkit.cli.csv_text import csv_lines

        output.text("".join(csv_lines(page.rows)))
    else:
        narrowed = any(filters.values())
        output.lines(screen(Page(config, now, store, page.rows, page.more, narrowed), output.terminal))


def _query(limit: int, filters: dict[str, Any], now: datetime, zone: ZoneInfo) -> RunQuery:
    from jobkit.stores.base import RunQuery

    since, until = filters["since"], filters["until"]
    return RunQuery(
        jobs=tuple(filters["job"]) or None,
        statuses=tuple(RunStatus(_word(text, RunStatus, "status")) for text in _split(filters["status"]))
        or None,
        triggers=tuple(Trigger(_word(text, Trigger, "trigger")) for text in _split(filters["trigger"]))
        or None,
        since=parse_instant(since, now, zone) if since else None,
        until=parse_instant(until, now, zone) if until else None,
        limit=limit,
    )


def _split(texts: Sequence[str]) -> list[str]:
    """``--status failed,lost`` is the same as naming the option twice."""
    return [word for text in texts for word in text.split(",") if word]


def _word(text: str, words: type[RunStatus] | type[Trigger], what: str) -> str:
    known = [str(word) for word in words]
    if text not in known:
        raise UsageError(
            f"{quoted(text, 60)} is no {what}",
            help=did_you_mean(text, known, f"there are {', '.join(known)}"),
        )
    return text


def screen(page: Page, terminal: Terminal) -> list[str]:
    """The table with its header, and what to do next below it."""
    lines = header([*place(page.config, page.now), page.store], terminal)
    if not page.runs:
        hint = "No run fits." if page.narrowed else "Nothing has run yet: `jobkit list` shows the jobs."
        return [*lines, "", hint]
    zone = ZoneInfo(page.config.scheduler.timezone)
    columns = [
        Column("RUN"),
        Column("JOB", shrink_to=14),
        Column("STATUS"),
        Column("TRIGGER", optional=1),
        Column("STARTED"),
        Column("TOOK", right=True),
        Column("LAG", right=True, optional=4),
        Column("DONE", right=True, optional=2),
        Column("ERR", right=True, optional=3),
        Column("MESSAGE", shrink_to=20, optional=5),
    ]
    lines += ["", *table(columns, [_row(run, page.now, zone) for run in page.runs], terminal)]
    spans = sum(row.ticks is not None for row in page.runs)
    footer = count(len(page.runs) - spans, "run")
    if spans:
        footer += f", {count(spans, 'row')} of skipped ticks (jobkit why JOB --at TIME)"
    if page.more:
        footer += f", and older ones: --limit {min(len(page.runs) * 5, 10_000)}, or --since and --until"
    return [*lines, terminal.style(footer, "dim")]


def _row(run: RunRecord, now: datetime, zone: ZoneInfo) -> Row:
    at = run.started_at or run.queued_at or run.scheduled_at
    lag = "-"
    # A retry has the scheduled time of the run that it repeats, and is not late for it.
    if run.scheduled_at is not None and run.started_at is not None and run.trigger is not Trigger.RETRY:
        lag = short_duration(max((run.started_at - run.scheduled_at).total_seconds(), 0) * 1000)
    return [
        Cell(f"#{run.number}" if run.number is not None else "-", None if run.number else "dim"),
        ("  " if run.parent else "") + run.job,
        status_cell(run.status),
        str(run.trigger) + (f" {run.attempt}/{run.attempts}" if run.attempt > 1 else ""),
        moment(at, now, zone) if at is not None else "-",
        short_duration(run.duration_ms),
        lag,
        str(run.processed) if run.processed is not None else "-",
        str(run.errors) if run.errors is not None else "-",
        Cell(_message(run), "dim"),
    ]


def _ticks(row: RunRecord, ticks: TickSpan) -> str:
    """``57 ticks, paused by ops@x``: how many, and why."""
    reason, cause = row.reason or "skipped", row.message or ""
    said = cause if cause.startswith(reason) else f"{reason}: {cause}" if cause else reason
    return f"{count(ticks.count, 'tick')}, {said}"


def _message(run: RunRecord) -> str:
    text = run.message or run.reason or ""
    if run.error is not None and not run.message:
        text = failure_text(run.error)
    if run.ticks is not None:
        text = _ticks(run, run.ticks)
    return escape_controls(first_line(text)[:_LONGEST_MESSAGE])
