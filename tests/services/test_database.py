"""The database of jobs: statements, rows, what is refused, how it opens and closes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from jobkit.exceptions import DatabaseError
from jobkit.sqlite import Database, Result, Row

PAGES = "create table pages (source text primary key, words integer not null check (words >= 0)) strict;"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An open one, with a table."""
    async with Database(tmp_path / "site.db", root=tmp_path) as database:
        await database.script(PAGES)
        yield database


async def test_statements_say_what_they_did(db: Database) -> None:
    """Rows changed, and the rowid of the last one inserted."""
    assert await db.execute("insert into pages values (?, ?)", ("index.md", 3)) == Result(1, 1)
    many = [("a.md", 1), ("b.md", 2)]
    assert (await db.execute_many("insert into pages values (?, ?)", many)).rowcount == 2
    assert (await db.execute("update pages set words = words + :n", {"n": 1})).rowcount == 3
    assert (await db.execute_many("insert into pages values (?, ?)", [])).rowcount == 0


async def test_rows_are_found_by_name_and_by_place(db: Database) -> None:
    """A row is a mapping for those who have names, and a tuple for those who unpack."""
    await db.execute("insert into pages values ('index.md', 3)")
    [row] = await db.fetch_all("select source, words from pages")
    assert isinstance(row, Row)
    assert (row["source"], row[1], dict(row)) == ("index.md", 3, {"source": "index.md", "words": 3})
    source, words = row
    assert (source, words) == ("index.md", 3)


async def test_one_row_and_one_value(db: Database) -> None:
    """None stands for nothing found."""
    assert await db.fetch_one("select * from pages") is None
    assert await db.fetch_value("select words from pages") is None
    await db.execute("insert into pages values ('index.md', 3)")
    row = await db.fetch_one("select * from pages where source = ?", ["index.md"])
    assert row is not None
    assert row["words"] == 3
    assert await db.fetch_value("select sum(words) from pages") == 3


async def test_what_returns_rows_may_write(db: Database) -> None:
    """``insert … returning`` is fetched, and is committed, also if only its first row is wanted."""
    insert = "insert into pages values ('a.md', 1), ('b.md', 2) returning source"
    row = await db.fetch_one(insert)
    assert row is not None
    assert row["source"] == "a.md"
    assert await db.fetch_value("with x as (select 5) update pages set words = 5 returning words") == 5
    assert [row["words"] for row in await db.fetch_all("select words from pages")] == [5, 5]


async def test_many_happen_together(db: Database) -> None:
    """One row of many that is refused takes the others back."""
    with pytest.raises(sqlite3.IntegrityError):
        await db.execute_many("insert into pages values (?, ?)", [("a.md", 1), ("b.md", -1)])
    assert await db.fetch_all("select * from pages") == []


async def test_a_script_happens_as_a_whole(db: Database) -> None:
    """Comments, triggers and texts with semicolons in them are no obstacle; a mistake undoes all of it."""
    await db.script("""
        -- first; a comment
        create table log (text text) strict;
        create trigger noted after insert on pages begin
            insert into log values ('new; ' || new.source); insert into log values ('end');
        end;
        insert into pages values ('a.md', 1)  -- no semicolon at the end
    """)
    texts = [row["text"] for row in await db.fetch_all("select text from log")]
    assert texts == ["new; a.md", "end"]
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere") as raised:
        await db.script("create table one (x); insert into nowhere values (1);")
    assert raised.value.__notes__ == ["in the statement: insert into nowhere values (1);"]
    assert await db.fetch_value("select count(*) from sqlite_schema where name = 'one'") == 0


async def test_what_goes_wrong_shows_the_statement_and_no_value(db: Database) -> None:
    """The error is sqlite3's own; neither parameters nor texts in the statement are repeated."""
    secret = "hunter2-and-more"
    await db.execute("insert into pages values (?, 1)", (secret,))
    with pytest.raises(sqlite3.IntegrityError) as raised:
        await db.execute(f"insert into pages\n  select ?, 1 where '{secret}' = '{secret}'", (secret,))
    shown = f"{raised.value} {raised.value.__notes__}"
    assert "UNIQUE constraint failed: pages.source" in shown
    assert "insert into pages select ?, 1 where '…' = '…'" in shown
    assert secret not in shown


@pytest.mark.parametrize(
    ("sql", "parameters", "says"),
    [
        ("delete from pages; drop table pages", (), "more than one statement"),
        ("/* x */ -- y\n  ;", (), "no statement"),
        ("BEGIN", (), "`BEGIN` would change a transaction"),
        ("/* tidy */ commit", (), "`COMMIT` would change a transaction"),
        ("select 1\0", (), "NUL"),
        (b"select 1", (), "a statement is text, not bytes"),
        ("select ?", "x", "not str"),
        ("select ?", 7, "not int"),
        ("select ?", {1}, "not set"),
    ],
)
async def test_surprises_are_refused(db: Database, sql: str, parameters: object, says: str) -> None:
    """What cannot be meant is refused before it is executed: JK418."""
    with pytest.raises(DatabaseError, match=says) as raised:
        await db.execute(sql, parameters)  # type: ignore[arg-type]
    assert raised.value.code == "JK418"
    assert raised.value.help


async def test_one_statement_may_look_like_two(db: Database) -> None:
    """A semicolon in a text, or at the end, is no second statement."""
    await db.execute("insert into pages values ('a; b', 1);  -- the end")
    assert await db.fetch_value("select source from pages where source = 'a; b'") == "a; b"


async def test_parameters_are_taken_as_they_are_now(db: Database) -> None:
    """What the caller changes after the call changes nothing."""
    values: list[object] = ["a.md", 1]
    insertion = db.execute("insert into pages values (?, ?)", values)
    values[0] = "b.md"
    await insertion
    assert await db.fetch_value("select source from pages") == "a.md"


async def test_foreign_keys_are_enforced(db: Database) -> None:
    """Unlike SQLite left to itself."""
    await db.script("create table links (source text references pages(source)) strict")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await db.execute("insert into links values ('nowhere.md')")


async def test_a_reader_does_not_wait_for_the_writer(db: Database) -> None:
    """While a transaction is open others read what was committed before it."""
    seen: list[object] = []

    async def look() -> None:
        seen.append(await db.fetch_value("select count(*) from pages"))

    async with anyio.create_task_group() as tasks:
        entered, looked = anyio.Event(), anyio.Event()

        async def write() -> None:
            async with db.transaction() as tx:
                await tx.execute("insert into pages values ('a.md', 1)")
                entered.set()
                await looked.wait()

        tasks.start_soon(write)
        await entered.wait()
        await look()
        looked.set()
    await look()
    assert seen == [0, 1]


async def test_many_reads_at_once(db: Database) -> None:
    """More than there are threads: each is answered."""
    await db.execute("insert into pages values ('a.md', 1)")
    found: list[int] = []

    async def read(number: int) -> None:
        found.append(await db.fetch_value("select ? from pages", (number,)))

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(read, number)
    assert sorted(found) == list(range(50))


LONG = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


async def test_a_cancelled_read_is_interrupted(db: Database) -> None:
    """Nobody waits for a query that would never end, not even closing."""
    for _ in range(6):  # more than there are threads
        with anyio.move_on_after(0.02) as scope:
            await db.fetch_value(LONG)
        assert scope.cancelled_caught
    assert await db.fetch_value("select 1") == 1


async def test_a_cancelled_statement_is_interrupted(db: Database) -> None:
    """Neither is the thread that writes lost to it, and nothing of it is kept."""
    with anyio.move_on_after(0.02) as scope:
        await db.execute(f"insert into pages select 'a' || i, i from ({LONG.replace('count(*)', 'i')})")
    assert scope.cancelled_caught
    await db.execute("insert into pages values ('b.md', 1)")
    assert await db.fetch_value("select count(*) from pages") == 1


async def test_it_is_well_or_it_says_so(db: Database) -> None:
    """``ping`` raises when the file is gone; JK419 names it, and with the file back all is well."""
    await db.ping()
    moved = db.path.rename(db.path.with_name("moved.db"))
    with pytest.raises(DatabaseError, match=r"site\.db was deleted or replaced") as raised:
        await db.ping()
    assert raised.value.code == "JK419"
    with pytest.raises(DatabaseError, match="deleted or replaced"):
        await db.execute("insert into pages values ('lost.md', 1)")
    assert "put the file back" in (raised.value.help or "")
    moved.rename(db.path)
    await db.ping()
    await db.execute("insert into pages values ('kept.md', 1)")


# -- opening and closing -------------------------------------------------------------------------------


def test_without_an_event_loop(tmp_path: Path) -> None:
    """A program, or a test, of plain functions opens it with ``with``."""
    with Database("data/site.db", root=tmp_path) as db:
        db.sync.script(PAGES)
        assert db.sync.execute("insert into pages values ('a.md', 1)") == Result(1, 1)
        db.sync.execute_many("insert into pages values (?, ?)", [("b.md", 2)])
        row = db.sync.fetch_one("select * from pages where words = :n", {"n": 2})
        assert row is not None
        assert row["source"] == "b.md"
        assert len(db.sync.fetch_all("select * from pages")) == 2
        assert db.sync.fetch_value("delete from pages where words = 2 returning source") == "b.md"
    assert (tmp_path / "data" / "site.db").stat().st_mode & 0o777 == 0o600


async def test_closing_waits_for_what_was_handed_over(tmp_path: Path) -> None:
    """Statements that wait in line are committed, and answered, before the file is let go."""
    db = Database(tmp_path / "site.db")
    answered: list[Result] = []

    async def insert(number: int) -> None:
        answered.append(await db.execute("insert into pages values (?, ?)", (f"{number}.md", number)))

    async with anyio.create_task_group() as tasks, db:
        await db.script(PAGES)
        for number in range(20):
            tasks.start_soon(insert, number)
        await anyio.lowlevel.checkpoint()
    assert len(answered) == 20
    with Database(tmp_path / "site.db") as again:
        assert await again.fetch_value("select count(*) from pages") == 20


async def test_what_is_closed_is_refused(tmp_path: Path) -> None:
    """Before it is entered, and after it was left; entering it again mends it."""
    db = Database(tmp_path / "site.db", root=tmp_path)
    for _ in range(2):
        with pytest.raises(DatabaseError, match=r"the database site\.db is not open"):
            await db.fetch_value("select 1")
        with pytest.raises(DatabaseError, match="not open") as raised:
            await db.execute("select 1")
        assert "enter it" in (raised.value.help or "")
        async with db:
            assert await db.fetch_value("select 1") == 1
            with pytest.raises(DatabaseError, match="open already"):
                async with db:
                    raise AssertionError("unreachable")


async def test_it_serves_any_event_loop(tmp_path: Path) -> None:
    """One object, opened here, used in a loop of another thread."""
    with Database(tmp_path / "site.db") as db:

        async def elsewhere() -> object:
            return await db.fetch_value("select 7")

        assert await anyio.to_thread.run_sync(anyio.run, elsewhere) == 7
        assert await db.fetch_value("select 8") == 8


async def test_a_plain_function_is_told_what_to_write(db: Database) -> None:
    """In a thread nothing would await what ``execute`` returns: it raises instead; ``sync`` works."""
    with pytest.raises(DatabaseError, match="this thread has no event loop") as raised:
        _ = await anyio.to_thread.run_sync(db.execute, "delete from pages")
    assert "db.sync.execute(…)" in (raised.value.help or "")
    insert = "insert into pages values ('a.md', 1)"
    assert (await anyio.to_thread.run_sync(lambda: db.sync.execute(insert))).rowcount == 1


async def test_a_task_is_told_what_to_write(db: Database) -> None:
    """``sync`` in an event loop would stop it."""
    with pytest.raises(DatabaseError, match="would stop the event loop") as raised:
        db.sync.execute("delete from pages")
    assert "await db.execute(…)" in (raised.value.help or "")


def test_a_killed_process_leaves_a_sound_file(tmp_path: Path) -> None:
    """What was committed is there, what was not is not, and the file passes SQLite's own check."""
    program = (
        "import sys\n"
        "from jobkit.sqlite import Database\n"
        "with Database(sys.argv[1]) as db:\n"
        "    db.sync.script('create table t (n integer)')\n"
        "    db.sync.execute('insert into t values (1)')\n"
        "    with db.sync.transaction() as tx:\n"
        "        tx.execute_many('insert into t values (?)', [(n,) for n in range(20_000)])\n"
        "        print('written', flush=True)\n"
        "        sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "site.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    with Database(tmp_path / "site.db") as db:
        assert [row["n"] for row in db.sync.fetch_all("select n from t")] == [1]
        assert db.sync.fetch_value("pragma integrity_check") == "ok"
        db.sync.execute("insert into t values (2)")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_is_refused_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    """The child has the object, and none of its threads."""
    program = (
        "import os, sys\n"
        "from jobkit.sqlite import Database, DatabaseError\n"
        "with Database(sys.argv[1]) as db:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try:\n"
        "            db.sync.execute('create table t (n)')\n"
        "        except DatabaseError as error:\n"
        "            os._exit(7 if error.code == 'JK418' else 8)\n"
        "        os._exit(9)\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "site.db")], timeout=60, check=False
    )
    assert done.returncode == 7


def test_two_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Several who open a file that is not there yet get the same one."""
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def program(number: int) -> None:
        try:
            start.wait()
            with Database(tmp_path / "site.db") as db:
                db.sync.script("create table if not exists t (n integer)")
                db.sync.execute("insert into t values (?)", (number,))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=program, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Database(tmp_path / "site.db") as db:
        assert db.sync.fetch_value("select count(*) from t") == 4
