"""Addresses of stores: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobkit.codes import explanation
from jobkit.exceptions import StoreError
from jobkit.statuses import Trigger
from jobkit.stores.base import NewRun
from jobkit.stores.memory import MemoryStore
from jobkit.stores.opening import open_store


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:///jobkit.db", "jobkit.db"),
        ("sqlite:///.jobkit/jobkit.db", ".jobkit/jobkit.db"),
        ("SQLite:///.jobkit/jobkit.db", ".jobkit/jobkit.db"),
        ("sqlite:///.jobkit/../runs.db", "runs.db"),
        ("sqlite:///with%20blank%23%3F.db", "with blank#?.db"),
        ("sqlite:///rüns.db", "rüns.db"),
        ("sqlite:///jobkit.db?allow-network-fs=1", "jobkit.db"),
        ("sqlite:///jobkit.db?allow-network-fs=0", "jobkit.db"),
    ],
)
async def test_a_path_is_relative_to_the_root(tmp_path: Path, url: str, place: str) -> None:
    """Three slashes; the file is made where the address says."""
    async with open_store(url, project="p", root=tmp_path) as store:
        assert store.url == url
    assert (tmp_path / place).is_file()


async def test_four_slashes_are_an_absolute_path(tmp_path: Path) -> None:
    """Wherever the root is."""
    async with open_store(f"sqlite:///{tmp_path}/jobkit.db", project="p", root=Path("/")):
        assert (tmp_path / "jobkit.db").is_file()


async def test_memory(tmp_path: Path) -> None:
    """Each address of it is a store of its own, and leaves nothing behind."""
    one, other = (open_store("memory://", project="p", root=tmp_path) for _ in range(2))
    assert isinstance(one, MemoryStore)
    async with one, other:
        await one.add_run(NewRun(id="1", job="j", extension="e", trigger=Trigger.MANUAL))
        assert await other.last_runs() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "starts with its kind"),
        ("jobkit.db", "starts with its kind"),
        ("${DATABASE_URL}", "expanded in configuration files"),
        ("mysql://user:hunter2@host/db", "no kind of run store called 'mysql'"),
        ("hunter2\x1b[31m://x", "no kind of run store"),
        ("postgresql://user:hunter2@host/db", "no run store for postgresql:// is installed"),
        ("memory://somewhere", "no path"),
        ("memory:", "no path"),
        ("sqlite://user:hunter2@host/db", "three slashes"),
        ("sqlite://jobkit.db", "three slashes"),
        ("sqlite:jobkit.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite:///a%00b", "names no file"),
        ("sqlite:///:memory:", "not shared"),
        ("sqlite:///jobkit.db#hunter2", "'#'"),
        ("sqlite:///jobkit.db?password=hunter2", "no switch 'password'"),
        ("sqlite:///jobkit.db?allow-network-fs=yes", "0 or 1"),
        ("sqlite://[hunter2/db", "not a URL"),
    ],
)
def test_other_addresses_are_refused(tmp_path: Path, url: str, says: str) -> None:
    """With what to write instead, and without any of the secrets that addresses hold."""
    with pytest.raises(StoreError, match=says) as refused:
        open_store(url, project="p", root=tmp_path)
    error = refused.value
    assert error.code == "JK604"
    assert explanation("JK604") is not None
    assert error.help is not None
    assert "[scheduler] store" in error.help
    shown = f"{error.message} {error.help}"
    assert "\x1b" not in shown
    assert "hunter2@" not in shown
    assert "=hunter2" not in shown


def test_the_promise_costs_nothing_to_import(child_environment: dict[str, str]) -> None:
    """Verbs that only name the store's types load neither a database nor an event loop."""
    code = (
        "import sys, jobkit.stores.base, jobkit.stores.opening\n"
        "print(sorted({'sqlite3', 'anyio', 'asyncio', 'trio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=child_environment
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("postgresq://shop@db/shop", "did you mean postgresql://?"),
        ("postgresql+psycopg://shop@db/shop", "did you mean postgresql://?"),
        ("sqllite:///jobkit.db", "did you mean sqlite://?"),
        ("mysql://db/shop", "plugins bring further kinds"),
    ],
)
def test_the_kind_that_was_meant_is_offered(tmp_path: Path, url: str, meant: str) -> None:
    """The closest, also that of the distribution for PostgreSQL; and all that there are."""
    with pytest.raises(StoreError) as refused:
        open_store(url, project="p", root=tmp_path)
    help = refused.value.help or ""
    assert meant in help
    assert "memory://" in help
    assert "postgresql://app@db.example/shop" in help
