"""A project in a temporary folder, and two ways to collect it: here, and in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobkit import collection
from jobkit.collection import Collected
from jobkit.config import Config, load_config

TOP = Path(__file__).parents[2]
#: An old enough time for the index to believe a file's status without reading the file.
LONG_AGO = 1_700_000_000

JOB = """from jobkit import submit_job


async def {name}(ctx):
    \"\"\"Do {name}.\"\"\"


submit_job({name})
"""


class ProjectFolder:
    """Files to be collected."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file("jobkit.toml", "")

    def file(self, path: str, content: str | bytes = "", *, mode: int | None = None) -> Path:
        """Write a file, its folders included."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            target.chmod(mode)
        return target

    def job(self, name: str, path: str | None = None) -> Path:
        """Write a file with one job."""
        return self.file(path or f"extensions/web/jobs/{name}.py", JOB.format(name=name))

    def age(self) -> None:
        """Let every file look old."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                os.utime(Path(folder, name), (LONG_AGO, LONG_AGO), follow_symlinks=False)

    @property
    def config(self) -> Config:
        return load_config(self.root)

    def collect(self, config: Config | None = None, **options: Any) -> Collected:
        """Collect in this process, from scratch."""
        collection.detach()
        return collection.collect(config or self.config, **options)

    def collect_job(self, name: str) -> Collected | None:
        """Collect one job in this process, from scratch."""
        collection.detach()
        return collection.collect_job(self.config, name)

    def start(self, **order: Any) -> subprocess.Popen[str]:
        """Start to collect in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.collection.child", json.dumps({"root": str(self.root), **order})],
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def collect_alone(self, **order: Any) -> dict[str, Any]:
        """Collect in a process of its own, whose standard output has to be one JSON object."""
        child = self.start(**order)
        out, err = child.communicate(timeout=90)
        assert child.returncode == 0, f"exit status {child.returncode}\n{out}\n{err}"
        answer: dict[str, Any] = json.loads(out)
        assert set(answer) >= {"errors"} or answer.get("unknown")
        answer["stderr"] = err
        return answer


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ProjectFolder]:
    """An empty project; whatever is attached is detached afterwards."""
    collection.detach()
    yield ProjectFolder(tmp_path)
    collection.detach()


def only(errors: list[Any]) -> Any:
    """The one element of *errors*."""
    [error] = errors
    return error
