"""Transactions: whole or not at all, one after another, and nobody waits for ever."""

from __future__ import annotations

import contextvars
import gc
import logging
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.exceptions import DatabaseError
from jobkit.sqlite import Database, SyncTransaction, Transaction

ACCOUNTS = "create table accounts (name text primary key, cents integer not null) strict;"
COUNT = "select count(*) from accounts"
INSERT = "insert into accounts values (?, ?)"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An open one, with a table."""
    async with Database(tmp_path / "bank.db", root=tmp_path) as database:
        await database.script(ACCOUNTS)
        yield database


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Database]:
    """Another one, in which whoever waits for others loses patience soon."""
    async with Database(tmp_path / "bank.db", root=tmp_path, busy_timeout=0.1) as database:
        await database.script(ACCOUNTS)
        yield database


@asynccontextmanager
async def raising(transaction: Transaction) -> AsyncIterator[Transaction]:
    """A block that raises in the end."""
    try:
        async with transaction as entered:
            yield entered
            raise ZeroDivisionError
    except ZeroDivisionError:
        return
    raise AssertionError("a transaction swallows nothing")


async def names(db: Database) -> list[str]:
    return [row["name"] for row in await db.fetch_all("select name from accounts order by name")]


async def test_all_of_it_or_nothing(db: Database) -> None:
    """Committed at the end of the block, taken back if the block raises."""
    async with db.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))
        await tx.execute_many(INSERT, [("b", 2)])
        await tx.script("update accounts set cents = 5; delete from accounts where name = 'b'")
    async with raising(db.transaction()) as tx:
        await tx.execute("delete from accounts")
        await tx.execute(INSERT, ("c", 1))
    assert [tuple(row) for row in await db.fetch_all("select * from accounts")] == [("a", 5)]


async def test_the_database_itself_goes_into_the_transaction_of_its_task(db: Database) -> None:
    """Inside the block ``db`` and ``tx`` are the same: nobody waits for themselves."""
    async with raising(db.transaction()) as tx:
        await db.execute(INSERT, ("a", 1))
        await tx.execute(INSERT, ("b", 1))
        assert await db.fetch_value(COUNT) == await tx.fetch_value(COUNT) == 2
        row = await tx.fetch_one("select * from accounts where name = 'a'")
        assert row is not None
    assert await names(db) == []


async def test_one_inside_another_is_undone_alone(db: Database) -> None:
    """It is a savepoint; the outer one goes on, and decides about all."""
    async with db.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))
        async with raising(db.transaction()):
            await db.execute(INSERT, ("b", 1))
            async with db.transaction():
                await db.execute(INSERT, ("c", 1))
        async with tx.transaction() as inner:
            await inner.execute(INSERT, ("d", 1))
        with pytest.raises(DatabaseError, match="over"):
            await inner.execute(INSERT, ("e", 1))
        await tx.execute(INSERT, ("f", 1))
    assert await names(db) == ["a", "d", "f"]


async def test_a_refused_statement_leaves_the_rest(db: Database) -> None:
    """A constraint is about one statement: who catches the error may go on."""
    async with db.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))
        with pytest.raises(sqlite3.IntegrityError):
            await tx.execute(INSERT, ("a", 2))
        await tx.execute(INSERT, ("b", 1))
    assert await names(db) == ["a", "b"]


async def test_what_cannot_be_committed_is_taken_back(db: Database) -> None:
    """A constraint that is checked in the end fails the block, and the next transaction is not in its way."""
    await db.script("create table cards (owner text references accounts deferrable initially deferred)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        async with db.transaction() as tx:
            await tx.execute("insert into cards values ('nobody')")
    async with db.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))
    assert await db.fetch_value("select count(*) from cards") == 0


async def test_what_sqlite_undid_is_not_taken_for_done(db: Database) -> None:
    """ON CONFLICT ROLLBACK ends a transaction: swallowing its error does not let the rest be committed."""

    async def swallow() -> None:
        async with db.transaction() as tx:
            await tx.execute(INSERT, ("a", 1))
            with pytest.raises(sqlite3.IntegrityError):
                await tx.execute("insert or rollback into accounts values ('a', 2)")
            for other in (tx, db):
                with pytest.raises(DatabaseError, match="was rolled back"):
                    await other.execute(INSERT, ("b", 1))

    with pytest.raises(DatabaseError, match="was rolled back when a statement of it failed") as raised:
        await swallow()
    assert raised.value.code == "JK418"
    assert await names(db) == []
    await db.execute(INSERT, ("d", 1))


async def test_a_cancelled_block_is_taken_back(db: Database) -> None:
    """Wherever in the block the cancellation hits."""
    for waiting in (anyio.sleep_forever, partial(db.execute, INSERT, ("b", 1))):
        with anyio.CancelScope() as scope:
            async with db.transaction() as tx:
                await tx.execute(INSERT, ("a", 1))
                scope.cancel()
                await waiting()
        assert scope.cancelled_caught
    assert await names(db) == []
    await db.execute(INSERT, ("c", 1))


async def test_a_commit_is_not_cut_off(db: Database) -> None:
    """A cancellation that comes when the block has ended comes after the commit."""
    with anyio.CancelScope() as scope:
        async with db.transaction() as tx:
            await tx.execute(INSERT, ("a", 1))
            scope.cancel()
    assert await names(db) == ["a"]


async def test_who_waits_for_a_turn_may_give_up(db: Database) -> None:
    """A wait for another's transaction that is cancelled leaves nothing begun."""
    async with db.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))

        async def other() -> None:
            with anyio.move_on_after(0.01):
                async with db.transaction():
                    raise AssertionError("unreachable")

        await from_outside(other)
    assert await names(db) == ["a"]
    await db.execute(INSERT, ("b", 1))


def in_no_transaction(tasks: TaskGroup, call: Callable[..., Awaitable[object]], *arguments: object) -> None:
    """Start a task that was not started inside a transaction: as any other run of a job."""
    _ = contextvars.Context().run(lambda: tasks.start_soon(partial(_called, call, *arguments)))


async def _called(call: Callable[..., Awaitable[object]], *arguments: object) -> None:
    await call(*arguments)


async def from_outside(call: Callable[[], Awaitable[object]]) -> None:
    """The same, and wait for it."""
    async with anyio.create_task_group() as tasks:
        in_no_transaction(tasks, call)


async def test_others_wait_in_line(db: Database) -> None:
    """Statements of other tasks come after the transaction, in the order in which they were asked for."""
    left: list[bool] = []

    async def other(name: str) -> None:
        await db.execute(INSERT, (name, 1))
        assert left

    async with anyio.create_task_group() as tasks, db.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))
        for name in "dcb":
            in_no_transaction(tasks, other, name)
            await anyio.lowlevel.checkpoint()
        await tx.execute(INSERT, ("z", 1))
        left.append(True)
    in_order = await db.fetch_all("select name from accounts order by rowid")
    assert [row["name"] for row in in_order] == ["a", "z", "d", "c", "b"]


async def test_those_who_wait_together_fail_alone(db: Database) -> None:
    """Statements that come at once share a commit; what is wrong with one takes nothing from the others."""
    outcomes: dict[str, str] = {}

    async def one(key: str, sql: str, *values: object) -> None:
        with anyio.CancelScope() as scope:
            cancels[key] = scope
            try:
                outcomes[key] = str((await db.execute(sql, values)).rowcount)
            except sqlite3.IntegrityError as error:
                outcomes[key] = str(error)

    cancels: dict[str, anyio.CancelScope] = {}
    async with anyio.create_task_group() as tasks, db.transaction() as tx:  # they wait in line behind it
        await tx.execute(INSERT, ("taken", 1))
        for number in range(20):
            in_no_transaction(tasks, one, f"{number}", INSERT, f"{number}", number)
        in_no_transaction(tasks, one, "wrong", INSERT, "taken", 2)
        in_no_transaction(tasks, one, "gone", INSERT, "gone", 2)
        in_no_transaction(tasks, one, "vacuum", "vacuum")
        in_no_transaction(tasks, one, "many", "update accounts set cents = 0 where cents < 5")
        await anyio.wait_all_tasks_blocked()
        cancels["gone"].cancel()
        await anyio.wait_all_tasks_blocked()
    assert outcomes.pop("wrong") == "UNIQUE constraint failed: accounts.name"
    assert outcomes.pop("vacuum") == "-1"
    assert outcomes.pop("many") in {"6", "5", "4", "3", "2", "1"}  # trio starts tasks in any order
    assert outcomes == {str(number): "1" for number in range(20)}
    assert await names(db) == sorted([*outcomes, "taken"])


async def test_nobody_waits_for_ever(impatient: Database) -> None:
    """Who waits too long is told which transaction is in the way: JK416; when it is left all is well."""

    async def other() -> None:
        with pytest.raises(DatabaseError, match=r"begun at .*test_database_transactions\.py:\d+") as raised:
            await impatient.execute(INSERT, ("b", 1))
        assert raised.value.code == "JK416"
        assert "do what is slow before or after the transaction" in (raised.value.help or "")
        with pytest.raises(DatabaseError, match="begun at"):
            async with impatient.transaction():
                raise AssertionError("unreachable")

    async with impatient.transaction() as tx:
        await tx.execute(INSERT, ("a", 1))
        await from_outside(other)
    await impatient.execute(INSERT, ("c", 1))
    assert await names(impatient) == ["a", "c"]


async def test_a_task_started_inside_is_refused_at_once(db: Database) -> None:
    """It would wait for who may be waiting for it; through ``tx`` it belongs to the transaction."""
    async with db.transaction() as tx, anyio.create_task_group() as tasks:

        async def child(number: int) -> None:
            for refused in (db.execute, db.fetch_all):
                with pytest.raises(DatabaseError, match="belongs to the task that entered it") as raised:
                    await refused("select 1")
                assert "tx.execute(…)" in (raised.value.help or "")
            with pytest.raises(DatabaseError, match="belongs to the task"):
                async with tx.transaction():
                    raise AssertionError("unreachable")
            await tx.execute(INSERT, (str(number), 1))

        for number in range(3):
            tasks.start_soon(child, number)
    assert await names(db) == ["0", "1", "2"]


async def test_a_thread_started_inside_is_refused_at_once(db: Database) -> None:
    """The same where the task waits for a thread."""
    async with db.transaction():
        with pytest.raises(DatabaseError, match="belongs to the task"):
            await anyio.to_thread.run_sync(lambda: db.sync.execute(INSERT, ("a", 1)))
    await anyio.to_thread.run_sync(lambda: db.sync.execute(INSERT, ("b", 1)))


async def test_a_task_that_outlives_the_transaction_is_free(db: Database) -> None:
    """Once it is left, those who were started inside use the database like everybody."""
    left = anyio.Event()

    async def child() -> None:
        await left.wait()
        await db.execute(INSERT, ("b", 1))

    async with anyio.create_task_group() as tasks:
        async with db.transaction() as tx:
            tasks.start_soon(child)
            await tx.execute(INSERT, ("a", 1))
        left.set()
    assert await names(db) == ["a", "b"]


async def test_one_that_is_never_left_is_taken_back(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    """A task that enters and forgets harms nobody: with the task goes the transaction, loudly."""

    async def forgetful() -> None:
        await db.transaction().__aenter__()
        await db.execute(INSERT, ("a", 1))

    with caplog.at_level(logging.ERROR, logger="jobkit.sqlite"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forgetful)
        await anyio.lowlevel.checkpoint()
        gc.collect()
    assert "was never left, and is rolled back" in caplog.text
    await db.execute(INSERT, ("b", 1))
    assert await names(db) == ["b"]


async def test_one_inside_a_generator_that_is_dropped_is_taken_back(db: Database) -> None:
    """The event loop closes the generator, in another task than the one that entered."""

    async def rows() -> AsyncGenerator[int, None]:
        async with db.transaction() as tx:
            await tx.execute(INSERT, ("a", 1))
            yield 1

    async def look() -> None:
        generator = rows()
        assert await anext(generator) == 1
        await from_outside(generator.aclose)

    await look()
    await db.execute(INSERT, ("b", 1))
    assert await names(db) == ["b"]


async def test_a_transaction_is_entered_once(db: Database) -> None:
    """Like an open file; outside of its block it refuses."""
    tx = db.transaction()
    with pytest.raises(DatabaseError, match="was not entered"):
        await tx.execute("select 1")
    async with tx:
        pass
    with pytest.raises(DatabaseError, match="over"):
        await tx.fetch_all("select 1")
    with pytest.raises(DatabaseError, match="entered before"):
        async with tx:
            raise AssertionError("unreachable")


async def test_closing_takes_back_what_is_open(tmp_path: Path) -> None:
    """A transaction that somebody still holds is not committed, and keeps nobody from closing."""
    async with Database(tmp_path / "bank.db") as db:
        await db.script(ACCOUNTS)
        tx = db.transaction()
        await tx.__aenter__()
        await tx.execute(INSERT, ("a", 1))
    with pytest.raises(DatabaseError, match="not open"):
        await tx.__aexit__(None, None, None)
    async with db:
        assert await names(db) == []


async def test_another_process_is_waited_for_and_named(impatient: Database) -> None:
    """JK416 if it goes on for too long; once it lets go, all is well."""
    script = "import sqlite3, sys\nheld = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    script += "held.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n"
    tool = subprocess.Popen(  # noqa: ASYNC220 - nobody else waits for this loop
        [sys.executable, "-c", script, str(impatient.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert tool.stdout is not None
    assert await anyio.to_thread.run_sync(tool.stdout.readline) == "held\n"
    for attempt in (impatient.execute(INSERT, ("a", 1)), impatient.transaction().__aenter__()):
        with pytest.raises(DatabaseError, match=r"another process keeps the database bank\.db") as raised:
            await attempt
        assert raised.value.code == "JK416"
        assert "close database tools" in (raised.value.help or "")
    assert await names(impatient) == []  # reading goes on
    await anyio.to_thread.run_sync(partial(tool.communicate, timeout=10))
    await impatient.execute(INSERT, ("b", 1))


# -- threads -------------------------------------------------------------------------------------------


def test_threads_have_transactions_too(tmp_path: Path) -> None:
    """All of it or nothing, savepoints, and ``db.sync`` inside, as for tasks."""
    with Database(tmp_path / "bank.db") as db:
        db.sync.script(ACCOUNTS)
        with db.sync.transaction() as tx:
            tx.execute(INSERT, ("a", 1))
            db.sync.execute(INSERT, ("b", 1))
            with pytest.raises(ZeroDivisionError), tx.transaction() as inner:
                inner.execute(INSERT, ("c", 1 // 0))
            assert db.sync.fetch_value(COUNT) == 2
        with pytest.raises(ZeroDivisionError), db.sync.transaction():
            db.sync.execute(INSERT, ("d", db.sync.execute("delete from accounts").rowcount // 0))
        with pytest.raises(DatabaseError, match="over"):
            tx.fetch_one(COUNT)
        assert [row[0] for row in db.sync.fetch_all("select name from accounts")] == ["a", "b"]


def test_threads_wait_for_each_other(tmp_path: Path) -> None:
    """Each adds to what it has read, and nothing is lost."""
    with Database(tmp_path / "bank.db") as db:
        db.sync.script(ACCOUNTS)
        db.sync.execute(INSERT, ("a", 0))

        def add() -> None:
            for _ in range(25):
                with db.sync.transaction() as tx:
                    cents = tx.fetch_value("select cents from accounts")
                    tx.execute("update accounts set cents = ?", (cents + 1,))

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert db.sync.fetch_value("select cents from accounts") == 100


async def test_tasks_and_threads_wait_for_each_other(db: Database) -> None:
    """One line for all of them."""
    await db.execute(INSERT, ("a", 0))

    def in_thread() -> None:
        for _ in range(20):
            with db.sync.transaction() as tx:
                assert isinstance(tx, SyncTransaction)
                tx.execute(
                    "update accounts set cents = ?", (tx.fetch_value("select cents from accounts") + 1,)
                )

    async def in_task() -> None:
        for _ in range(20):
            async with db.transaction() as tx:
                assert isinstance(tx, Transaction)
                cents = await tx.fetch_value("select cents from accounts")
                await anyio.lowlevel.checkpoint()
                await tx.execute("update accounts set cents = ?", (cents + 1,))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(in_task)
        tasks.start_soon(anyio.to_thread.run_sync, in_thread)
    assert await db.fetch_value("select cents from accounts") == 40


# -- the law -------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")
TRANSFER = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(1, 50),
    st.sampled_from(["commit", "raise", "cancel", "inner raise", "slow", "single", "single wrong"]),
)


@settings(max_examples=25)
@given(st.lists(st.lists(TRANSFER, max_size=4), min_size=2, max_size=5), st.integers(0, 2**32))
def test_whatever_the_tasks_do_no_money_is_made(
    tasks: list[list[tuple[str, str, int, str]]], seed: int
) -> None:
    """Transfers of many tasks, some raising, some cancelled, some in threads: every reader sees the same sum,
    and the balances are those of exactly the transfers that were not taken back."""
    with TemporaryDirectory() as folder:
        anyio.run(_bank, Path(folder) / "bank.db", tasks, seed)


async def _bank(path: Path, tasks: list[list[tuple[str, str, int, str]]], seed: int) -> None:
    chance = random.Random(seed)
    expected = dict.fromkeys(NAMES, 100)
    sums: list[int] = []

    async def pause() -> None:
        for _ in range(chance.randrange(3)):
            await anyio.lowlevel.checkpoint()

    async def transfer(db: Database, source: str, target: str, cents: int, how: str) -> None:
        with anyio.CancelScope() as scope:
            async with db.transaction() as tx:
                await tx.execute("update accounts set cents = cents - ? where name = ?", (cents, source))
                await pause()
                if how == "cancel":
                    scope.cancel()
                if how == "raise":
                    raise ZeroDivisionError
                if how == "slow":
                    await db.fetch_value(COUNT)
                await db.execute("update accounts set cents = cents + ? where name = ?", (cents, target))
                if how == "inner raise":
                    try:
                        async with tx.transaction():
                            await tx.execute("update accounts set cents = 0")
                            raise ZeroDivisionError
                    except ZeroDivisionError:
                        pass
            expected[source] -= cents
            expected[target] += cents

    async def single(db: Database, source: str, target: str, cents: int, how: str) -> None:
        """One statement, which shares its commit with whatever comes at once."""
        wrong = "null" if how == "single wrong" else "cents"
        sql = f"update accounts set cents = {wrong} + (name = ?) * ? - (name = ?) * ?"
        try:
            await db.execute(sql, (target, cents, source, cents))
        except sqlite3.IntegrityError:
            assert how == "single wrong"
        else:
            expected[source] -= cents
            expected[target] += cents

    def in_thread(db: Database, source: str, target: str, cents: int, how: str) -> None:
        with db.sync.transaction() as tx:
            tx.execute("update accounts set cents = cents - ? where name = ?", (cents, source))
            if how != "commit":
                raise ZeroDivisionError
            tx.execute("update accounts set cents = cents + ? where name = ?", (cents, target))

    async def client(db: Database, number: int, transfers: list[tuple[str, str, int, str]]) -> None:
        for source, target, cents, how in transfers:
            await pause()
            try:
                if how.startswith("single"):
                    await single(db, source, target, cents, how)
                elif number % 3 == 2:
                    await anyio.to_thread.run_sync(in_thread, db, source, target, cents, how)
                    expected[source] -= cents
                    expected[target] += cents
                else:
                    await transfer(db, source, target, cents, how)
            except ZeroDivisionError:
                pass
            sums.append(await db.fetch_value("select sum(cents) from accounts"))

    async with Database(path) as db:
        await db.script(ACCOUNTS)
        await db.execute_many(INSERT, [(name, 100) for name in NAMES])
        async with anyio.create_task_group() as group:
            for number, transfers in enumerate(tasks):
                group.start_soon(client, db, number, transfers)
        balances = {row["name"]: row["cents"] for row in await db.fetch_all("select * from accounts")}
    assert set(sums) <= {300}
    assert balances == expected
