"""Folders that cost no disk, child processes, and wrong stores put through the conformance suite."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import jobkit

MEMORY = Path("/dev/shm")

_MEMORY = """
import anyio.lowlevel
import pytest
from dataclasses import replace
from jobkit.stores.kept import Kept, given, queued, terms_of
from jobkit.exceptions import RunInTheWay
from jobkit.stores.ledger import JobKey
from jobkit.stores.memory import MemoryStore
from jobkit.stores.overlaps import judge
from jobkit.stores.plain import clean_text
from jobkit.testing.conformance import StoreConformance

class Wrong(MemoryStore):
{wrong}

class TestWrong(StoreConformance):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def open_store(self, clock):
        kept = Kept("conformance")
        return lambda *, project="conformance": Wrong(project=project, now=clock.now, kept=kept)
"""

_SQLITE = """
import tempfile
from pathlib import Path
import pytest
from jobkit.stores.sqlite import claims, leases, outbox, overlaps, punctuality, runs, schema, upkeep
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
from jobkit.testing.conformance import StoreConformance

{wrong}

class TestWrong(StoreConformance):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def open_store(self, clock):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            yield lambda *, project="conformance": SqliteStore(
                folder / "jobkit.db", project=project, root=folder, now=clock.now
            )
"""


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


@pytest.fixture
def failing_in_memory(pytester: pytest.Pytester) -> Callable[[str], set[str]]:
    """The names of the cases that fail for a store in memory with these methods."""

    def run(wrong: str) -> set[str]:
        pytester.makepyfile(_MEMORY.format(wrong=wrong))
        result = pytester.runpytest_inprocess("-q", "-rf", "-p", "no:cacheprovider")
        assert result.parseoutcomes()["passed"] > 100
        return _failed(result)

    return run


@pytest.fixture
def failing_in_a_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, child_environment: dict[str, str]
) -> Callable[[str], set[str]]:
    """The same for a store in a file after these statements; in a process of its own, which they change."""

    def run(wrong: str) -> set[str]:
        for name in ("PYTHONPATH", "TMPDIR"):
            if name in child_environment:
                monkeypatch.setenv(name, child_environment[name])
        pytester.makepyfile(_SQLITE.format(wrong=wrong))
        # What is about values and queries is many cases, and about none of these rules.
        which = "not text and not values and not query and not pages"
        result = pytester.runpytest_subprocess("-q", "-rf", "-k", which, "-p", "no:cacheprovider")
        assert result.parseoutcomes()["passed"] > 50
        return _failed(result)

    return run


def _failed(result: pytest.RunResult) -> set[str]:
    """The names of the cases that failed, whatever their parameters."""
    failed = set()
    for line in result.outlines:
        if line.startswith("FAILED "):
            name = line.removeprefix("FAILED ").split(" - ")[0].rpartition("::")[2]
            failed.add(name.partition("[")[0])
    return failed
