"""What the parts of the embedded store share: its database, its clock, and how it wakes others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from jobkit.stores.sqlite.database import Database
from jobkit.stores.sqlite.wakes import Wakes

T = TypeVar("T")


class StorePart:
    """The base of the parts of :class:`~jobkit.stores.sqlite.store.SqliteStore`."""

    _database: Database
    _now: Callable[[], datetime]
    _wakes: Wakes

    async def _write_and_wake(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Write what concerns schedulers in other processes too."""
        answer = await self._database.write(work)
        self._wakes.send()
        return answer

    async def wait(self, seconds: float) -> bool:
        self._database.check_writing()
        return await self._wakes.wait(seconds)
