"""Rows become pages."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from jobkit import JobContext, JobResult, submit_job

from ..lib.site import Site, address, way_up
from ..lib.tables import Tables
from ..lib.templates import render


@submit_job(tags=["content"], timeout="2m")
def render_pages(ctx: JobContext, project: Path, tables: Tables, *, site_title: str = "jobkit") -> JobResult:
    """Render every ingested page into the output folder."""
    site = Site.of(project)
    pages = tables.fetch_all("select * from pages order by source")
    if not pages:
        return JobResult.failure("there are no pages; run ingest_content first")

    menu = _menu([(page["source"], page["title"]) for page in pages])
    written = 0
    for done, page in enumerate(pages, start=1):
        html = render(
            "page.html",
            site_title=site_title,
            title=page["title"],
            description=page["description"],
            body=page["html"],
            here=page["source"],
            menu=menu,
            top=way_up(page["source"]),
        )
        written += site.write(address(page["source"]), html)
        ctx.progress(done, len(pages), page["title"])
    removed = _remove_leftovers(site, {address(page["source"]) for page in pages})
    return (
        JobResult.success()
        .with_stats(processed=len(pages), errors=0)
        .with_message(f"{len(pages)} pages, {written} written, {removed} removed")
    )


def _menu(pages: list[tuple[str, str]]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The pages by folder: ``[(folder, [(source, address, title), …]), …]``, the top first."""
    folders: dict[str, list[tuple[str, str, str]]] = {}
    for source, title in pages:
        folder = str(PurePosixPath(source).parent)
        folders.setdefault("" if folder == "." else folder, []).append((source, address(source), title))
    return sorted(folders.items())


def _remove_leftovers(site: Site, wanted: set[str]) -> int:
    """Delete pages whose source is gone, so that the site never shows what the docs dropped."""
    leftovers = [
        file for file in site.output.rglob("*.html") if file.relative_to(site.output).as_posix() not in wanted
    ]
    for file in leftovers:
        file.unlink()
    return len(leftovers)
