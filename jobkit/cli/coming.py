"""When jobs are due next: of those that were named, or of all that are scheduled."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jobkit.cli.job_view import JobView
from jobkit.cli.pauses import pauses_of, until_text
from jobkit.cli.render.header import header, place
from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import distance, full_moment
from jobkit.cli.standing import why
from jobkit.records import format_instant
from jobkit.sanitising import escape_controls
from jobkit.schedules.base import from_epoch, to_epoch

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.stores.control import Pause


@dataclass(frozen=True, slots=True)
class Fire:
    """One tick to come; *note* says what is unusual about it, a *pause* that it will have no run."""

    job: str
    at: datetime
    timezone: str
    note: str | None
    pause: Pause | None = None

    def to_json(self) -> dict[str, Any]:
        """The item of ``next``."""
        return {
            "job": self.job,
            "at": format_instant(self.at),
            "local": self.at.astimezone(ZoneInfo(self.timezone)).isoformat(),
            "timezone": self.timezone,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Coming:
    """What the screen shows; *silent* are jobs without ticks, each with the reason."""

    project: Project
    now: datetime
    start: datetime
    fires: Sequence[Fire]
    silent: Mapping[str, str]
    named: bool


def coming(
    project: Project,
    jobs: Sequence[JobSpec],
    pauses: Sequence[Pause],
    *,
    now: datetime,
    start: datetime,
    limit: int,
    named: bool,
) -> Coming:
    """Fires of *jobs* after *start*: the next *limit* of each if they are *named*, else of all together."""
    silent: dict[str, str] = {}
    due: list[JobSpec] = []
    for spec in jobs:
        view = JobView(spec, project.config, now)
        if view.standing.fires and spec.times is not None:
            due.append(spec)
        else:
            silent[spec.name] = why(view)
    found = _each(due, start, limit) if named else _together(due, start, limit)
    fires = [_fire(spec, from_epoch(second), pauses, now) for second, spec in found]
    for spec in due if named else ():
        if not any(fire.job == spec.name for fire in fires):
            silent[spec.name] = "its schedule never fires again"
    return Coming(project, now, start, fires, silent, named)


def _each(jobs: Sequence[JobSpec], start: datetime, limit: int) -> list[tuple[int, JobSpec]]:
    found = [
        (to_epoch(fire), spec)
        for spec in jobs
        if spec.times is not None
        for fire in spec.times.upcoming(start, limit)
    ]
    return sorted(found, key=lambda each: each[0])


def _together(jobs: Sequence[JobSpec], start: datetime, limit: int) -> list[tuple[int, JobSpec]]:
    heap: list[tuple[int, int]] = []
    for index, spec in enumerate(jobs):
        first = None if spec.times is None else spec.times.next_epoch(to_epoch(start))
        if first is not None:
            heap.append((first, index))
    heapq.heapify(heap)
    found: list[tuple[int, JobSpec]] = []
    while heap and len(found) < limit:
        second, index = heapq.heappop(heap)
        found.append((second, jobs[index]))
        times = jobs[index].times
        following = None if times is None else times.next_epoch(second)
        if following is not None:
            heapq.heappush(heap, (following, index))
    return found


def _fire(spec: JobSpec, at: datetime, pauses: Sequence[Pause], now: datetime) -> Fire:
    assert spec.times is not None
    timezone, note = spec.times.timezone, spec.times.note(at)
    holding = [pause for pause in pauses_of(spec.name, pauses) if pause.covers(at)]
    if not holding:
        return Fire(spec.name, at, timezone, note)
    paused = f"paused {until_text(holding[0], now, ZoneInfo(timezone))}, by {holding[0].by}"
    return Fire(spec.name, at, timezone, f"{paused}; {note}" if note else paused, holding[0])


def screen(coming: Coming, terminal: Terminal) -> list[str]:
    """The fires in the order of time, and why jobs have none."""
    lines = header(place(coming.project.config, coming.now), terminal)
    if coming.fires:
        lines += ["", *table(_columns(coming), list(_rows(coming)), terminal)]
    elif not coming.named:
        lines += ["", "Nothing is due: no job is scheduled."]
    return [*lines, *_silent(coming, terminal)]


def _columns(coming: Coming) -> list[Column]:
    columns = [Column("LOCAL TIME"), Column("JOB", shrink_to=14), Column("IN", right=True, optional=2)]
    zones = {fire.timezone for fire in coming.fires}
    if zones != {coming.project.config.scheduler.timezone}:
        columns.append(Column("ZONE", shrink_to=10, optional=1))
    noted = any(fire.note for fire in coming.fires)
    return [*columns, Column("NOTE", shrink_to=8)] if noted else columns


def _rows(coming: Coming) -> Iterator[Row]:
    titles = {column.title for column in _columns(coming)}
    for fire in coming.fires:
        style = "dim" if fire.pause is not None else None
        away = distance(fire.at - coming.now)
        row: list[Cell | str] = [
            Cell(full_moment(fire.at, ZoneInfo(fire.timezone)), style),
            Cell(fire.job, style),
            away if fire.at > coming.now else f"-{away}",
        ]
        row += [fire.timezone] if "ZONE" in titles else []
        row += [Cell(escape_controls(fire.note or ""), "warning")] if "NOTE" in titles else []
        yield row


def _silent(coming: Coming, terminal: Terminal) -> Iterator[str]:
    if not coming.silent:
        return
    yield ""
    if not coming.named:
        those = count(len(coming.silent), "job is", "jobs are")
        yield terminal.style(f"{those} not scheduled (jobkit list)", "dim")
        return
    for name, reason in coming.silent.items():
        yield from wrap(f"{name} is not due: {escape_controls(reason)}", terminal.columns)
