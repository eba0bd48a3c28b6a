"""Markdown files become rows."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

from jobkit import JobContext, JobResult, submit_job

from ..lib.markdown import BadPage, Page, read_page
from ..lib.tables import Statements, Tables


@submit_job(schedule="0 */15 * * * *", tags=["content"], timeout="2m")
def ingest_content(
    ctx: JobContext, project: Path, tables: Tables, *, source: Path = Path("../docs")
) -> JobResult:
    """Read the Markdown files, with their front matter, into the site's database."""
    folder = (project / source).resolve()
    files = sorted(file for file in folder.rglob("*.md") if not _hidden(file.relative_to(folder)))
    if not files:
        return JobResult.failure(f"no Markdown files in {source}")

    changed = 0
    bad: list[str] = []
    with tables.transaction() as tx:
        for done, file in enumerate(files, start=1):
            name = file.relative_to(folder).as_posix()
            text = file.read_text(encoding="utf-8")
            try:
                page = read_page(text, fallback_title=file.stem)
            except BadPage as error:
                ctx.log.error("page refused", page=name, why=str(error))
                bad.append(name)
            else:
                changed += _store(tx, name, text, page, ctx.clock.now())
            ctx.progress(done, len(files), name)
        removed = _forget_missing(tx, [file.relative_to(folder).as_posix() for file in files])

    ctx.log.info("pages ingested", pages=len(files), changed=changed, removed=removed)
    result = JobResult.failure(f"{len(bad)} bad pages: {', '.join(bad[:5])}") if bad else JobResult.success()
    return result.with_stats(processed=len(files), errors=len(bad)).with_message(
        result.message or f"{len(files)} pages, {changed} changed, {removed} removed"
    )


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _store(tx: Statements, name: str, text: str, page: Page, now: datetime) -> bool:
    """Keep *page* unless just that is there; whether it was new."""
    if page.draft:
        return bool(tx.execute("delete from pages where source = ?", (name,)))
    digest = hashlib.sha256(text.encode()).hexdigest()
    if tx.fetch_value("select digest from pages where source = ?", (name,)) == digest:
        return False
    tx.execute("delete from pages where source = ?", (name,))
    tx.execute(
        "insert into pages values (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name,
            page.title,
            page.description,
            page.html,
            json.dumps(sorted(page.anchors)),
            json.dumps(page.links),
            digest,
            now.isoformat(),
        ),
    )
    tx.execute(
        "insert into revisions values (?, ?, ?, ?)"
        " on conflict (source, digest) do update set seen_at = excluded.seen_at",
        (name, digest, text, now.isoformat()),
    )
    return True


def _forget_missing(tx: Statements, present: list[str]) -> int:
    stored = {row["source"] for row in tx.fetch_all("select source from pages")}
    gone = sorted(stored.difference(present))
    tx.execute_many("delete from pages where source = ?", [(name,) for name in gone])
    return len(gone)
