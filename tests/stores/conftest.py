"""Folders that cost no disk, child processes, and wrong stores put through the conformance suite."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Literal

import pytest

import jobkit
from jobkit.stores.sqlite import claims, leases, outbox, overlaps, punctuality, runs, schema, upkeep
from jobkit.testing.conformance import StoreConformance

MEMORY = Path("/dev/shm")

#: What statements that make a store in a file wrong may change.
_CHANGEABLE = (claims, leases, outbox, overlaps, punctuality, runs, schema, upkeep)

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

class TestWrong(*[cases for cases in StoreConformance.__bases__ if cases.__name__ in {cases}]):
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
from jobkit.stores.sqlite import {modules}
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
from jobkit.testing.conformance import StoreConformance

{wrong}

class TestWrong(*[cases for cases in StoreConformance.__bases__ if cases.__name__ in {cases}]):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def open_store(self, clock):
        with tempfile.TemporaryDirectory(dir={folder!r}) as name:
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


#: Puts a store that is wrong in this way through the suite, given the cases that should see it. Gives
#: the names of those that failed.
Failing = Callable[[str, Collection[str]], set[str]]
Extent = Literal["classes that are about it", "all classes"]


@pytest.fixture(
    params=["classes that are about it", pytest.param("all classes", marks=pytest.mark.slow)],
    ids=["about-it", "all"],
)
def extent(request: pytest.FixtureRequest) -> Extent:
    """How much of the suite a wrong store is put through."""
    chosen: Extent = request.param
    return chosen


def _classes(extent: Extent, about_it: Collection[str]) -> list[str]:
    """The names of the classes with a case of *about_it*; of all if all are wanted, or nothing is wrong."""
    classes = StoreConformance.__bases__
    if extent == "all classes" or not about_it:
        return [cases.__name__ for cases in classes]
    missing = [name for name in about_it if not hasattr(StoreConformance, name)]
    assert not missing, "there are no such cases"
    return [cases.__name__ for cases in classes if any(hasattr(cases, name) for name in about_it)]


@pytest.fixture
def failing_in_memory(pytester: pytest.Pytester, extent: Extent) -> Failing:
    """For a store in memory with these methods."""

    def run(wrong: str, about_it: Collection[str]) -> set[str]:
        pytester.makepyfile(_MEMORY.format(wrong=wrong, cases=_classes(extent, about_it)))
        return _failed(pytester.runpytest_inprocess("-q", "-rf", "-p", "no:cacheprovider"), extent)

    return run


@pytest.fixture
def failing_in_a_file(pytester: pytest.Pytester, extent: Extent) -> Iterator[Failing]:
    """For a store in a file after these statements. What they change is put right afterwards."""

    def run(wrong: str, about_it: Collection[str]) -> set[str]:
        names = ", ".join(module.__name__.rpartition(".")[2] for module in _CHANGEABLE)
        pytester.makepyfile(
            _SQLITE.format(
                wrong=wrong, cases=_classes(extent, about_it), modules=names, folder=roomy_folder()
            )
        )
        # What is about values and queries is many cases, and about none of these rules.
        which = "not text and not values and not query and not pages"
        return _failed(
            pytester.runpytest_inprocess("-q", "-rf", "-k", which, "-p", "no:cacheprovider"), extent
        )

    before = [dict(vars(module)) for module in _CHANGEABLE]
    yield run
    for module, kept in zip(_CHANGEABLE, before, strict=True):
        for name in set(vars(module)) - set(kept):
            delattr(module, name)
        for name, value in kept.items():
            setattr(module, name, value)


def _failed(result: pytest.RunResult, extent: Extent) -> set[str]:
    """The names of the cases that failed, whatever their parameters."""
    outcomes = result.parseoutcomes()
    assert "errors" not in outcomes
    assert outcomes["passed"] > (50 if extent == "all classes" else 0)
    failed = set()
    for line in result.outlines:
        if line.startswith("FAILED "):
            name = line.removeprefix("FAILED ").split(" - ")[0].rpartition("::")[2]
            failed.add(name.partition("[")[0])
    return failed
