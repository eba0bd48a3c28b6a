"""The store on PostgreSQL keeps the promise of all stores."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from jobkit_postgres.store import PostgresStore
from postgres_tests.kit import ServerClock, made
from postgres_tests.server import Server

from jobkit.stores.base import Store
from jobkit.testing.conformance import OpenStore, StoreClock, StoreConformance


class TestPostgresStore(StoreConformance):
    """Every case, on asyncio: psycopg's asynchronous side knows no other event loop."""

    @pytest.fixture
    def clock(self, server: Server, schema: str) -> Iterator[StoreClock]:
        """The server's clock, in the hands of the cases."""
        with psycopg.connect(server.url, autocommit=True) as connection:
            made(server, schema)
            yield ServerClock(connection, schema)

    @pytest.fixture
    def open_store(self, server: Server, schema: str, clock: StoreClock) -> OpenStore:
        """A store in the schema of this test."""

        def open_store(*, project: str = "conformance") -> Store:
            return PostgresStore(server.url, project=project, schema=schema)

        return open_store
