"""The store in memory keeps the promise."""

from __future__ import annotations

import pytest

from jobkit.stores.base import Store
from jobkit.stores.kept import Kept
from jobkit.stores.memory import MemoryStore
from jobkit.testing.conformance import OpenStore, StoreClock, StoreConformance


class TestMemoryStore(StoreConformance):
    """Two objects share their runs when they are given the same."""

    @pytest.fixture
    def open_store(self, clock: StoreClock) -> OpenStore:
        kept = Kept("conformance")

        def open_store(*, project: str = "conformance") -> Store:
            return MemoryStore(project=project, now=clock.now, kept=kept)

        return open_store
