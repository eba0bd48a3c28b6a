"""Numbered migrations: what is shipped, and what a store's own list may say about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobkit.exceptions import StoreError
from jobkit.stores.migrations import Applied, Migrations, checksum, shipped


def _applied(folder: Path) -> list[Applied]:
    return [Applied(step.number, step.name, step.checksum) for step in Migrations.of(folder).steps]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("runs", "spans", "outbox"), start=1):
        (tmp_path / f"{number:04}_{name}.sql").write_text(f"CREATE TABLE {name} (a TEXT);\n")
    return tmp_path


def test_the_shipped_ones_are_in_order() -> None:
    """They begin with the runs, and each has its number."""
    steps = shipped("sqlite").steps
    assert steps[0].name == "0001_runs"
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_what_was_not_applied_is_pending(folder: Path) -> None:
    """In order; nothing when all was applied."""
    known, applied = Migrations.of(folder), _applied(folder)
    assert [step.name for step in known.pending(applied[:1], store="s")] == ["0002_spans", "0003_outbox"]
    assert known.pending(applied, store="s") == ()
    assert known.pending([], store="s") == known.steps


def test_line_ends_do_not_count() -> None:
    """A checkout on another system has the same migrations."""
    assert checksum("a\nb\n") == checksum("a\r\nb\r\n")
    assert checksum("a\nb\n") != checksum("a\nb c\n")


def test_a_changed_one_is_refused(folder: Path) -> None:
    """Nobody knows what such tables look like."""
    applied = _applied(folder)
    (folder / "0002_spans.sql").write_text("CREATE TABLE spans (a TEXT, b TEXT);\n")
    with pytest.raises(StoreError, match="0002_spans") as refused:
        Migrations.of(folder).pending(applied, store="s")
    assert refused.value.code == "JK608"


def test_a_gap_is_refused(folder: Path) -> None:
    """The third without the second was never made by jobkit."""
    applied = _applied(folder)
    with pytest.raises(StoreError, match="not number 2") as refused:
        Migrations.of(folder).pending([applied[0], applied[2]], store="s")
    assert refused.value.code == "JK608"


def test_a_newer_one_is_refused(folder: Path) -> None:
    """With the advice to use the newer version."""
    applied = _applied(folder)
    (folder / "0003_outbox.sql").unlink()
    with pytest.raises(StoreError, match="newer version") as refused:
        Migrations.of(folder).pending(applied, store="s")
    assert refused.value.code == "JK607"


def test_a_migration_says_whether_readers_need_it(folder: Path) -> None:
    """By a line of its own; in the middle of another comment it is none."""
    (folder / "0002_spans.sql").write_text("-- Spans.\n-- Readers do without it.\nCREATE TABLE s (a TEXT);\n")
    (folder / "0003_outbox.sql").write_text("-- Not: Readers do without it.\nCREATE TABLE o (a TEXT);\n")
    assert [step.needed_to_read for step in Migrations.of(folder).steps] == [True, False, True]
    needed = {step.name: step.needed_to_read for step in shipped("sqlite").steps}
    assert (needed["0001_runs"], needed["0002_outbox"]) == (True, False)


def test_released_ones_have_not_changed() -> None:
    """Stores that were given them would be refused."""
    released = {"0001_runs": "ff755d6c4bc6ac34a88dcd71dee480fbcf79938c5b53c3b8352769f17ab0c129"}
    checksums = {step.name: step.checksum for step in shipped("sqlite").steps}
    assert {name: checksums[name] for name in released} == released


@pytest.mark.parametrize("name", ["0005_gap.sql", "runs.sql", "0004-dash.sql", "04_short.sql"])
def test_a_misnamed_file_is_noticed(folder: Path, name: str) -> None:
    """It would be left out, or applied at the wrong time."""
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="should be called"):
        Migrations.of(folder)
