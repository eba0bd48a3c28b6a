"""A loaded project: what it holds, what it warns of, and who owns the job modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit import ConfigError, Project
from jobkit.project import loaded_project

JOBS = """
from jobkit import submit_job

@submit_job(schedule="0 0 3 * * *")
def cleanup(ctx, *, days: int): ...

@submit_job
def report(ctx): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two jobs; one is scheduled and requires a parameter."""
    jobs = tmp_path / "extensions" / "web" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "cleanup.py").write_text(JOBS)
    (tmp_path / "jobkit.toml").touch()
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_stays_loaded() -> Iterator[None]:
    """A failed test must not leave its project behind for the next one."""
    yield
    project = loaded_project()
    if project is not None:
        project.close()


def warnings(project: Project, name: str) -> list[str]:
    """The codes that the job *name* is warned with."""
    return [warning.code for warning in project.jobs[name].warnings]


def test_a_scheduled_job_without_its_required_parameter_is_a_warning(folder: Path) -> None:
    """JK512 names job and parameter; a value in the configuration, as its page says, mends it."""
    with Project.load(folder) as project:
        assert warnings(project, "cleanup") == ["JK512"]
        assert warnings(project, "report") == []
    (folder / "jobkit.toml").write_text("[jobs.cleanup]\nparameters = { days = 30 }\n")
    with Project.load(folder) as project:
        assert warnings(project, "cleanup") == []


def test_a_second_project_waits_for_the_first_to_be_closed(folder: Path) -> None:
    """One project per process owns the job modules."""
    with Project.load(folder), pytest.raises(RuntimeError, match="close"):
        Project.load(folder)
    Project.load(folder).close()


def test_configuration_of_an_unknown_job_names_the_closest(folder: Path) -> None:
    """After a clean collection [jobs.NAME] without a job is an error with file, line and suggestion."""
    (folder / "jobkit.toml").write_text(
        "[jobs.clean_up]\nenabled = true\n\n[scheduler]\nstartup = ['reprot']\n"
    )
    with pytest.raises(ConfigError) as caught:
        Project.load(folder)
    assert [(error.code, error.line, error.help) for error in caught.value.errors] == [
        ("JK210", 1, "did you mean 'cleanup'?"),
        ("JK210", 5, "did you mean 'report'?"),
    ]


def test_while_a_file_is_broken_an_unknown_name_is_a_warning(folder: Path) -> None:
    """The name may belong to the broken file, which the warning names."""
    (folder / "jobkit.toml").write_text("[jobs.invoices]\nenabled = true\n")
    (folder / "extensions" / "web" / "jobs" / "broken.py").write_text("import nonsense_that_is_not_there\n")
    with Project.load(folder) as project:
        [warning] = [item for item in project.warnings if item.code == "JK210"]
        assert "broken.py" in (warning.help or "")


def test_only_the_wanted_file_is_imported_and_others_when_asked_for(folder: Path) -> None:
    """With a fresh index one file is imported; a job of another file is imported when it is looked up."""
    other = folder / "extensions" / "web" / "jobs" / "other.py"
    other.write_text("from jobkit import submit_job\n\n@submit_job\ndef other(ctx): ...\n")
    Project.load(folder).close()
    with Project.load(folder, only="report") as project:
        assert not project.complete
        assert project.jobs["other"].path == other
        assert not project.complete
        assert set(project.jobs) == {"cleanup", "other", "report"}
        assert project.complete


def test_outside_of_a_project_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    """No marker in the folder or above it: JK202."""
    with pytest.raises(ConfigError) as caught:
        Project.load(tmp_path)
    assert caught.value.code == "JK202"
    assert "jobkit.toml" in (caught.value.help or "")
