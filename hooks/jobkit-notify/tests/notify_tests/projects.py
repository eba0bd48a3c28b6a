"""Projects in a folder of the test, with the plugins as pip has installed them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobkit import Project, Sink


def write(root: Path, configuration: str, jobs: str = "") -> Path:
    """A project in *root* with that jobkit.toml and that job file, ``jobs.py`` of the extension ``shop``."""
    folder = root / "extensions" / "shop" / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    header = '[project]\nname = "shop"\n'
    (root / "jobkit.toml").write_text(header + textwrap.dedent(configuration), encoding="utf-8")
    body = "from jobkit import JobResult, submit_job\n\n" + textwrap.dedent(jobs or CLEAN)
    (folder / "jobs.py").write_text(body, encoding="utf-8")
    return root


CLEAN = """
@submit_job(tags=["nightly"])
def clean(ctx): ...
"""


@contextmanager
def loaded(root: Path, configuration: str, jobs: str = "", **more: Any) -> Iterator[Project]:
    """The same, loaded in this process."""
    with Project.load(write(root, configuration, jobs), **more) as project:
        yield project


def sinks(project: Project) -> dict[str, Sink]:
    """The sinks of *project*, by name."""
    return {provided.value.name: provided.value for provided in project.sinks}


def jobkit(root: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
    return subprocess.run(
        [sys.executable, "-m", "jobkit", "-C", str(root), *words],
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(root: Path, *words: str, **variables: str) -> Any:
    """What the command says with ``--json``."""
    ended = jobkit(root, *words, "--json", **variables)
    return json.loads(ended.stdout)
