"""What may be executed: one statement with its parameters, or a script. Checked before a thread sees it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from jobkit.sqlite.errors import misused, shown

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

_IGNORED: Final = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))+", re.DOTALL)
_WORD: Final = re.compile(r"[a-zA-Z]+")
_CHANGES: Final = re.compile(r"\s*(?:insert|update|delete|replace)\b", re.IGNORECASE)
_CONTROLS: Final = frozenset({"begin", "commit", "end", "release", "rollback", "savepoint"})


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement did: the number of rows it changed (-1 for one that changes none by its nature),
    and the rowid of the last one inserted."""

    rowcount: int
    lastrowid: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Something to do with a connection, in the thread that owns it; *sql* is for errors.

    Where no transaction is open it gets one of its own if it is not whole by itself (*in_transaction*); with
    *may_share* that may be one with others like it. It may be called again after a rollback: it changes
    nothing but the database.
    """

    call: Callable[[sqlite3.Connection], Any]
    sql: str
    in_transaction: bool = False
    may_share: bool = False

    def __call__(self, connection: sqlite3.Connection) -> Any:
        try:
            return self.call(connection)
        except (sqlite3.Error, sqlite3.Warning) as error:
            if self.sql:
                error.add_note(f"in the statement: {shown(self.sql)}")
            raise


NO_WORK: Final = Work(lambda connection: None, "")
"""For a request that only begins or ends a transaction."""


def execute(sql: str, parameters: Parameters) -> Work:
    """One statement. DatabaseError for text or parameters that cannot be meant."""
    text, values = statement(sql), _values(parameters)

    def call(connection: sqlite3.Connection) -> Result:
        cursor = connection.execute(text, values)
        # What it returns (RETURNING) is read to its end: until then the statement is not done.
        for _ in cursor:
            pass
        return Result(cursor.rowcount, cursor.lastrowid)

    return Work(call, text, may_share=_changes_rows(text))


def execute_many(sql: str, rows: Iterable[Parameters]) -> Work:
    """The same statement for each of *rows*."""
    text, many = statement(sql), [_values(row) for row in rows]

    def call(connection: sqlite3.Connection) -> Result:
        cursor = connection.executemany(text, many)
        return Result(cursor.rowcount if many else 0, cursor.lastrowid)

    return Work(call, text, in_transaction=True, may_share=True)


def fetch(sql: str, parameters: Parameters, take: Callable[[sqlite3.Cursor], Any]) -> Work:
    """One statement, and what *take* takes of its rows."""
    text, values = statement(sql), _values(parameters)

    def call(connection: sqlite3.Connection) -> Any:
        cursor = connection.execute(text, values)
        try:
            return take(cursor)
        finally:
            cursor.close()

    return Work(call, text)


def all_rows(cursor: sqlite3.Cursor) -> list[sqlite3.Row]:
    """Every row."""
    return cursor.fetchall()


def one_row(cursor: sqlite3.Cursor) -> sqlite3.Row | None:
    """The first row, None if there is none."""
    row: sqlite3.Row | None = cursor.fetchone()
    return row


def one_value(cursor: sqlite3.Cursor) -> Any:
    """The first value of the first row, None if there is none."""
    row = one_row(cursor)
    return None if row is None else row[0]


def script(sql: str) -> Work:
    """Several statements, all of them or none."""
    parts = [execute(text, ()) for text in _split(_text(sql))]

    def call(connection: sqlite3.Connection) -> None:
        for part in parts:
            part(connection)

    return Work(call, "", in_transaction=True)


def statement(sql: str) -> str:
    """*sql*, if it is one statement that may be executed. DatabaseError if not."""
    before = _IGNORED.match(_text(sql))
    rest = sql[before.end() :] if before is not None else sql
    word = _WORD.match(rest)
    if not rest.strip("; \t\r\n"):
        raise misused("there is no statement in that text", "write one SQL statement")
    if word is not None and word[0].lower() in _CONTROLS:
        raise misused(
            f"`{word[0].upper()}` would change a transaction behind the back of those who are in it",
            "write `async with db.transaction():`, or `with db.sync.transaction():` in a thread",
        )
    end = rest.find(";")
    if end != -1 and rest[end:].strip("; \t\r\n") and len(list(_split(rest))) > 1:
        raise misused(
            f"there is more than one statement in: {shown(rest)}",
            "execute them one by one, in a transaction if they belong together; script() takes several",
        )
    return sql


def _changes_rows(sql: str) -> bool:
    """Whether it certainly is no VACUUM or PRAGMA, which are nothing for transactions."""
    return _CHANGES.match(sql) is not None


def _text(sql: object) -> str:
    if not isinstance(sql, str):
        raise misused(f"a statement is text, not {type(sql).__name__}", "pass SQL as a string")
    if "\0" in sql:
        raise misused("a statement has no NUL in it", "pass what is not SQL as a parameter")
    return sql


def _values(parameters: object) -> Parameters:
    """A copy of *parameters*: the thread that uses them comes later."""
    if isinstance(parameters, Mapping):
        return dict(parameters)
    if isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes | bytearray | memoryview):
        return tuple(parameters)
    raise misused(
        f"parameters are a sequence or a mapping, not {type(parameters).__name__}",
        "for `?` write a tuple, with its comma: (value,); for `:name` a dict",
    )


def _split(sql: str) -> Iterator[str]:
    """The statements of *sql*. SQLite itself says where one ends: a trigger has semicolons in it."""
    begin = position = 0
    while (position := sql.find(";", position) + 1) > 0:
        if sqlite3.complete_statement(sql[begin:position]):
            if _IGNORED.sub("", sql[begin:position]).strip("; \t\r\n"):
                yield sql[begin:position]
            begin = position
    if _IGNORED.sub("", sql[begin:]).strip("; \t\r\n"):
        yield sql[begin:]
