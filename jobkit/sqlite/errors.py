"""What goes wrong with the database, in words. Values of parameters never show up in them."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from jobkit.exceptions import DatabaseError
from jobkit.sanitising import escape_controls, shorten
from jobkit.sqlite.location import DatabaseLocation

_DISK: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_READONLY", "SQLITE_PERM")
_CANNOT_OPEN: Final = "SQLITE_CANTOPEN"
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_BLANKS: Final = re.compile(r"\s+")
_TEXTS: Final = re.compile(r"'(?:[^']|'')*'?")


def shown(sql: str) -> str:
    """The statement as errors show it: on one line, cut, without the texts that stand in it."""
    return shorten(escape_controls(_TEXTS.sub("'…'", _BLANKS.sub(" ", sql).strip())), 300)


def is_busy(error: BaseException) -> bool:
    """Whether somebody else holds the lock."""
    return _name(error).startswith(("SQLITE_BUSY", "SQLITE_PROTOCOL"))


def refuses_writing(error: BaseException) -> bool:
    """Whether a connection that only reads was asked to write."""
    return _name(error) == "SQLITE_READONLY"


def explained(error: sqlite3.Error, location: DatabaseLocation) -> Exception:
    """*error* itself if it is about a statement; a DatabaseError if it is about the file."""
    name = _name(error)
    said = shorten(escape_controls(str(error)), 300)
    path, thing = location.path, f"the database {location.shown}"
    found: DatabaseError | None = None
    if is_busy(error):
        found = locked_by_others(location)
    elif name.startswith((*_DISK, _CANNOT_OPEN)):
        found = DatabaseError(
            f"{thing} cannot be written or read: {said}",
            code="JK417",
            path=path,
            help=f"look at the disk (df {path.parent}) and at whether this user may write to the file and"
            " its folder; what was committed is safe",
        )
    elif name.startswith(_DAMAGED):
        found = DatabaseError(
            f"{thing} is damaged, or no SQLite database: {said}",
            code="JK415",
            path=path,
            help="move the file and those beside it aside, and put a backup in its place",
        )
    if found is None:
        return error
    found.__cause__ = error
    return found


def locked_by_others(location: DatabaseLocation) -> DatabaseError:
    """Another process writes, and goes on writing."""
    return DatabaseError(
        f"another process keeps the database {location.shown} locked",
        code="JK416",
        path=location.path,
        help=f"find it with `fuser {location.path}`; close database tools, make its transactions shorter,"
        " or raise busy_timeout in [plugins.sqlite]",
    )


def kept_waiting(location: DatabaseLocation, place: str, seconds: float) -> DatabaseError:
    """A transaction of this process, begun at *place*, is not left."""
    return DatabaseError(
        f"the transaction that was begun at {place} keeps the database {location.shown} for {seconds:.0f}s",
        code="JK416",
        path=location.path,
        help="do what is slow before or after the transaction, do not wait in it for others who write,"
        " or raise busy_timeout in [plugins.sqlite]",
    )


def unusable(location: DatabaseLocation, why: str) -> DatabaseError:
    """The file is there, and cannot be used as it has to be."""
    return DatabaseError(
        f"the database {location.shown} cannot be written or read: {why}",
        code="JK417",
        path=location.path,
        help="close other programs that have it open",
    )


def replaced(location: DatabaseLocation) -> DatabaseError:
    """The file is not the one that was opened: what is written now would be lost."""
    return DatabaseError(
        f"the database {location.shown} was deleted or replaced while it was in use",
        code="JK419",
        path=location.path,
        help="put the file back, or start jobkit again to use what is there now",
    )


def misused(message: str, help: str) -> DatabaseError:
    """It was asked for something that cannot work."""
    return DatabaseError(message, code="JK418", help=help)


def not_open(location: DatabaseLocation) -> DatabaseError:
    """It was not entered, or has been left."""
    return misused(
        f"the database {location.shown} is not open",
        "ask for it as a service, or enter it: `with Database(path) as db:`",
    )


def rolled_back() -> DatabaseError:
    """A transaction that SQLite ended by itself, after an error that was swallowed."""
    return misused(
        "this transaction was rolled back when a statement of it failed, and nothing of it is kept",
        "let the error of that statement pass, and do the whole transaction again",
    )


def over() -> DatabaseError:
    """A transaction that was left."""
    return misused("this transaction is over", "begin another one: db.transaction()")


def _name(error: BaseException) -> str:
    # Errors of the module itself, such as a closed connection, have no name.
    return getattr(error, "sqlite_errorname", None) or ""
