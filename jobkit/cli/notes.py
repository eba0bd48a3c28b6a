"""What ``check`` says of the two layers: no mistakes, but good to know before the night."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jobkit.cli.job_view import JobView
from jobkit.cli.render.text import count
from jobkit.cli.standing import Startup, said

if TYPE_CHECKING:
    from jobkit.project import Project


def notes_on(project: Project, now: datetime) -> list[str]:
    """Proposals that no operator has decided on, jobs that are left out, and a scheduler that is off."""
    views = [JobView(spec, project.config, now) for spec in project.jobs.values() if spec.error is None]
    config = project.config
    notes: list[str] = []
    if not config.scheduler.enabled:
        notes.append(f"no schedule fires: [scheduler] enabled = false ({said(config, 'enabled')})")
    unlisted = [view.spec.name for view in views if view.spec.schedule and not view.listed]
    if unlisted:
        notes.append(
            f'unlisted = "ignore" ({said(config, "unlisted")}): without a [jobs.NAME], '
            f"{count(len(unlisted), 'job')} not scheduled: {', '.join(unlisted)}"
        )
    for view in views:
        startup = Startup.of(view)
        if not startup.on and (view.spec.run_on_startup or startup.place):
            notes.append(f"{view.spec.name} does not run on startup: {startup.why}")
    return notes
