"""Folders that cost no disk, and child processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobkit

MEMORY = Path("/dev/shm")


def roomy_folder() -> str | None:
    """A file system in memory, where there is one with room: stores flush at every commit, and how long
    a disk takes for that is no business of these tests. Else None, the usual place."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 512 * 1024 * 1024:
        return str(MEMORY)
    return None


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """As pytest's, but in memory."""
    folder = roomy_folder()
    if folder is None:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=folder) as name:
        yield Path(name).resolve()


@pytest.fixture
def child_environment() -> dict[str, str]:
    """The environment of a child that finds jobkit, and folders in memory, where this process does."""
    found = {**os.environ, "PYTHONPATH": str(Path(jobkit.__file__).parents[1])}
    folder = roomy_folder()
    return found if folder is None else {**found, "TMPDIR": folder}
