"""docs/how-to/collect-other-files.md: what stands there is a project that works."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.project.conftest import Folder

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "collect-other-files.md"
BLOCK = re.compile(r"```(python|sql)\n(.*?)```", re.DOTALL)
SQL_FILE = "extensions/shop/jobs/old_sessions.sql"


@pytest.fixture
def guide(folder: Folder) -> Folder:
    """The project of the guide."""
    for language, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        path = SQL_FILE if language == "sql" else text.partition("\n")[0].removeprefix("# ")
        folder.write(path, text)
    return folder


def test_the_sql_file_is_a_job(guide: Folder) -> None:
    """With the schedule of its first line; a file without one is an error of that line."""
    job = guide.jobs()["old_sessions"]
    assert (job.error, job.schedule) == (None, ("0 0 3 * * *",))
    guide.write(SQL_FILE, "select 1\n")
    project = guide.load()
    [error] = project.errors
    assert (error.message, error.line, project.warnings) == ("the first line is no schedule", 1, [])


def test_the_rules_hold(guide: Folder) -> None:
    """A time limit for all, an owner for those of one tag; the rest is left alone."""
    guide.job("invoices", 'tags=["billing"]')
    guide.job("orders", 'timeout="5m"')
    jobs = guide.jobs()
    assert jobs["old_sessions"].timeout == timedelta(hours=1)
    assert jobs["orders"].timeout == timedelta(minutes=5)
    assert jobs["invoices"].error is not None
    assert jobs["orders"].error is None


def test_payday_is_a_schedule(guide: Folder) -> None:
    """The last day of each month, from any instant on."""
    guide.job("salaries", 'schedule="payday"')
    times = guide.jobs()["salaries"].times
    assert times is not None
    fires = times.upcoming(datetime(2027, 1, 31, 6, tzinfo=UTC), 3)
    assert [(fire.month, fire.day, fire.hour) for fire in fires] == [(2, 28, 6), (3, 31, 6), (4, 30, 6)]
