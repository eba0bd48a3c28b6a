"""The sample's jobs, each run for real in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit import RunRecord
from jobkit.sqlite import Database
from jobkit.testing import JobkitRun


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder whose docs hold two pages that link to each other."""
    docs = tmp_path / "docs"
    (docs / "guide").mkdir(parents=True)
    (docs / "index.md").write_text(
        "---\ntitle: Start\ndescription: Where to begin\n---\n\n"
        "# Welcome\n\nSee [the guide](guide/first.md#steps).\n"
    )
    (docs / "guide" / "first.md").write_text(
        "# First steps\n\nRead on.\n\n## Steps\n\nBack [home](../index.md).\n"
    )
    return tmp_path


@pytest.fixture
def db(project: Path) -> Iterator[Database]:
    """The service of that name, in a file of its own: what the test sees is what the jobs see."""
    with Database("build/site.db", root=project) as database:
        yield database


@pytest.fixture
def run(jobkit_run: JobkitRun, project: Path, db: Database) -> JobkitRun:
    """Run a job in that folder, with that database."""

    def run_here(job: str | Callable[..., Any] | type, /, *arguments: Any, **options: Any) -> RunRecord:
        return jobkit_run(job, *arguments, services={"project": project, "db": db}, **options)

    return run_here


def published(run: JobkitRun) -> None:
    """Run what comes before the step that a test is about."""
    record = run("ingest_content", {"source": "docs"})
    assert record.status == "succeeded", record.message


def test_pages_are_ingested_with_their_front_matter(run: JobkitRun, db: Database) -> None:
    """Title and description come from the front matter, or from the text where there is none."""
    published(run)
    rows = db.sync.fetch_all("select source, title, description from pages order by source")
    assert [tuple(row) for row in rows] == [
        ("guide/first.md", "First steps", "Read on."),
        ("index.md", "Start", "Where to begin"),
    ]


def test_an_unchanged_page_is_not_ingested_again(run: JobkitRun) -> None:
    """The second ingestion finds nothing changed."""
    published(run)
    record = run("ingest_content", {"source": "docs"})
    assert record.message == "2 pages, 0 changed, 0 removed"


def test_broken_front_matter_fails_and_names_the_page(run: JobkitRun, project: Path) -> None:
    """One bad page fails the job; the others are ingested all the same."""
    (project / "docs" / "bad.md").write_text("---\ntitle: [unclosed\n---\n\n# Bad\n")
    record = run("ingest_content", {"source": "docs"})
    assert (record.status, record.processed, record.errors) == ("failed", 3, 1)
    assert "bad.md" in (record.message or "")


def test_pages_are_rendered_with_links_to_pages(run: JobkitRun, project: Path) -> None:
    """A link to a Markdown file becomes a link to its page."""
    published(run)
    record = run("render_pages")
    html = (project / "build" / "site" / "index.html").read_text()
    assert record.processed == 2
    assert '<a href="guide/first.html#steps">the guide</a>' in html


def test_raw_html_in_a_page_is_shown_not_executed(run: JobkitRun, project: Path) -> None:
    """Markdown is text of strangers as far as the site is concerned."""
    (project / "docs" / "index.md").write_text("# Hi\n\n<script>alert(1)</script>\n")
    published(run)
    run("render_pages")
    assert "<script>" not in (project / "build" / "site" / "index.html").read_text()


def test_a_dead_link_fails_and_is_named(run: JobkitRun, project: Path) -> None:
    """Links are followed down to the heading."""
    (project / "docs" / "index.md").write_text("# Hi\n\n[gone](nowhere.md) [there](guide/first.md#no-such)\n")
    published(run)
    record = run("check_links")
    assert (record.status, record.errors) == ("failed", 2)
    assert "index.md → nowhere.md" in (record.message or "")


def test_machine_readable_files_are_written(run: JobkitRun, project: Path) -> None:
    """sitemap.xml, robots.txt and llms.txt name the site's own address."""
    published(run)
    for job in ("write_sitemap", "write_robots", "write_llms_txt"):
        assert run(job, {"base_url": "https://x.test/"}).status == "succeeded"
    site = project / "build" / "site"
    assert "<loc>https://x.test/guide/first.html</loc>" in (site / "sitemap.xml").read_text()
    assert "Sitemap: https://x.test/sitemap.xml" in (site / "robots.txt").read_text()
    assert "- [Start](https://x.test/index.html): Where to begin" in (site / "llms.txt").read_text()


def aged(db: Database) -> int:
    """Make every revision a hundred days old; how many there are."""
    old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    return db.sync.execute("update revisions set seen_at = ?", (old,)).rowcount


def test_retention_only_observes_without_consent(run: JobkitRun, project: Path, db: Database) -> None:
    """Without enforce the job says what it would delete, and deletes nothing."""
    published(run)
    (project / "docs" / "index.md").write_text("# Changed\n")
    published(run)
    before = aged(db)
    record = run("cleanup_old_records")
    assert record.message == "would delete 1 revisions older than 30 days"
    assert aged(db) == before


def test_retention_deletes_with_consent_but_never_what_is_shown(
    run: JobkitRun, project: Path, db: Database
) -> None:
    """With enforce superseded revisions go; those that pages show now stay, however old."""
    published(run)
    (project / "docs" / "index.md").write_text("# Changed\n")
    published(run)
    before = aged(db)
    record = run("cleanup_old_records", enforce=True)
    assert record.processed == 1
    assert aged(db) == before - 1


def test_assets_are_copied_once(run: JobkitRun, project: Path) -> None:
    """The style sheet lands beside the pages; the second time nothing has changed."""
    first = run("copy_assets")
    assert (project / "build" / "site" / "style.css").is_file()
    second = run("copy_assets")
    assert first.message == "1 files, 1 copied"
    assert second.message == "1 files, 0 copied"


def counts(db: Database) -> list[tuple[str, int, int]]:
    """Folder, pages and links, as the roll-up has them."""
    rows = db.sync.fetch_all("select folder, pages, links from content_by_day order by folder")
    return [(row["folder"], row["pages"], row["links"]) for row in rows]


def test_content_is_counted_per_folder_once_a_day(run: JobkitRun, db: Database) -> None:
    """Counting again on the same day replaces the counts instead of adding to them."""
    published(run)
    for _ in range(2):
        record = run("roll_up_content")
        assert record.status == "succeeded"
        assert counts(db) == [(".", 1, 1), ("guide", 1, 1)]


def test_a_roll_up_of_nothing_is_not_green(run: JobkitRun) -> None:
    """No pages at all is against what the job expects of itself: somebody has to look."""
    record = run("roll_up_content")
    assert (record.status, record.reason) == ("failed", "expectation")


@pytest.mark.parametrize(("enforce", "left"), [(False, 2), (True, 0)])
def test_old_counts_go_only_with_consent(run: JobkitRun, db: Database, enforce: bool, left: int) -> None:
    """The second retention job keeps to the same rule as the first."""
    published(run)
    run("roll_up_content")
    db.sync.execute("update content_by_day set day = '2001-01-01'")
    record = run("cleanup_old_analytics", enforce=enforce)
    assert (record.message or "").endswith("the counts of 1 days")
    assert len(counts(db)) == left


def test_the_job_that_fails_on_purpose_does(run: JobkitRun) -> None:
    """Its record shows what any failure shows."""
    record = run("always_fails", {"how": "in a test"})
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("RuntimeError", "failed on purpose, in a test")
