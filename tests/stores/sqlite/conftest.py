"""Stores on files, and what is common to looking at those files from outside."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobkit.codes import explanation
from jobkit.exceptions import StoreError
from jobkit.records import RunRecord, new_run_id
from jobkit.statuses import Trigger
from jobkit.stores.base import NewRun, RunQuery
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing.conformance.kit import START
from tests.stores.sqlite.children import Child


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the store of these tests lies."""
    return tmp_path / ".jobkit" / "jobkit.db"


@pytest.fixture
def open_store(tmp_path: Path, database: Path) -> Callable[..., SqliteStore]:
    """A store object on that file, of the project ``shop``."""

    def open_store(path: Path = database, **options: Any) -> SqliteStore:
        return SqliteStore(path, **{"project": "shop", "root": tmp_path, **options})

    return open_store


@pytest.fixture
def new() -> Callable[..., NewRun]:
    """A new run."""

    def new(job: str = "job", **options: Any) -> NewRun:
        return NewRun(
            **{"id": new_run_id(START), "job": job, "extension": "web", "trigger": Trigger.MANUAL, **options}
        )

    return new


@pytest.fixture
async def made(open_store: Callable[..., SqliteStore], new: Callable[..., NewRun]) -> RunRecord:
    """A store that holds one run, closed again; the run."""
    async with open_store() as store:
        return await store.add_run(new("made"))


@pytest.fixture
def refused(open_store: Callable[..., SqliteStore]) -> Callable[..., Any]:
    """Enter a store that has to be refused with that code, and give the error."""

    async def refused(code: str, *path: Path, **options: Any) -> StoreError:
        with pytest.raises(StoreError) as found:
            async with open_store(*path, **options) as store:
                await store.runs(RunQuery())
        error = found.value
        assert error.code == code, error.message
        assert error.help
        assert explanation(code) is not None
        return error

    return refused


@pytest.fixture
def sql(database: Path) -> Callable[..., list[Any]]:
    """A statement on the closed database, as another program would do it."""

    def sql(*statements: str, path: Path = database) -> list[Any]:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]

    return sql


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's are not."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for found in [folder, *folder.rglob("*")]:
            if found.is_dir():
                found.chmod(0o755)


@pytest.fixture
def child(database: Path, child_environment: dict[str, str]) -> Iterator[Callable[[str], Child]]:
    """Starts a process on the database of this test."""
    children: list[Child] = []

    def start(script: str) -> Child:
        database.parent.mkdir(exist_ok=True)
        children.append(Child(script, database, child_environment))
        return children[-1]

    yield start
    for one in children:
        if one.process.poll() is None:
            one.kill()
