"""The tree as these tests see it: the files that belong to the project, wherever it is checked out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def tree() -> list[Path]:
    """Every file of the project, committed or about to be: paths relative to the root, in order."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        names = [Path(name) for name in listing.stdout.decode().split("\0") if name]
    else:  # an unpacked source distribution: no git, and nothing in it but the project
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [name for name in names if not any(_by_tools(part) for part in name.parts)]
    # A file deleted in the working tree is listed until the deletion is committed.
    return sorted({name for name in names if (ROOT / name).is_file()})


def _by_tools(part: str) -> bool:
    return part == "__pycache__" or part.endswith(("_cache", ".egg-info")) or part in {".hypothesis", ".git"}


@pytest.fixture(scope="session")
def shipped_python(tree: list[Path]) -> list[Path]:
    """The Python files that users run or read: everything but tests."""
    return [name for name in tree if name.suffix == ".py" and "tests" not in name.parts]
