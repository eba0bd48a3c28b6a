"""Reading where nothing may be written, as a user who may not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.clock import SystemClock
from jobkit.exceptions import StoreError
from jobkit.processes import ProcessIdentity
from jobkit.records import LogLine, RunRecord
from jobkit.stores.base import LeaseRequest, NewRun, RunPage, RunQuery
from jobkit.stores.ledger import JobKey, SpanPage, SpanQuery
from jobkit.stores.outbox import SinkLease, SinkRegistration
from jobkit.stores.replicas import EventPage, EventQuery
from jobkit.stores.sqlite import schema
from jobkit.stores.sqlite.location import Location
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing.conformance.kit import START, outcome, settled

Open = Callable[..., SqliteStore]

# Everything is imported before the privileges are dropped: the interpreter may lie out of reach after it.
SCRIPT = """
import anyio, json, os, sys, tempfile
from pathlib import Path
from jobkit.exceptions import StoreError
from jobkit.stores.base import RunQuery
from jobkit.stores.sqlite.store import SqliteStore

async def ask(path, read_only):
    store = SqliteStore(path, project="shop", root=path.parent, read_only=read_only)
    try:
        async with store:
            return [record.number for record in (await store.runs(RunQuery())).runs]
    except StoreError as error:
        return error.code

with tempfile.TemporaryDirectory() as warm:
    anyio.run(ask, Path(warm) / "a.db", False)
    anyio.run(ask, Path(warm) / "a.db", True)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps(anyio.run(ask, Path(sys.argv[1]), sys.argv[2] == "read")))
"""


@pytest.fixture
def as_somebody_else(child_environment: dict[str, str]) -> Callable[[Path, str], Any]:
    """What an unprivileged user gets: the numbers of the runs, or the code of the error."""

    def ask(path: Path, how: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path), how],
            capture_output=True,
            text=True,
            check=False,
            env=child_environment,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
async def public_store(public_folder: Path, new: Callable[..., NewRun]) -> Path:
    """A store with one run, which everybody may read and nobody may change."""
    path = public_folder / "jobkit.db"
    async with SqliteStore(path, project="shop", root=public_folder) as store:
        await store.add_run(new())
    path.chmod(0o444)
    public_folder.chmod(0o555)
    return path


async def test_a_read_only_folder(public_store: Path, as_somebody_else: Callable[..., Any]) -> None:
    """It is read without a trace, and refused for writing."""
    assert as_somebody_else(public_store, "read") == [1]
    assert as_somebody_else(public_store, "write") == "JK612"
    assert [path.name for path in public_store.parent.iterdir()] == ["jobkit.db"]


async def test_a_folder_where_nothing_can_be_made(
    public_folder: Path, as_somebody_else: Callable[..., Any]
) -> None:
    """A store that was never made reads as empty, and cannot be made."""
    public_folder.chmod(0o555)
    assert as_somebody_else(public_folder / "jobkit.db", "read") == []
    assert as_somebody_else(public_folder / "jobkit.db", "write") == "JK612"
    assert as_somebody_else(public_folder / ".jobkit" / "jobkit.db", "read") == []
    assert as_somebody_else(public_folder / ".jobkit" / "jobkit.db", "write") == "JK612"
    assert list(public_folder.iterdir()) == []


async def test_a_private_store(public_store: Path, as_somebody_else: Callable[..., Any]) -> None:
    """Whoever may not read it is told so."""
    public_store.chmod(0o400)
    assert as_somebody_else(public_store, "read") == "JK612"
    public_store.parent.chmod(0o700)
    assert as_somebody_else(public_store, "read") == "JK612"


async def test_a_store_in_use(
    public_folder: Path, new: Callable[..., NewRun], as_somebody_else: Callable[..., Any]
) -> None:
    """The newest runs are in the journal, and they are seen."""
    path = public_folder / "jobkit.db"
    async with SqliteStore(path, project="shop", root=public_folder) as store:
        await store.add_run(new())
        await store.add_run(new())
        for file in public_folder.iterdir():
            file.chmod(0o644)
        public_folder.chmod(0o555)
        assert as_somebody_else(path, "read") == [2, 1]


@pytest.fixture
async def left_behind(public_folder: Path, new: Callable[..., NewRun]) -> Path:
    """What a killed process leaves, without the shared memory: one run, and only the journal knows it."""
    path = public_folder / "jobkit.db"
    async with SqliteStore(path, project="shop", root=public_folder) as store:
        await store.add_run(new())
        copy = public_folder / "copy"
        copy.mkdir()
        for ending in ("", "-wal"):
            (copy / f"jobkit.db{ending}").write_bytes(path.with_name(f"jobkit.db{ending}").read_bytes())
    copy.chmod(0o555)
    return copy / "jobkit.db"


async def test_a_journal_that_would_have_to_be_replayed(
    left_behind: Path,
    as_somebody_else: Callable[..., Any],
    child_environment: dict[str, str],
    public_folder: Path,
) -> None:
    """It is replayed in a private copy, which is gone afterwards; the original keeps every byte."""
    temporary = public_folder / "temporary"
    temporary.mkdir()
    temporary.chmod(0o1777)
    child_environment["TMPDIR"] = str(temporary)
    before = {path.name: path.read_bytes() for path in left_behind.parent.iterdir()}
    assert as_somebody_else(left_behind, "read") == [1]
    assert as_somebody_else(left_behind, "write") == "JK612"
    assert {path.name: path.read_bytes() for path in left_behind.parent.iterdir()} == before
    assert list(temporary.iterdir()) == []


async def test_a_journal_that_cannot_be_copied(
    left_behind: Path, as_somebody_else: Callable[..., Any]
) -> None:
    """A journal out of reach, or more than may be copied, is refused: reading around it would hide runs."""
    journal = left_behind.with_name("jobkit.db-wal")
    journal.chmod(0o400)
    assert as_somebody_else(left_behind, "read") == "JK612"
    journal.chmod(0o444)
    with journal.open("r+b") as file:
        file.truncate(2 * 1024**3)  # a hole: it takes no room
    assert as_somebody_else(left_behind, "read") == "JK612"


async def test_reading_leaves_no_trace(open_store: Open, made: RunRecord, database: Path) -> None:
    """Also where this user might write."""
    before = database.read_bytes(), database.stat().st_mtime_ns
    async with open_store(read_only=True) as store:
        assert store.read_only is True
        assert await store.run(made.id) == made
        assert (await store.schema()).pending == ()
    assert (database.read_bytes(), database.stat().st_mtime_ns) == before
    assert sorted(path.name for path in database.parent.iterdir()) == [".gitignore", "jobkit.db"]


async def test_a_store_that_is_not_there_reads_as_empty(
    open_store: Open, new: Callable[..., NewRun], tmp_path: Path
) -> None:
    """And is seen when it comes."""
    reader = open_store(read_only=True)
    async with reader:
        assert await reader.runs(RunQuery()) == RunPage((), None)
        assert await reader.last_runs() == {}
        assert await reader.open_leases() == []
        assert list(tmp_path.iterdir()) == []
        async with open_store() as store:
            record = await store.add_run(new())
        assert await reader.runs(RunQuery()) == RunPage((record,), None)


async def test_nothing_can_be_written(open_store: Open, made: RunRecord, new: Callable[..., NewRun]) -> None:
    """Every method that would write says why it does not."""
    async with open_store() as store:
        record, lease = await store.add_and_start(new(), LeaseRequest(ProcessIdentity.current(), "n"))
    async with open_store(read_only=True) as store:
        calls = [
            lambda: store.add_run(new()),
            lambda: store.add_and_start(new(), LeaseRequest(ProcessIdentity.current(), "n")),
            lambda: store.start_attempt(made.id, LeaseRequest(ProcessIdentity.current(), "n")),
            lambda: store.finish(lease, outcome()),
            lambda: store.retry_later(lease, outcome(), START),
            lambda: store.settle(lease, dead=True),
            lambda: store.add_log_lines(made.id, [LogLine(1, START, "info", "x", 1)]),
            lambda: store.prune(START),
            lambda: store.register_sinks([SinkRegistration("sink", timedelta(days=7))]),
            lambda: store.take_sink("sink", ProcessIdentity.current(), timedelta(seconds=10)),
            lambda: store.release_sink(SinkLease("sink", ProcessIdentity.current(), 1, START)),
            lambda: settled(store, SinkLease("sink", ProcessIdentity.current(), 1, START)),
            lambda: store.remove_sink("sink"),
            store.replay,
            store.drop_dead_letters,
            store.upgrade,
        ]
        for call in calls:
            with pytest.raises(StoreError) as refused:
                await call()
            assert refused.value.code == "JK617"
        with pytest.raises(StoreError) as refused:
            store.renew([lease])
        assert refused.value.code == "JK617"
        assert await store.run(record.id) == record
        assert [found.lease for found in await store.open_leases()] == [lease]


@pytest.mark.usefixtures("made")
async def test_an_older_store_has_to_be_upgraded_first(
    open_store: Open, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., Any]
) -> None:
    """Reading tables that lack something would fail somewhere else; opened for writing it is upgraded."""
    from jobkit.stores.migrations import Migration, checksum
    from jobkit.stores.sqlite import schema

    sql = "CREATE TABLE later (x TEXT) STRICT;"
    following = Migration(len(schema.known()) + 1, "0999_later", sql, checksum(sql))
    newer = (*schema.known(), following)
    monkeypatch.setattr(schema, "known", lambda: newer)
    store = open_store(read_only=True)
    assert (await store.schema()).pending == ("0999_later",)
    await refused("JK609", read_only=True)
    assert (await open_store().upgrade()).pending == ()
    async with store:
        assert (await store.run(1)).job == "made"


@pytest.fixture(params=[1, 2])
def older(public_folder: Path, sql: Callable[..., list[Any]], request: pytest.FixtureRequest) -> Path:
    """A store as an older version made it, with so many migrations: one run, which has ended."""
    path = public_folder / "jobkit.db"
    known = schema.known()[: request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "known", lambda: known)
        schema.create(Location(path, public_folder), "shop", SystemClock().now, timeout=1)
    sql(
        """
        INSERT INTO runs (id, job, extension, status, "trigger", queued_at, finished_at, attempt,
            attempt_since, started_at, attempts, actor, enforce, parameters)
        VALUES ('id', 'job', 'x', 'succeeded', 'manual', 1000, 3000, 1, 2000, 2000, 1, '', 0, '{}')
        """,
        path=path,
    )
    return path


async def test_a_store_of_an_older_version_is_read(older: Path) -> None:
    """Its runs are there, and nothing else; opened for writing it is upgraded, also meanwhile."""

    def store(**options: Any) -> SqliteStore:
        return SqliteStore(older, project="shop", root=older.parent, **options)

    content = older.read_bytes()
    async with store(read_only=True) as reader:
        assert "0003_ledger" in (await reader.schema()).pending
        assert (await reader.run(1)).job == "job"
        assert len(await reader.attempts("id")) == 1
        await _has_nothing_else(reader)
        assert older.read_bytes() == content
        async with store() as writer:
            assert (await writer.schema()).pending == ()
            await writer.register_sinks([SinkRegistration("sink", timedelta(days=7))])
            await writer.register_job(JobKey("job"), "hash", mark=START, expected_hash=None)
            assert await writer.outbox("sink") == []
            assert (await writer.run(1)).job == "job"
        assert [state.name for state in await reader.sinks()] == ["sink"]
        assert list(await reader.job_states()) == [JobKey("job")]


async def _has_nothing_else(store: SqliteStore) -> None:
    assert (await store.outbox("sink"), await store.sinks()) == ([], [])
    assert await store.dead_letters() == await store.dead_letters(sink="sink") == []
    assert await store.open_leases() == []
    assert await store.job_states() == await store.job_states([JobKey("job")]) == {}
    assert await store.spans(SpanQuery()) == SpanPage((), None)
    assert (await store.queued(), await store.next_queued()) == ([], None)
    assert await store.cancel_requests() == {}
    assert (await store.pauses(since=START), await store.replicas()) == ([], [])
    assert await store.events(EventQuery()) == EventPage((), None)


async def test_a_store_of_an_older_version_in_a_read_only_folder(
    older: Path, as_somebody_else: Callable[..., Any]
) -> None:
    """As any other: read without a trace, refused for writing."""
    older.chmod(0o444)
    older.parent.chmod(0o555)
    assert as_somebody_else(older, "read") == [1]
    assert as_somebody_else(older, "write") == "JK612"
    assert [path.name for path in older.parent.iterdir()] == ["jobkit.db"]


async def test_another_project_is_refused_of_an_older_version_too(
    older: Path, refused: Callable[..., Any]
) -> None:
    """Reading on without a migration skips no other check."""
    await refused("JK616", older, read_only=True, project="another")


def test_the_helper_itself_drops_privileges(
    public_folder: Path, as_somebody_else: Callable[..., Any]
) -> None:
    """Otherwise these tests would show nothing: the superuser ignores permissions."""
    public_folder.chmod(0o000)
    assert as_somebody_else(public_folder / "jobkit.db", "write") == "JK612"
