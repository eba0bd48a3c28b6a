"""A timetable as bars: one line per job, one column per share of the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import cut, display_width, pad
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.cli.timetable import JobRow, Window
    from jobkit.records import RunRecord

_NARROWEST, _LONGEST_NAME = 20, 32
_STEPS: Final = [
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 28 * 1440)
]
_LABEL = 8  # columns that a time of day takes with some air
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Mark:
    """How something is drawn; of several in one column the first of :data:`MARKS` is seen."""

    sign: str
    twin: str
    style: str
    text: str


FAILED = Mark("✗", "x", "error", "went wrong")
RUNNING = Mark("▅", ">", "accent", "running")
OK = Mark("█", "#", "good", "ok")
CANCELLED = Mark("▃", "%", "warning", "cancelled")
QUEUED = Mark("─", "-", "dim", "queued")
SKIPPED = Mark("·", ".", "dim", "skipped")
DUE = Mark("▁", "_", "accent", "due")
MARKS: Final = (FAILED, RUNNING, CANCELLED, OK, QUEUED, SKIPPED, DUE)

_OF_STATUS: Final = {
    RunStatus.SUCCEEDED: OK,
    RunStatus.FAILED: FAILED,
    RunStatus.TIMED_OUT: FAILED,
    RunStatus.LOST: FAILED,
    RunStatus.CANCELLED: CANCELLED,
    RunStatus.RUNNING: RUNNING,
    RunStatus.QUEUED: QUEUED,
    RunStatus.SKIPPED: SKIPPED,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """Which column an instant of the window lies in."""

    window: Window
    columns: int

    def column(self, instant: datetime) -> int:
        """The column of *instant*, which may lie beyond the first and the last."""
        return int((instant - self.window.since) / self.share // 1)

    @property
    def share(self) -> timedelta:
        """How much time one column is."""
        return (self.window.until - self.window.since) / self.columns

    def start(self, column: int) -> datetime:
        """When a column begins."""
        return self.window.since + self.share * column


def gantt(rows: Sequence[JobRow], window: Window, zone: tzinfo, terminal: Terminal) -> list[str]:
    """The axis, one line for each of *rows*, and what the signs mean."""
    named = min(max([3, *(display_width(row.job) for row in rows)]), _LONGEST_NAME, terminal.columns // 3)
    scale = Scale(window, max(terminal.columns - named - 2, _NARROWEST))
    blank = " " * (named + 2)
    lines = [blank + axis for axis in _axis(scale, zone)]
    used: dict[Mark, None] = {}
    for row in rows:
        cells = _cells(row, scale, used)
        label = pad(cut(row.job, named, terminal.glyphs.ellipsis), named)
        lines.append(f"{label}  {_drawn(cells, scale, terminal)}")
    legend = [f"{_sign(mark, terminal)} {mark.text}" for mark in MARKS if mark in used]
    return [*lines, "", terminal.style("   ".join(legend), "dim")]


def _sign(mark: Mark, terminal: Terminal) -> str:
    return mark.sign if terminal.unicode else mark.twin


# -- one line -----------------------------------------------------------------------------------------

Cell = tuple[Mark, int]


def _cells(row: JobRow, scale: Scale, used: dict[Mark, None]) -> list[Cell | None]:
    """What is seen in each column: its mark, and how many runs were executed at a time."""
    seen: list[set[Mark]] = [set() for _ in range(scale.columns)]
    at_once = _at_once(row.runs, scale)
    for run in row.runs:
        start = run.started_at or run.queued_at
        if start is not None:
            _fill(seen, scale, start, run.finished_at or scale.window.now, _OF_STATUS[run.status])
    for record in row.spans:
        _fill(seen, scale, record.span.first, record.span.last, SKIPPED)
    _add_coming(row, scale, seen)
    cells: list[Cell | None] = []
    for column, marks in enumerate(seen):
        mark = min(marks, key=MARKS.index, default=None)
        used.update({mark: None} if mark is not None else {})
        cells.append(None if mark is None else (mark, at_once[column]))
    return cells


def _fill(seen: list[set[Mark]], scale: Scale, start: datetime, end: datetime, mark: Mark) -> None:
    first, last = max(scale.column(start), 0), min(scale.column(end), scale.columns - 1)
    for column in range(first, last + 1):
        seen[column].add(mark)


def _add_coming(row: JobRow, scale: Scale, seen: list[set[Mark]]) -> None:
    now = scale.window.now
    for column in range(max(scale.column(now), 0), scale.columns):
        start, end = scale.start(column), scale.start(column + 1)
        if row.due(max(start, now), end):
            seen[column].add(SKIPPED if row.paused(max(start, now)) else DUE)


def _at_once(runs: Sequence[RunRecord], scale: Scale) -> list[int]:
    """For each column how many of *runs* were executed at the same instant, at most."""
    edges: list[tuple[datetime, int]] = []
    for run in runs:
        if run.started_at is not None:
            end = run.finished_at or scale.window.now
            edges += [(run.started_at, 1), (max(end, run.started_at), -1)]
    found = [0] * scale.columns
    open_, before = 0, scale.window.since
    for instant, change in sorted(edges):
        if open_ > 1:
            first, last = max(scale.column(before), 0), min(scale.column(instant), scale.columns - 1)
            for column in range(first, last + 1):
                found[column] = max(found[column], open_)
        open_, before = open_ + change, instant
    return found


def _drawn(cells: Sequence[Cell | None], scale: Scale, terminal: Terminal) -> str:
    now = scale.column(scale.window.now)
    parts: list[tuple[str, str | None]] = []
    for column, cell in enumerate(cells):
        if cell is None:
            sign, style = ("|", "dim") if column == now else (" ", None)
        else:
            mark, at_once = cell
            many = at_once > 1 and mark in (OK, RUNNING)
            sign = str(min(at_once, 9)) if many else _sign(mark, terminal)
            style = mark.style
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + sign, style)
        else:
            parts.append((sign, style))
    if parts and parts[-1][1] is None:
        parts[-1] = (parts[-1][0].rstrip(), None)
    return "".join(terminal.style(text, style) for text, style in parts).rstrip()


# -- the axis -----------------------------------------------------------------------------------------


def _axis(scale: Scale, zone: tzinfo) -> Iterator[str]:
    """Times of day, or dates, where they stand, and ``now`` above its line."""
    columns = [" "] * scale.columns
    now = scale.column(scale.window.now)
    if 0 <= now < scale.columns:
        start = min(max(now - 1, 0), scale.columns - 3)
        columns[start : start + 3] = "now"
    for instant, label in _labels(scale, zone):
        column = scale.column(instant)
        room = columns[max(column - 1, 0) : column + len(label) + 1]
        if 0 <= column <= scale.columns - len(label) and not "".join(room).strip():
            columns[column : column + len(label)] = label
    yield "".join(columns).rstrip()


def _labels(scale: Scale, zone: tzinfo) -> Iterator[tuple[datetime, str]]:
    window = scale.window
    wanted = scale.share * _LABEL
    step = next((each for each in _STEPS if each >= wanted), _STEPS[-1])
    day = timedelta(days=1)
    local = window.since.astimezone(zone).replace(tzinfo=None)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    reading = midnight if step >= day else midnight + (local - midnight) // step * step
    while True:
        instant = reading.replace(tzinfo=zone)
        if instant >= window.until:
            return
        if instant >= window.since:
            date = f"{reading.day} {_MONTHS[reading.month - 1]}"
            yield instant, date if step >= day or (reading == midnight + day) else f"{reading:%H:%M}"
        reading += step
