"""What holds for the tables of a store: how they are made, changed, and refused.

For stores that keep tables, beside :class:`jobkit.testing.conformance.StoreConformance`. ``open_store`` opens
a store that has no tables yet, ``shipped`` gives the migrations that its version ships, and ``ship`` has the
store ship others from now on, as a later version might::

    class TestMigrations(MigrationConformance):
        @pytest.fixture
        def open_store(self, tmp_path: Path) -> OpenStore: ...

        @pytest.fixture
        def shipped(self) -> Migrations:
            return tables.MIGRATIONS

        @pytest.fixture
        def ship(self, monkeypatch: pytest.MonkeyPatch) -> Ship:
            return lambda migrations: monkeypatch.setattr(tables, "MIGRATIONS", migrations)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import anyio
import pytest

from jobkit.exceptions import StoreError
from jobkit.records import RunRecord
from jobkit.stores.migrations import Migration, Migrations, checksum
from jobkit.testing.conformance.kit import OpenStore, new_run

#: Has the store ship these migrations, and no others.
Ship = Callable[[Migrations], None]


class MigrationConformance:
    """All cases."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise pytest.UsageError(f"{type(self).__name__} needs a fixture open_store that opens its store")

    @pytest.fixture
    def shipped(self) -> Migrations:
        raise pytest.UsageError(f"{type(self).__name__} needs a fixture shipped: the migrations of its store")

    @pytest.fixture
    def ship(self) -> Ship:
        raise pytest.UsageError(f"{type(self).__name__} needs a fixture ship that replaces its migrations")

    @pytest.fixture
    def table(self) -> str:
        """How a migration of this store makes a table ``{name}``."""
        return "CREATE TABLE {name} (x TEXT)"

    async def test_a_new_store_lacks_all_of_them(self, open_store: OpenStore, shipped: Migrations) -> None:
        """Asking changes nothing; upgrading applies them in order, once."""
        store, names = open_store(), _names(shipped)
        for _ in range(2):
            found = await store.schema()
            assert (found.applied, found.pending) == ((), names)
        for _ in range(2):
            found = await store.upgrade()
            assert (found.applied, found.pending) == (names, ())

    async def test_a_later_version_brings_its_own(
        self, open_store: OpenStore, shipped: Migrations, ship: Ship, table: str
    ) -> None:
        """They are pending until they are applied; what the store held is there."""
        made = await _made(open_store)
        later = _later(shipped, table.format(name="one"), table.format(name="two"))
        ship(later)
        found = await open_store().schema()
        assert (found.applied, found.pending) == (_names(shipped), _names(later)[len(shipped.steps) :])
        assert (await open_store().upgrade()).applied == _names(later)
        async with open_store() as store:
            assert await store.run(made.id) == made

    async def test_several_upgrade_at_once(
        self, open_store: OpenStore, shipped: Migrations, ship: Ship, table: str
    ) -> None:
        """Replicas that begin together: each step is applied once, and none of them fails."""
        later = _later(shipped, table.format(name="one"), table.format(name="two"))
        ship(later)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(open_store().upgrade)
        assert (await open_store().schema()).applied == _names(later)
        async with open_store() as store:
            assert (await store.add_run(new_run())).number == 1

    async def test_a_step_that_fails_leaves_nothing_behind(
        self, open_store: OpenStore, shipped: Migrations, ship: Ship, table: str
    ) -> None:
        """Those before it stay applied; mended, it is applied as if it had never been tried."""
        made = await _made(open_store)
        one, two = table.format(name="one"), table.format(name="two")
        ship(_later(shipped, one, f"{two};\n{two}"))
        with pytest.raises(StoreError):
            await open_store().upgrade()
        assert len((await open_store().schema()).pending) == 1
        mended = _later(shipped, one, two)
        ship(mended)
        assert (await open_store().upgrade()).applied == _names(mended)
        async with open_store() as store:
            assert await store.run(made.id) == made

    async def test_an_older_version_refuses_newer_tables(
        self, open_store: OpenStore, shipped: Migrations, ship: Ship, table: str
    ) -> None:
        """It does not know what they mean. The newer version finds everything as it was."""
        made = await _made(open_store)
        later = _later(shipped, table.format(name="one"))
        ship(later)
        await open_store().upgrade()
        ship(shipped)
        for refused in (_opened, _upgraded):
            with pytest.raises(StoreError) as error:
                await refused(open_store)
            assert error.value.code == "JK607"
        ship(later)
        async with open_store() as store:
            assert await store.run(made.id) == made

    async def test_an_edited_migration_is_refused(
        self, open_store: OpenStore, shipped: Migrations, ship: Ship
    ) -> None:
        """Nobody knows what the tables look like that were made by the other text."""
        await _made(open_store)
        first, *rest = shipped.steps
        text = f"{first.sql}\n-- edited"
        ship(Migrations((replace(first, sql=text, checksum=checksum(text)), *rest)))
        for refused in (_opened, _upgraded):
            with pytest.raises(StoreError) as error:
                await refused(open_store)
            assert error.value.code == "JK608"


def _names(migrations: Migrations) -> tuple[str, ...]:
    return tuple(step.name for step in migrations.steps)


def _later(shipped: Migrations, *steps: str) -> Migrations:
    """What a later version might ship."""
    first = len(shipped.steps) + 1
    new = [
        Migration(number, f"{number:04}_later", sql, checksum(sql))
        for number, sql in enumerate(steps, start=first)
    ]
    return Migrations((*shipped.steps, *new))


async def _made(open_store: OpenStore) -> RunRecord:
    """A run of a store with all its tables."""
    await open_store().upgrade()
    async with open_store() as store:
        return await store.add_run(new_run())


async def _opened(open_store: OpenStore) -> None:
    async with open_store():
        pass


async def _upgraded(open_store: OpenStore) -> None:
    await open_store().upgrade()
