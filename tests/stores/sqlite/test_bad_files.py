"""Files that are no store, or are one no longer: one clear error each, and nothing is touched."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit.exceptions import StoreError
from jobkit.records import RunRecord
from jobkit.stores.base import NewRun, RunQuery
from jobkit.stores.sqlite import schema
from jobkit.stores.sqlite.store import SqliteStore

Open = Callable[..., SqliteStore]
Refused = Callable[..., Any]
Sql = Callable[..., list[Any]]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def untouched(database: Path) -> Any:
    """The file's bytes and time are the same after the test's refusals as when this was asked."""
    seen: list[tuple[bytes, int]] = []

    def look() -> None:
        seen.append((database.read_bytes(), database.stat().st_mtime_ns))
        assert seen[-1] == seen[0]

    return look


@pytest.mark.parametrize(
    "content",
    [b"x", b"not a database at all\n" * 500, bytes(range(256)) * 32, b"SQLite format 3\0" + b"\xff" * 8176],
)
@pytest.mark.parametrize("read_only", [False, True])
async def test_what_is_no_database(
    refused: Refused, database: Path, untouched: Any, content: bytes, read_only: bool
) -> None:
    """Another name in the configuration mends it; the file is somebody's."""
    database.parent.mkdir()
    database.write_bytes(content)
    untouched()
    assert "[scheduler] store" in (await refused("JK605", read_only=read_only)).help
    untouched()


@pytest.mark.parametrize("read_only", [False, True])
async def test_the_database_of_another_program(
    refused: Refused, database: Path, sql: Sql, untouched: Any, read_only: bool
) -> None:
    """Its tables stay alone, and its journal mode as it was."""
    database.parent.mkdir()
    sql("CREATE TABLE users (name TEXT)")
    untouched()
    await refused("JK605", read_only=read_only)
    untouched()
    assert sql("PRAGMA journal_mode") == [("delete",)]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("read_only", [False, True])
async def test_an_emptied_file(refused: Refused, database: Path, read_only: bool) -> None:
    """It is not taken for a new one, until somebody deletes it."""
    database.write_bytes(b"")
    assert "is empty" in (await refused("JK606", read_only=read_only)).message
    assert database.stat().st_size == 0


@pytest.mark.usefixtures("made")
async def test_a_file_that_was_cut_short(refused: Refused, database: Path, untouched: Any) -> None:
    """Half of a copy is not half of the runs."""
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size // 2)
    untouched()
    error = await refused("JK606")
    assert "damaged" in error.message
    untouched()


async def test_a_page_that_was_overwritten(
    open_store: Open, new: Callable[..., NewRun], database: Path, sql: Sql
) -> None:
    """It is found when it is needed; what does not need it goes on."""
    async with open_store() as store:
        for _ in range(200):
            await store.add_run(new(parameters={"x": "y" * 1000}))
    [(size,)] = sql("PRAGMA page_size")
    with database.open("r+b") as file:
        for page in range(60, 80):
            file.seek(page * size)
            file.write(b"\xa5" * size)
    async with open_store() as store:
        codes = []
        for number in range(1, 201):
            try:
                await store.run(number)
            except StoreError as error:
                codes.append(error.code)
        assert set(codes) == {"JK606"}
        assert len(codes) < 200


async def test_a_journal_without_its_database(
    refused: Refused, open_store: Open, made: RunRecord, database: Path
) -> None:
    """The newest runs are in it: it is neither replayed into a new database nor deleted."""
    backup = database.with_name("backup")
    shutil.move(database, backup)
    journal = database.with_name("jobkit.db-wal")
    journal.write_bytes(b"frames")
    assert "jobkit.db-wal" in (await refused("JK606")).message
    await refused("JK606", read_only=True)
    assert journal.read_bytes() == b"frames"
    assert not database.exists()
    journal.unlink()
    shutil.move(backup, database)
    async with open_store() as store:
        assert await store.run(made.id) == made


async def test_a_database_that_was_deleted_is_made_anew(
    open_store: Open, made: RunRecord, database: Path
) -> None:
    """With all its files gone there is nothing to lose; leftovers without content do no harm."""
    database.unlink()
    database.with_name("jobkit.db-wal").write_bytes(b"")
    database.with_name("jobkit.db-shm").write_bytes(b"\1" * 32768)
    database.with_name("jobkit.db.new").write_bytes(b"killed while it was made")
    async with open_store() as store:
        assert (await store.runs(RunQuery())).runs == ()
    assert _names(database.parent) == [".gitignore", "jobkit.db"]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("statement", "code", "says"),
    [
        (
            "INSERT INTO migrations VALUES (999, '0999_future', 'x', 0)",
            "JK608",
            "not number",
        ),
        ("UPDATE migrations SET checksum = 'changed' WHERE number = 1", "JK608", "0001_runs"),
        ("UPDATE migrations SET name = '0001_other' WHERE number = 1", "JK608", "0001_other"),
        ("DELETE FROM migrations", "JK608", "half"),
        ("DROP TABLE migrations", "JK608", "does not say"),
        ("PRAGMA application_id = 0", "JK605", "another program"),
        ("UPDATE project SET name = 'bakery'", "JK616", "'bakery'"),
        ("DELETE FROM project", "JK616", "''"),
    ],
)
async def test_a_store_whose_tables_were_changed(
    refused: Refused, sql: Sql, untouched: Any, statement: str, code: str, says: str
) -> None:
    """Nobody can know what they hold."""
    sql(statement)
    untouched()
    assert says in (await refused(code)).message
    untouched()


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("read_only", [False, True])
async def test_a_store_of_a_newer_version(
    refused: Refused, sql: Sql, untouched: Any, read_only: bool
) -> None:
    """The newer version is what mends it."""
    number = len(schema.known()) + 1
    sql(f"INSERT INTO migrations VALUES ({number}, '{number:04}_future', 'x', 0)")
    untouched()
    assert "newer version" in (await refused("JK607", read_only=read_only)).message
    untouched()


async def test_a_renamed_project(refused: Refused, open_store: Open, made: RunRecord, sql: Sql) -> None:
    """The old name opens it, and so does the new one after the store was told."""
    error = await refused("JK616", project="new shop")
    assert "'shop'" in error.message
    sql("UPDATE project SET name = 'new shop'")
    async with open_store(project="new shop") as store:
        assert await store.run(made.id) == made


async def test_a_file_that_vanishes_while_it_is_open(
    open_store: Open, new: Callable[..., NewRun], database: Path
) -> None:
    """Writing to a deleted file would lose everything; the one that took its name is left alone."""
    async with open_store() as store:
        await store.add_run(new())
        for path in database.parent.glob("jobkit.db*"):
            path.unlink()
        with pytest.raises(StoreError) as found:
            await store.add_run(new())
        assert found.value.code == "JK620"
        with pytest.raises(StoreError):
            await store.last_runs()
        other = open_store()
        async with other:
            kept = await other.add_run(new())
            await store.__aexit__(None, None, None)
            # Closing the old one must not delete the new one's journal, which goes by the same name.
            assert database.with_name("jobkit.db-wal").stat().st_size > 0
    async with open_store() as store:
        assert await store.run(kept.id) == kept


async def test_a_database_that_was_put_back_is_used_again(
    open_store: Open, new: Callable[..., NewRun], database: Path
) -> None:
    """Moved away and back, it is the same file."""
    async with open_store() as store:
        database.rename(database.with_name("away"))
        with pytest.raises(StoreError, match="deleted or replaced"):
            await store.add_run(new())
        database.with_name("away").rename(database)
        assert (await store.add_run(new())).number == 1


async def test_an_error_without_a_code_of_its_own(open_store: Open, made: RunRecord, sql: Sql) -> None:
    """Whatever else SQLite says, here of a table that is missing, is told in its words."""
    sql("DROP TABLE log_lines")
    async with open_store() as store:
        with pytest.raises(StoreError, match="no such table") as found:
            await store.log_lines(made.id)
    assert found.value.code == "JK601"
    assert found.value.help is not None
    assert isinstance(found.value.__cause__, sqlite3.Error)
