"""The sample's jobs, each run for real in a folder of its own."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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


def published(jobkit_run: JobkitRun, project: Path) -> None:
    """Run what comes before the step that a test is about."""
    record = jobkit_run("ingest_content", {"source": "docs"}, services={"project": project})
    assert record.status == "succeeded", record.message


def test_pages_are_ingested_with_their_front_matter(jobkit_run: JobkitRun, project: Path) -> None:
    """Title and description come from the front matter, or from the text where there is none."""
    published(jobkit_run, project)
    with sqlite3.connect(project / "build" / "site.db") as connection:
        rows = connection.execute("select source, title, description from pages order by source").fetchall()
    connection.close()
    assert rows == [
        ("guide/first.md", "First steps", "Read on."),
        ("index.md", "Start", "Where to begin"),
    ]


def test_an_unchanged_page_is_not_ingested_again(jobkit_run: JobkitRun, project: Path) -> None:
    """The second ingestion finds nothing changed."""
    published(jobkit_run, project)
    record = jobkit_run("ingest_content", {"source": "docs"}, services={"project": project})
    assert record.message == "2 pages, 0 changed, 0 removed"


def test_broken_front_matter_fails_and_names_the_page(jobkit_run: JobkitRun, project: Path) -> None:
    """One bad page fails the job; the others are ingested all the same."""
    (project / "docs" / "bad.md").write_text("---\ntitle: [unclosed\n---\n\n# Bad\n")
    record = jobkit_run("ingest_content", {"source": "docs"}, services={"project": project})
    assert (record.status, record.processed, record.errors) == ("failed", 3, 1)
    assert "bad.md" in (record.message or "")


def test_pages_are_rendered_with_links_to_pages(jobkit_run: JobkitRun, project: Path) -> None:
    """A link to a Markdown file becomes a link to its page."""
    published(jobkit_run, project)
    record = jobkit_run("render_pages", services={"project": project})
    html = (project / "build" / "site" / "index.html").read_text()
    assert record.processed == 2
    assert '<a href="guide/first.html#steps">the guide</a>' in html


def test_raw_html_in_a_page_is_shown_not_executed(jobkit_run: JobkitRun, project: Path) -> None:
    """Markdown is text of strangers as far as the site is concerned."""
    (project / "docs" / "index.md").write_text("# Hi\n\n<script>alert(1)</script>\n")
    published(jobkit_run, project)
    jobkit_run("render_pages", services={"project": project})
    assert "<script>" not in (project / "build" / "site" / "index.html").read_text()


def test_a_dead_link_fails_and_is_named(jobkit_run: JobkitRun, project: Path) -> None:
    """Links are followed down to the heading."""
    (project / "docs" / "index.md").write_text("# Hi\n\n[gone](nowhere.md) [there](guide/first.md#no-such)\n")
    published(jobkit_run, project)
    record = jobkit_run("check_links", services={"project": project})
    assert (record.status, record.errors) == ("failed", 2)
    assert "index.md → nowhere.md" in (record.message or "")


def test_machine_readable_files_are_written(jobkit_run: JobkitRun, project: Path) -> None:
    """sitemap.xml, robots.txt and llms.txt name the site's own address."""
    published(jobkit_run, project)
    for job in ("write_sitemap", "write_robots", "write_llms_txt"):
        assert (
            jobkit_run(job, {"base_url": "https://x.test/"}, services={"project": project}).status
            == "succeeded"
        )
    site = project / "build" / "site"
    assert "<loc>https://x.test/guide/first.html</loc>" in (site / "sitemap.xml").read_text()
    assert "Sitemap: https://x.test/sitemap.xml" in (site / "robots.txt").read_text()
    assert "- [Start](https://x.test/index.html): Where to begin" in (site / "llms.txt").read_text()


def aged(project: Path) -> int:
    """Make every revision a hundred days old; how many there are."""
    old = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    connection = sqlite3.connect(project / "build" / "site.db")
    with connection:
        changed = connection.execute("update revisions set seen_at = ?", (old,)).rowcount
    connection.close()
    return changed


def test_retention_only_observes_without_consent(jobkit_run: JobkitRun, project: Path) -> None:
    """Without enforce the job says what it would delete, and deletes nothing."""
    published(jobkit_run, project)
    (project / "docs" / "index.md").write_text("# Changed\n")
    published(jobkit_run, project)
    before = aged(project)
    record = jobkit_run("cleanup_old_records", services={"project": project})
    assert record.message == "would delete 1 revisions older than 30 days"
    assert aged(project) == before


def test_retention_deletes_with_consent_but_never_what_is_shown(jobkit_run: JobkitRun, project: Path) -> None:
    """With enforce superseded revisions go; those that pages show now stay, however old."""
    published(jobkit_run, project)
    (project / "docs" / "index.md").write_text("# Changed\n")
    published(jobkit_run, project)
    before = aged(project)
    record = jobkit_run("cleanup_old_records", services={"project": project}, enforce=True)
    assert record.processed == 1
    assert aged(project) == before - 1


def test_assets_are_copied_once(jobkit_run: JobkitRun, project: Path) -> None:
    """The style sheet lands beside the pages; the second time nothing has changed."""
    first = jobkit_run("copy_assets", services={"project": project})
    assert (project / "build" / "site" / "style.css").is_file()
    second = jobkit_run("copy_assets", services={"project": project})
    assert first.message == "1 files, 1 copied"
    assert second.message == "1 files, 0 copied"


def counts(project: Path) -> list[tuple[str, int, int]]:
    """Folder, pages and links, as the roll-up has them."""
    connection = sqlite3.connect(project / "build" / "site.db")
    rows = connection.execute("select folder, pages, links from content_by_day order by folder").fetchall()
    connection.close()
    return rows


def test_content_is_counted_per_folder_once_a_day(jobkit_run: JobkitRun, project: Path) -> None:
    """Counting again on the same day replaces the counts instead of adding to them."""
    published(jobkit_run, project)
    for _ in range(2):
        record = jobkit_run("roll_up_content", services={"project": project})
        assert record.status == "succeeded"
        assert counts(project) == [(".", 1, 1), ("guide", 1, 1)]


def test_a_roll_up_of_nothing_is_not_green(jobkit_run: JobkitRun, project: Path) -> None:
    """No pages at all is against what the job expects of itself: somebody has to look."""
    record = jobkit_run("roll_up_content", services={"project": project})
    assert (record.status, record.reason) == ("failed", "expectation")


@pytest.mark.parametrize(("enforce", "left"), [(False, 2), (True, 0)])
def test_old_counts_go_only_with_consent(
    jobkit_run: JobkitRun, project: Path, enforce: bool, left: int
) -> None:
    """The second retention job keeps to the same rule as the first."""
    published(jobkit_run, project)
    jobkit_run("roll_up_content", services={"project": project})
    connection = sqlite3.connect(project / "build" / "site.db")
    with connection:
        connection.execute("update content_by_day set day = '2001-01-01'")
    connection.close()
    record = jobkit_run("cleanup_old_analytics", services={"project": project}, enforce=enforce)
    assert (record.message or "").endswith("the counts of 1 days")
    assert len(counts(project)) == left


def test_the_job_that_fails_on_purpose_does(jobkit_run: JobkitRun) -> None:
    """Its record shows what any failure shows."""
    record = jobkit_run("always_fails", {"how": "in a test"})
    assert record.status == "failed"
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("RuntimeError", "failed on purpose, in a test")
