"""The store on PostgreSQL keeps the promise of all stores."""

from __future__ import annotations

import pytest
from jobkit_postgres import schema as tables
from jobkit_postgres.store import PostgresStore
from postgres_tests.kit import ServerClock, SharedTables
from postgres_tests.server import Server

from jobkit.plugin import Migrations, Store
from jobkit.testing.conformance import MigrationConformance, OpenStore, Ship, StoreClock, StoreConformance


class OnServer:
    """A store in empty tables, and the server's clock in the hands of the cases."""

    @pytest.fixture
    def clock(self, shared_tables: SharedTables) -> StoreClock:
        return ServerClock(shared_tables.connection, shared_tables.schema)

    @pytest.fixture
    def open_store(self, server: Server, shared_tables: SharedTables, clock: StoreClock) -> OpenStore:
        return _opens(server, shared_tables.schema)


class TestPostgresStore(OnServer, StoreConformance):
    """Every case, on asyncio: psycopg's asynchronous side knows no other event loop."""


class TestMigrations(MigrationConformance):
    """The same for its tables."""

    @pytest.fixture
    def open_store(self, server: Server, schema: str) -> OpenStore:
        return _opens(server, schema)

    @pytest.fixture
    def ship(self, monkeypatch: pytest.MonkeyPatch) -> Ship:
        return lambda migrations: monkeypatch.setattr(tables, "known", lambda: migrations.steps)

    @pytest.fixture
    def shipped(self) -> Migrations:
        return Migrations(tables.known())

    @pytest.fixture
    def table(self) -> str:
        return "CREATE TABLE jobkit.{name} (x text)"


def _opens(server: Server, schema: str) -> OpenStore:
    def open_store(*, project: str = "conformance") -> Store:
        return PostgresStore(server.url, project=project, schema=schema)

    return open_store
