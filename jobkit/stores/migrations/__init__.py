"""Numbered SQL migrations, one folder per dialect: ``sqlite/0001_runs.sql``.

A migration that was released never changes: a store remembers the checksum of each one that it was
given and refuses to go on when the text differs, because then nobody knows what its tables look
like. To change tables, add a file with the next number.

A line ``-- Readers do without it.`` says that a store which lacks the migration can still be read: what
reads the tables that it makes finds nothing where they are missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from jobkit.exceptions import StoreError

_FOLDER: Final = Path(__file__).parent
_OPTIONAL: Final = "-- Readers do without it."
_NAME: Final = re.compile(r"([0-9]{4})_[a-z0-9_]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema; *name* is the file's without ``.sql``."""

    number: int
    name: str
    sql: str
    checksum: str
    needed_to_read: bool = True


@dataclass(frozen=True, slots=True)
class Applied:
    """A step as a store remembers it."""

    number: int
    name: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Migrations:
    """The numbered SQL migrations that a store's tables are made with, in order.

    A store keeps a list of those that it was given, with their checksums, and applies what
    :meth:`pending` says, each whole or not at all.
    """

    steps: tuple[Migration, ...]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Those in *folder*, as files ``0001_runs.sql``. ValueError for a name or a number out of line."""
        found = []
        for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
            match = _NAME.fullmatch(path.stem)
            if match is None or int(match[1]) != number:
                raise ValueError(f"{path.name} should be called {number:04}_what_it_does.sql")
            sql = path.read_text(encoding="utf-8")
            needed = _OPTIONAL not in sql.splitlines()
            found.append(Migration(number, path.stem, sql, checksum(sql), needed_to_read=needed))
        return cls(tuple(found))

    def pending(self, applied: Sequence[Applied], *, store: str) -> tuple[Migration, ...]:
        """What *applied* still lacks of them; *store* names the store in errors.

        StoreError if the store was written by a newer version, was given a migration of another text, or
        misses one in between.
        """
        for position, step in enumerate(applied, start=1):
            if step.number != position:
                raise _gap(store, step, position)
            if position > len(self.steps):
                raise _newer(store, step, len(self.steps))
            migration = self.steps[position - 1]
            if (step.name, step.checksum) != (migration.name, migration.checksum):
                raise _changed(store, step, migration)
        return self.steps[len(applied) :]


def shipped(dialect: str) -> Migrations:
    """The migrations that jobkit ships for *dialect*."""
    return Migrations.of(_FOLDER / dialect)


def checksum(sql: str) -> str:
    """What tells one text from another, line ends aside: a checkout may have changed those."""
    return hashlib.sha256("\n".join(sql.splitlines()).encode()).hexdigest()


def _gap(store: str, step: Applied, position: int) -> StoreError:
    return StoreError(
        f"{store} has migration {step.name}, but not number {position}, which comes before it",
        code="JK608",
        help="somebody changed its tables by hand: put a backup in its place",
    )


def _newer(store: str, step: Applied, known: int) -> StoreError:
    return StoreError(
        f"{store} was written by a newer version of jobkit: it has migration {step.name}, and this"
        f" version knows {known}",
        code="JK607",
        help="run the newer version, or give this one a store of its own in [scheduler] store",
    )


def _changed(store: str, step: Applied, migration: Migration) -> StoreError:
    return StoreError(
        f"{store} was given another migration {step.name} than the {migration.name} that this"
        " version of jobkit ships",
        code="JK608",
        help="install the version that wrote it; a released migration is never edited",
    )
