"""``jobkit init [DIR]``: a new project that can be checked, run and tested at once."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.scaffolds.files import Filed, file_drafts, screen
from jobkit.cli.scaffolds.project import project_drafts, project_name
from jobkit.cli.session import Session
from jobkit.config.root import OWN_FILE, SHARED_FILE, has_own_table
from jobkit.exceptions import UsageError
from jobkit.sanitising import escape_controls


@verb(
    "init",
    examples=[
        ("jobkit init demo", "a new folder with a project in it"),
        ("jobkit init", "a project in this folder; files that exist are kept"),
        ("jobkit init demo --dry-run", "only say what would be written"),
    ],
)
@click.argument("folder", metavar="[DIR]", default=".", shell_complete=completing("folders"))
@click.option("--dry-run", is_flag=True, help="Write nothing, say what would be written.")
def command(session: Session, folder: str, dry_run: bool) -> None:
    """Make a project: configuration, a first job and its test. Nothing that exists is changed."""
    start = Path(session.options.directory or ".")
    root = Path(os.path.abspath(start / folder))  # noqa: PTH100 – keeps links
    _refuse_projects(root)
    filed = file_drafts(project_drafts(root, project_name(root)), dry_run=dry_run)
    steps = _next_steps(root, filed)
    output = session.output
    output.answer(
        {
            "root": str(root),
            "dry_run": dry_run,
            "files": [each.to_json(root) for each in filed],
            "next": steps,
        }
    )
    what = "would make" if dry_run else "made"
    output.lines(screen(f"{what} a project in {root}", filed, steps, root, output.terminal))


def _refuse_projects(root: Path) -> None:
    for name, found in (
        (OWN_FILE, os.path.lexists(root / OWN_FILE)),
        (SHARED_FILE, has_own_table(root / SHARED_FILE)),
    ):
        if found:
            raise UsageError(
                f"there is a project already: {escape_controls(str(root))} has a {name}",
                code="JK810",
                path=root / name,
                help="`jobkit new job extensions/<extension>/jobs/<file>.py` adds a job to it",
            )


def _next_steps(root: Path, filed: list[Filed]) -> list[str]:
    """Commands to type now, as they are."""
    steps = ["jobkit check", "jobkit run hello", "python -m pytest"]
    if root != Path.cwd():
        steps.insert(0, f"cd {shlex.quote(os.path.relpath(root))}")
    kept = {each.draft.path.name: each.draft.path for each in filed if each.state == "kept"}
    ignored = kept.get(".gitignore")
    if ignored is not None and ".jobkit" not in _text(ignored):
        steps.append("echo .jobkit/ >> .gitignore")
    return steps


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # not a file, or not ours to read: the line is suggested all the same
