"""What tables there should be, as migrations make them, and what of it is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from jobkit.plugin.stores import Migration
from jobkit_postgres.connection import AsyncLink

_COMMENT: Final = re.compile(r"--.*$", re.MULTILINE)
_TABLE: Final = re.compile(r"CREATE TABLE jobkit\.(\w+)\s*\(")
_ADDED: Final = re.compile(r"ALTER TABLE jobkit\.(\w+)\s+ADD COLUMN\s+\"?(\w+)")
_NAME: Final = re.compile(r"\s*\"?(\w+)")
_CONSTRAINTS: Final = frozenset({"PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "CONSTRAINT", "EXCLUDE"})

_THERE: Final = """
SELECT relname, attname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_attribute ON attrelid = pg_class.oid
WHERE nspname = %s AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
"""

Shape = dict[str, set[str]]
"""The columns of each table."""


def shape_of(steps: Sequence[Migration]) -> Shape:
    """The tables that *steps* leave behind, one after the other."""
    shape: Shape = {}
    for step in steps:
        text = _COMMENT.sub("", step.sql)
        for found in _TABLE.finditer(text):
            shape[found[1]] = set(_columns(text, found.end()))
        for table, column in _ADDED.findall(text):
            shape.setdefault(table, set()).add(column)
    return shape


def _columns(text: str, start: int) -> Iterator[str]:
    """The names of columns in the parenthesis that has begun before *start*."""
    for part in _parts(text, start):
        name = _NAME.match(part)
        if name is not None and name[1] not in _CONSTRAINTS:
            yield name[1]


def _parts(text: str, start: int) -> Iterator[str]:
    """What stands between the commas of a parenthesis, whatever is nested in it."""
    depth, begun = 1, start
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0 or (depth == 1 and text[place] == ","):
            yield text[begun:place]
            begun = place + 1
        if depth == 0:
            return


async def missing(connection: AsyncLink, schema: str, steps: Sequence[Migration]) -> list[str]:
    """The tables, and the columns of others, that *steps* have made in *schema* and are not there."""
    there: Shape = {}
    for table, column in await (await connection.execute(_THERE, (schema,))).fetchall():
        there.setdefault(table, set()).add(column)
    found = []
    for table, columns in shape_of(steps).items():
        if table not in there:
            found.append(f"table {table}")
        else:
            found += [f"column {table}.{column}" for column in sorted(columns - there[table])]
    return found
