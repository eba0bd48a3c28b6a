"""What is known of the jobs that runs belong to: a record names its job, and not the job's tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from jobkit import JobSpec

#: Gives the job of a name; None if the project has none.
FindJob = Callable[[str], "JobSpec | None"]


def job_finder(root: Path) -> FindJob:
    """Looks jobs up in the loaded project, if that is the one in *root*.

    What is delivered may be a run of a job that this process has not imported yet: it is imported then. A
    hook that sees all jobs would have every process import all of them.
    """

    def find(name: str) -> JobSpec | None:
        from jobkit.plugin import loaded_project

        project = loaded_project()
        return project.jobs.get(name) if project is not None and project.root == root else None

    return find
