"""What SQLite says, in the words of the store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.sanitising import escape_controls, shorten

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
_DISK = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM")
_DAMAGED = ("SQLITE_CORRUPT",)
_FOREIGN = ("SQLITE_NOTADB", "SQLITE_FORMAT")
_FORBIDDEN = ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN", "SQLITE_AUTH")


def concerns_one(error: BaseException) -> bool:
    """Whether *error* is about the one statement that raised it, not about the database as a whole."""
    if not isinstance(error, sqlite3.Error):
        return True
    return isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError)


def is_busy(error: sqlite3.Error) -> bool:
    return _name(error).startswith(_BUSY)


def translated(error: sqlite3.Error, shown: str, path: Path) -> StoreError:
    """The store's error for *error*; *shown* is how people know the database in *path*."""
    name = _name(error)
    said = shorten(escape_controls(str(error)), 300)
    if name.startswith(_BUSY):
        return locked(shown, path)
    if name.startswith(_DISK):
        return StoreUnavailable(
            f"cannot write to the run store {shown}: {said}",
            code="JK614",
            path=path,
            help=f"make room on the disk that holds it (df {path.parent}); what was recorded is safe",
        )
    if name.startswith(_DAMAGED):
        return damaged(shown, path, said)
    if name.startswith(_FOREIGN):
        return not_a_database(shown, path)
    if name.startswith(_FORBIDDEN):
        return forbidden(shown, path, said)
    return StoreError(
        f"the run store {shown} does not answer as it should: {said} ({name or type(error).__name__})",
        path=path,
        help="report it with this text; `jobkit explain JK601` says how to look at the file",
    )


def locked(shown: str, path: Path) -> StoreUnavailable:
    return StoreUnavailable(
        f"another process keeps the run store {shown} locked",
        code="JK615",
        path=path,
        help=f"find it with `fuser {path}`; close database tools, or wait for the backup to end",
    )


def damaged(shown: str, path: Path, said: str) -> StoreError:
    return StoreError(
        f"the run store {shown} is damaged: {said}",
        code="JK606",
        path=path,
        help="stop jobkit, move the file and those beside it aside, and put a backup in its place",
    )


def not_a_database(shown: str, path: Path) -> StoreError:
    return StoreError(
        f"{shown} is not an SQLite database",
        code="JK605",
        path=path,
        help="name another file in [scheduler] store, or move this one aside",
    )


def forbidden(shown: str, path: Path, said: str) -> StoreError:
    return StoreError(
        f"no permission to use the run store {shown}: {said}",
        code="JK612",
        path=path,
        help=f"run as the user who owns it, or let this user write to {path.parent} and the files in it",
    )


def _name(error: sqlite3.Error) -> str:
    # Errors of the module itself, such as a closed connection, have no name.
    return getattr(error, "sqlite_errorname", None) or ""
