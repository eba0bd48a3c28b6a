"""``history`` and its like: ticks that had no run stand between the runs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import anyio
import pytest

from tests.cli.accounts import Account
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOB = "tick"


@pytest.fixture
def project(cli: CommandLine) -> CommandLine:
    """A job of every second and another, with runs and two spans of the first between them."""
    job = "from jobkit import submit_job\n\n\n@submit_job(schedule='* * * * * *')\ndef tick(ctx):\n    pass\n"
    cli.file("extensions/web/jobs/tick.py", job)

    async def fill() -> None:
        async with Account(cli.root) as account:
            await account.scheduled(JOB, "09:00:00")
            await account.scheduled("other", "09:00:00")
            await account.ran(JOB, "09:00:01", took=0.1)
            await account.skipped(
                JOB, "09:00:02", "09:30:00", reason="paused", cause="paused by ops@x", count=1799
            )
            await account.ran("other", "09:10:00", took=0.1)
            await account.ran(JOB, "09:30:01", took=0.1)
            await account.skipped(JOB, "09:30:02", reason="overlap", cause="run 3")

    anyio.run(fill)
    return cli


def rows(cli: CommandLine, *filters: str) -> list[Any]:
    """What each row is: its number, or its count of ticks in brackets."""
    found = checked(cli("history", "--json", *filters)).data
    return [row.number if row.ticks is None else [row.ticks.count] for row in found]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], [[1], 3, [1799], 2, 1]),
        (["--job", "tick"], [[1], 3, [1799], 1]),
        (["--job", "other"], [2]),
        (["--limit", "3"], [[1], 3, [1799]]),
        (["--limit", "1"], [[1]]),
        (["--status", "skipped"], [[1], [1799]]),
        (["--status", "succeeded"], [3, 2, 1]),
        (["--trigger", "schedule"], [[1], 3, [1799], 2, 1]),
        (["--trigger", "manual"], []),
        (["--since", "2026-11-22T09:29:00Z"], [[1], 3, [1799]]),
        (["--until", "2026-11-22T09:00:02Z"], [1]),
        (["--until", "2026-11-22T09:10:00Z", "--status", "skipped"], [[1799]]),
    ],
)
def test_rows(project: CommandLine, filters: list[str], expected: list[Any]) -> None:
    """Newest first by their last tick; a span fits where it touches, and is one row whatever its length."""
    assert rows(project, *filters) == expected


def test_a_span_is_a_row_without_a_number(project: CommandLine) -> None:
    """Skipped, its ticks, its reason and cause; null for what it lacks."""
    [row] = checked(
        project("history", "--json", "--until", "2026-11-22T09:10:00Z", "--status", "skipped")
    ).data
    assert (row.id, row.number, row.job, row.extension) == (None, None, JOB, "web")
    assert (row.status, row.reason, row.message) == ("skipped", "paused", "paused by ops@x")
    assert (row.scheduled_at, row.queued_at, row.started_at) == ("2026-11-22T09:00:02Z", None, None)
    assert row.ticks.first == row.scheduled_at
    assert (row.ticks.last, row.ticks.count) == ("2026-11-22T09:30:00Z", 1799)


def test_every_form_has_them(project: CommandLine) -> None:
    """JSON lines and CSV hold the same rows; the table says how many ticks and why."""
    whole = project("history", "--json").data
    assert [json.loads(line) for line in project("history", "--format", "jsonl").out.splitlines()] == whole
    read = list(csv.DictReader(io.StringIO(project("history", "--format", "csv").out)))
    assert [row["ticks_count"] for row in read] == ["1", "", "1799", "", ""]
    assert (read[2]["ticks_last"], read[2]["number"]) == ("2026-11-22T09:30:00Z", "")
    screen = project("history").out
    assert "1799 ticks, paused by ops@x" in screen
    assert "1 tick, overlap: run 3" in screen
    assert "3 runs, 2 rows of skipped ticks" in screen


def test_what_has_no_number_has_no_logs(project: CommandLine) -> None:
    """Refused with words; the newest run is still a run."""
    ended = project("logs", "-")
    assert (ended.code, "error[JK603]" in ended.err, "jobkit why" in ended.err) == (4, True, True)
    assert checked(project("logs", "last", "--json")).data.run.number == 3


def test_show_has_them_among_the_recent(project: CommandLine) -> None:
    """The last run is a run."""
    data = checked(project("show", JOB, "--json")).data
    assert [run.number for run in data.runs] == [None, 3, None, 1]
    assert data.last_run.number == 3
    screen = project("show", JOB).out
    assert "1799 ticks, paused" in screen
    assert "2/2 ok" in screen
