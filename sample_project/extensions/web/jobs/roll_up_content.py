"""Analytics: how much there is of what, day by day."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from jobkit import Expect, JobContext, JobResult, submit_job

from ..lib.tables import Tables


@submit_job(schedule="0 10 4 * * *", tags=["analytics", "nightly"], expect=Expect(min_processed=1))
def roll_up_content(ctx: JobContext, tables: Tables) -> JobResult:
    """Count pages, words and links per folder, and keep the counts under today's date.

    Again on the same day it replaces that day's counts, so that running it twice does no harm.
    """
    today = ctx.clock.now().date().isoformat()
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    with tables.transaction() as tx:
        pages = tx.fetch_all(
            "select source, links, markdown from pages join revisions using (source, digest)"
        )
        for page in pages:
            folder = counts[str(PurePosixPath(page["source"]).parent)]
            folder[0] += 1
            folder[1] += len(page["markdown"].split())
            folder[2] += page["links"].count('"') // 2
        tx.execute("delete from content_by_day where day = ?", (today,))
        tx.execute_many(
            "insert into content_by_day values (?, ?, ?, ?, ?)",
            [(today, folder, *numbers) for folder, numbers in sorted(counts.items())],
        )
    words = sum(numbers[1] for numbers in counts.values())
    ctx.log.info("content counted", day=today, folders=len(counts), pages=len(pages), words=words)
    return (
        JobResult.success(f"{len(pages)} pages, {words} words in {len(counts)} folders")
        .with_stats(processed=len(pages), errors=0)
        .with_data({"pages": len(pages), "words": words})
    )
