"""The pytest plugin: test a job like any function, with a real run around it.

``jobkit_run(name_or_function, parameters={...})`` executes one run in a store in memory and returns its
:class:`~jobkit.RunRecord`. Test modules below a project may import its job files by their names
(``from jobkit_ext.web.jobs.cleanup import ...``). A test run without jobkit projects pays nothing.

``jobkit_project`` is for plugins: a project in a temporary folder, see
:class:`~jobkit.testing.trial.JobkitProject`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.testing.trial import JobkitProject


class JobkitRun(Protocol):
    """What the fixture ``jobkit_run`` is."""

    def __call__(
        self,
        job: str | Callable[..., Any] | type,
        /,
        parameters: Mapping[str, Any] | None = None,
        *,
        services: Mapping[str | type, object] | None = None,
        enforce: bool = False,
        timeout: timedelta | str | float | None = None,
    ) -> RunRecord:
        """Run *job* to its end and return its record; a failed run is a record too, not an exception.

        *job* is a name in the project that the test file belongs to, or what ``submit_job`` takes.
        *services* replaces services by name or type. Raises ParameterError for parameters that do not
        fit and UsageError for an unknown name. Works in ``def`` and ``async def`` tests.
        """
        ...


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Make the job files of the module's project importable before the module is."""
    from jobkit.testing.projects import projects

    projects.importable_from(module_path.parent)


@pytest.fixture
def jobkit_run(request: pytest.FixtureRequest) -> JobkitRun:
    """Run a job and get the record of the run: ``record = jobkit_run("name", parameters={...})``."""
    from jobkit.testing.running import TestRunner

    return TestRunner(request.path.parent)


@pytest.fixture
def jobkit_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobkitProject]:
    """A project in a temporary folder of its own: write files, register plugins, run jobs, look at calls."""
    import os

    from jobkit.testing.trial import JobkitProject

    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("JOBKIT_") and not name.startswith("JOBKIT_TEST_"):
                patch.delenv(name)
        yield JobkitProject(tmp_path_factory.mktemp("project"))


def pytest_unconfigure() -> None:
    """Let go of the project that was loaded last."""
    import sys

    if "jobkit.testing.projects" in sys.modules:
        from jobkit.testing.projects import projects

        projects.close()
