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
