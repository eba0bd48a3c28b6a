"""Log lines of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from jobkit.plugin.rows import LINE
from jobkit_postgres.connection import Row
from jobkit_postgres.runs import number_of
from jobkit_postgres.transaction import Transaction

_KEEP: Final = f"""
INSERT INTO jobkit.log_lines (run, {LINE})
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %b::text[], %b::text[], %s::bigint[],
    %b::text[], %b::text[])
ON CONFLICT (run, sequence) DO UPDATE SET at = excluded.at, level = excluded.level, event = excluded.event,
    attempt = excluded.attempt, source = excluded.source, fields = excluded.fields
"""

# Held before anything is written that belongs to them: whoever prunes passes them over, instead of waiting
# for lines of one run while their writer waits for another.
_NUMBERS: Final = """
SELECT id, number FROM jobkit.runs WHERE id = ANY(%b::text[]) ORDER BY number FOR KEY SHARE
"""

_READ: Final = f"""
SELECT {LINE} FROM jobkit.log_lines WHERE run = %s AND sequence > %s ORDER BY sequence LIMIT %s
"""


async def add(tx: Transaction, lines: Mapping[str, Sequence[Row]]) -> set[str]:
    """Keep rows of ``LINE``, by the ids of their runs; the ids of the runs that there are."""
    numbers: dict[str, int] = dict(await tx.all(_NUMBERS, (list(lines),)))
    kept = {
        (numbers[run_id], row[0]): (numbers[run_id], *row)
        for run_id, rows in lines.items()
        if run_id in numbers
        for row in rows
    }
    if kept:
        # Two who write the same lines meet in the order of their keys.
        await tx.run(_KEEP, list(map(list, zip(*(kept[key] for key in sorted(kept)), strict=True))))
    return set(numbers)


async def read(tx: Transaction, run_id: str, after: int, limit: int) -> list[Row]:
    """Rows of ``LINE`` with a sequence above *after*, in order. RunNotFound."""
    return await tx.all(_READ, (await number_of(tx, run_id), after, limit))
