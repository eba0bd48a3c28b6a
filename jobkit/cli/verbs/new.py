"""``jobkit new job PATH``: a job file and its test, to be filled with work."""

from __future__ import annotations

from pathlib import Path

import click

from jobkit.cli.command import Option, VerbGroup, verb
from jobkit.cli.completing import completing
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.scaffolds.files import file_drafts, screen
from jobkit.cli.scaffolds.job import job_drafts, job_name, job_path
from jobkit.cli.session import Session


@verb(
    "job",
    examples=[
        ("jobkit new job extensions/web/jobs/cleanup.py", "a job that is run by hand"),
        ('jobkit new job extensions/web/jobs/cleanup.py --schedule "0 0 3 * * *"', "every night at three"),
        ("jobkit new job extensions/web/jobs/cleanup.py --dry-run", "only say what would be written"),
    ],
)
@click.argument("path", shell_complete=completing("files"))
@click.option(
    "--schedule", cls=Option, metavar="TEXT", default="",
    help="When it runs: six fields, seconds first, or 'every 5m'; none: by hand.",
)  # fmt: skip
@click.option("--dry-run", cls=Option, is_flag=True, help="Write nothing, say what would be written.")
def job(session: Session, path: str, schedule: str, dry_run: bool) -> None:
    """Make a job file and its test; the job is called after the file. Nothing that exists is changed."""
    from jobkit.schedules import parse_schedule

    with loaded(session, remember=not dry_run) as project:
        mention_broken(session, project)
        settings = project.config
        here = Path(session.options.directory or ".").absolute()
        file = job_path(path, here, project.root, settings.project.extensions)
        # A broken file may hold the name: it would be claimed twice once that file is mended.
        broken = {name for error in project.errors for name in error.jobs}
        drafts = [*job_drafts(project.root, file, file.stem.replace("-", "_"), schedule)]
        name = job_name(file, {*project.jobs, *broken})
        parse_schedule(schedule, timezone=settings.scheduler.timezone, name=name)
        filed = file_drafts(drafts, dry_run=dry_run)
        root = project.root
    steps = [f"jobkit show {name}", f"jobkit run {name} -p limit=3", f"python -m pytest tests/test_{name}.py"]
    output = session.output
    output.answer(
        {
            "job": name,
            "root": str(root),
            "dry_run": dry_run,
            "files": [each.to_json(root) for each in filed],
            "next": steps,
        }
    )
    what = "would make" if dry_run else "made"
    output.lines(screen(f"{what} the job {name}", filed, steps, root, output.terminal))


command = VerbGroup(
    "new",
    commands=[job],
    examples=[("jobkit new job extensions/web/jobs/cleanup.py", "a job file and its test")],
    help="Make files to begin with, for people to keep.",
)
