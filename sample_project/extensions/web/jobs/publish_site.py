"""The pipeline: every step is a run of its own, with its own record, logs and timeout."""

from __future__ import annotations

from jobkit import Job, JobContext, JobResult, RunStatus, submit_job

#: What depends on what was made before stands below it.
STEPS = (
    "ingest_content",
    "render_pages",
    "copy_assets",
    "write_sitemap",
    "write_robots",
    "write_llms_txt",
    "check_links",
)


class PublishSite(Job):
    name = "publish_site"
    description = (
        "Build the whole site from the docs: ingest, render, assets, sitemap, robots, llms.txt, link check"
    )
    schedule = "0 0 4 * * *"
    run_on_startup = (
        True  # proposed: where operators say `enabled = true`, a new machine has the site at once
    )
    tags = ["content", "nightly"]
    timeout = "10m"

    async def execute(self, ctx: JobContext) -> JobResult:
        processed = errors = 0
        for done, step in enumerate(STEPS):
            ctx.progress(done, len(STEPS), step)
            record = await ctx.run_job(step, check=False)
            processed += record.processed or 0
            errors += record.errors or 0
            if record.status is not RunStatus.SUCCEEDED:
                return JobResult.failure(f"{step}: {record.message or record.status}").with_stats(
                    processed, errors
                )
        ctx.progress(len(STEPS), len(STEPS), "published")
        return JobResult.success(f"{len(STEPS)} steps").with_stats(processed, errors)


submit_job(PublishSite)
