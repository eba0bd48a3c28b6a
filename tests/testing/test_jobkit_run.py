"""The fixture ``jobkit_run``, used the way its users do: by a pytest session of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

JOB = """
from jobkit import JobContext, JobResult, submit_job

@submit_job(schedule="0 0 3 * * *")
async def count(ctx: JobContext, *, to: int = 3, start: int = 0) -> JobResult:
    return JobResult.success(f"up to {to}").with_stats(processed=to - start, errors=0)

@submit_job()
def where(ctx, project) -> JobResult:
    return JobResult.success(str(project))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one job file and an empty tests folder."""
    jobs = tmp_path / "extensions" / "web" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "count.py").write_text(JOB)
    (tmp_path / "jobkit.toml").write_text("[jobs.count]\nparameters = { to = 7 }\n")
    (tmp_path / "tests").mkdir()
    return tmp_path


def pytest_of(folder: Path, test: str) -> CompletedProcess[str]:
    """A pytest session over *test*, written into *folder*'s tests."""
    (folder / "tests" / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return run([*command, "tests"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def passes(folder: Path, test: str) -> None:
    """Assert that every test in *test* passes."""
    done = pytest_of(folder, test)
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_a_job_of_the_project_by_name(project: Path) -> None:
    """A name is looked up in the project that the test lies in, with its configuration."""
    passes(
        project,
        """
def test_count(jobkit_run):
    record = jobkit_run("count")
    assert (record.status, record.processed, record.message) == ("succeeded", 7, "up to 7")
    assert record.trigger == "manual" and record.attempt == 1
""",
    )


def test_parameters_lie_over_the_configuration(project: Path) -> None:
    """Given parameters win key by key; the others keep what the configuration says."""
    passes(
        project,
        """
def test_count(jobkit_run):
    assert jobkit_run("count", parameters={"start": 2}).processed == 5
    assert jobkit_run("count", {"to": 4}).processed == 4
""",
    )


def test_a_function_needs_no_project(tmp_path: Path) -> None:
    """What submit_job takes can be run outside of any project."""
    (tmp_path / "tests").mkdir()
    passes(
        tmp_path,
        """
from jobkit import JobResult

async def double(ctx, *, number: int) -> JobResult:
    return JobResult.success().with_data({"doubled": number * 2})

def test_double(jobkit_run):
    assert jobkit_run(double, parameters={"number": 21}).data == {"doubled": 42}
""",
    )


def test_works_in_an_async_test(project: Path) -> None:
    """A test that runs in an event loop already may call the fixture all the same."""
    passes(
        project,
        """
import pytest

@pytest.mark.anyio
async def test_count(jobkit_run):
    assert jobkit_run("count").processed == 7
""",
    )


def test_services_are_replaced(project: Path) -> None:
    """A service given by name takes the place of the real one."""
    passes(
        project,
        """
from pathlib import Path

def test_where(jobkit_run):
    assert jobkit_run("where", services={"project": Path("/elsewhere")}).message == "/elsewhere"
""",
    )


def test_a_job_that_raises_is_a_record(project: Path) -> None:
    """Failure is an outcome to assert on, with the exception."""
    passes(
        project,
        """
def test_error(jobkit_run):
    def raises(ctx): raise KeyError("published_at")
    record = jobkit_run(raises)
    assert record.status == "failed"
    assert record.error.type == "KeyError"
    assert "published_at" in record.error.message
""",
    )


def test_an_unknown_name_offers_the_closest(project: Path) -> None:
    """A misspelt name is a usage error that shows the right one."""
    passes(
        project,
        """
import pytest
from jobkit import UsageError

def test_cout(jobkit_run):
    with pytest.raises(UsageError) as caught:
        jobkit_run("cout")
    assert caught.value.code == "JK809"
    assert "count" in caught.value.help
    assert jobkit_run("count").status == "succeeded"
""",
    )


def test_parameters_that_do_not_fit_are_raised(project: Path) -> None:
    """Nothing runs with a value of the wrong type: the caller is told at once."""
    passes(
        project,
        """
import pytest
from jobkit import ParameterError

def test_count(jobkit_run):
    with pytest.raises(ParameterError, match="to"):
        jobkit_run("count", parameters={"to": "many"})
""",
    )


def test_job_files_are_importable(project: Path) -> None:
    """Test modules import from job files by the names these have in a loaded project."""
    passes(
        project,
        """
from jobkit_ext.web.jobs.count import count

def test_same(jobkit_run):
    assert jobkit_run(count).processed == 7
""",
    )


def test_a_test_may_load_the_project_or_another_one_itself(project: Path, tmp_path: Path) -> None:
    """What the plugin holds stands in nobody's way, and is there again for the next test."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "jobkit.toml").touch()
    passes(
        project,
        f"""
from jobkit import Project
from jobkit_ext.web.jobs.count import count

def test_first(jobkit_run):
    assert jobkit_run(count).processed == 7

def test_own(jobkit_run):
    with Project.load({str(project)!r}) as own:
        assert list(own.jobs) == ["count", "where"]
        assert jobkit_run("count").processed == 7

def test_other():
    with Project.load({str(other)!r}) as other:
        assert not other.jobs

def test_again(jobkit_run):
    assert jobkit_run(count).processed == 7
""",
    )


def test_plugins_of_the_project_take_part(project: Path) -> None:
    """Its services, what it puts around runs, and what it says against them; no sink gets anything."""
    (project / "hooks").mkdir()
    (project / "hooks" / "shelf.py").write_text("""
from contextlib import contextmanager
from jobkit import ServiceSpec, Sink, hookimpl
from jobkit.plugin import Skip

STORY = []

class Everything(Sink):
    name = "everything"
    async def emit(self, run):
        STORY.append("delivered")

@hookimpl
def jobkit_result_sinks(config):
    return [Everything()]

@hookimpl
def jobkit_services(config):
    def open_shelf():
        return "from the shelf"
    return [ServiceSpec(open_shelf, name="shelf")]

@hookimpl
def jobkit_run_admit(request):
    return Skip("no counting") if request.job == "count" else None

@hookimpl
@contextmanager
def jobkit_run_context(run):
    STORY.append("in")
    yield
    STORY.append("out")
""")
    passes(
        project,
        """
import sys
import pytest
from jobkit import JobResult, RunRefused

def test_it(jobkit_run):
    async def asks(ctx, shelf):
        return JobResult.success(shelf)
    assert jobkit_run(asks).message == "from the shelf"
    [story] = [module.STORY for name, module in sys.modules.items() if name.endswith("hooks.shelf")
               or name == "jobkit_hooks.shelf"]
    assert story == ["in", "out"]
    with pytest.raises(RunRefused, match="no counting"):
        jobkit_run("count")
""",
    )
