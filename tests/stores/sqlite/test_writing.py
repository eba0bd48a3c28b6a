"""One thread writes for all: groups, failures in a group, locks, and a loop that stands still."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from jobkit.exceptions import RunNotFound, StoreError, StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.stores.base import LeaseRequest, NewRun, RunQuery
from jobkit.stores.sqlite.database import Database
from jobkit.stores.sqlite.location import Location
from jobkit.stores.sqlite.store import SqliteStore

Open = Callable[..., SqliteStore]
New = Callable[..., NewRun]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Database]:
    """A database whose tables are the store's, and a table of the test's own."""
    made = Database(Location(tmp_path / "jobkit.db", tmp_path), project="p", now=lambda: datetime.now(UTC))
    await made.open()
    await made.write(lambda connection: connection.execute("CREATE TABLE t (x INTEGER PRIMARY KEY)"))
    yield made
    await made.close()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another program keeps the write lock."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def _insert(number: int) -> Callable[[sqlite3.Connection], int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return work


async def _numbers(database: Database) -> list[int]:
    return await database.read(
        lambda connection: [number for (number,) in connection.execute("SELECT x FROM t ORDER BY x")]
    )


class Gate:
    """Keeps the writer busy with one request, so that others gather behind it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reached = anyio.Event()
        self._open = threading.Event()

    async def keep(self, tasks: anyio.abc.TaskGroup) -> None:
        reached = threading.Event()

        def work(connection: sqlite3.Connection) -> None:
            reached.set()
            assert self._open.wait(10)

        tasks.start_soon(self._database.write, work)
        await anyio.to_thread.run_sync(reached.wait)

    def release(self) -> None:
        self._open.set()


async def test_those_who_wait_share_a_transaction(opened: Database) -> None:
    """A hundred requests that gathered cost one commit."""
    statements: list[str] = []
    await opened.write(lambda connection: connection.set_trace_callback(statements.append))
    gate = Gate(opened)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        for number in range(100):
            tasks.start_soon(opened.write, _insert(number))
        await anyio.wait_all_tasks_blocked()
        gate.release()
    assert await _numbers(opened) == list(range(100))
    assert statements.count("COMMIT") <= 3


async def test_one_failure_harms_only_itself(opened: Database) -> None:
    """What a failing request wrote before it failed is taken back, and nothing else."""
    failures: list[Exception] = []

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1000)")
        raise RunNotFound("this one")

    def breaks_a_rule(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1001)")
        connection.execute("INSERT INTO t VALUES (1001)")

    async def expect(work: Callable[[sqlite3.Connection], None]) -> None:
        try:
            await opened.write(work)
        except StoreError as error:
            failures.append(error)

    gate = Gate(opened)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        for number in range(10):
            tasks.start_soon(opened.write, _insert(number))
            if number == 3:
                tasks.start_soon(expect, fails)
            if number == 6:
                tasks.start_soon(expect, breaks_a_rule)
        await anyio.wait_all_tasks_blocked()
        gate.release()
    assert await _numbers(opened) == list(range(10))
    assert sorted(type(error).__name__ for error in failures) == ["RunNotFound", "StoreError"]
    assert any("UNIQUE" in str(error) for error in failures)


async def test_a_failure_that_rolled_everything_back_harms_only_itself(opened: Database) -> None:
    """Some errors end the whole transaction: the others of the group are carried out once more."""
    failures: list[StoreError] = []

    def too_big(connection: sqlite3.Connection) -> None:
        [(pages,)] = connection.execute("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        connection.execute("CREATE TABLE big (x BLOB)")
        connection.execute("INSERT INTO big VALUES (zeroblob(1000000))")

    async def expect() -> None:
        try:
            await opened.write(too_big)
        except StoreUnavailable as error:
            failures.append(error)

    gate = Gate(opened)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        tasks.start_soon(opened.write, _insert(1))
        tasks.start_soon(expect)
        tasks.start_soon(opened.write, _insert(2))
        await anyio.wait_all_tasks_blocked()
        gate.release()
    assert await _numbers(opened) == [1, 2]
    assert [error.code for error in failures] == ["JK614"]


async def test_what_was_cancelled_before_its_turn_is_not_done(opened: Database) -> None:
    """And the others of the group are."""
    gate = Gate(opened)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(opened.write, _insert(1))
            tasks.start_soon(opened.write, _insert(2))
            await anyio.wait_all_tasks_blocked()
            cancelled.cancel_scope.cancel()
        gate.release()
    assert await _numbers(opened) == [2]


async def test_what_is_waiting_is_written_before_it_closes(opened: Database, tmp_path: Path) -> None:
    """Leaving loses nothing that was asked for."""
    gate = Gate(opened)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        tasks.start_soon(opened.write, _insert(1))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(opened.close)
        await anyio.wait_all_tasks_blocked()
        gate.release()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobkit.db")) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]


async def test_a_result_is_told_after_its_commit(opened: Database, tmp_path: Path) -> None:
    """Whoever looks from outside when the call returns sees what was written."""
    with contextlib.closing(sqlite3.connect(tmp_path / "jobkit.db")) as connection:
        for number in range(20):
            await opened.write(_insert(number))
            assert connection.execute("SELECT max(x) FROM t").fetchone() == (number,)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_mistake_of_ours_leaves_nobody_waiting(opened: Database) -> None:
    """Should the thread end, those who wait are told, and so is everybody after them."""

    def mistake(connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    raised: list[BaseException] = []

    async def expect(work: Callable[[sqlite3.Connection], object]) -> None:
        try:
            await opened.write(work)
        except BaseException as error:
            raised.append(error)

    gate = Gate(opened)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        tasks.start_soon(expect, mistake)
        tasks.start_soon(expect, _insert(1))
        await anyio.wait_all_tasks_blocked()
        gate.release()
    assert len(raised) == 2
    with pytest.raises(StoreError) as refused:
        await opened.write(_insert(2))
    assert refused.value.code == "JK618"


async def test_a_lock_that_lasts_is_reported(open_store: Open, new: New, database: Path) -> None:
    """As something that may pass, to writers and to renewals, and it does pass."""
    async with open_store(lock_timeout=0.05) as store:
        first, lease = await store.add_and_start(new(), LeaseRequest(ProcessIdentity.current(), "n"))
        with _locked(database):
            with pytest.raises(StoreUnavailable) as refused:
                await store.add_run(new())
            assert refused.value.code == "JK615"
            assert str(database) in (refused.value.help or "")
            with pytest.raises(StoreUnavailable):
                store.renew([lease])
            # Reading goes on meanwhile.
            assert await store.run(first.id) == first
        assert (await store.add_run(new())).number == 2
        assert store.renew([lease]) == {first.id}


async def test_a_short_lock_is_waited_for(open_store: Open, new: New, database: Path) -> None:
    """Nobody notices that another process was writing."""
    async with open_store() as store:
        with contextlib.ExitStack() as lock, anyio.move_on_after(10) as patience:
            lock.enter_context(_locked(database))
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(store.add_run, new())
                await anyio.wait_all_tasks_blocked()
                lock.close()
        assert not patience.cancelled_caught
        assert len((await store.runs(RunQuery())).runs) == 5


async def test_a_lock_while_it_is_opened(open_store: Open, database: Path) -> None:
    """The database is made, and another process holds it: one error, and the file is whole."""
    async with open_store():
        pass
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable) as refused:
            async with open_store(lock_timeout=0.05):
                pytest.fail("it was opened")
        assert refused.value.code == "JK615"
    async with open_store():
        pass


async def test_a_renewal_is_answered_while_the_loop_stands_still(open_store: Open, new: New) -> None:
    """And while writes of that loop are waiting for their answer."""
    async with open_store() as store:
        _, lease = await store.add_and_start(new(), LeaseRequest(ProcessIdentity.current(), "n"))
        answers: list[frozenset[str]] = []
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(store.add_run, new())
            thread = threading.Thread(target=lambda: answers.append(store.renew([lease])))
            thread.start()
            thread.join()  # blocks the loop
            assert answers == [{lease.run_id}]


async def test_a_renewal_gives_up(opened: Database) -> None:
    """When the store does not answer, it is told so in time to do something else; later it answers again."""
    quick = Database(opened.location, project="p", now=lambda: datetime.now(UTC), lock_timeout=-0.9)
    await quick.open()
    gate = Gate(quick)
    async with anyio.create_task_group() as tasks:
        await gate.keep(tasks)
        with pytest.raises(StoreUnavailable) as refused:
            quick.write_from_thread(_insert(1))
        assert refused.value.code == "JK602"
        gate.release()
    assert await quick.write(_insert(2)) == 2
    await quick.close()
    assert await _numbers(opened) == [2]


async def test_the_clock_of_leases_is_the_one_it_was_given(open_store: Open, new: New) -> None:
    """Expiry follows it, whatever the machine's clock says."""
    time_ = datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)
    async with open_store(now=lambda: time_) as store:
        record, lease = await store.add_and_start(new(), LeaseRequest(ProcessIdentity.current(), "n"))
        assert record.queued_at == time_
        time_ += timedelta(seconds=10)
        assert await store.settle(lease, dead=False) is not None


async def test_no_thread_before_it_is_opened_and_none_after(open_store: Open) -> None:
    """A store object can be made before a fork; an open one writes in exactly one thread."""

    def writers() -> int:
        return sum(thread.name == "jobkit-store-writer" for thread in threading.enumerate())

    store = open_store()
    assert writers() == 0
    async with store:
        assert writers() == 1
    assert writers() == 0


async def test_an_idle_store_does_not_wake_up(opened: Database) -> None:
    """Its thread uses no processor time while nothing is asked of it."""
    [thread] = [found for found in threading.enumerate() if found.name == "jobkit-store-writer"]
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    await opened.write(_insert(1))
    before = time.clock_gettime(clock)
    await anyio.sleep(0.05)
    assert time.clock_gettime(clock) - before < 0.001


async def test_values_that_no_database_takes(opened: Database) -> None:
    """An argument that SQLite refuses is the error of that call alone."""
    with pytest.raises(OverflowError):
        await opened.write(lambda connection: connection.execute("INSERT INTO t VALUES (?)", (2**70,)))
    await opened.write(_insert(1))
    assert await _numbers(opened) == [1]
