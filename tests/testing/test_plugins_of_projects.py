"""Tests of a project meet its plugins: they prepare the process, provide services, and are cleaned up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.test_jobkit_run import passes, pytest_of

HOOKS = """
import os

from jobkit import ServiceSpec, hookimpl

class Database:
    def __init__(self, rows):
        self.rows = rows

def open_database():
    yield Database(3)

@hookimpl
def jobkit_configure(config):
    assert "SHOP_READY" not in os.environ, "configured twice"
    os.environ["SHOP_READY"] = "yes"
    config.add_cleanup(lambda: (config.root / "cleaned").touch())

@hookimpl
def jobkit_services(config):
    return [ServiceSpec(open_database, name="db", provides=Database)]
"""
JOB = """
import os

from jobkit import JobResult, submit_job

READY = os.environ["SHOP_READY"]

@submit_job
async def count(ctx, db) -> JobResult:
    return JobResult.success().with_stats(processed=db.rows, errors=0)

@submit_job
async def mail(ctx, mailer) -> JobResult:
    return JobResult.success(mailer)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose job file needs what its plugin prepares."""
    jobs = tmp_path / "extensions" / "web" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "count.py").write_text(JOB)
    (tmp_path / "jobkit.toml").touch()
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "shop.py").write_text(HOOKS)
    (tmp_path / "tests").mkdir()
    return tmp_path


def test_plugins_prepare_the_process_before_a_test_module_imports_a_job_file(project: Path) -> None:
    """Once, however many test modules and runs there are; what they want cleaned up is at the end."""
    (project / "tests" / "test_other.py").write_text("from jobkit_ext.web.jobs.count import READY\n")
    passes(
        project,
        """
from jobkit_ext.web.jobs.count import READY, count

def test_ready(jobkit_run):
    assert READY == "yes"
    assert jobkit_run("count").processed == jobkit_run(count).processed == 3
""",
    )
    assert (project / "cleaned").exists()


def test_services_of_plugins_are_replaced_and_added(project: Path) -> None:
    """What a test gives takes the place of a plugin's service, or fills a place that nobody else does."""
    passes(
        project,
        """
from types import SimpleNamespace

import pytest
from jobkit.exceptions import RunError

def test_given(jobkit_run):
    assert jobkit_run("count", services={"db": SimpleNamespace(rows=8)}).processed == 8
    assert jobkit_run("mail", services={"mailer": "postman"}).message == "postman"
    with pytest.raises(RunError, match="mailer"):
        jobkit_run("mail")
""",
    )


def test_a_name_that_nobody_asks_for_is_refused(project: Path) -> None:
    """A misspelt fake would silently not be used (JK809); the closest name mends it."""
    passes(
        project,
        """
import pytest
from types import SimpleNamespace
from jobkit.exceptions import UsageError

def test_given(jobkit_run):
    fake = SimpleNamespace(rows=8)
    with pytest.raises(UsageError, match="no service has that name") as caught:
        jobkit_run("count", services={"dbb": fake})
    assert (caught.value.code, caught.value.help) == ("JK809", "did you mean 'db'?")
    assert jobkit_run("count", services={"db": fake}).processed == 8
""",
    )


def test_a_broken_plugin_does_not_end_a_test_session(project: Path) -> None:
    """Tests that do not need it pass."""
    (project / "hooks" / "shop.py").write_text("1 / 0\n")
    (project / "extensions/web/jobs/plain.py").write_text(
        "from jobkit import submit_job\n\n@submit_job\nasync def plain(ctx): ...\n"
    )
    done = pytest_of(
        project, "def test_it(jobkit_run):\n    assert jobkit_run('plain').status == 'succeeded'\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
