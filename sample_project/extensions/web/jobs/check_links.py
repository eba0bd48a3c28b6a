"""Links that lead nowhere."""

from __future__ import annotations

import json
import posixpath

from jobkit import JobContext, JobResult, submit_job

from ..lib.tables import Tables


@submit_job(tags=["content", "quality"])
def check_links(ctx: JobContext, tables: Tables) -> JobResult:
    """Follow every link between our own pages, down to the heading; fail on the first list of dead ones."""
    rows = tables.fetch_all("select source, anchors, links from pages order by source")
    anchors = {row["source"]: set(json.loads(row["anchors"])) for row in rows}

    checked = 0
    dead: list[str] = []
    for row in rows:
        for link in json.loads(row["links"]):
            checked += 1
            if (why := _why_dead(link, row["source"], anchors)) is not None:
                ctx.log.warning("dead link", page=row["source"], link=link, why=why)
                dead.append(f"{row['source']} → {link}")
    if dead:
        message = f"{len(dead)} dead links: {'; '.join(dead[:3])}"
        return JobResult.failure(message).with_stats(processed=checked, errors=len(dead))
    return JobResult.success(f"{checked} links, all alive").with_stats(processed=checked, errors=0)


def _why_dead(link: str, source: str, anchors: dict[str, set[str]]) -> str | None:
    """Why *link* on the page *source* leads nowhere; None if it does lead somewhere."""
    path, _, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path)) if path else source
    if target not in anchors:
        return "no such page"
    if anchor and anchor not in anchors[target]:
        return "no such heading"
    return None
