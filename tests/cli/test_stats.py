"""``stats``: figures that agree with the history they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cli.statistics import percentile
from jobkit.cli.verbs.stats import percent
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

NUMBERS = st.lists(st.integers(0, 10_000), min_size=1, max_size=200)


def test_figures_of_a_past(shop: CommandLine) -> None:
    """Runs, success rate, percentiles and sums of each job that ever ran."""
    figures = {job.job: job for job in checked(shop("stats", "--json")).data}
    assert list(figures) == ["cleanup_old_records", "ingest_content", "prerender_site", "send_invoices"]
    cleanup = figures["cleanup_old_records"]
    assert (cleanup.runs, cleanup.success_rate, cleanup.processed) == (12, 1.0, 12 * 63987)
    assert cleanup.duration_ms is not None
    assert (cleanup.duration_ms.p50, cleanup.duration_ms.p95, cleanup.duration_ms.max) == (2100, 4300, 4300)
    assert (cleanup.first_at, cleanup.last_at) == ("2026-11-11T02:00:00Z", "2026-11-22T02:00:00Z")
    ingest = figures["ingest_content"]
    assert (ingest.runs, ingest.succeeded, ingest.failed) == (12, 11, 1)
    assert ingest.success_rate == round(11 / 12, 6)
    assert ingest.duration_ms is not None
    assert ingest.duration_ms.max == 900  # what failed took less, and is not counted


def test_since_and_names_narrow(shop: CommandLine) -> None:
    """``--since`` bounds the runs, names choose the jobs; both agree with ``history``."""
    [cleanup] = checked(shop("stats", "cleanup_old_records", "--since", "3d", "--json")).data
    listed = checked(shop("history", "--job", "cleanup_old_records", "--since", "3d", "--json")).data
    assert cleanup.runs == len(listed) == 3
    assert cleanup.processed == sum(run.processed for run in listed)


def test_no_runs_are_no_mistake(shop: CommandLine) -> None:
    """A job that never ran has no figures, with success; a name that no job has is JK802."""
    ended = shop("stats", "close_month")
    assert ended.code == 0
    assert "Nothing has run yet." in ended.out
    wrong = shop("stats", "close_mont", "--json")
    assert wrong.code == 4
    assert [error.code for error in checked(wrong).errors] == ["JK802"]
    assert checked(wrong).errors[0].help == "did you mean 'close_month'?"


def test_figures_of_a_job_that_is_gone(shop: CommandLine) -> None:
    """History outlives job files."""
    (shop.root / "extensions/web/jobs/ingest.py").unlink()
    assert [job.job for job in checked(shop("stats", "ingest_content", "--json")).data] == ["ingest_content"]


def test_more_runs_than_a_page(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are read to the end: real runs, counted one by one."""
    cli.file("extensions/web/jobs/x.py", "from jobkit import submit_job\n@submit_job\ndef x(ctx): ...\n")
    monkeypatch.setattr("jobkit.cli.paging._PAGE", 2)
    for _ in range(5):
        assert cli("run", "x").code == 0
    [figures] = checked(cli("stats", "--json")).data
    assert figures.runs == figures.succeeded == 5


@given(NUMBERS)
def test_percentiles_are_members(numbers: Sequence[int]) -> None:
    """A percentile is one of the durations; so many are not above it, and fewer below it."""
    ordered = sorted(numbers)
    for percent_of in (1, 50, 95, 100):
        value = percentile(ordered, percent_of)
        assert value in ordered
        assert sum(each <= value for each in ordered) * 100 >= percent_of * len(ordered)
        assert sum(each < value for each in ordered) * 100 < percent_of * len(ordered)
    assert percentile(ordered, 100) == ordered[-1]
    if len(ordered) % 2:
        assert percentile(ordered, 50) == median(ordered)


@given(st.integers(0, 100_000), st.integers(1, 100_000))
def test_shares_do_not_lie(good: int, more: int) -> None:
    """100% is said only of all, 0% only of none."""
    share = good / (good + more)
    assert percent(share) != "100%"
    assert (percent(share) == "0%") == (good == 0)
    assert percent(1.0) == "100%"


def test_times_are_read_in_the_projects_zone(shop: CommandLine) -> None:
    """``--since 03:00`` is three o'clock in Berlin."""
    [cleanup] = checked(shop("stats", "cleanup_old_records", "--since", "02:59", "--json")).data
    assert cleanup.last_at == "2026-11-22T02:00:00Z"
    assert checked(shop("stats", "cleanup_old_records", "--since", "03:01", "--json")).data == []
