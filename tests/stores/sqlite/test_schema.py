"""Tables: made whole, upgraded step by step, and found through indexes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import NewRun, RunQuery
from jobkit.stores.ledger import SpanQuery
from jobkit.stores.migrations import Migration, checksum
from jobkit.stores.replicas import EventQuery
from jobkit.stores.sqlite import (
    claims,
    control,
    events,
    history,
    leases,
    outbox,
    overlaps,
    queue,
    schema,
    spans,
    upkeep,
)
from jobkit.stores.sqlite.store import SqliteStore

Open = Callable[..., SqliteStore]
Sql = Callable[..., list[Any]]


def _later(*steps: str) -> tuple[Migration, ...]:
    """What a later version might ship."""
    known = schema.known()
    return known + tuple(
        Migration(number, f"{number:04}_later", sql, checksum(sql))
        for number, sql in enumerate(steps, start=len(known) + 1)
    )


async def test_a_new_store_is_up_to_date(open_store: Open, sql: Sql) -> None:
    """It has every migration, is known by its head, and commits durably."""
    store = open_store()
    assert (await store.schema()).applied == ()
    async with store:
        found = await store.schema()
        assert found.applied == tuple(step.name for step in schema.known())
        assert found.details["path"].endswith(".jobkit/jobkit.db")
    assert sql("PRAGMA journal_mode") == [("wal",)]
    assert sql("PRAGMA application_id") == [(int.from_bytes(b"jobk", "big"),)]
    strict = sql("SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict")
    assert {name for (name,) in strict} <= {"sqlite_schema", "sqlite_sequence"}


async def test_the_writers_connection_is_durable(open_store: Open) -> None:
    """A commit is on the disk, keys are enforced, the journal is written ahead."""
    async with open_store() as store:

        def ask(connection: sqlite3.Connection) -> list[Any]:
            names = ("synchronous", "foreign_keys", "journal_mode", "trusted_schema")
            return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert await store._database.write(ask) == [2, 1, "wal", 0]


async def test_a_store_is_upgraded_when_it_is_opened(
    open_store: Open, made: RunRecord, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step by step, and what it held is there."""
    newer = _later(
        "CREATE TABLE one (x TEXT) STRICT; -- and a trigger\n"
        "CREATE TRIGGER t AFTER INSERT ON one BEGIN\n  DELETE FROM one;\n  SELECT 1;\nEND;\n",
        "ALTER TABLE one ADD COLUMN y TEXT;\n-- the end",
    )
    monkeypatch.setattr(schema, "known", lambda: newer)
    store = open_store()
    assert len((await store.schema()).pending) == 2
    async with store:
        assert (await store.schema()).pending == ()
        assert await store.run(made.id) == made
    assert sql("SELECT y FROM one") == []
    assert sql("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'") == [(1,)]


async def test_a_step_that_fails_leaves_nothing_behind(
    open_store: Open, made: RunRecord, sql: Sql, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., Any]
) -> None:
    """Those before it stay applied; the older version can still be used for what it knows."""
    newer = _later("CREATE TABLE one (x TEXT);", "CREATE TABLE two (x TEXT); CREATE TABLE runs (x TEXT);")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "known", lambda: newer)
        assert "nothing was changed" in (await refused("JK608")).help
    assert sql("SELECT name FROM sqlite_schema WHERE name IN ('one', 'two')") == [("one",)]
    assert sql("SELECT max(number) FROM migrations") == [(len(schema.known()) + 1,)]
    sql("DROP TABLE one", f"DELETE FROM migrations WHERE number > {len(schema.known())}")
    async with open_store() as store:
        assert await store.run(made.id) == made


@pytest.mark.usefixtures("made")
async def test_several_upgrade_at_once(open_store: Open, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is applied once."""
    newer = _later("CREATE TABLE one (x TEXT);", "CREATE TABLE two (x TEXT);")
    monkeypatch.setattr(schema, "known", lambda: newer)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(open_store().upgrade)
    assert sql("SELECT count(*) FROM migrations") == [(len(newer),)]


# -- plans -------------------------------------------------------------------------------------------

_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_AFTER = "1767225600000000-5000"

QUERIES = {
    "newest": RunQuery(),
    "next page": RunQuery(after=_AFTER),
    "since": RunQuery(since=_SINCE),
    "between": RunQuery(since=_SINCE, until=_SINCE + timedelta(days=1), after=_AFTER),
    "job": RunQuery(jobs=["a"]),
    "jobs, next page": RunQuery(jobs=["a", "b"], after=_AFTER),
    "job and status": RunQuery(jobs=["a"], statuses=[RunStatus.FAILED]),
    "status": RunQuery(statuses=[RunStatus.FAILED, RunStatus.LOST]),
    "status, since": RunQuery(statuses=[RunStatus.FAILED], since=_SINCE),
    "trigger": RunQuery(triggers=[Trigger.MANUAL]),
    "children": RunQuery(parent="a-run"),
    "children of a job": RunQuery(parent="a-run", jobs=["a"]),
    "very many jobs": RunQuery(jobs=[f"job{number}" for number in range(1000)]),
}


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables with many rows, and without statistics, as they are in use."""
    path = tmp_path_factory.mktemp("big") / "jobkit.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema.lay_out(connection, "p", lambda: _SINCE)
        connection.execute(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 20000)
            INSERT INTO runs (id, job, extension, status, "trigger", queued_at, finished_at, attempts, actor,
                enforce, parameters)
            SELECT 'id' || n, 'job' || (n % 50), 'x', iif(n % 100, 'succeeded', 'failed'), 'manual',
                n * 1000, n * 1000, 1, '', 0, '{}' FROM numbers
            """
        )
        for number in range(10):
            outbox.register(connection, [(f"sink{number}", 0)], lambda: _SINCE)
        connection.execute(
            "INSERT INTO outbox (sink, run, added_at) SELECT 'sink' || (number % 10), number, 0 FROM runs"
        )
        connection.execute(
            """
            INSERT INTO dead_letters (id, sink, run, added_at, died_at, failures, reason)
            SELECT number, 'sink' || (number % 10), number, 0, 0, 0, 'rejected' FROM runs
            """
        )
        connection.execute(
            """
            INSERT INTO spans (job, node, reason, first, last, count, recorded_at)
            SELECT job, '', 'misfire', number, number, 1, number FROM runs
            """
        )
        connection.execute("INSERT INTO events (at, kind, job, data) SELECT number, 'k', job, '{}' FROM runs")
    return path


def _plan(path: Path, statement: str, values: Any) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


def _walks_everything(step: str) -> bool:
    """A table read from end to end, or rows sorted after they were found."""
    large = any(name in step for name in ("runs", "outbox", "dead_letters", "found", "spans", "events"))
    return "TEMP B-TREE" in step or (step.startswith("SCAN") and "USING" not in step and large)


@pytest.mark.parametrize("name", QUERIES)
def test_pages_are_found_in_their_order(big: Path, name: str) -> None:
    """Through an index that gives the rows newest first, so that a page costs what it shows."""
    statements = history.page_statements(QUERIES[name])
    assert statements
    for statement, values in statements:
        steps = _plan(big, statement, values)
        assert any("INDEX runs_" in step for step in steps), steps
        assert not any(map(_walks_everything, steps)), steps


def test_runs_are_found_by_their_ticks(big: Path) -> None:
    """In their order, through the index that keeps a tick from having two."""
    steps = _plan(big, spans.OF_TICKS, ("job1", "", 0, 10))
    assert any("INDEX runs_of_tick" in step for step in steps), steps
    assert not any(map(_walks_everything, steps)), steps


@pytest.mark.parametrize(
    "query",
    [
        SpanQuery(),
        SpanQuery(jobs=["job1"]),
        SpanQuery(jobs=["job1"], since=_SINCE, until=_SINCE, after=_AFTER),
        SpanQuery(jobs=["job1", "job2"], reasons=["misfire"]),
        SpanQuery(since=_SINCE, after=_AFTER),
    ],
)
def test_pages_of_spans_are_found_in_their_order(big: Path, query: SpanQuery) -> None:
    """As pages of runs are."""
    steps = _plan(big, *spans.page_statement(query))
    assert any("INDEX spans_" in step for step in steps), steps
    assert not any(map(_walks_everything, steps)), steps


@pytest.mark.parametrize(
    "query",
    [
        EventQuery(),
        EventQuery(jobs=["job1"], kinds=["job.changed"]),
        EventQuery(jobs=["job1", "job2"], since=_SINCE, until=_SINCE),
        EventQuery(after=_AFTER),
    ],
)
def test_pages_of_events_are_found_in_their_order(big: Path, query: EventQuery) -> None:
    """As pages of runs are."""
    steps = _plan(big, *events.page_statement(query))
    assert any("INDEX events_" in step for step in steps), steps
    assert not any(map(_walks_everything, steps)), steps


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (history._NEWEST_OF, ["[]"]),
        (leases._OPEN, []),
        (leases._FINISH, [None] * 12),
        (leases._RENEW, [None] * 4),
        (upkeep._DELETE, [0, 0, 10]),
        (upkeep._DELETE_SPANS, [0, 0, 10]),
        (upkeep._DELETE_EVENTS, [0, 10]),
        (overlaps._OPEN, {"job": "job1", "home": ""}),
        (overlaps._HOLDING, []),
        (queue._QUEUED, {"now": 0, "node": None, "jobs": "[]", "queues": None}),
        (queue._NEXT, [0]),
        (queue._END, [None] * 11),
        (queue._RENEW, [None] * 4),
        (queue._SETTLE, [None] * 4),
        (claims._OF_TICK, ["job1", "", 1]),
        (claims._SAME, ["id"]),
        (control._ASKED, ["id"]),
        (control._REQUESTS, []),
        (control._REQUESTS_FOR, ["[]"]),
        (outbox._WANTED, [0]),
        (outbox._WAITING, ["sink1", 0, 10]),
        (outbox._GONE, [1, "sink1"]),
        (outbox._FAILED, [None] * 6),
        (outbox._DEAD, [None] * 6),
        (outbox._STATES, []),
        (f"{outbox._LETTERS} {outbox._OF_ALL}", [0, 10]),
        (f"{outbox._LETTERS} {outbox._OF_SINK}", ["sink1", 0, 10]),
        ("DELETE FROM runs WHERE number = ?", [1]),
    ],
)
def test_other_statements_walk_no_table(big: Path, statement: str, values: Any) -> None:
    """However long the history is, they touch what they are about."""
    steps = _plan(big, statement, values)
    assert not any(map(_walks_everything, steps)), steps
    # What holds all rows is not walked either.
    whole = ("runs_in_status", "runs_of_job", "runs_newest", "sqlite_autoindex_runs")
    assert not any(step.startswith("SCAN") and name in step for step in steps for name in whole), steps


async def test_naming_the_jobs_takes_a_step_for_each(open_store: Open, new: Callable[..., NewRun]) -> None:
    """The newest run of every job is found without reading every run."""
    async with open_store() as store:
        for job in ("b", "a", "c"):
            for _ in range(3):
                await store.add_run(new(job))

        def steps(connection: sqlite3.Connection) -> int:
            count = 0

            def tick() -> int:
                nonlocal count
                count += 1
                return 0

            connection.set_progress_handler(tick, 1)
            history.last_runs(connection, None)
            connection.set_progress_handler(None, 1)
            return count

        few = await store._database.read(steps)
        for _ in range(100):
            await store.add_run(new("a"))
        assert await store._database.read(steps) < few * 2
