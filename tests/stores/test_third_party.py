"""Whoever has a store of their own puts it through the suite: a package, a subclass, one fixture."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobkit.testing.conformance import StoreConformance

_PACKAGE = """
from jobkit.stores.kept import Kept as Shelf
from jobkit.stores.memory import MemoryStore

class AcmeStore:
    def __init__(self, shelf, *, project, now):
        self._store = MemoryStore(project=project, kept=shelf, now=now)

    async def __aenter__(self):
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self._store.__aexit__(*error)

    def __getattr__(self, name):
        return getattr(self._store, name)
"""

_TESTS = """
import pytest
from acme_store import AcmeStore, Shelf
from jobkit.testing.conformance import StoreConformance

class TestAcmeStore(StoreConformance):
    @pytest.fixture
    def open_store(self, clock):
        shelf = Shelf("conformance")

        def open_store(*, project="conformance"):
            return AcmeStore(shelf, project=project, now=clock.now)

        return open_store
"""

Pytest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def outside(tmp_path: Path, child_environment: dict[str, str]) -> Pytest:
    """Somebody's folder far from this repository, with a package and its tests; pytest in it."""
    (tmp_path / "acme_store").mkdir()
    (tmp_path / "acme_store" / "__init__.py").write_text(_PACKAGE)
    (tmp_path / "test_acme.py").write_text(_TESTS)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers"]
        return subprocess.run(
            [*command, "-p", "no:cacheprovider", *options],
            cwd=tmp_path,
            env=child_environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_every_case_is_there(outside: Pytest) -> None:
    """On both event loops."""
    listed = outside("--collect-only").stdout
    found = set(re.findall(r"^test_acme\.py::TestAcmeStore::(\w+)", listed, flags=re.MULTILINE))
    assert found == {name for name in dir(StoreConformance) if name.startswith("test_")}
    assert listed.count("asyncio") == listed.count("trio") > len(found)


def test_a_right_store_passes(outside: Pytest) -> None:
    """With one fixture, no configuration, and without a warning."""
    ended = outside("-k", "tick or lease or project")
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"^[0-9]{2,} passed, [0-9]+ deselected", ended.stdout, flags=re.MULTILINE)


def test_a_wrong_store_fails_and_shows_what_was_compared(outside: Pytest, tmp_path: Path) -> None:
    """As the asserts of their own tests do."""
    wrong = "\n    async def tick_runs(self, job, **options):\n        return []\n"
    (tmp_path / "acme_store" / "__init__.py").write_text(_PACKAGE + wrong)
    ended = outside("-k", "runs_are_found_by_their_ticks and asyncio")
    assert ended.returncode == 1
    assert re.search(r"^E +assert \[\] == \[", ended.stdout, flags=re.MULTILINE), ended.stdout


def test_a_forgotten_fixture_is_named(outside: Pytest, tmp_path: Path) -> None:
    """Not by an error from within the suite."""
    (tmp_path / "test_acme.py").write_text(
        "from jobkit.testing.conformance import StoreConformance\nclass TestAcme(StoreConformance): pass\n"
    )
    assert "TestAcme needs a fixture open_store" in outside("-k", "its_address").stdout
