"""Projects in temporary folders, and nothing of them left behind."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobkit import Project, collection
from jobkit.job import JobSpec
from jobkit.project import loaded_project

JOB = """
from jobkit import submit_job

@submit_job{options}
async def {name}({arguments}): ...
"""


class Folder:
    """A project on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("jobkit.toml", "")

    def write(self, path: str, text: str) -> Path:
        """A file with that text, its folders included."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def job(self, name: str, options: str = "", arguments: str = "ctx", *, extension: str = "web") -> Path:
        """A file with one job."""
        text = JOB.format(name=name, options=f"({options})" if options else "", arguments=arguments)
        return self.write(f"extensions/{extension}/jobs/{name}.py", text)

    def hook(self, text: str, name: str = "policy") -> Path:
        """A plugin of the project, ``hooks/<name>.py``."""
        return self.write(f"hooks/{name}.py", HEAD + textwrap.dedent(text))

    def own_hook(self, text: str, extension: str = "web") -> Path:
        """What speaks for one extension."""
        return self.write(f"extensions/{extension}/hooks.py", HEAD + textwrap.dedent(text))

    def load(self, **options: Any) -> Project:
        """Load it from scratch, after whatever was loaded before was closed."""
        before = loaded_project()
        if before is not None:
            before.close()
        return Project.load(self.root, **options)

    def jobs(self, **options: Any) -> dict[str, JobSpec]:
        """The jobs after loading it from scratch."""
        return dict(self.load(**options).jobs)


HEAD = """
from dataclasses import replace
from functools import partial
from pathlib import Path
from jobkit import ServiceSpec, hookimpl, submit_job
from jobkit.plugin import ScheduleKind
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty project."""
    return Folder(tmp_path)


@pytest.fixture(autouse=True)
def nothing_stays_loaded() -> Iterator[None]:
    """A failed test must not leave its project behind for the next one."""
    yield
    project = loaded_project()
    if project is not None:
        project.close()
    collection.detach()


Codes = Callable[[Project], list[str]]


def codes(project: Project) -> list[str]:
    """The codes of what is warned of."""
    return [warning.code for warning in project.warnings]
