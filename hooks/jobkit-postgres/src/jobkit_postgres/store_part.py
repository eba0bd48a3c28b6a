"""What the parts of the store share: its database, and how it wakes others."""

from __future__ import annotations

from typing import TypeVar

from jobkit_postgres.database import Database, Work
from jobkit_postgres.transaction import Transaction
from jobkit_postgres.wakes import Wakes

T = TypeVar("T")


class StorePart:
    """The base of the parts of :class:`~jobkit_postgres.store.PostgresStore`."""

    _database: Database
    _wakes: Wakes

    async def _write_and_wake(self, work: Work[T]) -> T:
        """Write what concerns schedulers in other processes too."""

        async def both(tx: Transaction) -> T:
            answer = await work(tx)
            tx.notify(self._wakes.name)
            return answer

        return await self._database.write(both)

    async def wait(self, seconds: float) -> bool:
        self._database.check_writing()
        heard = await self._wakes.wait(seconds)
        await self._database.check_taken()  # to hear others is no sign that one can write
        return heard
