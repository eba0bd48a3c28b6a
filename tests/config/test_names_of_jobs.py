"""Configuration that speaks of jobs which do not exist, seen through a whole project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobkit import Project
from jobkit.exceptions import ConfigError

if TYPE_CHECKING:
    from tests.config.conftest import Tree

JOB = "from jobkit import submit_job\n\n@submit_job\nasync def cleanup(ctx):\n    '''Clean.'''\n"
OPERATORS = "services/scheduler"


def test_names_that_match_no_job_are_all_told(tree: Tree) -> None:
    """JK210 for a table and for a name in startup, with lines and the closest names; corrected, it loads."""
    tree.write("extensions/web/jobs/cleanup.py", JOB)
    tree.write("jobkit.toml", "[jobs.cleanup]\nenabled = true\n[jobs.cleanupp]\n")
    tree.write(f"{OPERATORS}/config.toml", "[scheduler]\nstartup = ['claenup']")
    with pytest.raises(ConfigError) as caught:
        Project.load(tree.root)
    found = [(error.code, error.location(tree.root), error.help) for error in caught.value.errors]
    assert found == [
        ("JK210", "jobkit.toml:3", "did you mean 'cleanup'?"),
        ("JK210", f"{OPERATORS}/config.toml:2", "did you mean 'cleanup'?"),
    ]
    tree.write("jobkit.toml", "[jobs.cleanup]\nenabled = true\n")
    tree.write(f"{OPERATORS}/config.toml", "[scheduler]\nstartup = ['cleanup']")
    with Project.load(tree.root) as project:
        assert project.jobs["cleanup"].enabled


def test_a_stale_override_is_a_warning(tree: Tree) -> None:
    """It was written by a command, and a command removes it."""
    tree.write("extensions/web/jobs/cleanup.py", JOB)
    tree.write(f"{OPERATORS}/overrides.toml", "[jobs.gone]\nenabled = false\n")
    with Project.load(tree.root) as project:
        assert [warning.code for warning in project.warnings] == ["JK210"]


def test_a_bad_value_leaves_the_other_jobs_alone(tree: Tree) -> None:
    """The job is listed with its error, the line included."""
    tree.write("extensions/web/jobs/cleanup.py", JOB + JOB.replace("cleanup", "report").partition("\n\n")[2])
    tree.write("jobkit.toml", "[jobs.cleanup]\nschedule = '0 3 * * *'\n")
    with Project.load(tree.root) as project:
        error = project.jobs["cleanup"].error
        assert error is not None
        assert error.location(tree.root) == "jobkit.toml:2"
        assert project.jobs["report"].error is None
