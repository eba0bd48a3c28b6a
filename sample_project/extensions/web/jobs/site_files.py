"""The files that machines read: sitemap.xml, robots.txt, llms.txt. One file may hold several jobs."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from jobkit import JobContext, JobResult, submit_job

from ..lib.site import Site, address
from ..lib.tables import Row, Tables


@submit_job(tags=["content"])
def write_sitemap(
    ctx: JobContext, project: Path, tables: Tables, *, base_url: str = "https://docs.example.com/"
) -> JobResult:
    """List every page, with the time of its last change, in sitemap.xml."""
    pages = _pages(tables)
    entries = "".join(
        f"  <url><loc>{escape(_link(base_url, page))}</loc><lastmod>{page['changed_at']}</lastmod></url>\n"
        for page in pages
    )
    Site.of(project).write(
        "sitemap.xml",
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n',
    )
    return JobResult.success().with_stats(processed=len(pages), errors=0)


@submit_job(tags=["content"])
def write_robots(
    ctx: JobContext, project: Path, *, base_url: str = "https://docs.example.com/", allow: bool = True
) -> JobResult:
    """Tell crawlers what they may read in robots.txt."""
    rule = "Allow: /" if allow else "Disallow: /"
    Site.of(project).write("robots.txt", f"User-agent: *\n{rule}\n\nSitemap: {base_url}sitemap.xml\n")
    return JobResult.success().with_stats(processed=1, errors=0)


@submit_job(tags=["content"])
def write_llms_txt(
    ctx: JobContext,
    project: Path,
    tables: Tables,
    *,
    base_url: str = "https://docs.example.com/",
    site_title: str = "jobkit",
) -> JobResult:
    """Give language models a table of contents in llms.txt."""
    pages = _pages(tables)
    lines = [f"- [{page['title']}]({_link(base_url, page)}): {page['description']}" for page in pages]
    Site.of(project).write("llms.txt", "\n".join([f"# {site_title}", "", *lines, ""]))
    return JobResult.success().with_stats(processed=len(pages), errors=0)


def _pages(tables: Tables) -> list[Row]:
    return tables.fetch_all("select * from pages order by source")


def _link(base_url: str, page: Row) -> str:
    return base_url + address(page["source"])
