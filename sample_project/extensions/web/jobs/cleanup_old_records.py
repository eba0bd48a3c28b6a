"""Retention: observe first, delete only with consent."""

from __future__ import annotations

from datetime import timedelta

from jobkit import JobContext, JobResult, submit_job

from ..lib.tables import Tables

# Superseded and old enough: the revision that a page shows now is kept, however old it is.
_OUTDATED = """
    from revisions
    where seen_at < ?
      and not exists (
        select 1 from pages where pages.source = revisions.source and pages.digest = revisions.digest
      )
"""


def cleanup_old_records(ctx: JobContext, tables: Tables, *, retention_days: int = 30) -> JobResult:
    """Delete page revisions older than the retention period.

    Without ``enforce`` it only reports what it would delete: nobody loses data because a job was
    switched on. Operators give their consent per environment (``enforce = true`` in
    ``[jobs.cleanup_old_records]``), or for one run with ``--enforce``.
    """
    if retention_days < 1:
        return JobResult.failure(f"retention_days is at least 1, and it is {retention_days}")
    before = (ctx.clock.now() - timedelta(days=retention_days)).isoformat()
    with tables.transaction() as tx:
        if not ctx.enforce:
            found = tx.fetch_value(f"select count(*) {_OUTDATED}", (before,))
            return JobResult.success(
                f"would delete {found} revisions older than {retention_days} days"
            ).with_stats(processed=0, errors=0)
        deleted = tx.execute(f"delete {_OUTDATED}", (before,))
    return JobResult.success(f"deleted {deleted} revisions older than {retention_days} days").with_stats(
        processed=deleted, errors=0
    )


def cleanup_old_analytics(ctx: JobContext, tables: Tables, *, retention_days: int = 365) -> JobResult:
    """Delete the daily counts of pages that are older than the retention period; observes without consent."""
    if retention_days < 1:
        return JobResult.failure(f"retention_days is at least 1, and it is {retention_days}")
    before = (ctx.clock.now() - timedelta(days=retention_days)).date().isoformat()
    with tables.transaction() as tx:  # so that what is said is what is deleted
        found: int = tx.fetch_value("select count(distinct day) from content_by_day where day < ?", (before,))
        if not ctx.enforce:
            return JobResult.success(f"would delete the counts of {found} days").with_stats(0, 0)
        tx.execute("delete from content_by_day where day < ?", (before,))
    return JobResult.success(f"deleted the counts of {found} days").with_stats(processed=found, errors=0)


submit_job(cleanup_old_records, schedule="0 0 3 * * *", tags=["retention", "nightly"])
submit_job(cleanup_old_analytics, schedule="0 5 3 * * 0", tags=["retention"])
