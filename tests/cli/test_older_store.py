"""A project whose store is from before the outbox, where nothing can be written."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

_TABLES = (
    "abandoned", "cancel_requests", "events", "job_states", "pauses", "replica_jobs", "replicas", "spans",
)  # fmt: skip


@pytest.fixture
def older_shop(sound_shop: CommandLine) -> CommandLine:
    """The project with a past, its tables as the version made them that knew one migration."""
    path = sound_shop.root / ".jobkit/jobkit.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in ("outbox", "dead_letters", "sinks", *_TABLES):
            connection.execute(f"DROP TABLE {table}")
        for index in ("runs_of_tick", "runs_open", "runs_queue", "runs_not_before", "runs_limited"):
            connection.execute(f"DROP INDEX {index}")
        for column in ("home", "tick", "overlap", "priority", "queue", "limits"):
            connection.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        connection.execute("DELETE FROM migrations WHERE number > 1")
    return sound_shop


@pytest.mark.parametrize("verb", [("history", "--limit", "100"), ("logs", "last")])
def test_it_is_read_as_before(older_shop: CommandLine, verb: tuple[str, ...]) -> None:
    """The same answer as from an upgraded one, and not a byte is changed."""
    folder = older_shop.root / ".jobkit"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.chmod(0o555)
    try:
        older = older_shop.process(*verb, "--json", unprivileged=True)
        assert older.code == 0, older.err
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        folder.chmod(0o755)
    assert older_shop("db", "upgrade").code == 0
    upgraded = older_shop.process(*verb, "--json", unprivileged=True)
    assert checked(older).data == checked(upgraded).data


def test_it_has_no_schedulers_and_nothing_is_late(older_shop: CommandLine) -> None:
    """Health and list read it as it is; schedulers that served it would have upgraded it."""
    folder = older_shop.root / ".jobkit"
    folder.chmod(0o555)
    try:
        health = older_shop.process("health", "--json", unprivileged=True)
        listed = older_shop.process("list", "--json", unprivileged=True)
    finally:
        folder.chmod(0o755)
    assert health.code == 1, health.err
    assert {"store.schema", "scheduler.none"} == {
        each.code for each in checked(health).data.findings if each.level != "ok"
    }
    assert {job.late for job in checked(listed).data} == {False}


def test_what_is_missing_is_told(older_shop: CommandLine) -> None:
    """Migrations wait, until somebody who may write upgrades it."""
    assert checked(older_shop("db", "status", "--json")).data.pending == ["0002_outbox", "0003_ledger"]
    assert checked(older_shop("db", "upgrade", "--json")).data.pending == []
