"""The store in an SQLite file keeps the promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobkit.stores.base import Store
from jobkit.stores.migrations import Migrations
from jobkit.stores.sqlite import schema
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing.conformance import MigrationConformance, OpenStore, Ship, StoreClock, StoreConformance


class TestSqliteStore(StoreConformance):
    """Two objects on one file stand for two processes."""

    @pytest.fixture
    def open_store(self, clock: StoreClock, tmp_path: Path) -> OpenStore:
        def open_store(*, project: str = "conformance") -> Store:
            return SqliteStore(
                tmp_path / ".jobkit" / "jobkit.db", project=project, root=tmp_path, now=clock.now
            )

        return open_store


class TestMigrations(MigrationConformance):
    """The tables in the file."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        def open_store(*, project: str = "conformance") -> Store:
            return SqliteStore(tmp_path / ".jobkit" / "jobkit.db", project=project, root=tmp_path)

        return open_store

    @pytest.fixture
    def shipped(self) -> Migrations:
        return Migrations(schema.known())

    @pytest.fixture
    def ship(self, monkeypatch: pytest.MonkeyPatch) -> Ship:
        return lambda migrations: monkeypatch.setattr(schema, "known", lambda: migrations.steps)
