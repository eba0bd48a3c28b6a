"""Style sheets, pictures: what the pages refer to is copied as it is."""

from __future__ import annotations

from pathlib import Path

from jobkit import JobContext, JobResult, submit_job

from ..lib.site import Site

_STATIC = Path(__file__).parent.parent / "static"


@submit_job(tags=["content"])
def copy_assets(ctx: JobContext, project: Path) -> JobResult:
    """Copy the files of `static/` into the output folder; files that are the same stay untouched."""
    site = Site.of(project)
    files = sorted(file for file in _STATIC.rglob("*") if file.is_file())
    copied = sum(site.write(file.relative_to(_STATIC).as_posix(), file.read_bytes()) for file in files)
    return JobResult.success(f"{len(files)} files, {copied} copied").with_stats(
        processed=len(files), errors=0
    )
