"""A project with a past: jobs of all kinds, and runs at fixed times in its store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from jobkit.processes import ProcessIdentity
from jobkit.records import LogLine, RunFailure
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome
from jobkit.stores.sqlite.store import SqliteStore

SETTINGS = """\
[project]
name = "shop"

[scheduler]
timezone = "Europe/Berlin"

[jobs.send_invoices]
enabled = false

[jobs.cleanup_old_records]
parameters = { retention_days = 60 }
"""

JOBS = {
    "web/jobs/cleanup.py": '''\
from jobkit import JobContext, JobResult, Retry, submit_job


async def cleanup_old_records(ctx: JobContext, *, retention_days: int = 30, table: str = "logs") -> JobResult:
    """Delete records older than the retention period."""
    return JobResult.success(f"would delete what is older than {retention_days} days").with_stats(0, 0)


submit_job(
    cleanup_old_records,
    schedule="0 0 3 * * *",
    tags=["nightly", "retention"],
    timeout="10m",
    retries=Retry(2, delay="30s"),
)
''',
    "web/jobs/ingest.py": '''\
from datetime import date

from jobkit import submit_job


def parse_front_matter(meta):
    return date.fromisoformat(meta["published_at"])


@submit_job(schedule="0 */15 * * * *", tags=["content"])
def ingest_content(ctx):
    """Read the articles."""
    ctx.log.info("reading", file="content/blog/draft.md")
    parse_front_matter({})
''',
    "web/jobs/prerender.py": '''\
from jobkit import submit_job


@submit_job(tags=["content", "slow"])
def prerender_site(ctx, *, pages: int):
    """Render all pages."""
''',
    "billing/jobs/month.py": '''\
from jobkit import Job, submit_job


class CloseMonth(Job):
    """Close the books of the month."""

    schedule = "0 30 0 1 * *"
    overlap = "queue"

    async def execute(self, ctx):
        return None


submit_job(CloseMonth)
''',
    "billing/jobs/invoices.py": '''\
from jobkit import submit_job


@submit_job(schedule="0 0 7 * * 1-5")
async def send_invoices(ctx):
    """Send open invoices by mail."""
''',
}

BROKEN = {
    "web/jobs/sitemap.py": '''\
"""The sitemap."""

from web.urls import all_urls
''',
    "billing/jobs/export.py": """\
from jobkit import submit_job


def nightly_export(ctx): ...


submit_job(nightly_export, schedule="0 3 * * *")
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One run of the past; *at* is its start."""

    job: str
    extension: str
    at: datetime
    took: int
    status: RunStatus = RunStatus.SUCCEEDED
    trigger: Trigger = Trigger.SCHEDULE
    lag: int = 3
    message: str | None = None
    processed: int | None = None
    errors: int | None = None
    error: RunFailure | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    lines: tuple[LogLine, ...] = ()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FAILURE = RunFailure(
    "builtins.KeyError",
    "'published_at'",
    """\
Traceback (most recent call last):
  File "{root}/extensions/web/jobs/ingest.py", line 14, in ingest_content
    parse_front_matter({{}})
  File "{root}/extensions/web/jobs/ingest.py", line 7, in parse_front_matter
    return date.fromisoformat(meta["published_at"])
                              ~~~~^^^^^^^^^^^^^^^^
KeyError: 'published_at'
""",
)


def past(root: Path) -> Iterator[Past]:
    """What ran, oldest first."""
    for night in range(12, 0, -1):
        yield Past(
            job="cleanup_old_records", extension="web",
            at=utc("2026-11-22T02:00") - timedelta(days=night - 1), took=2100 if night != 8 else 4300,
            message="Deleted 63987 old records", processed=63987, errors=0,
            parameters={"retention_days": 60, "table": "logs"},
        )  # fmt: skip
    for page in range(5):
        yield Past(
            job="prerender_site", extension="web", at=utc("2026-11-22T08:00") + timedelta(minutes=page),
            took=41_800 + page, trigger=Trigger.MANUAL, processed=120, errors=0, parameters={"pages": 120},
        )  # fmt: skip
    yield Past(
        job="send_invoices",
        extension="billing",
        at=utc("2026-11-20T06:00"),
        took=9300,
        processed=12,
        errors=0,
    )
    for quarter in range(11, 0, -1):
        yield Past(
            job="ingest_content", extension="web",
            at=utc("2026-11-22T13:00") - timedelta(minutes=15 * quarter), took=900, processed=31, errors=0,
        )  # fmt: skip
    yield Past(
        job="ingest_content",
        extension="web",
        at=utc("2026-11-22T13:00"),
        took=400,
        status=RunStatus.FAILED,
        error=RunFailure(FAILURE.type, FAILURE.message, (FAILURE.traceback or "").format(root=root)),
        lines=(
            LogLine(
                1,
                utc("2026-11-22T13:00:00.1"),
                "info",
                "reading",
                1,
                "log",
                {"file": "content/blog/draft.md"},
            ),
            LogLine(2, utc("2026-11-22T13:00:00.2"), "info", "first line\nsecond \x1b[31mline", 1, "print"),
        ),
    )


def make_shop(root: Path, *, broken: bool = True) -> None:
    """Write the project below *root*, and fill its store."""
    (root / "jobkit.toml").write_text(SETTINGS, encoding="utf-8")
    for name, text in {**JOBS, **(BROKEN if broken else {})}.items():
        path = root / "extensions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    anyio.run(_fill, root)


async def _fill(root: Path) -> None:
    now = utc("2026-11-01T00:00")
    store = SqliteStore(Path(".jobkit/jobkit.db"), project="shop", root=root, now=lambda: now)
    request = LeaseRequest(ProcessIdentity.current(), "host-a")
    async with store:
        for number, run in enumerate(past(root), start=1413):
            now = run.at
            new = NewRun(
                id=f"019aaaaa-0000-7000-8000-{number:012}",
                job=run.job,
                extension=run.extension,
                trigger=run.trigger,
                actor="system" if run.trigger is Trigger.SCHEDULE else "ada@host-a",
                parameters=run.parameters,
                scheduled_at=run.at - timedelta(milliseconds=run.lag)
                if run.trigger is Trigger.SCHEDULE
                else None,
            )
            record, lease = await store.add_and_start(new, request)
            await store.add_log_lines(record.id, run.lines)
            now = run.at + timedelta(milliseconds=run.took)
            outcome = Outcome(
                status=run.status,
                finished_at=now,
                duration_ms=run.took,
                message=run.message,
                processed=run.processed,
                errors=run.errors,
                error=run.error,
            )
            await store.finish(lease, outcome)
