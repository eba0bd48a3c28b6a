"""What is wrong with jobs beyond their last runs: they are late, or live replicas do not have them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jobkit.cli.render.text import wrap
from jobkit.cli.render.times import distance, near

if TYPE_CHECKING:
    from jobkit.cli.job_view import JobView
    from jobkit.cli.render.terminal import Terminal
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.scheduler.differences import Difference
    from jobkit.scheduler.tardiness import Late
    from jobkit.stores.base import Store

#: Of how many jobs it is told on a screen of many.
_TOLD = 10


@dataclass(frozen=True, slots=True)
class Trouble:
    """By name of the job."""

    late: Mapping[str, Late] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)

    def of(self, job: str) -> tuple[Late | None, Difference | None]:
        """That of one job."""
        return self.late.get(job), self.differences.get(job)


async def look_for_trouble(store: Store, project: Project, jobs: Sequence[JobSpec], now: datetime) -> Trouble:
    """What *store*, which is entered, says of *jobs*. Raises StoreError."""
    from jobkit.scheduler.differences import differing, live_replicas

    named = {spec.name: spec for spec in jobs}
    late: Mapping[str, Late] = {}
    if any(spec.schedule for spec in jobs):
        from jobkit.scheduler.tardiness import late_jobs

        late = await late_jobs(store, named, project.config, now)
    found = differing(await live_replicas(store))
    return Trouble(late, {each.job: each for each in found if each.job in named})


def late_words(late: Late, view: JobView) -> str:
    """Which tick should have succeeded, and which has."""
    zone = ZoneInfo(view.config.scheduler.timezone)
    on = f"on {late.node}, " if late.node else ""
    done = (
        "none has yet"
        if late.succeeded is None
        else f"the last that has: {near(late.succeeded, view.now, zone)}"
    )
    tick, ago = near(late.tick, view.now, zone), distance(view.now - late.since)
    return f"{on}{tick} should have succeeded {ago} ago; {done} (jobkit why {late.job})"


def trouble_lines(views: Sequence[JobView], terminal: Terminal) -> list[str]:
    """One line for each job; of many, the first few."""
    found = [
        f"{terminal.style('late', 'error')} {view.spec.name}: {late_words(view.late, view)}"
        for view in views
        if view.late is not None
    ]
    differing = [
        f"{terminal.style('config.differs', 'warning')} {view.spec.name}: {view.difference.text}"
        for view in views
        if view.difference is not None
    ]
    lines: list[str] = []
    for kind in (found, differing):
        for line in kind[:_TOLD]:
            lines += wrap(line, terminal.width) if terminal.width is not None else [line]
        if len(kind) > _TOLD:
            lines.append(f"{len(kind) - _TOLD} more (jobkit health)")
    return lines
